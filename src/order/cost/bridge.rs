//! What a bridge asks a registry for, when a client wants several ranges in one request: single ranges, few of them.

use std::ops::Range;

use crate::span::Span;

/// Two ranges with at most so many bytes between them may become one request. Measured (`benches/bridge.sh`): with a round
/// trip of 40 ms and four requests at once, each of 40 requests added 8.4 ms. On a line of 100 Mbit/s that is 105 kB.
pub const JOINED_GAP: u64 = 128 << 10;

/// All gaps together are at most this part of the bytes that the client wants, without the small ones.
const GAPS_OF_WANTED: u64 = 64;

/// The headers of a request and its answer are longer than this, in bytes. So a gap of this size is always cheaper. Between a
/// layer's TOC and its tar-split, which every pull asks for in one request, restrata leaves some 200 bytes.
const SMALL_GAP: u64 = 1 << 10;

/// One request to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub span: Span,
    /// Which of the client's ranges lie in it. They ascend.
    pub ranges: Range<usize>,
}

/// What a bridge asks the registry for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upstream {
    pub requests: u64,
    /// Of blobs, with the gaps between ranges that it asks for together.
    pub bytes: u64,
}

impl Upstream {
    /// For one request of a client.
    pub fn of(ranges: &[Span]) -> Self {
        let groups = groups(ranges);
        Self { requests: groups.len() as u64, bytes: groups.iter().map(|group| group.span.len()).sum() }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
    }
}

/// In the client's order, whatever that is. No range is empty.
pub fn groups(ranges: &[Span]) -> Vec<Group> {
    let wanted: u64 = ranges.iter().fold(0, |sum, range| sum.saturating_add(range.len()));
    let mut gaps: Vec<(u64, usize)> = (1..ranges.len()).filter_map(|at| Some((gap(ranges, at)?, at))).collect();
    gaps.sort_unstable();
    let mut left = wanted / GAPS_OF_WANTED;
    let mut joined = vec![false; ranges.len()];
    for (gap, at) in gaps {
        if gap > SMALL_GAP {
            let Some(rest) = left.checked_sub(gap) else { break };
            left = rest;
        }
        joined[at] = true;
    }
    let mut groups: Vec<Group> = Vec::new();
    for (at, range) in ranges.iter().enumerate() {
        match groups.last_mut().filter(|_| joined[at]) {
            Some(group) => {
                *group =
                    Group { span: Span::between(group.span.start(), range.end()), ranges: group.ranges.start..at + 1 }
            }
            None => groups.push(Group { span: *range, ranges: at..at + 1 }),
        }
    }
    groups
}

/// Between a range and the one before, if they may be joined.
fn gap(ranges: &[Span], at: usize) -> Option<u64> {
    let gap = ranges[at].start().checked_sub(ranges[at - 1].end())?;
    (gap <= JOINED_GAP).then_some(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(ranges: &[(u64, u64)]) -> Vec<Span> {
        ranges.iter().map(|(start, end)| Span::between(*start, *end)).collect()
    }

    fn asked(ranges: &[(u64, u64)]) -> Vec<(u64, u64, Range<usize>)> {
        groups(&spans(ranges)).into_iter().map(|group| (group.span.start(), group.span.end(), group.ranges)).collect()
    }

    #[test]
    fn gaps_are_joined_cheapest_first() {
        let kib = |ranges: &[(u64, u64)]| {
            let bytes: Vec<(u64, u64)> = ranges.iter().map(|(start, end)| (start << 10, end << 10)).collect();
            let groups = asked(&bytes).into_iter();
            groups.map(|(start, end, ranges)| (start >> 10, end >> 10, ranges)).collect::<Vec<_>>()
        };
        assert_eq!(kib(&[(0, 640), (645, 650), (656, 700)]), [(0, 650, 0..2), (656, 700, 2..3)]);
        assert_eq!(kib(&[(0, 640), (647, 650), (654, 700)]), [(0, 640, 0..1), (647, 700, 1..3)]);
        assert_eq!(asked(&[(10, 20), (20, 30)]), [(10, 30, 0..2)]);
        assert_eq!(asked(&[]), []);
    }

    #[test]
    fn a_small_gap_costs_less_than_a_request() {
        assert_eq!(asked(&[(96, 828), (1027, 2144)]), [(96, 2144, 0..2)]);
        assert_eq!(asked(&[(0, 10), (1034, 1044), (2068, 2078)]), [(0, 2078, 0..3)]);
        assert_eq!(asked(&[(0, 10), (1035, 1045)]), [(0, 10, 0..1), (1035, 1045, 1..2)]);
    }

    #[test]
    fn a_large_gap_is_a_request_of_its_own() {
        let large = 1 << 30;
        let far = large + JOINED_GAP;
        assert_eq!(asked(&[(0, large), (far, far + 1)]), [(0, far + 1, 0..2)]);
        assert_eq!(asked(&[(0, large), (far + 1, far + 2)]), [(0, large, 0..1), (far + 1, far + 2, 1..2)]);
    }

    #[test]
    fn ranges_that_do_not_ascend_stay_apart() {
        assert_eq!(asked(&[(100, 200), (0, 50), (40, 60)]), [(100, 200, 0..1), (0, 50, 1..2), (40, 60, 2..3)]);
    }

    proptest::proptest! {
        #[test]
        fn every_range_is_in_its_group(ranges in proptest::collection::vec((0u64..100_000, 1u64..5000), 0..40)) {
            let ranges: Vec<Span> = ranges.into_iter().map(|(start, len)| Span::between(start, start + len)).collect();
            let groups = groups(&ranges);
            let mut next = 0;
            for group in &groups {
                assert_eq!(group.ranges.start, next);
                next = group.ranges.end;
                let mut at = group.span.start();
                for range in &ranges[group.ranges.clone()] {
                    assert!(range.start() >= at);
                    at = range.end();
                }
                assert_eq!(at, group.span.end());
            }
            assert_eq!(next, ranges.len());
            let sum = |all: &mut dyn Iterator<Item = Span>| all.map(Span::len).sum::<u64>();
            let (wanted, asked) = (sum(&mut ranges.iter().copied()), sum(&mut groups.iter().map(|group| group.span)));
            let small = SMALL_GAP * ranges.len() as u64;
            assert!(asked >= wanted && asked - wanted <= wanted / GAPS_OF_WANTED + small);
        }
    }
}
