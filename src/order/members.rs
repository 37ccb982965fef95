//! Sets of images that are planned together.

/// Members of a family, by their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Members(u64);

impl Members {
    /// So many members has a family at most.
    pub const MOST: usize = u64::BITS as usize;

    /// One alone. `member` is below [`MOST`](Self::MOST).
    pub fn one(member: usize) -> Self {
        debug_assert!(member < Self::MOST);
        Self(1 << member)
    }

    pub fn add(&mut self, member: usize) {
        self.0 |= Self::one(member).0;
    }

    pub fn has(self, member: usize) -> bool {
        self.0 & Self::one(member).0 != 0
    }

    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The lowest number.
    pub fn first(self) -> Option<usize> {
        (!self.is_empty()).then(|| self.0.trailing_zeros() as usize)
    }

    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::MOST).filter(move |&member| self.has(member))
    }
}

impl FromIterator<usize> for Members {
    fn from_iter<T: IntoIterator<Item = usize>>(members: T) -> Self {
        members.into_iter().fold(Self::default(), |mut all, member| {
            all.add(member);
            all
        })
    }
}
