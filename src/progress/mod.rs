//! How far a job is, whether it should stop, and what it may take: shared by its threads, read by whoever draws it.

mod phase;
mod room;
mod transfers;
mod watched;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use phase::{Now, Phase};
pub use room::{SizeLimit, TooLarge, TooMany};
pub use transfers::{InFlight, Transfer, Travelled};
pub use watched::{Stop, Watched};

use crate::limits;

#[derive(Debug, Default)]
pub struct Progress {
    cancelled: AtomicBool,
    counters: phase::Counters,
    room: room::Room,
    transfers: transfers::Transfers,
    /// 0: the default.
    max_size: AtomicU64,
    last_words: Mutex<Option<String>>,
}

/// Somebody asked the job to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Progress {
    pub fn new() -> Self {
        Self::default()
    }

    /// Safe to call from a signal's thread.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// What is said when a job that is to stop is ended from outside.
    pub fn last_words(&self) -> Option<String> {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_last_words(&self, words: String) {
        *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }

    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_cancelled() { Err(Interrupted) } else { Ok(()) }
    }

    /// Sets what an image may unpack to, in bytes; [`limits::IMAGE_BYTES`] otherwise.
    pub fn set_max_size(&self, bytes: u64) {
        self.max_size.store(bytes.max(1), Ordering::Relaxed);
    }

    /// For one image.
    pub fn size_limit(&self) -> SizeLimit {
        match self.max_size.load(Ordering::Relaxed) {
            0 => SizeLimit::new(limits::IMAGE_BYTES),
            bytes => SizeLimit::new(bytes),
        }
    }

    /// Sets memory aside for what is known of an image. Who forgets it gives it back.
    pub(crate) fn hold(&self, bytes: u64) -> Result<(), TooMany> {
        self.room.hold(bytes)
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.room.give_back(bytes);
    }

    /// Everything is free again: the next image begins.
    pub(crate) fn give_all_back(&self) {
        self.room.give_all_back();
    }
}
