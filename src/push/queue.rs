//! Blobs that wait for a thread that uploads them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::PushError;
use super::bytes::Bytes;
use crate::digest::BlobDigest;
use crate::progress::Interrupted;
use crate::registry::Pause;
use crate::threads::lock;

/// A blob that the registry shall have.
#[derive(Debug)]
pub(super) struct Task<'s> {
    pub digest: BlobDigest,
    pub size: u64,
    pub bytes: Bytes<'s>,
}

#[derive(Debug)]
pub(super) struct Queue<'s> {
    state: Mutex<State<'s>>,
    more: Condvar,
    /// What is on its way ends, too, and who waits for a second try.
    is_over: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State<'s> {
    tasks: VecDeque<Task<'s>>,
    is_closed: bool,
    failure: Option<PushError>,
}

impl<'s> Queue<'s> {
    pub fn new(is_over: Arc<AtomicBool>) -> Self {
        Self { state: Mutex::default(), more: Condvar::new(), is_over }
    }

    pub fn add(&self, task: Task<'s>) {
        lock(&self.state).tasks.push_back(task);
        self.more.notify_one();
    }

    /// Waits for a task. `None` when there will be no more.
    pub fn take(&self) -> Option<Task<'s>> {
        let mut state = lock(&self.state);
        loop {
            if self.is_over() {
                return None;
            }
            match state.tasks.pop_front() {
                Some(task) => return Some(task),
                None if state.is_closed => return None,
                None => state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// All tasks are here.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.more.notify_all();
    }

    /// Nothing more is to be sent.
    pub fn abandon(&self) {
        let mut state = lock(&self.state);
        self.is_over.store(true, Ordering::Relaxed);
        state.tasks.clear();
        self.more.notify_all();
    }

    /// The first one counts, unless the rest was abandoned before.
    pub fn fail(&self, error: PushError) {
        let mut state = lock(&self.state);
        if !self.is_over() && state.failure.is_none() {
            state.failure = Some(error);
        }
        drop(state);
        self.abandon();
    }

    pub fn take_failure(&self) -> Option<PushError> {
        lock(&self.state).failure.take()
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// The same waits, which end soon when nothing more is to be sent.
pub(super) fn ending(pause: Pause, is_over: Arc<AtomicBool>) -> Pause {
    const SLICE: Duration = Duration::from_secs(1);
    Arc::new(move |whole, progress| {
        let mut rest = whole;
        loop {
            if is_over.load(Ordering::Relaxed) {
                return Err(Interrupted);
            }
            let slice = rest.min(SLICE);
            pause(slice, progress)?;
            rest -= slice;
            if rest.is_zero() {
                return Ok(());
            }
        }
    })
}

pub(super) struct AbandonWhenDropped<'a, 's>(pub &'a Queue<'s>);

impl Drop for AbandonWhenDropped<'_, '_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
