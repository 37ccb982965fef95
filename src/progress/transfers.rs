//! Blobs on their way over the network, for who draws them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Progress;

#[derive(Debug, Default)]
pub(super) struct Transfers {
    expected: AtomicU64,
    done: AtomicU64,
    running: Mutex<Vec<Arc<Running>>>,
}

#[derive(Debug)]
struct Running {
    name: String,
    done: AtomicU64,
    total: u64,
}

/// A blob that travels, as long as this lives.
#[derive(Debug)]
pub struct Transfer<'p> {
    transfers: &'p Transfers,
    running: Arc<Running>,
}

/// How far one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// Short.
    pub name: String,
    /// Bytes.
    pub done: u64,
    pub total: u64,
}

/// How far all are, those that wait and those that are over included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Travelled {
    /// Bytes.
    pub done: u64,
    pub total: u64,
}

impl Progress {
    /// So many bytes are to travel.
    pub(crate) fn expect_transfer(&self, bytes: u64) {
        self.transfers.expected.fetch_add(bytes, Ordering::Relaxed);
    }

    /// They need not.
    pub(crate) fn spare_transfer(&self, bytes: u64) {
        self.transfers.expected.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A transfer that begins. Its bytes were expected.
    pub(crate) fn transfer(&self, name: String, total: u64) -> Transfer<'_> {
        let running = Arc::new(Running { name, done: AtomicU64::new(0), total });
        self.transfers.lock().push(Arc::clone(&running));
        Transfer { transfers: &self.transfers, running }
    }

    /// The oldest first.
    pub fn in_flight(&self) -> Vec<InFlight> {
        let shown = |running: &Arc<Running>| InFlight {
            name: running.name.clone(),
            done: running.done.load(Ordering::Relaxed),
            total: running.total,
        };
        self.transfers.lock().iter().map(shown).collect()
    }

    pub fn travelled(&self) -> Travelled {
        let Transfers { done, expected, .. } = &self.transfers;
        Travelled { done: done.load(Ordering::Relaxed), total: expected.load(Ordering::Relaxed) }
    }
}

impl Transfers {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer<'_> {
    pub fn advance(&self, bytes: u64) {
        self.running.done.fetch_add(bytes, Ordering::Relaxed);
        self.transfers.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        self.transfers.lock().retain(|running| !Arc::ptr_eq(running, &self.running));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_come_and_go() {
        let progress = Progress::new();
        progress.expect_transfer(130);
        progress.spare_transfer(20);
        let first = progress.transfer("a".to_owned(), 100);
        let second = progress.transfer("b".to_owned(), 10);
        first.advance(30);
        second.advance(10);
        let shown = |name: &str, done, total| InFlight { name: name.to_owned(), done, total };
        assert_eq!(progress.in_flight(), [shown("a", 30, 100), shown("b", 10, 10)]);
        drop(second);
        assert_eq!(progress.in_flight(), [shown("a", 30, 100)]);
        drop(first);
        assert_eq!((progress.in_flight(), progress.travelled()), (vec![], Travelled { done: 40, total: 110 }));
    }
}
