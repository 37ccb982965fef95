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

/// Thousandths of the image, and the level at which up to so much is compressed. Measured on two cores
/// (docs/layers.md): level 19 takes 4 MB/s on a core, level 9 takes 70, and reading the image alone 500.
const STEPS: [(u64, i32); 2] = [(1, 19), (600, 9)];

impl Effort {
    /// For content of which it is not known yet how much is new: where much is known already, the level that is most likely
    /// right, so that it need not be done twice.
    pub fn first(self, is_update: bool) -> Level {
        match self {
            Self::Auto if is_update => Self::of_step(STEPS[STEPS.len() - 1].1),
            Self::Auto => Level::DEFAULT,
            Self::Fixed(level) => level,
        }
    }

    /// For `new` bytes of content in an image of `all`.
    pub fn level(self, new: u64, all: u64) -> Level {
        let step = STEPS.iter().find(|(share, _)| u128::from(new) * 1000 <= u128::from(all) * u128::from(*share));
        match (self, step) {
            (Self::Auto, Some((_, level))) => Self::of_step(*level),
            _ => self.first(false),
        }
    }

    fn of_step(level: i32) -> Level {
        Level::new(level).unwrap_or(Level::DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_compressed_harder() {
        let level = |new| Effort::Auto.level(new, 10_000).get();
        assert_eq!([level(10), level(11), level(6000), level(6001), level(10_000)], [19, 9, 9, 3, 3]);
        let fixed = Effort::Fixed(Level::new(5).unwrap());
        assert_eq!((fixed.first(true).get(), fixed.level(1, 1000).get()), (5, 5));
        assert_eq!((Effort::Auto.first(true).get(), Effort::Auto.first(false).get()), (9, 3));
    }
}
