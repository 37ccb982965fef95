//! One object for each job. The fields that DESIGN section 8 names are fixed; more may come to stand beside them.

mod cache;
mod diff;
mod family;
mod history;
mod probe;
mod prune;
mod published;
mod pulls;
mod rechunk;

pub use cache::cache;
pub use diff::diff;
pub use family::{family, family_plan};
pub use history::history;
pub use probe::probe;
pub use prune::prune;
pub use rechunk::{plan, rechunk, refused};

use serde::Serialize;

use crate::check::{CheckReport, CheckedImage, CheckedLayer};
use crate::inspect::{InspectedImage, Inspection};
use crate::oci::Platform;
use crate::verify::Verdict;

use super::names::is_unseen;

fn print(report: &impl Serialize) -> String {
    let mut text = escaped(&serde_json::to_string_pretty(report).expect("structs of strings and numbers"));
    text.push('\n');
    text
}

/// JSON allows most of what can't be seen as it is; a terminal that the report is shown on obeys it, and who reads it is
/// deceived. The value stays the same.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Line breaks between values; in strings they are written out already.
            '\n' => out.push(c),
            c if is_unseen(c) => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    out
}

fn platform(platform: Option<&Platform>) -> Option<String> {
    platform.map(ToString::to_string)
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
    /// The gzip image of the same platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<CheckTwin<'a>>,
}

#[derive(Serialize)]
struct CheckTwin<'a> {
    digest: Option<String>,
    problems: &'a [String],
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
    remarks: Vec<String>,
}

pub fn check(report: &CheckReport) -> String {
    let images = report.images.iter().map(check_image).collect();
    print(&Check { ok: report.is_clean(), problems: &report.problems, images })
}

fn check_image(image: &CheckedImage) -> CheckImage<'_> {
    let twin = image.twin.as_ref().map(|twin| CheckTwin {
        digest: twin.digest.map(|digest| digest.to_string()),
        problems: &twin.problems,
        layers: twin.layers.iter().map(check_layer).collect(),
    });
    let layers = image.layers.iter().map(check_layer).collect();
    CheckImage { platform: platform(image.platform.as_ref()), layers, twin }
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
        remarks: layer.remarks.iter().map(ToString::to_string).collect(),
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
    /// The gzip image of the same platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<InspectTwin>,
    biggest: Vec<BigFields<'a>>,
}

#[derive(Serialize)]
struct InspectTwin {
    digest: Option<String>,
    layers: Vec<Blob>,
}

#[derive(Serialize)]
struct Blob {
    digest: String,
    size: u64,
}

#[derive(Serialize)]
struct InspectLayer<'a> {
    digest: Option<String>,
    size: Option<u64>,
    media_type: &'a str,
    #[serde(rename = "type")]
    form: &'static str,
    compression: &'static str,
    index: &'a str,
    entries: Option<u64>,
    index_bytes: u64,
    content_bytes: Option<u64>,
    chunks: Option<u64>,
    owners: Option<&'a str>,
    changes_always: bool,
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
        form: layer.form(),
        compression: layer.compression.name(),
        index: &layer.index,
        entries: layer.entries,
        index_bytes: layer.index_bytes,
        content_bytes: layer.content_bytes,
        chunks: layer.chunks,
        owners: layer.owners.as_deref(),
        changes_always: layer.changes_always,
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
        twin: image.twin.as_ref().map(|twin| InspectTwin {
            digest: twin.digest.map(|digest| digest.to_string()),
            layers: twin.layers.iter().map(|&(digest, size)| Blob { digest: digest.to_string(), size }).collect(),
        }),
        biggest: biggest.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out_and_stays_the_same() {
        let text = "a\n\u{1b}\u{7f}\u{9b}2J é 日 \u{202e}gnp\u{2069}\u{200b}\u{feff}\u{e0041}\u{1f600}\"\\";
        let printed = print(&[text]);
        assert!(printed.contains(r"\u009b2J é 日 \u202egnp\u2069\u200b\ufeff\udb40\udc41"), "{printed}");
        assert!(printed.chars().all(|c| c == '\n' || !is_unseen(c)), "{printed}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&printed).unwrap(), [text]);
    }
}
