//! Whether an old layer is of use: its blob is there, and its index can be read.

use crate::cache::Cache;
use crate::error::Error;
use crate::progress::Progress;
use crate::source::{Layer, Source, SourceError};
use crate::survey::read::{Index, Use, index};

use super::faults::Flaw;
use super::trust::is_known;

/// A previous layer's index, or why the layer is of no use.
pub(super) fn usable(
    source: &Source,
    layer: &Layer,
    cache: &Cache,
    progress: &Progress,
) -> Result<Result<Option<Index>, Flaw>, Error> {
    let place = match source.origin(layer) {
        Err(SourceError::Blob { source, .. }) => return Ok(Err(Flaw::of_copy(source.to_string()))),
        Err(error) if error.is_spoilt() => return Ok(Err(Flaw::of_copy(error.to_string()))),
        opened => opened?,
    };
    // What was proven agrees with its frames. In a registry, each look at one is a request.
    let purpose = if source.is_remote() && is_known(layer, cache) { Use::Compare } else { Use::HandOn };
    Ok(match (index(source, layer, purpose, progress)?, place, &layer.descriptor) {
        (Err(fault), Some(place), Some(descriptor)) => {
            Err(Flaw::of(fault.to_string(), &place, descriptor.digest, progress))
        }
        (toc, ..) => toc.map_err(|fault| Flaw::of_copy(fault.to_string())),
    })
}
