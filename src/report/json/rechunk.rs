//! The main job's report and its plan: one form, and the plan knows no more of a layer that is yet to be written.

use serde::Serialize;

use crate::compression::Compression;
use crate::degraded::Degraded;
use crate::merge::{Difference, DifferentPath};
use crate::rechunk::PlannedLayer;
use crate::rechunk::{Costs, GzipTwin, Hint, ImageOutcome, LayerOutcome, OldBlob, Outcome, Planned, PlannedImage};
use crate::report::facts::{planned_waste, waste};

use super::published::{Published, published};
use super::pulls::{PullFields, pull};
use super::{platform, print};

#[derive(Serialize)]
pub(super) struct Rechunk<'a> {
    digest: String,
    #[serde(flatten)]
    first: Option<ImageFields<'a>>,
    /// For several platforms: every image, the first one too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image<'a>>,
    /// Other images that were in the archive before.
    replaced: &'a [String],
    /// For a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Published<'a>>,
    notes: &'a [String],
    degraded: Vec<DegradedFields<'a>>,
}

#[derive(Serialize)]
struct Image<'a> {
    digest: String,
    #[serde(flatten)]
    fields: ImageFields<'a>,
}

#[derive(Serialize)]
struct ImageFields<'a> {
    platform: Option<String>,
    hint: Option<HintFields>,
    waste: f64,
    /// The part of it for which --max-waste does nothing.
    base_waste: f64,
    layers: Vec<Layer<'a>>,
    /// The image with gzip layers, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<TwinFields>,
    dropped: Vec<Old>,
    /// Of the newest previous image, without an index: what they hold counts as new.
    unread_layers: u64,
    /// What merged images differ in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Conflict<'a>>,
    pulls: Vec<PullFields<'a>>,
}

#[derive(Serialize)]
struct Layer<'a> {
    digest: String,
    size: u64,
    #[serde(flatten)]
    planned: LayerFields<'a>,
    index_bytes: u64,
    chunked: bool,
}

#[derive(Serialize)]
struct TwinFields {
    digest: String,
    compression: &'static str,
    bytes: u64,
    /// Of layers that the previous image's twin does not have.
    new_bytes: u64,
    layers: Vec<TwinLayer>,
}

#[derive(Serialize)]
struct TwinLayer {
    digest: String,
    size: u64,
    new: bool,
}

#[derive(Serialize)]
pub(super) struct Plan<'a> {
    dry_run: bool,
    #[serde(flatten)]
    first: Option<PlanFields<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<PlanFields<'a>>,
    replaced: &'a [String],
    notes: &'a [String],
    degraded: Vec<DegradedFields<'a>>,
}

#[derive(Serialize)]
struct PlanFields<'a> {
    platform: Option<String>,
    hint: Option<HintFields>,
    waste: f64,
    /// The part of it for which --max-waste does nothing.
    base_waste: f64,
    layers: Vec<PlanLayer<'a>>,
    dropped: Vec<Old>,
    /// Of the newest previous image, without an index: what they hold counts as new.
    unread_layers: u64,
    /// What merged images differ in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<Conflict<'a>>,
    pulls: Vec<PullFields<'a>>,
}

#[derive(Serialize)]
struct PlanLayer<'a> {
    /// `None` for a layer that is yet to be written.
    digest: Option<String>,
    size: Option<u64>,
    #[serde(flatten)]
    planned: LayerFields<'a>,
}

#[derive(Serialize)]
struct LayerFields<'a> {
    state: &'static str,
    reason: &'static str,
    /// Old layers that it takes over.
    replaces: Vec<Old>,
    owners: &'a [String],
    /// Of `live_bytes`, those of files that no package owns.
    unowned_bytes: u64,
    changes_always: bool,
    live_bytes: u64,
    dead_bytes: u64,
    entries: u64,
    /// Content that clients of the newest previous image lack, each once, compressed.
    new_files: u64,
    new_bytes: u64,
}

#[derive(Serialize)]
struct Conflict<'a> {
    kind: &'static str,
    /// The rule that counted.
    rule: &'static str,
    count: u64,
    /// The first ones.
    paths: Vec<ConflictPath<'a>>,
}

#[derive(Serialize)]
struct ConflictPath<'a> {
    path: String,
    earlier: &'a str,
    later: &'a str,
}

/// A setting that would clearly cost less, with forecast bytes.
#[derive(Serialize)]
struct HintFields {
    max_waste: f64,
    now: CostFields,
    then: CostFields,
}

#[derive(Serialize)]
struct CostFields {
    plain_bytes: u64,
    docker_bytes: u64,
    first_pull_bytes: u64,
}

#[derive(Serialize)]
pub(super) struct DegradedFields<'a> {
    code: &'static str,
    message: &'a str,
}

/// What `--strict` says of an image that it refuses.
#[derive(Serialize)]
struct Refused<'a> {
    degraded: Vec<DegradedFields<'a>>,
}

#[derive(Serialize)]
struct Old {
    digest: String,
    size: u64,
}

pub fn rechunk(outcome: &Outcome) -> String {
    print(&fields(outcome))
}

