//! One object for each job. The fields that DESIGN section 8 names are fixed; more may come to stand beside them.

use serde::Serialize;

use crate::check::{CheckReport, CheckedImage, CheckedLayer};
use crate::inspect::{InspectedImage, Inspection};
use crate::oci::Platform;
use crate::order::cost::Pull;
use crate::rechunk::{ImageOutcome, LayerOutcome, Outcome};
use crate::verify::Verdict;

use super::facts::{client_name, compression_name, outcome_name, registry_name, waste};

fn print(report: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("structs of strings and numbers");
    text.push('\n');
    text
}

fn platform(platform: Option<&Platform>) -> Option<String> {
    platform.map(ToString::to_string)
}

#[derive(Serialize)]
struct Rechunk<'a> {
    digest: String,
    #[serde(flatten)]
    first: Option<ImageFields<'a>>,
    /// For several platforms: every image, the first one too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image<'a>>,
    notes: &'a [String],
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
    waste: f64,
    layers: Vec<Layer>,
    pulls: Vec<PullFields<'a>>,
}

#[derive(Serialize)]
struct Layer {
    digest: String,
    size: u64,
    state: &'static str,
    live_bytes: u64,
    dead_bytes: u64,
    entries: u64,
    index_bytes: u64,
    fresh_entries: u64,
    fresh_bytes: u64,
    chunked: bool,
}

#[derive(Serialize)]
struct PullFields<'a> {
    from: Option<&'a str>,
    client: &'static str,
    registry: &'static str,
    outcome: &'static str,
    requests: u64,
    ranges: u64,
    index_bytes: u64,
    data_bytes: u64,
    gap_bytes: u64,
    blob_bytes: u64,
}

pub fn rechunk(outcome: &Outcome) -> String {
    let images = match outcome.images.as_slice() {
        [_] => Vec::new(),
        several => several
            .iter()
            .map(|image| Image { digest: image.digest.to_string(), fields: image_fields(image) })
            .collect(),
    };
    print(&Rechunk {
        digest: outcome.digest.to_string(),
        first: outcome.images.first().map(image_fields),
        images,
        notes: &outcome.notes,
    })
}

fn image_fields(image: &ImageOutcome) -> ImageFields<'_> {
    ImageFields {
        platform: platform(image.platform.as_ref()),
        waste: waste(&image.layers),
        layers: image.layers.iter().map(layer).collect(),
        pulls: image.pulls.iter().map(pull).collect(),
    }
}

fn layer(layer: &LayerOutcome) -> Layer {
    Layer {
        digest: layer.digest.to_string(),
        size: layer.size,
        state: layer.state.name(),
        live_bytes: layer.live_bytes,
        dead_bytes: layer.dead_bytes,
        entries: layer.entries,
        index_bytes: layer.index_bytes,
        fresh_entries: layer.fresh_entries,
        fresh_bytes: layer.fresh_bytes,
        chunked: layer.chunked,
    }
}

fn pull(pull: &Pull) -> PullFields<'_> {
    PullFields {
        from: pull.from.as_deref(),
        client: client_name(pull.client),
        registry: registry_name(pull.registry),
        outcome: outcome_name(pull.outcome),
        requests: pull.requests,
        ranges: pull.ranges,
        index_bytes: pull.index_bytes,
        data_bytes: pull.data_bytes,
        gap_bytes: pull.gap_bytes,
        blob_bytes: pull.blob_bytes,
    }
}

#[derive(Serialize)]
struct Verify<'a> {
    same: bool,
    entries: u64,
    differences: Vec<DifferenceFields<'a>>,
}

#[derive(Serialize)]
struct DifferenceFields<'a> {
    platform: Option<String>,
    path: &'a str,
    what: &'a str,
    a: &'a str,
    b: &'a str,
}

pub fn verify(verdict: &Verdict) -> String {
    let differences = verdict.differences.iter().map(|found| DifferenceFields {
        platform: platform(found.platform.as_ref()),
        path: &found.path,
        what: &found.what,
        a: &found.a,
        b: &found.b,
    });
    print(&Verify { same: verdict.is_same(), entries: verdict.entries, differences: differences.collect() })
}

#[derive(Serialize)]
struct Check<'a> {
    ok: bool,
    problems: &'a [String],
    images: Vec<CheckImage<'a>>,
}

#[derive(Serialize)]
struct CheckImage<'a> {
    platform: Option<String>,
    layers: Vec<CheckLayer<'a>>,
}

#[derive(Serialize)]
struct CheckLayer<'a> {
    digest: String,
    size: u64,
    kind: &'a str,
    entries: u64,
    frames: u64,
    largest_gap: u64,
    problems: &'a [String],
    remarks: &'a [String],
}

pub fn check(report: &CheckReport) -> String {
    let images = report.images.iter().map(check_image).collect();
    print(&Check { ok: report.is_clean(), problems: &report.problems, images })
}

fn check_image(image: &CheckedImage) -> CheckImage<'_> {
    CheckImage { platform: platform(image.platform.as_ref()), layers: image.layers.iter().map(check_layer).collect() }
}

fn check_layer(layer: &CheckedLayer) -> CheckLayer<'_> {
    CheckLayer {
        digest: layer.digest.to_string(),
        size: layer.size,
        kind: layer.kind,
        entries: layer.entries,
        frames: layer.frames,
        largest_gap: layer.largest_gap,
        problems: &layer.problems,
        remarks: &layer.remarks,
    }
}

#[derive(Serialize)]
struct Inspect<'a> {
    images: Vec<InspectImage<'a>>,
}

#[derive(Serialize)]
struct InspectImage<'a> {
    reference: &'a str,
    platform: Option<String>,
    digest: Option<String>,
    layers: Vec<InspectLayer<'a>>,
    biggest: Vec<BigFields<'a>>,
}

#[derive(Serialize)]
struct InspectLayer<'a> {
    digest: Option<String>,
    size: Option<u64>,
    media_type: &'a str,
    compression: &'static str,
    index: &'a str,
    entries: Option<u64>,
    index_bytes: u64,
    content_bytes: Option<u64>,
    chunks: Option<u64>,
}

#[derive(Serialize)]
struct BigFields<'a> {
    path: &'a str,
    layer: usize,
    size: u64,
    compressed: u64,
}

pub fn inspect(inspection: &Inspection) -> String {
    print(&Inspect { images: inspection.images.iter().map(inspect_image).collect() })
}

fn inspect_image(image: &InspectedImage) -> InspectImage<'_> {
    let layers = image.layers.iter().map(|layer| InspectLayer {
        digest: layer.digest.map(|digest| digest.to_string()),
        size: layer.size,
        media_type: &layer.media_type,
        compression: compression_name(layer.compression),
        index: &layer.index,
        entries: layer.entries,
        index_bytes: layer.index_bytes,
        content_bytes: layer.content_bytes,
        chunks: layer.chunks,
    });
    let biggest = image.biggest.iter().map(|file| BigFields {
        path: &file.path,
        layer: file.layer,
        size: file.size,
        compressed: file.compressed,
    });
    InspectImage {
        reference: &image.reference,
        platform: platform(image.platform.as_ref()),
        digest: image.digest.map(|digest| digest.to_string()),
        layers: layers.collect(),
        biggest: biggest.collect(),
    }
}
