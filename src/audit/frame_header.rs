//! The header of a zstd frame (RFC 8878, 3.1.1.1) and of its blocks.

/// Bytes of a frame's magic and descriptor, which say how long the rest of the header is.
pub(super) const START: usize = 5;

pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Most bytes of a block's content.
const BLOCK_BYTES: usize = 128 << 10;

/// The frame header's descriptor byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptor(pub u8);

impl Descriptor {
    fn is_single_segment(self) -> bool {
        self.0 & 0x20 != 0
    }

    pub fn has_checksum(self) -> bool {
        self.0 & 4 != 0
    }

    fn dictionary_len(self) -> usize {
        [0, 1, 2, 4][usize::from(self.0 & 3)]
    }

    fn size_len(self) -> usize {
        match self.0 >> 6 {
            0 => usize::from(self.is_single_segment()),
            flag => 1 << flag,
        }
    }

    /// Bytes of the header behind the descriptor.
    pub fn rest_len(self) -> usize {
        usize::from(!self.is_single_segment()) + self.dictionary_len() + self.size_len()
    }

    /// Bytes that a decoder must keep; `rest` are the bytes behind the descriptor.
    pub fn window(self, rest: &[u8]) -> u64 {
        if !self.is_single_segment() {
            let (exponent, mantissa) = rest.first().map_or((0, 0), |byte| (byte >> 3, byte & 7));
            let base = 1_u64 << (10 + exponent);
            return base + base / 8 * u64::from(mantissa);
        }
        let size = rest.get(self.dictionary_len()..).unwrap_or_default();
        let number = size.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        // Two bytes count from 256.
        if size.len() == 2 { number + 256 } else { number }
    }
}

/// What a block's three-byte header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub is_last: bool,
    /// Bytes that follow in the blob.
    pub stored: usize,
}

impl Block {
    /// `None` for a reserved type or a block that is too long.
    pub fn parse([a, b, c]: [u8; 3]) -> Option<Self> {
        let size = usize::from(a >> 3) | usize::from(b) << 5 | usize::from(c) << 13;
        let stored = match a >> 1 & 3 {
            0 | 2 if size <= BLOCK_BYTES => size,
            1 if size <= BLOCK_BYTES => 1,
            _ => return None,
        };
        Some(Self { is_last: a & 1 != 0, stored })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_windows() {
        // A window byte: exponent 17, mantissa 0, is 2^27.
        assert_eq!(Descriptor(0).window(&[17 << 3]), 1 << 27);
        assert_eq!(Descriptor(0).window(&[17 << 3 | 1]), (1 << 27) + (1 << 24));
        // Single segment: the size is the window.
        assert_eq!(Descriptor(0x20).window(&[9]), 9);
        assert_eq!(Descriptor(0x60).window(&[1, 0]), 257);
        assert_eq!(Descriptor(0xa0 | 1).window(&[77, 1, 0, 0, 1]), (1 << 24) + 1);
        assert_eq!(Descriptor(0xe0).rest_len(), 8);
    }

    #[test]
    fn reads_blocks() {
        assert_eq!(Block::parse([0b0000_1001, 0, 0]), Some(Block { is_last: true, stored: 1 }));
        assert_eq!(Block::parse([0b0001_0010, 1, 0]), Some(Block { is_last: false, stored: 1 }));
        assert_eq!(Block::parse([0b0000_0110, 0, 0]), None);
        assert_eq!(Block::parse([0xfc, 0xff, 0xff]), None);
    }
}