pub(super) fn fields(outcome: &Outcome) -> Rechunk<'_> {
    let images = match outcome.images.as_slice() {
        [_] => Vec::new(),
        several => several
            .iter()
            .map(|image| Image { digest: image.digest.to_string(), fields: image_fields(image) })
            .collect(),
    };
    Rechunk {
        digest: outcome.digest.to_string(),
        first: outcome.images.first().map(image_fields),
        images,
        replaced: &outcome.replaced,
        published: outcome.published.as_ref().map(published),
        notes: &outcome.notes,
        degraded: degraded(&outcome.degraded),
    }
}

pub fn plan(planned: &Planned) -> String {
    print(&plan_of(planned))
}

pub(super) fn plan_of(planned: &Planned) -> Plan<'_> {
    let images = match planned.images.as_slice() {
        [_] => Vec::new(),
        several => several.iter().map(plan_fields).collect(),
    };
    Plan {
        dry_run: true,
        first: planned.images.first().map(plan_fields),
        images,
        replaced: &planned.replaced,
        notes: &planned.notes,
        degraded: degraded(&planned.degraded),
    }
}

pub fn refused(list: &[Degraded]) -> String {
    print(&Refused { degraded: degraded(list) })
}

pub(super) fn degraded(list: &[Degraded]) -> Vec<DegradedFields<'_>> {
    list.iter().map(|it| DegradedFields { code: it.code.name(), message: &it.message }).collect()
}

fn image_fields(image: &ImageOutcome) -> ImageFields<'_> {
    let waste = waste(&image.layers);
    ImageFields {
        platform: platform(image.platform.as_ref()),
        hint: image.hint.as_ref().map(hint),
        waste: waste.all,
        base_waste: waste.base,
        layers: image.layers.iter().map(layer).collect(),
        twin: image.twin.as_ref().map(twin),
        dropped: image.dropped.iter().map(old).collect(),
        unread_layers: image.unread,
        conflicts: image.differences.iter().map(conflict).collect(),
        pulls: image.pulls.iter().map(pull).collect(),
    }
}

fn conflict(difference: &Difference) -> Conflict<'_> {
    Conflict {
        kind: difference.kind.name(),
        rule: difference.choice.name(),
        count: difference.count,
        paths: difference.paths.iter().map(conflict_path).collect(),
    }
}

fn conflict_path(DifferentPath { path, earlier, later }: &DifferentPath) -> ConflictPath<'_> {
    ConflictPath { path: path.to_string(), earlier, later }
}

fn twin(twin: &GzipTwin) -> TwinFields {
    let layers = twin.layers.iter();
    TwinFields {
        digest: twin.digest.to_string(),
        compression: Compression::Gzip.name(),
        bytes: twin.bytes(),
        new_bytes: twin.new_bytes(),
        layers: layers
            .map(|layer| TwinLayer { digest: layer.digest.to_string(), size: layer.size, new: layer.is_new })
            .collect(),
    }
}

fn plan_fields(image: &PlannedImage) -> PlanFields<'_> {
    let waste = planned_waste(&image.layers);
    let layers = image.layers.iter().map(|layer| PlanLayer {
        digest: layer.kept().map(|blob| blob.digest.to_string()),
        size: layer.kept().map(|blob| blob.size),
        planned: layer_fields(layer),
    });
    PlanFields {
        platform: platform(image.platform.as_ref()),
        hint: image.hint.as_ref().map(hint),
        waste: waste.all,
        base_waste: waste.base,
        layers: layers.collect(),
        dropped: image.dropped.iter().map(old).collect(),
        unread_layers: image.unread,
        conflicts: image.differences.iter().map(conflict).collect(),
        pulls: image.pulls.iter().map(pull).collect(),
    }
}

fn layer(layer: &LayerOutcome) -> Layer<'_> {
    Layer {
        digest: layer.digest.to_string(),
        size: layer.size,
        planned: layer_fields(&layer.planned),
        index_bytes: layer.index_bytes,
        chunked: layer.toc.is_some(),
    }
}

fn layer_fields(layer: &PlannedLayer) -> LayerFields<'_> {
    LayerFields {
        state: layer.word(),
        reason: layer.reason.name(),
        replaces: if layer.kept().is_some() { Vec::new() } else { layer.old.iter().map(old).collect() },
        owners: &layer.owners,
        unowned_bytes: layer.unowned.as_ref().map_or(0, |unowned| unowned.bytes),
        changes_always: layer.changes_always,
        live_bytes: layer.live_bytes,
        dead_bytes: layer.dead_bytes,
        entries: layer.entries,
        new_files: layer.new.files,
        new_bytes: layer.new.bytes,
    }
}

fn hint(hint: &Hint) -> HintFields {
    let costs = |costs: &Costs| CostFields {
        plain_bytes: costs.plain,
        docker_bytes: costs.docker,
        first_pull_bytes: costs.first_pull,
    };
    let share = f64::from(hint.max_waste.0) / 10_000.0;
    HintFields { max_waste: share, now: costs(&hint.now), then: costs(&hint.then) }
}

fn old(blob: &OldBlob) -> Old {
    Old { digest: blob.digest.to_string(), size: blob.size }
}
