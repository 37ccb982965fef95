//! Who removes blobs from a layout, beside runs that write into it.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::stage::{self, Abandoned};
use super::{SinkError, layout};
use crate::digest::BlobDigest;
use crate::progress::Progress;

/// A layout that no other process changes while this is held. A run can begin to write into it only afterwards.
pub struct LockedLayout {
    path: PathBuf,
    _lock: fs::File,
}

/// What a killed run left in a layout.
pub struct Leftover {
    stage: Abandoned,
    /// Bytes of its files.
    pub bytes: u64,
}

impl LockedLayout {
    /// Waits for whoever changes it now.
    pub fn lock(path: &Path, progress: &Progress) -> Result<Self, SinkError> {
        Ok(Self { path: path.to_owned(), _lock: layout::lock(path, progress)? })
    }

    /// The stage of a run that has begun to write into the layout. It may need any blob that is there.
    pub fn writing(&self) -> Option<PathBuf> {
        stage::live_inside(&self.path)
    }

    pub fn leftovers(&self) -> Vec<Leftover> {
        stage::abandoned_inside(&self.path).map(|stage| Leftover { bytes: bytes_below(stage.path()), stage }).collect()
    }

    pub fn remove_leftover(&self, leftover: &Leftover) -> Result<(), SinkError> {
        let path = leftover.stage.path();
        Disk::new().remove_tree(path).map_err(SinkError::io(path, "removing"))
    }

    pub fn remove_blob(&self, digest: BlobDigest) -> Result<(), SinkError> {
        let path = layout::blob_path(&self.path, digest);
        Disk::new().remove_file(&path).map_err(SinkError::io(&path, "removing"))
    }
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let bytes = entries.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        Some(if meta.is_dir() { bytes_below(&entry.path()) } else { meta.len() })
    });
    bytes.sum()
}
