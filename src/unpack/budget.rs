//! A cap on the bytes between readers and workers.

use std::sync::{Condvar, Mutex, PoisonError};

/// One cap for files that travel whole, one for those that travel in pieces.
pub(super) struct Budgets {
    pub whole: ByteBudget,
    pub streamed: ByteBudget,
}

/// Readers take, workers give back. One request never takes more than the whole.
pub(super) struct ByteBudget {
    left: Mutex<u64>,
    freed: Condvar,
    whole: u64,
}

impl ByteBudget {
    pub fn new(whole: u64) -> Self {
        Self { left: Mutex::new(whole), freed: Condvar::new(), whole }
    }

    /// Waits until `bytes` are free.
    pub fn take(&self, bytes: u64) {
        let bytes = bytes.min(self.whole);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left < bytes {
            left = self.freed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
    }

    pub fn give(&self, bytes: u64) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) += bytes.min(self.whole);
        self.freed.notify_all();
    }
}
