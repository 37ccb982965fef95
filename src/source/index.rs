//! A layer's TOC, without the rest of the layer.

use std::io;

use super::{Kind, Layer, Source, SourceError};
use crate::bytes::Bytes;
use crate::codec::{FrameDecoder, FrameError, Sha256Stream};
use crate::digest::BlobDigest;
use crate::inventory::toc_reading_bytes;
use crate::progress::{Progress, Stop, TooMany};
use crate::registry::RegistryError;
use crate::span::Span;
use crate::toc::{
    AnnotationError, ChunkedAnnotations, Disagreement, FOOTER_FRAME, Positions, SKIPPABLE_HEADER, Toc, TocError,
    expect_checksum, expect_footer, expect_frame, expect_inside, expect_zstd, skippable_len,
};
use crate::units;

/// Why a layer that should have a TOC has none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("{0}")]
    Source(#[from] SourceError),
    #[error("annotations: {0}")]
    Annotations(#[from] AnnotationError),
    #[error("the TOC should end at byte {end}, but the blob has {size}", end = units::count(*end), size = units::count(*size))]
    Outside { end: u64, size: u64 },
    #[error("reading the index: {0}")]
    Read(#[source] io::Error),
    #[error("the TOC has the digest {found}: expected {expected}")]
    Digest { expected: BlobDigest, found: BlobDigest },
    #[error("the TOC: {0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Toc(#[from] TocError),
    #[error("{0}")]
    Disagreement(#[from] Disagreement),
    /// Not the layer's fault alone.
    #[error("{0}")]
    TooMany(#[from] TooMany),
}

/// A registry that does not answer says nothing of the index.
fn read_error(error: io::Error) -> IndexError {
    if RegistryError::of(&error).is_some_and(|error| !error.is_damage()) || Stop::of(&error).is_some() {
        return IndexError::Source(SourceError::Network(error));
    }
    IndexError::Read(error)
}

impl Source<'_> {
    /// Checked against the annotations as clients do. `None` for a layer without one.
    pub fn toc(&self, layer: &Layer, progress: &Progress) -> Result<Option<(ChunkedAnnotations, Toc)>, IndexError> {
        let Some(descriptor) = &layer.descriptor else { return Ok(None) };
        let annotations = ChunkedAnnotations::from_annotations(|key| descriptor.annotation(key))?;
        let Some(annotations) = annotations else { return Ok(None) };
        let Some(blob) = self.layer_bytes(layer)? else { return Ok(None) };
        let span = annotations.positions.toc;
        if !span.fits_in(blob.size()) {
            return Err(IndexError::Outside { end: span.end(), size: blob.size() });
        }
        let compressed = self.compressed_toc(&*blob, span, annotations.toc_digest)?;
        let mut json = Vec::with_capacity(annotations.positions.toc_uncompressed as usize);
        FrameDecoder::new()?.frame(&compressed, annotations.positions.toc_uncompressed, &mut json)?;
        drop(compressed);
        let reading = toc_reading_bytes(&json);
        progress.hold(reading)?;
        let toc = Toc::parse(&json);
        progress.give_back(reading);
        Ok(Some((annotations, toc?)))
    }

    /// From the cache, if the blob is in a registry and the cache has it.
    fn compressed_toc(&self, blob: &dyn Bytes, span: Span, expected: BlobDigest) -> Result<Vec<u8>, IndexError> {
        let cache = match &self.kind {
            Kind::Remote(remote) => Some(&remote.cache),
            _ => None,
        };
        if let Some(known) = cache.and_then(|cache| cache.index(expected, span.len())) {
            return Ok(known);
        }
        // Bounded by the annotations' own check.
        let mut compressed = vec![0; span.len() as usize];
        blob.read_exact_at(&mut compressed, span.start()).map_err(read_error)?;
        let found = BlobDigest::from_bytes(Sha256Stream::of(&compressed));
        if found != expected {
            return Err(IndexError::Digest { expected, found });
        }
        cache.into_iter().for_each(|cache| cache.remember_index(expected, &compressed));
        Ok(compressed)
    }

    /// The same for a layer that is to be handed on as it is: all that its descriptor says of the index must be so,
    /// whether clients look at it or not.
    pub fn stated_toc(
        &self,
        layer: &Layer,
        progress: &Progress,
    ) -> Result<Option<(ChunkedAnnotations, Toc)>, IndexError> {
        let Some(descriptor) = &layer.descriptor else { return Ok(None) };
        expect_checksum(|key| descriptor.annotation(key))?;
        let Some(index) = self.toc(layer, progress)? else { return Ok(None) };
        expect_zstd(layer.compression, &descriptor.media_type)?;
        if let Some(blob) = self.layer_bytes(layer)? {
            agree(&*blob, &index.0.positions)?;
        }
        Ok(Some(index))
    }
}

/// Footer and frame headers against the annotations.
fn agree(blob: &dyn Bytes, positions: &Positions) -> Result<(), IndexError> {
    let read = |out: &mut [u8], at: u64| blob.read_exact_at(out, at).map_err(read_error);
    for (part, span) in positions.parts() {
        expect_inside(part, span, blob.size())?;
        let mut header = [0; SKIPPABLE_HEADER as usize];
        read(&mut header, span.start() - SKIPPABLE_HEADER)?;
        let frame = skippable_len(header).and_then(|len| Span::new(span.start(), len.into()));
        expect_frame(part, span, frame)?;
    }
    let mut footer = [0; FOOTER_FRAME as usize];
    if let Some(at) = blob.size().checked_sub(FOOTER_FRAME) {
        read(&mut footer, at)?;
        expect_footer(&footer, at, positions)?;
    }
    Ok(())
}
