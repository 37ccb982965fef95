//! Writes files through to the disk in threads of its own, while others compress: the wait at the commit is then short.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::SinkError;
use super::disk::Disk;
use crate::threads::lock;

/// Files that wait, each an open descriptor. Who has one more waits, too.
const WAITING: usize = 32;

/// Threads, which do nothing but wait. A file system's journal takes the syncs that come at once in one turn, so that
/// fifty layers cost little more than one.
const THREADS: usize = 8;

#[derive(Debug)]
pub(super) struct Syncer {
    disk: Disk,
    running: Mutex<Option<Running>>,
    /// Nobody needs the files any more.
    is_dropped: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Running {
    files: Sender<Job>,
    waiting: Receiver<Job>,
    threads: Vec<JoinHandle<Result<(), SinkError>>>,
}

#[derive(Debug)]
struct Job {
    file: File,
    /// `None`: somebody still writes to it, and it comes again.
    path: Option<PathBuf>,
}

impl Default for Syncer {
    fn default() -> Self {
        Self { disk: Disk::new(), running: Mutex::default(), is_dropped: Arc::default() }
    }
}

impl Syncer {
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Begins early with a file that is still written to, if there is time for it.
    pub fn begin(&self, file: &File) {
        if let (Some(sender), Ok(file)) = (self.sender(), file.try_clone()) {
            let _ = sender.try_send(Job { file, path: None });
        }
    }

    /// The file is synced when [`wait`](Self::wait) returns; `path` names it.
    pub fn add(&self, file: File, path: PathBuf) -> Result<(), SinkError> {
        let job = Job { file, path: Some(path) };
        match self.sender() {
            // Threads that are all gone have failed, and `wait` says how.
            Some(sender) => sender.send(job).or(Ok(())),
            // No thread can be started: it takes longer, that is all.
            None => sync(&self.disk, &job),
        }
    }

    pub fn wait(&self) -> Result<(), SinkError> {
        let Some(Running { files, waiting, threads }) = lock(&self.running).take() else { return Ok(()) };
        drop(files);
        // What no thread takes any more, since all have failed.
        let gone = || SinkError::io(PathBuf::new(), "syncing")(io::Error::other("a thread panicked"));
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(gone()))).collect();
        ended.into_iter().collect::<Result<(), _>>()?;
        waiting.into_iter().try_for_each(|job| sync(&self.disk, &job))
    }

    /// Where files go; each one may bring another thread. `None` when there is none.
    fn sender(&self) -> Option<Sender<Job>> {
        let mut running = lock(&self.running);
        let running = running.get_or_insert_with(|| {
            let (files, waiting) = bounded(WAITING);
            Running { files, waiting, threads: Vec::new() }
        });
        if running.threads.len() < THREADS {
            let (disk, waiting) = (self.disk.clone(), running.waiting.clone());
            let is_dropped = Arc::clone(&self.is_dropped);
            running.threads.extend(Builder::new().spawn(move || sync_all(&disk, &waiting, &is_dropped)));
        }
        (!running.threads.is_empty()).then(|| running.files.clone())
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}

/// After a failure the rest is only taken away: nobody may wait for room.
fn sync_all(disk: &Disk, files: &Receiver<Job>, is_dropped: &AtomicBool) -> Result<(), SinkError> {
    let mut result = Ok(());
    for job in files {
        if result.is_ok() && !is_dropped.load(Ordering::Relaxed) {
            result = sync(disk, &job);
        }
    }
    result
}

fn sync(disk: &Disk, job: &Job) -> Result<(), SinkError> {
    match (disk.sync(&job.file), &job.path) {
        (Err(error), Some(path)) => Err(SinkError::io(path, "syncing a blob")(error)),
        // The last sync of the file has the last word.
        _ => Ok(()),
    }
}
