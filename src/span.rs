//! A checked run of bytes inside a blob or file.

/// `len` bytes from `start`; `start + len` never overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    start: u64,
    len: u64,
}

impl Span {
    /// `None` when the end would not fit in 64 bits.
    pub const fn new(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(_) => Some(Self { start, len }),
            None => None,
        }
    }

    /// From `start` up to, not including, `end`; empty when `end` is not behind `start`.
    pub const fn between(start: u64, end: u64) -> Self {
        Self { start, len: end.saturating_sub(start) }
    }

    pub const fn start(self) -> u64 {
        self.start
    }

    pub const fn len(self) -> u64 {
        self.len
    }

    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The first byte behind the span.
    pub const fn end(self) -> u64 {
        self.start + self.len
    }

    /// True when the whole span lies in the first `size` bytes.
    pub const fn fits_in(self, size: u64) -> bool {
        self.end() <= size
    }

    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_an_end_past_64_bits() {
        assert!(Span::new(u64::MAX, 1).is_none());
        assert_eq!(Span::new(u64::MAX, 0).unwrap().end(), u64::MAX);
    }

    #[test]
    fn neighbours_do_not_overlap() {
        let (a, b) = (Span::new(0, 4).unwrap(), Span::new(4, 4).unwrap());
        assert!(!a.overlaps(b) && !b.overlaps(a));
        assert!(a.overlaps(Span::new(3, 1).unwrap()));
    }
}
