//! What an update costs. With several old images the first one's fields stand at the top, and all of them in `diffs`.

use serde::Serialize;

use crate::diff::{Choice, Diff, NewLayer, Outcome};
use crate::order::changes::{Counts, FileShare, OwnerShare, Parts, Removed, Stores};

use super::pulls::{PullFields, pull};
use super::{platform, print};

/// Files that are listed; the images of a large update have a hundred thousand.
const FILES: usize = 100;

#[derive(Serialize)]
struct Report<'a> {
    new: &'a str,
    new_digest: Option<String>,
    /// Of the gzip image beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_gzip_digest: Option<String>,
    platform: Option<String>,
    #[serde(flatten)]
    first: Option<DiffFields<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diffs: Vec<DiffFields<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct DiffFields<'a> {
    old: &'a str,
    old_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_gzip_digest: Option<String>,
    changed_bytes: u64,
    /// Clients pay the avoidable bytes once: layers of another tool are rewritten.
    is_first: bool,
    pulls: Vec<PullFields<'a>>,
    entries: EntryFields,
    /// Of the layers that a plain client pulls.
    plain: PartFields,
    stores: StoreFields,
    layers: Vec<LayerFields<'a>>,
    owners: Vec<OwnerFields<'a>>,
    /// Files with new content; the biggest of them are listed.
    changed_files: u64,
    files: Vec<FileFields<'a>>,
    /// Those whose content is still in NEW; `entries` has the number of all removed paths, of which the first are listed.
    removed_readable: u64,
    removed: Vec<RemovedFields>,
}

#[derive(Serialize)]
struct RemovedFields {
    path: String,
    /// Of NEW, which still has the content; `None` for what is gone.
    layer: Option<usize>,
}

#[derive(Serialize)]
struct EntryFields {
    added: u64,
    removed: u64,
    changed: u64,
    metadata_only: u64,
    times_only: u64,
    same: u64,
}

#[derive(Serialize)]
struct PartFields {
    bytes: u64,
    new_bytes: u64,
    avoidable_bytes: u64,
    recompressed_bytes: u64,
    repeated_bytes: u64,
    hidden_bytes: u64,
    same_content_bytes: u64,
    /// Two parts of `same_content_bytes`.
    unchanged_bytes: u64,
    times_only_bytes: u64,
    index_bytes: u64,
    rest_bytes: u64,
}

/// What stores do with the layers. Those of `moved` clients have, but above the lowest one that changed.
#[derive(Serialize)]
struct StoreFields {
    /// The largest layer that a plain client pulls; `None` if it pulls none.
    largest_layer: Option<usize>,
    largest_layer_bytes: u64,
    /// Uncompressed.
    new_disk_bytes: u64,
    moved: Vec<usize>,
    moved_bytes: u64,
    moved_disk_bytes: u64,
}

#[derive(Serialize)]
struct LayerFields<'a> {
    digest: String,
    size: u64,
    media_type: &'a str,
    changes_always: bool,
    index_bytes: u64,
    /// `None` for a layer that clients have.
    plain: Option<PartFields>,
}

#[derive(Serialize)]
struct OwnerFields<'a> {
    /// `None`: files that nobody owns.
    owner: Option<&'a str>,
    changed_files: u64,
    changed_bytes: u64,
    avoidable_bytes: u64,
}

#[derive(Serialize)]
struct FileFields<'a> {
    path: String,
    owner: Option<&'a str>,
    layer: usize,
    state: &'static str,
    size: u64,
    changed_bytes: u64,
}

pub fn diff(outcome: &Outcome) -> String {
    let fields = |diff| diff_fields(diff, &outcome.layers, &outcome.choice);
    let diffs = match outcome.diffs.as_slice() {
        [_] => Vec::new(),
        several => several.iter().map(fields).collect(),
    };
    print(&Report {
        new: &outcome.new,
        new_digest: outcome.new_digest.map(|digest| digest.to_string()),
        new_gzip_digest: outcome.new_gzip.map(|digest| digest.to_string()),
        platform: platform(outcome.platform.as_ref()),
        first: outcome.diffs.first().map(fields),
        diffs,
        notes: &outcome.notes,
    })
}

fn diff_fields<'a>(diff: &'a Diff, layers: &'a [NewLayer], choice: &Choice) -> DiffFields<'a> {
    let changes = &diff.changes;
    let owner = |share: &OwnerShare| OwnerFields {
        owner: diff.owner_name(share.owner),
        changed_files: share.changed_files,
        changed_bytes: share.changed_bytes,
        avoidable_bytes: share.avoidable_bytes,
    };
    let file = |file: &FileShare| FileFields {
        path: file.path.to_string(),
        owner: diff.owner_name(file.owner),
        layer: file.layer,
        state: file.state.name(),
        size: file.size,
        changed_bytes: file.changed_bytes,
    };
    DiffFields {
        old: &diff.old,
        old_digest: diff.old_digest.map(|digest| digest.to_string()),
        old_gzip_digest: diff.old_gzip.map(|digest| digest.to_string()),
        changed_bytes: changes.changed_bytes,
        is_first: diff.is_first,
        pulls: diff.pulls.iter().filter(|pull| choice.shows(pull)).map(pull).collect(),
        entries: entries(&changes.counts),
        plain: parts(&changes.parts),
        stores: stores(&changes.stores),
        layers: layers.iter().zip(&changes.layers).map(|(layer, parts)| layer_fields(layer, parts.as_ref())).collect(),
        owners: changes.owners.iter().map(owner).collect(),
        changed_files: changes.changed_files(),
        files: changes.files.iter().take(FILES).map(file).collect(),
        removed_readable: changes.readable,
        removed: changes.removed.iter().map(removed).collect(),
    }
}

fn removed(removed: &Removed) -> RemovedFields {
    RemovedFields { path: removed.path.to_string(), layer: removed.layer }
}

fn entries(counts: &Counts) -> EntryFields {
    EntryFields {
        added: counts.added,
        removed: counts.removed,
        changed: counts.changed,
        metadata_only: counts.metadata,
        times_only: counts.times,
        same: counts.same,
    }
}

fn parts(parts: &Parts) -> PartFields {
    PartFields {
        bytes: parts.bytes(),
        new_bytes: parts.new,
        avoidable_bytes: parts.avoidable(),
        recompressed_bytes: parts.recompressed,
        repeated_bytes: parts.repeated,
        hidden_bytes: parts.hidden,
        same_content_bytes: parts.same.bytes(),
        unchanged_bytes: parts.same.unchanged,
        times_only_bytes: parts.same.times,
        index_bytes: parts.index,
        rest_bytes: parts.rest,
    }
}

fn stores(stores: &Stores) -> StoreFields {
    StoreFields {
        largest_layer: stores.largest.map(|(number, _)| number),
        largest_layer_bytes: stores.largest.map_or(0, |(_, bytes)| bytes),
        new_disk_bytes: stores.new_disk_bytes,
        moved: stores.moved.clone(),
        moved_bytes: stores.moved_bytes,
        moved_disk_bytes: stores.moved_disk_bytes,
    }
}

fn layer_fields<'a>(layer: &'a NewLayer, fetched: Option<&Parts>) -> LayerFields<'a> {
    LayerFields {
        digest: layer.digest.to_string(),
        size: layer.size,
        media_type: &layer.media_type,
        changes_always: layer.changes_always,
        index_bytes: layer.index_bytes(),
        plain: fetched.map(parts),
    }
}
