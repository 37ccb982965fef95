//! Blobs of a registry that sends no parts of them: each is read once, into a temporary file.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use crate::bytes::FileBytes;
use crate::digest::BlobDigest;
use crate::registry::{Answer, RegistryError, StoredBlob};
use crate::span::Span;
use crate::spool::{Spool, SpoolError};
use crate::threads::lock;

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Whether the registry sends parts.
    does_ranges: OnceLock<bool>,
    files: Mutex<HashMap<BlobDigest, FileBytes>>,
}

pub(super) enum BringError {
    Registry(RegistryError),
    Spool(SpoolError),
}

impl Brought {
    pub fn file(&self, digest: BlobDigest) -> Option<FileBytes> {
        lock(&self.files).get(&digest).cloned()
    }

    /// Asks once for a byte of a blob.
    pub fn does_ranges(&self, blob: &StoredBlob<'_>) -> Result<bool, RegistryError> {
        if let Some(known) = self.does_ranges.get() {
            return Ok(*known);
        }
        let first = Span::between(0, blob.size.min(1));
        let found =
            first.is_empty() || matches!(blob.repository.ranges(blob.digest, blob.size, &[first])?, Answer::Parts(_));
        Ok(*self.does_ranges.get_or_init(|| found))
    }

    /// Reads a blob into a file in `spool_dir`. Its digest is checked on the way.
    pub fn bring(&self, blob: &StoredBlob<'_>, spool_dir: &Path) -> Result<(), BringError> {
        if self.file(blob.digest).is_some() {
            return Ok(());
        }
        let spool = Spool::new(spool_dir).map_err(BringError::Spool)?;
        let mut from = blob.open().map_err(BringError::Registry)?;
        let mut piece = vec![0; PIECE];
        loop {
            let got = from.read(&mut piece).map_err(|error| BringError::Registry(blob.repository.failure(error)))?;
            if got == 0 {
                break;
            }
            spool.append(&piece[..got]).map_err(BringError::Spool)?;
        }
        let file = FileBytes::new(spool.into_file(), Span::between(0, blob.size));
        lock(&self.files).insert(blob.digest, file);
        Ok(())
    }
}
