//! Annotations, footer and TOC, and whether they agree with each other and with the frames.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::blob::Blob;
use super::findings::Findings;
use super::frames::Frames;
use crate::codec::{FrameDecoder, Sha256Stream};
use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::inventory::toc_reading_bytes;
use crate::oci::Descriptor;
use crate::progress::Progress;
use crate::remark::Remark;
use crate::span::Span;
use crate::toc::{
    ChunkedAnnotations, FOOTER_FRAME, PADDING, Positions, Toc, expect_footer, expect_frame, expect_inside, expect_zstd,
};
use crate::units;

/// What the rest of the check goes by.
pub(super) struct Index {
    pub positions: Positions,
    /// `None` when it can't be read.
    pub toc: Option<Toc>,
    pub is_first: bool,
}

/// `None` when the annotations lead nowhere.
pub(super) fn read(
    descriptor: &Descriptor,
    compression: Compression,
    blob: &Blob,
    frames: &Frames,
    findings: &mut Findings,
    progress: &Progress,
) -> Result<Option<Index>, Error> {
    let Some((annotations, is_first)) = place(descriptor, compression, blob, frames, findings)? else {
        return Ok(None);
    };
    let toc = toc(&annotations, blob, is_first, findings, progress)?;
    Ok(Some(Index { positions: annotations.positions, toc, is_first }))
}

/// The annotations, if a client can follow them, and whether the index stands at the front.
pub(super) fn place(
    descriptor: &Descriptor,
    compression: Compression,
    blob: &Blob,
    frames: &Frames,
    findings: &mut Findings,
) -> Result<Option<(ChunkedAnnotations, bool)>, Error> {
    if let Err(fault) = expect_zstd(compression, &descriptor.media_type) {
        findings.problem(fault.to_string());
    }
    let annotations = match ChunkedAnnotations::from_annotations(|key| descriptor.annotation(key)) {
        Ok(Some(annotations)) => annotations,
        Ok(None) => return Ok(None),
        Err(fault) => {
            findings.problem(format!("annotations: {fault}"));
            return Ok(None);
        }
    };
    let positions = annotations.positions;
    footer(blob, &positions, findings)?;
    // Both are asked, so that both are told.
    if positions.parts().map(|(part, span)| inside(part, span, blob, frames, findings)).contains(&false) {
        return Ok(None);
    }
    let is_first = frames.starts.last().is_some_and(|&last| last > positions.tar_split.start());
    let gap = Span::between(positions.toc.end(), positions.tar_split.start()).len();
    if is_first && gap < PADDING {
        let what = format!(
            "fewer than {PADDING} bytes between TOC and tar-split: a server may join the client's two ranges, on which podman \
             fails"
        );
        findings.remark(Remark::from(what).with_detail(units::plural(gap, "byte", "bytes")));
    }
    Ok(Some((annotations, is_first)))
}

/// True when a client can read the part.
fn inside(part: &'static str, span: Span, blob: &Blob, frames: &Frames, findings: &mut Findings) -> bool {
    if let Err(fault) = expect_inside(part, span, blob.len()) {
        findings.problem(fault.to_string());
        return false;
    }
    let holds = |frame: &&Span| frame.start() <= span.start() && span.end() <= frame.end();
    let holder = frames.skippable.iter().find(holds).copied();
    // Of what comes behind a break in the chain nothing is known.
    let is_known = holder.is_some() || span.end() <= frames.walked;
    if let (true, Err(fault)) = (is_known, expect_frame(part, span, holder)) {
        findings.problem(fault.to_string());
    }
    true
}

/// Bytes of the uncompressed TOC, as the annotations say.
pub(super) fn toc_bytes(descriptor: &Descriptor) -> Option<u64> {
    let annotations = ChunkedAnnotations::from_annotations(|key| descriptor.annotation(key)).ok()?;
    annotations.map(|annotations| annotations.positions.toc_uncompressed)
}

fn footer(blob: &Blob, positions: &Positions, findings: &mut Findings) -> Result<(), Error> {
    let mut frame = [0; FOOTER_FRAME as usize];
    let at = blob.len().checked_sub(FOOTER_FRAME);
    let found = match at {
        Some(at) => {
            blob.read_exact_at(&mut frame, at)?;
            expect_footer(&frame, at, positions)
        }
        None => Ok(false),
    };
    match found {
        Ok(true) => {}
        Ok(false) => findings.remark("the blob has no footer"),
        Err(fault) => findings.problem(fault.to_string()),
    }
    Ok(())
}

pub(super) fn toc(
    annotations: &ChunkedAnnotations,
    blob: &Blob,
    is_first: bool,
    findings: &mut Findings,
    progress: &Progress,
) -> Result<Option<Toc>, Error> {
    let Positions { toc: span, toc_uncompressed, .. } = annotations.positions;
    let mut compressed = vec![0; usize::try_from(span.len()).map_err(|_| Error::Internal("a TOC above its limit"))?];
    blob.read_exact_at(&mut compressed, span.start())?;
    let found = BlobDigest::from_bytes(Sha256Stream::of(&compressed));
    if found != annotations.toc_digest {
        findings.problem(format!(
            "the TOC at byte {} has the digest {found}: the annotation says {}",
            units::count(span.start()),
            annotations.toc_digest
        ));
    }
    let mut json = Vec::with_capacity(toc_uncompressed as usize);
    if let Err(fault) = FrameDecoder::new()?.frame(&compressed, toc_uncompressed, &mut json) {
        findings.problem(format!("the TOC at byte {}: {fault}", units::count(span.start())));
        return Ok(None);
    }
    drop(compressed);
    let reading = toc_reading_bytes(&json);
    progress.hold(reading)?;
    let parsed = Toc::parse(&json);
    progress.give_back(reading);
    match parsed {
        Ok(toc) => {
            if is_first {
                last_end(&json, findings);
            }
            if toc.tar_split_digest.is_none() {
                findings.remark("the TOC has no tarSplitDigest, so clients pull the layer whole");
            }
            Ok(Some(toc))
        }
        Err(fault) => {
            findings.problem(fault.to_string());
            Ok(None)
        }
    }
}

/// podman takes an end that a row leaves out from the next row with an offset, and behind the last one from the
/// TOC (`mergeTocEntries`), which stands before the contents when the index is first.
pub(super) fn last_end(json: &[u8], findings: &mut Findings) {
    let Ok(Ends { entries: LastRow(Some(row)) }) = serde_json::from_slice::<Ends<'_>>(json) else { return };
    if row.end_offset == 0 {
        findings.problem(format!(
            "TOC entry {:?}: the last row with content has no endOffset, and podman would take the TOC's start for it",
            row.name
        ));
    }
}

#[derive(Deserialize)]
struct Ends<'a> {
    #[serde(borrow)]
    entries: LastRow<'a>,
}

/// The last row with an offset.
struct LastRow<'a>(Option<Row<'a>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    #[serde(default)]
    offset: i64,
    #[serde(default)]
    end_offset: i64,
}

impl<'de: 'a, 'a> Deserialize<'de> for LastRow<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;
        impl<'de> Visitor<'de> for Rows {
            type Value = Option<Row<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
                let mut last = None;
                while let Some(row) = rows.next_element::<Row<'de>>()? {
                    if row.offset != 0 {
                        last = Some(row);
                    }
                }
                Ok(last)
            }
        }
        deserializer.deserialize_seq(Rows).map(LastRow)
    }
}
