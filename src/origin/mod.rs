//! Where the blobs of old layers are, and how their bytes are copied.
//!
//! | file | does |
//! | --- | --- |
//! | `frames` | frames of an old blob; those of a registry come through the spool |
//! | `fetch` | runs of bytes from a registry into the spool |

mod fetch;
mod frames;

use crate::registry::StoredBlob;
use crate::watch::Watched;

pub use fetch::{FetchError, fetch};
pub use frames::FrameBlob;

/// Where an old layer's blob is.
#[derive(Debug, Clone)]
pub enum Origin<'a> {
    File(Watched),
    Registry(StoredBlob<'a>),
}

impl Origin<'_> {
    /// Bytes of the blob.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.span().len(),
            Self::Registry(blob) => blob.size,
        }
    }
}
