//! The hidden directory where blobs wait for the commit. It goes when dropped.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::{NamedTempFile, TempDir};

use super::SinkError;
use crate::digest::BlobDigest;

/// Shared by the sink and its open blobs.
#[derive(Debug, Clone)]
pub(super) struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: TempDir,
    /// Finished blobs.
    blobs: Mutex<Vec<BlobDigest>>,
}

impl Stage {
    /// In the directory that will hold `path`, so that a rename suffices.
    pub(super) fn beside(path: &Path) -> Result<Self, SinkError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::create(parent(path), &format!(".{name}.restrata-"))
    }

    pub(super) fn inside(dir: &Path) -> Result<Self, SinkError> {
        Self::create(dir, ".restrata-")
    }

    fn create(parent: &Path, prefix: &str) -> Result<Self, SinkError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).permissions(Permissions::from_mode(0o777));
        let dir = builder.tempdir_in(parent).map_err(SinkError::io(parent, "making a directory for blobs"))?;
        let blobs = dir.path().join("blobs/sha256");
        std::fs::create_dir_all(&blobs).map_err(SinkError::io(blobs, "making a directory for blobs"))?;
        Ok(Self(Arc::new(Inner { dir, blobs: Mutex::default() })))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.dir.path()
    }

    pub(super) fn blob_path(&self, digest: BlobDigest) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.hex())
    }

    /// A file that vanishes unless it is renamed; readable for all that the umask allows.
    pub(super) fn temp_file(&self) -> Result<NamedTempFile, SinkError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("new-").permissions(Permissions::from_mode(0o666));
        builder.tempfile_in(self.path()).map_err(SinkError::io(self.path(), "making a file"))
    }

    pub(super) fn keep(&self, file: NamedTempFile, digest: BlobDigest) -> Result<(), SinkError> {
        let path = self.blob_path(digest);
        file.persist(&path).map_err(|error| SinkError::io(path, "renaming a blob into place")(error.error))?;
        let mut blobs = self.0.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(at) = blobs.binary_search(&digest) {
            blobs.insert(at, digest);
        }
        Ok(())
    }

    /// The finished blobs, sorted.
    pub(super) fn blobs(&self) -> Vec<BlobDigest> {
        self.0.blobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn has(&self, digest: BlobDigest) -> bool {
        self.0.blobs.lock().unwrap_or_else(PoisonError::into_inner).binary_search(&digest).is_ok()
    }

    /// Writes a small file of the stage, such as index.json.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, SinkError> {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).map_err(SinkError::io(&path, "writing"))?;
        Ok(path)
    }
}

/// The directory that a path stands in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
