//! What a run may take: memory for what it knows of its images, and bytes that an image unpacks to. Limits for each item
//! don't bound a run, since an image of a few kilobytes can have any number of items.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits;
use crate::units;

/// More than fits, of what the images of a run hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the images of this run have too many entries: {held} bytes of memory are needed to remember them, expected at most \
     {limit}; split the image, or name fewer images at once",
    held = units::count(*held), limit = units::count(*limit)
)]
pub struct TooMany {
    held: u64,
    limit: u64,
}

/// An image that unpacks to more than the user allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the image unpacks to {found} bytes or more: expected at most {limit}; --max-size SIZE allows more", found = units::count(*found), limit = units::count(*limit))]
pub struct TooLarge {
    found: u64,
    limit: u64,
}

/// Bytes of memory that are spoken for, by estimate.
#[derive(Debug, Default)]
pub(super) struct Room(AtomicU64);

impl Room {
    pub fn hold(&self, bytes: u64) -> Result<(), TooMany> {
        let held = self.0.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if held > limits::HELD_BYTES { Err(TooMany { held, limit: limits::HELD_BYTES }) } else { Ok(()) }
    }

    pub fn give_back(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn give_all_back(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// How much one image may still unpack to, over all its layers.
#[derive(Debug)]
pub struct SizeLimit {
    limit: u64,
    found: AtomicU64,
    /// What of it was found before this limit was forked off another.
    forked_at: u64,
}

impl SizeLimit {
    pub fn new(limit: u64) -> Self {
        Self { limit, found: AtomicU64::new(0), forked_at: 0 }
    }

    /// For bytes that may be read again: they count when [`join`](Self::join) says so.
    pub(crate) fn fork(&self) -> Self {
        let found = self.found.load(Ordering::Relaxed);
        Self { limit: self.limit, found: AtomicU64::new(found), forked_at: found }
    }

    /// Counts what a fork took.
    pub(crate) fn join(&self, fork: &Self) -> Result<(), TooLarge> {
        self.take(fork.found.load(Ordering::Relaxed) - fork.forked_at)
    }

    pub(crate) fn take(&self, bytes: u64) -> Result<(), TooLarge> {
        let limit = self.limit;
        let before = self.found.fetch_add(bytes, Ordering::Relaxed);
        match before.checked_add(bytes) {
            Some(found) if found <= limit => Ok(()),
            _ => {
                // Other layers must not get past the limit by an overflow.
                self.found.store(u64::MAX / 2, Ordering::Relaxed);
                Err(TooLarge { found: before.saturating_add(bytes), limit })
            }
        }
    }
}

impl Default for SizeLimit {
    fn default() -> Self {
        Self::new(limits::IMAGE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_over_all_that_is_taken() {
        let size = SizeLimit::new(100);
        assert_eq!((size.take(60), size.take(40)), (Ok(()), Ok(())));
        assert_eq!(size.take(1), Err(TooLarge { found: 101, limit: 100 }));
        assert!(size.take(0).is_err() && SizeLimit::new(100).take(u64::MAX).is_err());
        let error = SizeLimit::default().take(1 << 62).unwrap_err().to_string();
        assert!(error.contains("at most 1,000,000,000,000; --max-size"), "{error}");
    }

    #[test]
    fn what_a_fork_takes_counts_when_it_joins() {
        let size = SizeLimit::new(100);
        assert!(size.take(10).is_ok());
        let [first, second] = [size.fork(), size.fork()];
        assert_eq!((first.take(60), second.take(60)), (Ok(()), Ok(())));
        assert_eq!(first.take(31), Err(TooLarge { found: 101, limit: 100 }));
        let first = size.fork();
        assert_eq!((first.take(60), size.join(&first)), (Ok(()), Ok(())));
        assert_eq!(size.join(&second), Err(TooLarge { found: 130, limit: 100 }));
    }

    #[test]
    fn what_is_forgotten_counts_no_longer() {
        let room = Room::default();
        assert!(room.hold(limits::HELD_BYTES).is_ok());
        let error = room.hold(1).unwrap_err().to_string();
        assert!(error.contains("too many entries") && error.contains("name fewer images"), "{error}");
        room.give_back(2);
        assert!(room.hold(1).is_ok() && room.hold(1).is_err());
        room.give_all_back();
        assert!(room.hold(limits::HELD_BYTES).is_ok());
    }
}
