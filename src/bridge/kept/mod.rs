//! Runs of blobs that the bridge keeps in a directory, so that ten nodes behind it fetch a range once.
//!
//! | file | does |
//! | --- | --- |
//! | `shelf` | what is kept of one blob, for one request: found, waited for, or fetched and kept |
//! | `supply` | a run, from the directory or from a registry; the latter is copied while it passes |
//! | `stock` | which records there are, and which go; knows no files |
//! | `record` | a record's file |
//!
//! A damaged or missing record is a miss, and so is a directory that can't be written: it costs time, nothing else.

mod record;
mod shelf;
mod stock;
mod supply;

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::progress::Progress;
use crate::span::Span;
use crate::threads::lock;

use super::{BridgeError, Keep};
use record::{Blob, Create, Found, Key};
use stock::{Hit, Stock};

pub(super) use shelf::{Drawn, Shelf};
pub(super) use supply::Supply;

/// How long a client waits for what another one fetches, before it fetches for itself.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Kept<'p> {
    dir: PathBuf,
    state: Mutex<State>,
    /// A run that was being fetched is kept now, or it never will be.
    changed: Condvar,
    progress: &'p Progress,
    create: Create,
    patience: Duration,
    next: AtomicU64,
    /// As long as it is open, no other bridge uses the directory.
    _lock: File,
}

struct State {
    stock: Stock,
    flights: Vec<Fetched>,
}

/// What is being fetched, by one of the clients' requests.
#[derive(Debug, Clone, Copy)]
struct Fetched {
    number: u64,
    request: u64,
    blob: Blob,
    span: Span,
}

impl<'p> Kept<'p> {
    /// Makes the directory if it is not there. Of what is in it, only a bridge's own files count.
    pub fn open(keep: &Keep, progress: &'p Progress) -> Result<Self, BridgeError> {
        let dir = keep.dir.clone();
        let failed = |source| BridgeError::Cache { dir: dir.clone(), source };
        if fs::metadata(&dir).is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(BridgeError::NoDirectory { dir });
        }
        // What is kept may be for few eyes.
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"));
        let file = file.map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(BridgeError::CacheInUse { dir }),
            Err(error) => return Err(failed(error.into())),
        }
        let stock = stocked(&dir, keep.size).map_err(failed)?;
        let (state, next) = (Mutex::new(State { stock, flights: Vec::new() }), AtomicU64::new(0));
        let (create, patience, changed) = (record::create as Create, PATIENCE, Condvar::new());
        Ok(Self { dir, state, changed, progress, create, patience, next, _lock: file })
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A record that is none.
    fn forget(&self, hit: &Hit) {
        let mut state = lock(&self.state);
        if state.stock.forget(hit) {
            remove(&self.dir, &hit.key);
        }
    }

    /// Whether there is room for a record now. Who gets it gives it back, or puts the record.
    fn reserve(&self, key: &Key) -> bool {
        let mut state = lock(&self.state);
        let gone = state.stock.reserve(key);
        gone.iter().flatten().for_each(|key| remove(&self.dir, key));
        gone.is_some()
    }

    fn release(&self, key: &Key) {
        lock(&self.state).stock.release(key);
    }

    /// Names a record and its room. The lock is held meanwhile, so that names and files agree.
    fn put(&self, key: &Key, path: tempfile::TempPath) -> io::Result<()> {
        let mut state = lock(&self.state);
        path.persist(self.dir.join(key.name()))?;
        state.stock.put(key);
        Ok(())
    }
}

/// What a bridge before left. What it did not finish goes.
fn stocked(dir: &Path, most: u64) -> io::Result<Stock> {
    let mut stock = Stock::new(most);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match record::look(&entry) {
            Some(Found::Record(key, used)) if stock.may_have(&key) => found.push((used, key)),
            Some(_) => drop(fs::remove_file(entry.path())),
            None => {}
        }
    }
    found.sort_by_key(|(used, _)| *used);
    found.iter().for_each(|(_, key)| stock.found(key));
    stock.fit().iter().for_each(|key| remove(dir, key));
    Ok(stock)
}

/// A file that stays is counted by the next bridge.
fn remove(dir: &Path, key: &Key) {
    let _ = fs::remove_file(dir.join(key.name()));
}
