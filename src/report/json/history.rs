//! What a sequence of versions cost. Versions are named by their place, from 0, the oldest.

use serde::Serialize;

use crate::history::{LayoutHistory, LayoutVersion, Outcome, Version};
use crate::order::layouts::{Cell, View};

use super::{platform, print};

#[derive(Serialize)]
struct Report<'a> {
    platform: Option<String>,
    versions: Vec<VersionFields<'a>>,
    changed_bytes: u64,
    /// Every pair of versions, and first pulls.
    matrix: Vec<Pair>,
    owners: Vec<OwnerFields<'a>>,
    layouts: Vec<LayoutFields>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct VersionFields<'a> {
    reference: &'a str,
    digest: Option<String>,
    /// Of the gzip image beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    gzip_digest: Option<String>,
    layers: usize,
    size: u64,
    config_bytes: u64,
    added_bytes: u64,
    changed_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Pair {
    /// `None`: a client that has nothing.
    from: Option<usize>,
    to: usize,
    pulls: Vec<CellFields>,
}

#[derive(Serialize)]
struct CellFields {
    client: &'static str,
    registry: &'static str,
    outcome: &'static str,
    requests: u64,
    ranges: u64,
    blob_bytes: u64,
    /// These two: of a pull through a bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_requests: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_bytes: Option<u64>,
}

#[derive(Serialize)]
struct OwnerFields<'a> {
    /// `None`: files that nobody owns.
    owner: Option<&'a str>,
    updates: u64,
    changed_files: u64,
    changed_bytes: u64,
}

#[derive(Serialize)]
struct LayoutFields {
    layout: &'static str,
    /// The layers of one that is not as published are estimates.
    estimated: bool,
    stored_bytes: u64,
    versions: Vec<LayoutVersionFields>,
}

#[derive(Serialize)]
struct LayoutVersionFields {
    layers: usize,
    size: u64,
    added_bytes: u64,
    first_pulls: Vec<CellFields>,
    /// From the version before; of the first version, first pulls.
    pulls: Vec<CellFields>,
}

pub fn history(outcome: &Outcome) -> String {
    let owners = outcome.owners.iter().map(|owner| OwnerFields {
        owner: owner.owner.as_deref(),
        updates: owner.updates,
        changed_files: owner.changed_files,
        changed_bytes: owner.changed_bytes,
    });
    let versions = outcome.versions.iter().enumerate();
    print(&Report {
        platform: platform(outcome.platform.as_ref()),
        versions: outcome.versions.iter().map(version).collect(),
        changed_bytes: outcome.changed_bytes(),
        matrix: versions.flat_map(|(to, version)| pairs(to, version, &outcome.views)).collect(),
        owners: owners.collect(),
        layouts: outcome.layouts.iter().map(|history| layout(history, &outcome.views)).collect(),
        notes: &outcome.notes,
    })
}

fn version(version: &Version) -> VersionFields<'_> {
    VersionFields {
        reference: &version.reference,
        digest: version.digest.map(|digest| digest.to_string()),
        gzip_digest: version.gzip.map(|digest| digest.to_string()),
        layers: version.layers,
        size: version.size,
        config_bytes: version.config_bytes,
        added_bytes: version.added_bytes,
        changed_bytes: version.changed_bytes,
    }
}

fn pairs(to: usize, version: &Version, views: &[View]) -> Vec<Pair> {
    let first = Pair { from: None, to, pulls: cells(&version.first_pull, views) };
    let updates = version.updates.iter().enumerate();
    let updates = updates.map(|(from, pulls)| Pair { from: Some(from), to, pulls: cells(pulls, views) });
    [first].into_iter().chain(updates).collect()
}

fn cells(cells: &[Cell], views: &[View]) -> Vec<CellFields> {
    let fields = |(cell, view): (&Cell, &View)| CellFields {
        client: view.client.name(),
        registry: view.registry.name(),
        outcome: cell.outcome.name(),
        requests: cell.requests,
        ranges: cell.ranges,
        blob_bytes: cell.blob_bytes,
        upstream_requests: cell.upstream.map(|upstream| upstream.requests),
        upstream_bytes: cell.upstream.map(|upstream| upstream.bytes),
    };
    cells.iter().zip(views).map(fields).collect()
}

fn layout(history: &LayoutHistory, views: &[View]) -> LayoutFields {
    let version = |version: &LayoutVersion| LayoutVersionFields {
        layers: version.layers,
        size: version.size,
        added_bytes: version.added_bytes,
        first_pulls: cells(&version.first_pull, views),
        pulls: cells(&version.cells, views),
    };
    LayoutFields {
        layout: history.name(),
        estimated: history.layout.is_some(),
        stored_bytes: history.stored_bytes(),
        versions: history.versions.iter().map(version).collect(),
    }
}
