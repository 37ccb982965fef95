//! Records what the sink does to the disk, and kills the process at a given step. Only tests have it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::process::{Signal, getpid, kill_process};

use crate::span::Span;
use crate::threads::lock;

#[derive(Debug, Clone)]
pub(super) enum Op {
    MakeDir(PathBuf),
    Create(PathBuf),
    /// Bytes of a file from some place on. Files are numbered in the order of their creation; `None` was there before.
    Write(FileId, u64, Vec<u8>),
    Sync(FileId),
    SyncDir(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// A file as the kernel names it, and as the journal does once it is recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileId {
    inode: (u64, u64),
    pub number: Option<usize>,
}

impl FileId {
    fn of(file: &File) -> Self {
        Self { inode: inode(&file.metadata().unwrap()), number: None }
    }
}

fn inode(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

impl Op {
    pub fn write(file: &File, at: u64, bytes: &[u8]) -> Self {
        Self::Write(FileId::of(file), at, bytes.to_vec())
    }

    pub fn copy(from: &File, span: Span, to: &File, at: u64) -> Self {
        let mut bytes = vec![0; span.len() as usize];
        let _ = from.read_exact_at(&mut bytes, span.start());
        Self::Write(FileId::of(to), at, bytes)
    }

    pub fn sync(file: &File) -> Self {
        Self::Sync(FileId::of(file))
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Journal(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    ops: Vec<Op>,
    files: HashMap<(u64, u64), usize>,
    created: usize,
    /// Operations other than writes before the process is killed.
    kill_after: Option<usize>,
}

thread_local! {
    static JOURNAL: RefCell<Option<Journal>> = const { RefCell::new(None) };
}

impl Journal {
    /// What sinks that this thread makes from now on record to.
    pub fn of_this_thread() -> Option<Self> {
        JOURNAL.with(|journal| journal.borrow().clone())
    }

    /// What the sinks that `run` makes do.
    pub fn of(run: impl FnOnce()) -> Vec<Op> {
        let journal = Self::default();
        JOURNAL.with(|own| *own.borrow_mut() = Some(journal.clone()));
        run();
        JOURNAL.with(|own| *own.borrow_mut() = None);
        std::mem::take(&mut lock(&journal.0).ops)
    }

    /// Kills the process before the operation of this number that a sink of this thread begins.
    pub fn kill_after(count: usize) {
        let log = Log { kill_after: Some(count), ..Log::default() };
        JOURNAL.with(|own| *own.borrow_mut() = Some(Self(Arc::new(Mutex::new(log)))));
    }

    pub fn record<T>(&self, mut op: Op, doing: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        // Held while it is done, so that the order is the true one.
        let mut log = lock(&self.0);
        if log.kill_after == Some(0) {
            kill_process(getpid(), Signal::KILL).unwrap();
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        if let (Some(left), false) = (&mut log.kill_after, matches!(op, Op::Write(..))) {
            *left -= 1;
        }
        let done = doing()?;
        match &mut op {
            Op::Create(path) => {
                let number = log.created;
                log.created += 1;
                log.files.insert(inode(&fs::symlink_metadata(path).unwrap()), number);
            }
            Op::Write(file, ..) | Op::Sync(file) => file.number = log.files.get(&file.inode).copied(),
            _ => {}
        }
        log.ops.push(op);
        Ok(done)
    }
}
