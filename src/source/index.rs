//! A layer's TOC, without the rest of the layer.

use std::io;
use std::os::unix::fs::FileExt;

use super::{Layer, Source, SourceError};
use crate::codec::{FrameDecoder, FrameError, Sha256Stream};
use crate::digest::BlobDigest;
use crate::toc::{AnnotationError, ChunkedAnnotations, Toc, TocError};

/// Why a layer that should have a TOC has none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("{0}")]
    Source(#[from] SourceError),
    #[error("annotations: {0}")]
    Annotations(#[from] AnnotationError),
    #[error("the TOC should end at byte {end}, but the blob has {size}")]
    Outside { end: u64, size: u64 },
    #[error("reading the TOC: {0}")]
    Read(#[source] io::Error),
    #[error("the TOC has the digest {found}: expected {expected}")]
    Digest { expected: BlobDigest, found: BlobDigest },
    #[error("the TOC: {0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Toc(#[from] TocError),
}

impl Source {
    /// Checked against the annotations as clients do. `None` for a layer without one.
    pub fn toc(&self, layer: &Layer) -> Result<Option<(ChunkedAnnotations, Toc)>, IndexError> {
        let Some(descriptor) = &layer.descriptor else { return Ok(None) };
        let annotations = ChunkedAnnotations::from_annotations(|key| descriptor.annotation(key))?;
        let Some(annotations) = annotations else { return Ok(None) };
        let Some((file, blob)) = self.layer_file(layer)? else { return Ok(None) };
        let span = annotations.positions.toc;
        if !span.fits_in(blob.len()) {
            return Err(IndexError::Outside { end: span.end(), size: blob.len() });
        }
        // Bounded by the annotations' own check.
        let mut compressed = vec![0; span.len() as usize];
        file.read_exact_at(&mut compressed, blob.start() + span.start()).map_err(IndexError::Read)?;
        let found = BlobDigest::from_bytes(Sha256Stream::of(&compressed));
        if found != annotations.toc_digest {
            return Err(IndexError::Digest { expected: annotations.toc_digest, found });
        }
        let mut json = Vec::new();
        FrameDecoder::new()?.frame(&compressed, annotations.positions.toc_uncompressed, &mut json)?;
        Ok(Some((annotations, Toc::parse(&json)?)))
    }
}
