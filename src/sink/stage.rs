//! The hidden directory where blobs wait for the commit. It goes when dropped; what a killed process left goes with the
//! next run.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tempfile::NamedTempFile;

use super::SinkError;
use super::disk::Disk;
use super::syncer::Syncer;
use super::unfinished::{GONE, Unfinished};
use crate::digest::BlobDigest;
use crate::spool::is_full;
use crate::threads::lock;

/// Shared by the sink and its open blobs.
#[derive(Debug, Clone)]
pub(super) struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    disk: Disk,
    path: PathBuf,
    /// Held as long as this process lives: whoever can take it may remove the stage. `None` where the file system has
    /// no locks; then nobody can take it.
    _lock: Option<File>,
    /// Finished blobs.
    blobs: Mutex<Vec<BlobDigest>>,
    /// Bytes that were written.
    written: AtomicU64,
    syncer: Arc<Syncer>,
    durable: Durable,
    /// The stage has become the layout.
    is_placed: AtomicBool,
    /// Dropped last.
    _unfinished: Unfinished,
}

/// Another sink's stage, as long as that is not committed. To hold the stage itself would hold the lock of the layout that
/// it becomes.
#[derive(Debug)]
pub(super) struct Sibling(Weak<Inner>);

/// When blobs are written through to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    /// Each by itself, since it moves into a layout.
    Blobs,
    /// Never: they are copied into an archive, which is.
    Archive,
}

impl Stage {
    /// In the directory that will hold `path`, so that a rename suffices.
    pub(super) fn beside(path: &Path, durable: Durable, syncer: &Arc<Syncer>) -> Result<Self, SinkError> {
        Self::create(parent(path), &prefix_beside(path), durable, syncer)
    }

    pub(super) fn inside(dir: &Path, syncer: &Arc<Syncer>) -> Result<Self, SinkError> {
        Self::create(dir, PREFIX, Durable::Blobs, syncer)
    }

    fn create(parent: &Path, prefix: &str, durable: Durable, syncer: &Arc<Syncer>) -> Result<Self, SinkError> {
        let disk = syncer.disk().clone();
        for _ in 0..TRIES {
            let path = disk.temp_dir(parent, prefix, RANDOM).map_err(|source| unmade(parent, source))?;
            let unfinished = Unfinished::new(&path);
            // Another process that looks for abandoned stages may have found this one before it was locked.
            let lock = match take(&path) {
                Lock::Held(lock) if is_at(&lock, &path) => Some(lock),
                Lock::None if path.is_dir() => None,
                Lock::Held(_) | Lock::None | Lock::Taken => continue,
            };
            let stage = Self(Arc::new(Inner {
                syncer: Arc::clone(syncer),
                disk,
                path,
                _lock: lock,
                blobs: Mutex::default(),
                written: AtomicU64::new(0),
                durable,
                is_placed: AtomicBool::new(false),
                _unfinished: unfinished,
            }));
            for dir in ["blobs", "blobs/sha256"] {
                let made = stage.disk().make_dir(&stage.path().join(dir));
                made.map_err(|source| unmade(parent, source))?;
            }
            return Ok(stage);
        }
        let gone = io::Error::other("other processes remove it at once");
        Err(SinkError::io(parent, "making a directory for blobs")(gone))
    }

    /// Counts bytes that were written.
    pub(super) fn advance(&self, bytes: u64) {
        self.0.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Why `more` bytes can't be written to a file of the stage.
    pub(super) fn error(&self, path: &Path, doing: &'static str, more: u64, source: io::Error) -> SinkError {
        let needed = self.0.written.load(Ordering::Relaxed) + more;
        match is_full(&source) {
            true => SinkError::Full { dir: parent(self.path()).to_owned(), needed, source },
            false => SinkError::io(path, doing)(source),
        }
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.0.disk
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn blob_path(&self, digest: BlobDigest) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.hex())
    }

    pub(super) fn temp_file(&self) -> Result<NamedTempFile, SinkError> {
        let made = self.disk().temp_file(self.path(), TEMP);
        made.map_err(|error| self.error(self.path(), "making a file", 0, error))
    }

    pub(super) fn durable(&self) -> Durable {
        self.0.durable
    }

    /// Begins to write a file through that others still write to.
    pub(super) fn begin_sync(&self, file: &File) {
        self.0.syncer.begin(file);
    }

