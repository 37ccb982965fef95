//! Whether an old layer is of use: its blob is there, and its index can be read.

use crate::error::Error;
use crate::progress::Progress;
use crate::source::{Layer, Source, SourceError};
use crate::survey::read::{Index, Use, index};
use crate::toc::TOC_DIGEST;

use super::Ask;
use super::faults::Flaw;
use super::trust::is_known;

/// A previous layer's index, or why the layer is of no use.
pub(super) fn usable(
    source: &Source,
    layer: &Layer,
    ask: Ask<'_>,
    progress: &Progress,
) -> Result<Result<Option<Index>, Flaw>, Error> {
    let damaged = |error: SourceError| match error {
        SourceError::Blob { source, .. } => Ok(Err(Flaw::of_copy(source.to_string()))),
        error if error.is_spoilt() => Ok(Err(Flaw::of_copy(error.to_string()))),
        error => Err(error.into()),
    };
    let purpose = match purpose(source, layer, ask) {
        Ok(purpose) => purpose,
        Err(error) => return damaged(error),
    };
    let place = match source.origin(layer) {
        Ok(place) => place,
        Err(error) => return damaged(error),
    };
    Ok(match (index(source, layer, purpose, progress)?, place, &layer.descriptor) {
        (Err(fault), Some(place), Some(descriptor)) => {
            Err(Flaw::of(fault.to_string(), &place, descriptor.digest, progress))
        }
        (toc, ..) => toc.map_err(|fault| Flaw::of_copy(fault.to_string())),
    })
}

/// In a registry, each look at a frame is a request. A layer that was proven agrees with its frames; one that the user
/// trusts is only read here.
fn purpose(source: &Source, layer: &Layer, ask: Ask<'_>) -> Result<Use, SourceError> {
    let is_indexed = layer.descriptor.as_ref().is_some_and(|it| it.annotation(TOC_DIGEST).is_some());
    if !source.is_remote() || !is_indexed {
        return Ok(Use::HandOn);
    }
    if ask.trust_previous || is_known(layer, &ask.resources.cache) {
        // With the index in the cache, nothing else would tell before it is needed.
        source.expect_layer(layer)?;
        return Ok(Use::Compare);
    }
    source.bring(layer, &ask.resources.spool_dir)?;
    Ok(Use::HandOn)
}
