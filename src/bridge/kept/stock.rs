//! Which records there are, and which go when room is needed. Knows no files.

use std::collections::HashMap;

use super::record::{Blob, Key};
use crate::span::Span;

/// Records at most; some 10 MB of memory.
const RECORDS: usize = 65_536;
/// One record has at most this part of all.
const PART: u64 = 4;
/// Looking for what goes costs more than removing it, so that this part of all goes at once.
const AT_ONCE: u64 = 16;

pub(super) struct Stock {
    most: u64,
    /// Of the records, as they count on the disk.
    kept: u64,
    /// For records that are being written.
    reserved: u64,
    /// Grows with every use.
    clock: u64,
    count: usize,
    blobs: HashMap<Blob, Vec<Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    span: Span,
    size: u64,
    used: u64,
    /// A record that takes the place of another one has another number.
    number: u64,
}

/// A record as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub key: Key,
    number: u64,
}

impl Stock {
    pub fn new(most: u64) -> Self {
        Self { most, kept: 0, reserved: 0, clock: 0, count: 0, blobs: HashMap::new() }
    }

    /// The smallest record with all of `span` that the blob has. It counts as used now. `size` is the blob's, if it is known.
    pub fn covering(&mut self, blob: &Blob, span: Span, size: Option<u64>) -> Option<Hit> {
        self.clock += 1;
        let covers = |known: &&mut Known| {
            let is_size = size.is_none_or(|size| size == known.size);
            is_size
                && known.span.start() <= span.start()
                && span.start() < known.size
                && span.end().min(known.size) <= known.span.end()
        };
        let known = self.blobs.get_mut(blob)?.iter_mut().filter(covers).min_by_key(|known| known.span.len())?;
        known.used = self.clock;
        Some(Hit { key: Key { blob: *blob, span: known.span, size: known.size }, number: known.number })
    }

    /// Room for a record, and which ones go for it. `None`: it is too large, or too much is being written.
    pub fn reserve(&mut self, key: &Key) -> Option<Vec<Key>> {
        let room = key.room();
        if !self.may_have(key) || self.reserved > self.most - room {
            return None;
        }
        let mut gone = Vec::new();
        if self.taken() > self.most - room || self.count >= RECORDS {
            let count = if self.count >= RECORDS { RECORDS - RECORDS / AT_ONCE as usize } else { RECORDS };
            gone = self.shrink(self.most - room.max(self.most / AT_ONCE), count);
        }
        self.reserved += room;
        Some(gone)
    }

