//! Writes files through to the disk in a thread of its own, while others compress: the wait at the commit is then short.

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

#[derive(Debug)]
pub(super) struct Syncer {
    disk: Disk,
    /// The thread, once there was something to do.
    thread: Mutex<Option<Thread>>,
    /// Nobody needs the files any more.
    is_dropped: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Thread {
    files: Sender<Job>,
    handle: JoinHandle<Result<(), SinkError>>,
}

#[derive(Debug)]
struct Job {
    file: File,
    /// `None`: somebody still writes to it, and it comes again.
    path: Option<PathBuf>,
}

impl Syncer {
    pub fn new(disk: Disk) -> Self {
        Self { disk, thread: Mutex::default(), is_dropped: Arc::default() }
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
            // A thread that is gone has failed, and `wait` says how.
            Some(sender) => sender.send(job).or(Ok(())),
            // No thread can be started: it takes longer, that is all.
            None => sync(&self.disk, &job),
        }
    }

    pub fn wait(&self) -> Result<(), SinkError> {
        let Some(Thread { files, handle }) = lock(&self.thread).take() else { return Ok(()) };
        drop(files);
        let gone = || SinkError::io(PathBuf::new(), "syncing")(io::Error::other("the thread panicked"));
        handle.join().unwrap_or_else(|_| Err(gone()))
    }

    fn sender(&self) -> Option<Sender<Job>> {
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let (files, receiver) = bounded(WAITING);
            let (disk, is_dropped) = (self.disk.clone(), Arc::clone(&self.is_dropped));
            let run = move || sync_all(&disk, &receiver, &is_dropped);
            *thread = Builder::new().spawn(run).ok().map(|handle| Thread { files, handle });
        }
        thread.as_ref().map(|thread| thread.files.clone())
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}

fn sync_all(disk: &Disk, files: &Receiver<Job>, is_dropped: &AtomicBool) -> Result<(), SinkError> {
    for job in files {
        if !is_dropped.load(Ordering::Relaxed) {
            sync(disk, &job)?;
        }
    }
    Ok(())
}

fn sync(disk: &Disk, job: &Job) -> Result<(), SinkError> {
    match (disk.sync(&job.file), &job.path) {
        (Err(error), Some(path)) => Err(SinkError::io(path, "syncing a blob")(error)),
        // The last sync of the file has the last word.
        _ => Ok(()),
    }
}