    pub(super) fn syncer(&self) -> &Arc<Syncer> {
        &self.0.syncer
    }

    /// Has a blob that lies in the destination written through before the commit; `path` names it.
    pub(super) fn sync_later(&self, file: File, path: PathBuf) -> Result<(), SinkError> {
        self.0.syncer.add(file, path)
    }

    /// Returns when everything that was to be synced is.
    pub(super) fn wait_for_syncs(&self) -> Result<(), SinkError> {
        self.0.syncer.wait()
    }

    pub(super) fn keep(&self, file: NamedTempFile, digest: BlobDigest) -> Result<(), SinkError> {
        let path = self.blob_path(digest);
        let file = self.disk().persist(file, &path).map_err(SinkError::io(&path, "renaming a blob into place"))?;
        if self.durable() == Durable::Blobs {
            self.0.syncer.add(file, path)?;
        }
        self.add(digest);
        Ok(())
    }

    fn add(&self, digest: BlobDigest) {
        let mut blobs = lock(&self.0.blobs);
        if let Err(at) = blobs.binary_search(&digest) {
            blobs.insert(at, digest);
        }
    }

    /// Takes a blob of another stage by a second name. False where that is not there, or on another file system.
    pub(super) fn link(&self, other: &Sibling, digest: BlobDigest) -> bool {
        let Some(other) = other.0.upgrade().map(Self) else { return false };
        let is_linked =
            other.has(digest) && self.disk().link(&other.blob_path(digest), &self.blob_path(digest)).is_ok();
        if is_linked {
            self.add(digest);
        }
        is_linked
    }

    pub(super) fn sibling(&self) -> Sibling {
        Sibling(Arc::downgrade(&self.0))
    }

    /// The finished blobs, sorted.
    pub(super) fn blobs(&self) -> Vec<BlobDigest> {
        lock(&self.0.blobs).clone()
    }

    pub(super) fn has(&self, digest: BlobDigest) -> bool {
        lock(&self.0.blobs).binary_search(&digest).is_ok()
    }

    /// Writes a small file of the stage, such as index.json, through to the disk.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, SinkError> {
        let path = self.path().join(name);
        let write = || {
            let file = self.disk().temp_file(self.path(), TEMP)?;
            self.disk().write_at(file.as_file(), bytes, 0)?;
            self.disk().sync(file.as_file())?;
            self.disk().persist(file, &path).map(drop)
        };
        write().map_err(|error| self.error(&path, "writing", bytes.len() as u64, error))?;
        Ok(path)
    }

    /// The stage is where the layout shall be: it stays.
    pub(super) fn is_placed(&self) {
        self.0.is_placed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !*self.is_placed.get_mut() {
            // What can't be removed now goes with the next run. There is nobody left to tell.
            let _ = self.disk.remove_tree(&self.path);
        }
    }
}

/// Why no stage can be made in a directory.
fn unmade(parent: &Path, source: io::Error) -> SinkError {
    let dir = parent.to_owned();
    match is_full(&source) {
        true => SinkError::Full { dir, needed: 0, source },
        false => SinkError::Unwritable { dir, cause: source },
    }
}

/// Removes what killed processes left for this destination; it may be as large as an image. What can't be removed
/// stays: that is no reason to fail.
pub(super) fn sweep(dest: &Path) {
    for abandoned in abandoned(parent(dest), &prefix_beside(dest)).chain(abandoned(dest, PREFIX)) {
        abandoned.remove();
    }
}

/// A stage whose process is gone. It is locked, so that no two processes remove it at once.
pub(super) struct Abandoned {
    path: PathBuf,
    _lock: File,
}

impl Abandoned {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn remove(&self) {
        let _ = Disk::new().remove_tree(&self.path);
    }
}

pub(super) fn abandoned_inside(layout: &Path) -> impl Iterator<Item = Abandoned> {
    abandoned(layout, PREFIX)
}

/// A stage inside the layout that a living process fills.
pub(super) fn live_inside(layout: &Path) -> Option<PathBuf> {
    stages(layout, PREFIX).into_iter().find(|path| match take(path) {
        Lock::Held(_) => false,
        Lock::Taken => true,
        Lock::None => path.exists(),
    })
}

fn abandoned(parent: &Path, prefix: &str) -> impl Iterator<Item = Abandoned> {
    stages(parent, prefix).into_iter().filter_map(|path| match take(&path) {
        Lock::Held(lock) if is_at(&lock, &path) => Some(Abandoned { path, _lock: lock }),
        _ => None,
    })
}

