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
    /// For content of which it is not known yet whether it is new.
    pub fn first(self) -> Level {
        match self {
            Self::Auto => Level::DEFAULT,
            Self::Fixed(level) => level,
        }
    }

    /// For `new` bytes of content in an image of `all`.
    pub fn level(self, new: u64, all: u64) -> Level {
        let step = STEPS.iter().find(|(share, _)| u128::from(new) * 1000 <= u128::from(all) * u128::from(*share));
        match (self, step) {
            (Self::Auto, Some((_, level))) => Level::new(*level).unwrap_or(Level::DEFAULT),
            _ => self.first(),
        }
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
        assert_eq!((fixed.first().get(), fixed.level(1, 1000).get()), (5, 5));
    }
}
