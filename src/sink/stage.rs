//! The hidden directory where blobs wait for the commit. It goes when dropped.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir};

use super::SinkError;
use super::unfinished::Unfinished;
use crate::digest::BlobDigest;

/// Shared by the sink and its open blobs.
#[derive(Debug, Clone)]
pub(super) struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: TempDir,
    /// Locked as long as this process lives: who finds it unlocked may remove it.
    _lock: Option<File>,
    /// Finished blobs.
    blobs: Mutex<Vec<BlobDigest>>,
    /// Dropped last.
    _unfinished: Unfinished,
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
        remove_abandoned(parent, prefix);
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).rand_bytes(RANDOM).permissions(Permissions::from_mode(0o777));
        let dir = builder.tempdir_in(parent).map_err(SinkError::io(parent, "making a directory for blobs"))?;
        let unfinished = Unfinished::new(dir.path());
        let blobs = dir.path().join("blobs/sha256");
        std::fs::create_dir_all(&blobs).map_err(SinkError::io(blobs, "making a directory for blobs"))?;
        // A file system without locks has none that could be removed, either.
        let lock = locked(dir.path());
        Ok(Self(Arc::new(Inner { dir, _lock: lock, blobs: Mutex::default(), _unfinished: unfinished })))
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

/// What processes left that were killed; it may be as large as an image. It stays if it can't be removed: that is no
/// reason to fail.
fn remove_abandoned(parent: &Path, prefix: &str) {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let is_stage =
        |name: &OsStr| name.len() == prefix.len() + RANDOM && name.as_encoded_bytes().starts_with(prefix.as_bytes());
    for stage in entries.filter(|entry| is_stage(&entry.file_name()) && entry.path().join("blobs/sha256").is_dir()) {
        let age = stage.metadata().ok().and_then(|meta| meta.modified().ok()?.elapsed().ok());
        // One that was made just now may not be locked yet.
        if age.is_some_and(|age| age > FRESH) && locked(&stage.path()).is_some() {
            let _ = std::fs::remove_dir_all(stage.path());
        }
    }
}

/// Random characters in a stage's name.
const RANDOM: usize = 6;

const FRESH: Duration = Duration::from_secs(60);

/// `None` when another process has it.
fn locked(dir: &Path) -> Option<File> {
    let file = File::open(dir).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// The directory that a path stands in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str, age: Duration| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
            File::open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
            path
        };
        let abandoned = made(".restrata-aB3dEf", 2 * FRESH);
        let others = [
            made(".restrata-g4hIjK", Duration::ZERO),
            made(".restrata-keep", 2 * FRESH),
            made(".image.restrata-aB3dEf", 2 * FRESH),
        ];
        let used = made(".restrata-inUse0", 2 * FRESH);
        let lock = locked(&used);
        let stage = Stage::inside(dir.path()).unwrap();
        assert!(!abandoned.exists());
        assert!(others.iter().chain([&used]).all(|path| path.exists()) && lock.is_some() && stage.path().exists());
    }

    #[test]
    fn a_stage_in_use_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = Stage::inside(dir.path()).unwrap();
        File::open(first.path()).unwrap().set_modified(SystemTime::now() - 2 * FRESH).unwrap();
        let second = Stage::inside(dir.path()).unwrap();
        assert!(first.path().exists() && second.path().exists());
    }
}