/// Directories that have a stage's name and nothing that a stage has not.
fn stages(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let entries = entries.filter(|entry| is_stage_name(&entry.file_name(), prefix));
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let of_a_stage = |name: &OsStr| {
        let name = name.as_encoded_bytes();
        [&b"blobs"[..], b"index.json", b"oci-layout"].contains(&name) || name.starts_with(TEMP.as_bytes())
    };
    let is_stage = |path: &PathBuf| {
        fs::read_dir(path).is_ok_and(|mut inside| inside.all(|entry| entry.is_ok_and(|e| of_a_stage(&e.file_name()))))
    };
    dirs.map(|entry| entry.path()).filter(is_stage).collect()
}

/// Is it the name of a stage inside a layout?
pub(super) fn is_own_name(name: &OsStr) -> bool {
    is_stage_name(name, PREFIX)
}

fn is_stage_name(name: &OsStr, prefix: &str) -> bool {
    let name = name.as_encoded_bytes();
    let random = name.strip_suffix(GONE.as_bytes()).unwrap_or(name).strip_prefix(prefix.as_bytes());
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
}

/// Stages inside a layout begin with it.
const PREFIX: &str = ".restrata-";

fn prefix_beside(path: &Path) -> String {
    format!(".{}{PREFIX}", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Files of a stage that have no name yet begin with it.
const TEMP: &str = "new-";

/// Random characters in a stage's name.
const RANDOM: usize = 6;

/// How often a stage is made that other processes remove before it is locked. Once is rare.
const TRIES: usize = 16;

enum Lock {
    Held(File),
    /// Another process has it.
    Taken,
    /// The file system has no locks, or the directory is gone.
    None,
}

fn take(dir: &Path) -> Lock {
    let Ok(file) = File::open(dir) else { return Lock::None };
    match file.try_lock() {
        Ok(()) => Lock::Held(file),
        Err(TryLockError::WouldBlock) => Lock::Taken,
        Err(TryLockError::Error(_)) => Lock::None,
    }
}

/// Is the file still what stands at this path?
fn is_at(file: &File, path: &Path) -> bool {
    let place = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let there = fs::symlink_metadata(path).ok().map(place);
    there.is_some() && file.metadata().ok().map(place) == there
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
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str, inside: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.join(inside)).unwrap();
            path
        };
        let abandoned = [
            made(".restrata-aB3dEf", "blobs/sha256"),
            made(".restrata-empty0", ""),
            made(".restrata-half00", "blobs"),
            made(".restrata-files0", "new-x"),
            made(".restrata-ended0-gone", "blobs"),
        ];
        let others = [
            made(".restrata-keep", "blobs"),
            made(".restrata-a_user", "blobs"),
            made(".restrata-photos", "holidays"),
            made(".image.restrata-aB3dEf", "blobs"),
        ];
        let used = made(".restrata-inUse0", "blobs/sha256");
        let lock = take(&used);
        sweep(dir.path());
        assert!(abandoned.iter().all(|path| !path.exists()));
        assert!(others.iter().chain([&used]).all(|path| path.exists()) && matches!(lock, Lock::Held(_)));
        sweep(&dir.path().join("image"));
        assert!(!others[3].exists() && others[..3].iter().all(|path| path.exists()));
    }

    #[test]
    fn a_stage_in_use_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = Stage::inside(dir.path(), &Arc::default()).unwrap();
        assert!(live_inside(dir.path()).is_some());
        sweep(dir.path());
        let second = Stage::inside(dir.path(), &Arc::default()).unwrap();
        assert!(first.path().exists() && second.path().exists());
        drop((first, second));
        assert!(live_inside(dir.path()).is_none() && fs::read_dir(dir.path()).unwrap().next().is_none());
    }

    /// The moment between making a stage and locking it.
    #[test]
    fn stages_are_made_while_others_sweep() {
        let dir = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        let sweeps = || {
            while !done.load(Ordering::Relaxed) {
                sweep(dir.path());
            }
        };
        let makes = || {
            for _ in 0..300 {
                let stage = Stage::inside(dir.path(), &Arc::default()).unwrap();
                assert!(stage.path().join("blobs/sha256").is_dir());
            }
            done.store(true, Ordering::Relaxed);
        };
        crate::threads::beside(sweeps, makes).unwrap();
        sweep(dir.path());
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
