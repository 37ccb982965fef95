//! Attestations and artifacts of NEW's index.
//!
//! One is about a manifest that it names by digest. A run writes other manifests, so it holds no longer. There is one
//! exception: an image that restrata wrote, and that comes out as it was. So a pipeline that rechunks its own output, or
//! copies it to another registry this way, loses nothing.

use crate::error::Error;
use crate::oci::{Descriptor, MANIFEST};
use crate::source::{Artifact, Attached, Source};

use super::output::Output;

/// Writes those that hold, and gives their entries for the result's index.
pub(super) fn hand_on<'s>(
    attached: &[Attached],
    source: &'s Source<'_>,
    output: Output<'_, 's>,
    images: &[Descriptor],
    notes: &mut Vec<String>,
) -> Result<Vec<Descriptor>, Error> {
    let is_there = |digest| images.iter().any(|image| image.digest == digest);
    let mut kept = Vec::new();
    for attached in attached {
        if let Some(Artifact { entry, bytes, blobs }) = source.artifact(attached, is_there)? {
            for blob in &blobs {
                output.copy(&source.artifact_blob(blob)?, blob)?;
            }
            output.manifest(MANIFEST, &bytes)?;
            kept.push(entry);
        }
    }
    let left_out = attached.len() - kept.len();
    if left_out > 0 {
        notes.push(format!(
            "{} of NEW's index {} left out, since no manifest of the result is the one that {} about: attest and sign the \
             result instead",
            counted(left_out),
            if left_out == 1 { "is" } else { "are" },
            if left_out == 1 { "it is" } else { "they are" },
        ));
    }
    Ok(kept)
}

/// The digests of a result are not known before it is written.
pub(super) fn note_planned(attached: &[Attached], notes: &mut Vec<String>) {
    if !attached.is_empty() {
        notes.push(format!(
            "{} of NEW's index would be left out, unless the manifest that an artifact is about comes out as it was",
            counted(attached.len())
        ));
    }
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 attestation or artifact".to_owned(),
        count => format!("{count} attestations and artifacts"),
    }
}
