//! Whether a layer's descriptor says of the blob's index what the blob says. Clients ask a part of it; a layer that is
//! handed on should not leave the rest to luck.

use super::annotations::{Positions, TAR_SPLIT_POSITION, TOC_DIGEST, TOC_POSITION};
use super::blob::FOOTER_FRAME;
use super::footer::{FOOTER_BYTES, FooterError, SKIPPABLE_HEADER, decode_footer, skippable_len};
use crate::compression::Compression;
use crate::span::Span;
use crate::units;

/// Where a descriptor says something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    #[error("the layer has a TOC and the media type {found:?}: expected zstd")]
    MediaType { found: String },
    #[error("annotations: expected {TOC_DIGEST} beside {position}, found none: clients take the layer for plain zstd")]
    NoChecksum { position: &'static str },
    #[error("annotations: the {part} is at {}, but the blob has {size} bytes", bytes(*.span), size = units::count(*size))]
    Outside { part: &'static str, span: Span, size: u64 },
    #[error("annotations: the {part} is at {}, but its skippable frame holds {}", bytes(*.span), bytes(*.frame))]
    Frame { part: &'static str, span: Span, frame: Span },
    #[error("annotations: the {part} is at {}, which is in no skippable frame", bytes(*.span))]
    NoFrame { part: &'static str, span: Span },
    #[error("the footer at byte {at} says {}; the annotations say {}", shown(.footer), shown(.annotations), at = units::count(*at))]
    Footer { at: u64, footer: Box<Positions>, annotations: Box<Positions> },
    #[error("byte {at}: {source}", at = units::count(*at))]
    BadFooter { at: u64, source: FooterError },
}

/// Of a layer that has a TOC.
pub fn expect_zstd(compression: Compression, media_type: &str) -> Result<(), Disagreement> {
    match compression {
        Compression::Zstd => Ok(()),
        _ => Err(Disagreement::MediaType { found: media_type.to_owned() }),
    }
}

/// podman looks for the checksum, and without one never at the positions.
pub fn expect_checksum<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<(), Disagreement> {
    let found = [TOC_POSITION, TAR_SPLIT_POSITION].into_iter().find(|key| get(key).is_some());
    match found.filter(|_| get(TOC_DIGEST).is_none()) {
        Some(position) => Err(Disagreement::NoChecksum { position }),
        None => Ok(()),
    }
}

/// Of a blob of `size` bytes.
pub fn expect_inside(part: &'static str, span: Span, size: u64) -> Result<(), Disagreement> {
    if span.fits_in(size) { Ok(()) } else { Err(Disagreement::Outside { part, span, size }) }
}

/// `frame` is the content of the skippable frame that the part is in.
pub fn expect_frame(part: &'static str, span: Span, frame: Option<Span>) -> Result<(), Disagreement> {
    match frame {
        Some(frame) if frame == span => Ok(()),
        Some(frame) => Err(Disagreement::Frame { part, span, frame }),
        None => Err(Disagreement::NoFrame { part, span }),
    }
}

/// `frame` is the blob's end, from byte `at`. False for a blob without a footer.
pub fn expect_footer(
    frame: &[u8; FOOTER_FRAME as usize],
    at: u64,
    annotations: &Positions,
) -> Result<bool, Disagreement> {
    let header = frame.first_chunk::<{ SKIPPABLE_HEADER as usize }>();
    let is_footer = header.is_some_and(|header| skippable_len(*header) == Some(FOOTER_BYTES as u32));
    let Some(content) = frame.last_chunk::<{ FOOTER_BYTES as usize }>().filter(|_| is_footer) else { return Ok(false) };
    match decode_footer(content) {
        Ok(footer) if footer == *annotations => Ok(true),
        Ok(footer) => Err(Disagreement::Footer { at, footer: Box::new(footer), annotations: Box::new(*annotations) }),
        Err(source) => Err(Disagreement::BadFooter { at, source }),
    }
}

fn bytes(span: Span) -> String {
    format!("bytes {} to {}", units::count(span.start()), units::count(span.end()))
}

fn shown(positions: &Positions) -> String {
    let Positions { toc, toc_uncompressed, tar_split, tar_split_uncompressed } = *positions;
    let (toc, tar_split) = (bytes(toc), bytes(tar_split));
    format!("TOC at {toc} ({toc_uncompressed} unpacked), tar-split at {tar_split} ({tar_split_uncompressed} unpacked)")
}