    /// Not too large.
    pub fn may_have(&self, key: &Key) -> bool {
        key.room() <= self.most / PART
    }

    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.reserved == 0
    }

    fn taken(&self) -> u64 {
        self.kept.saturating_add(self.reserved)
    }

    /// What was reserved is not needed.
    pub fn release(&mut self, key: &Key) {
        self.reserved -= key.room();
    }

    /// Its room is reserved already.
    pub fn put(&mut self, key: &Key) {
        self.release(key);
        self.found(key);
    }

    /// What a bridge before this one left. The last one is the one that was used last.
    pub fn found(&mut self, key: &Key) {
        self.clock += 1;
        let known = Known { span: key.span, size: key.size, used: self.clock, number: self.clock };
        let all = self.blobs.entry(key.blob).or_default();
        match all.iter_mut().find(|known| (known.span, known.size) == (key.span, key.size)) {
            Some(old) => *old = known,
            None => {
                all.push(known);
                self.count += 1;
                self.kept = self.kept.saturating_add(key.room());
            }
        }
    }

    /// Those that go, so that no more than what may be there is.
    pub fn fit(&mut self) -> Vec<Key> {
        self.shrink(self.most, RECORDS)
    }

    /// False if it is gone already, or another one stands in its place.
    pub fn forget(&mut self, hit: &Hit) -> bool {
        let Some(all) = self.blobs.get_mut(&hit.key.blob) else { return false };
        let Some(at) = all.iter().position(|known| known.number == hit.number) else { return false };
        all.swap_remove(at);
        if all.is_empty() {
            self.blobs.remove(&hit.key.blob);
        }
        self.count -= 1;
        self.kept = self.kept.saturating_sub(hit.key.room());
        true
    }

    fn hits(&self) -> impl Iterator<Item = (u64, Hit)> {
        let hit = |blob: Blob, known: &Known| {
            (known.used, Hit { key: Key { blob, span: known.span, size: known.size }, number: known.number })
        };
        self.blobs.iter().flat_map(move |(blob, all)| all.iter().map(move |known| hit(*blob, known)))
    }

    /// Least recently used first.
    fn shrink(&mut self, to: u64, count: usize) -> Vec<Key> {
        let mut all: Vec<(u64, Hit)> = self.hits().collect();
        all.sort_unstable_by_key(|(used, _)| *used);
        let mut gone = Vec::new();
        for (_, hit) in all {
            if self.taken() <= to && self.count <= count {
                break;
            }
            self.forget(&hit);
            gone.push(hit.key);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobDigest;

    const BLOCK: u64 = 4096;

    fn blob(number: u8) -> Blob {
        Blob { digest: BlobDigest::from_bytes([number; 32]), whence: [0; 32] }
    }

    /// Of one block.
    fn key(number: u8, start: u64, end: u64) -> Key {
        Key { blob: blob(number), span: Span::between(start, end), size: 1000 }
    }

    fn put(stock: &mut Stock, key: &Key) -> Option<Vec<Key>> {
        let gone = stock.reserve(key)?;
        stock.put(key);
        Some(gone)
    }

    #[test]
    fn what_a_record_covers() {
        let mut stock = Stock::new(100 * BLOCK);
        for (start, end) in [(0, 100), (10, 50), (900, 1000)] {
            put(&mut stock, &key(1, start, end)).unwrap();
        }
        let mut found = |number, start, end, size| {
            let hit = stock.covering(&blob(number), Span::between(start, end), size)?;
            Some((hit.key.span.start(), hit.key.span.end()))
        };
        assert_eq!(found(1, 0, 100, Some(1000)), Some((0, 100)));
        assert_eq!(found(1, 20, 50, None), Some((10, 50)));
        assert_eq!(found(1, 20, 51, None), Some((0, 100)));
        assert_eq!(found(1, 0, 101, None), None);
        assert_eq!(found(1, 50, 950, None), None);
        // Behind the blob's end there is nothing.
        assert_eq!(found(1, 950, u64::MAX, None), Some((900, 1000)));
        assert_eq!(found(1, 1000, 1001, None), None);
        assert_eq!(found(1, 20, 50, Some(999)), None);
        assert_eq!(found(2, 20, 50, None), None);
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let mut stock = Stock::new(10 * BLOCK);
        for number in 0..10 {
            assert_eq!(put(&mut stock, &key(number, 0, 10)), Some(Vec::new()));
        }
        assert!(stock.covering(&blob(0), Span::between(0, 1), None).is_some());
        assert_eq!(put(&mut stock, &key(10, 0, 10)), Some(vec![key(1, 0, 10)]));
        // Of two blocks.
        let large = Key { blob: blob(11), span: Span::between(0, BLOCK), size: BLOCK };
        assert_eq!(put(&mut stock, &large), Some(vec![key(2, 0, 10), key(3, 0, 10)]));
        assert_eq!(stock.taken(), 10 * BLOCK);
    }

    #[test]
    fn what_is_being_written_counts() {
        let mut stock = Stock::new(8 * BLOCK);
        let two = |number| Key { blob: blob(number), span: Span::between(0, BLOCK), size: BLOCK };
        let three = Key { blob: blob(0), span: Span::between(0, 2 * BLOCK), size: 2 * BLOCK };
        assert!(stock.reserve(&three).is_none());
        for number in 0..4 {
            assert!(stock.reserve(&two(number)).is_some());
        }
        assert!(stock.reserve(&key(5, 0, 1)).is_none());
        stock.release(&two(0));
        assert!(stock.reserve(&key(5, 0, 1)).is_some());
    }

    #[test]
    fn the_same_again_counts_once() {
        let mut stock = Stock::new(8 * BLOCK);
        put(&mut stock, &key(1, 0, 10)).unwrap();
        let hit = stock.covering(&blob(1), Span::between(0, 10), None).unwrap();
        put(&mut stock, &key(1, 0, 10)).unwrap();
        assert_eq!((stock.taken(), stock.count), (BLOCK, 1));
        // Another one stands in its place.
        assert!(!stock.forget(&hit));
        let hit = stock.covering(&blob(1), Span::between(0, 10), None).unwrap();
        assert!(stock.forget(&hit) && !stock.forget(&hit));
        assert_eq!((stock.taken(), stock.count, stock.blobs.len()), (0, 0, 0));
    }

    #[test]
    fn there_are_not_endlessly_many() {
        let mut stock = Stock::new(u64::MAX);
        for start in 0..RECORDS as u64 + 10 {
            let key = Key { blob: blob(start as u8), span: Span::between(start, start + 1), size: u64::MAX };
            put(&mut stock, &key).unwrap();
        }
        assert!(stock.count <= RECORDS && stock.count > RECORDS / 2);
    }

    #[test]
    fn a_smaller_cache_than_before() {
        let mut stock = Stock::new(4 * BLOCK);
        for number in 0..10 {
            stock.found(&key(number, 0, 10));
        }
        let gone: Vec<Key> = (0..6).map(|number| key(number, 0, 10)).collect();
        assert_eq!(stock.fit(), gone);
    }
}
