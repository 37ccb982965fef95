//! How hard new content is compressed.

use crate::codec::Level;

/// The choice of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// By how much is new: a little is worth much time, since every client pulls it and nobody waits for it long.
    #[default]
    Auto,
    Fixed(Level),
}

/// The level of an update, and that of one of up to a thousandth of the image. Measured on two cores (docs/benchmarks.md): level 19
/// takes 4 MB/s on a core, level 9 takes 70, and reading the image alone 500.
const UPDATE: i32 = 9;
const LITTLE: i32 = 19;

impl Effort {
    /// For content of which it is not known yet how much is new.
    pub fn first(self, is_update: bool) -> Level {
        match self {
            Self::Auto if is_update => Self::known(UPDATE),
            Self::Auto => Level::DEFAULT,
            Self::Fixed(level) => level,
        }
    }

    /// For `new` bytes of content in an image of `all`. Never less than [`Effort::first`]: that is done by then.
    pub fn level(self, is_update: bool, new: u64, all: u64) -> Level {
        let is_little = is_update && u128::from(new) * 1000 <= u128::from(all);
        if self == Self::Auto && is_little { Self::known(LITTLE) } else { self.first(is_update) }
    }

    fn known(level: i32) -> Level {
        Level::new(level).unwrap_or(Level::DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_compressed_harder() {
        let level = |is_update, new| Effort::Auto.level(is_update, new, 10_000).get();
        assert_eq!([level(true, 10), level(true, 11), level(true, 10_000), level(false, 10)], [19, 9, 9, 3]);
        let fixed = Effort::Fixed(Level::new(5).unwrap());
        assert_eq!((fixed.first(true).get(), fixed.level(true, 1, 1000).get()), (5, 5));
        assert_eq!((Effort::Auto.first(true).get(), Effort::Auto.first(false).get()), (9, 3));
    }
}
