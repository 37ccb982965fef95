//! Whether an old layer is of use: its blob is there, and its index can be read.

use crate::bytes::FileBytes;
use crate::error::Error;
use crate::progress::Progress;
use crate::source::{Layer, Source, SourceError};
use crate::survey::read::{Index, Use, index};
use crate::watch::Watched;

use super::faults::Flaw;

/// A previous layer's index, or why the layer is of no use.
pub(super) fn usable(
    source: &Source,
    layer: &Layer,
    progress: &Progress,
) -> Result<Result<Option<Index>, Flaw>, Error> {
    let place = match source.layer_file(layer) {
        Err(SourceError::Blob { source, .. }) => return Ok(Err(Flaw::of_copy(source.to_string()))),
        Err(error) if error.is_spoilt() => return Ok(Err(Flaw::of_copy(error.to_string()))),
        opened => opened?,
    };
    Ok(match (index(source, layer, Use::HandOn, progress)?, place, &layer.descriptor) {
        (Err(fault), Some(place), Some(descriptor)) => {
            Err(Flaw::of(fault.to_string(), &watched(place)?, descriptor.digest, progress))
        }
        (toc, ..) => toc.map_err(|fault| Flaw::of_copy(fault.to_string())),
    })
}

pub(super) fn watched(bytes: FileBytes) -> Result<Watched, Error> {
    Watched::new(bytes).map_err(|_| Error::Internal("an open file can't be looked at"))
}
