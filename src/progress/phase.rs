//! What a job does at the moment, and how much of it is done.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::{Progress, Travelled};

/// The parts of a job that can take long, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Opening,
    /// Reads layers. Bytes are those of the blobs.
    Reading,
    Comparing,
    Planning,
    /// Compresses new content at its last level. Bytes are uncompressed ones.
    Compressing,
    /// Fetches frames of previous layers from a registry. Bytes are those of the blobs.
    Fetching,
    /// Writes layers. Bytes are those of the blobs, as far as they can be known before.
    Writing,
    /// Waits for uploads. Bytes are those that travel.
    Uploading,
    /// Puts everything on the disk and moves the tag.
    Saving,
}

impl Phase {
    const ALL: [Self; 9] = [
        Self::Opening,
        Self::Reading,
        Self::Comparing,
        Self::Planning,
        Self::Compressing,
        Self::Fetching,
        Self::Writing,
        Self::Uploading,
        Self::Saving,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Reading => "reading layers",
            Self::Comparing => "comparing",
            Self::Planning => "planning",
            Self::Compressing => "compressing new content",
            Self::Fetching => "fetching frames",
            Self::Writing => "writing layers",
            Self::Uploading => "uploading",
            Self::Saving => "saving",
        }
    }
}

/// How far a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub phase: Phase,
    /// Bytes.
    pub done: u64,
    /// `None` when nobody can know it before the end.
    pub total: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    phase: AtomicU8,
    done: AtomicU64,
    /// 0: not known.
    total: AtomicU64,
}

impl Progress {
    pub(crate) fn begin(&self, phase: Phase, total: Option<u64>) {
        let counters = &self.counters;
        counters.total.store(total.unwrap_or(0), Ordering::Relaxed);
        counters.done.store(0, Ordering::Relaxed);
        counters.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// More belongs to the phase than was known when it began, if anything was.
    pub(crate) fn expect(&self, bytes: u64) {
        let more = |total: u64| (total > 0).then(|| total.saturating_add(bytes));
        let _ = self.counters.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.counters.done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn now(&self) -> Now {
        let counters = &self.counters;
        let phase = Phase::ALL.get(usize::from(counters.phase.load(Ordering::Relaxed)));
        if phase == Some(&Phase::Uploading) {
            let Travelled { done, total } = self.travelled();
            return Now { phase: Phase::Uploading, done, total: (total > 0).then_some(total) };
        }
        let total = counters.total.load(Ordering::Relaxed);
        Now {
            phase: phase.copied().unwrap_or(Phase::Opening),
            done: counters.done.load(Ordering::Relaxed),
            total: (total > 0).then_some(total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_begins_anew() {
        let progress = Progress::new();
        assert_eq!(progress.now(), Now { phase: Phase::Opening, done: 0, total: None });
        for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Uploading) {
            progress.begin(phase, Some(100));
            progress.advance(40);
            progress.expect(50);
            assert_eq!(progress.now(), Now { phase, done: 40, total: Some(150) });
        }
        progress.expect_transfer(70);
        progress.begin(Phase::Uploading, None);
        assert_eq!(progress.now(), Now { phase: Phase::Uploading, done: 0, total: Some(70) });
        progress.begin(Phase::Reading, None);
        progress.expect(50);
        assert_eq!(progress.now(), Now { phase: Phase::Reading, done: 0, total: None });
    }
}
