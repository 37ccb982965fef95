//! Skippable frames, and the footer that makes a blob describe itself.
//!
//! Podman writes the footer and never reads it: it trusts the annotations, which the manifest's digest covers.

use super::annotations::{PositionError, Positions, TOC_KIND};

/// First four bytes of the skippable frames that are written, little-endian (RFC 8878, 3.1.2).
pub const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;

/// Bytes before a skippable frame's content: magic and length.
pub const SKIPPABLE_HEADER: u64 = 8;

/// Bytes of the footer, without its frame header.
pub const FOOTER_BYTES: u64 = 64;

const FOOTER_MAGIC: [u8; 8] = *b"GNUlInUx";

/// Why 64 bytes are no footer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FooterError {
    #[error("the footer ends with {found:x?}: expected \"GNUlInUx\"")]
    Magic { found: [u8; 8] },
    #[error("the footer is wrong: {0}")]
    Position(#[from] PositionError),
}

/// The header of a skippable frame of `len` bytes.
pub fn skippable_header(len: u32) -> [u8; 8] {
    let [m0, m1, m2, m3] = SKIPPABLE_MAGIC.to_le_bytes();
    let [l0, l1, l2, l3] = len.to_le_bytes();
    [m0, m1, m2, m3, l0, l1, l2, l3]
}

/// The length of the content behind a skippable frame's header; any of the format's 16 magics will do.
pub fn skippable_len(header: [u8; 8]) -> Option<u32> {
    let [m0, m1, m2, m3, l0, l1, l2, l3] = header;
    let is_skippable = u32::from_le_bytes([m0, m1, m2, m3]) & !15 == SKIPPABLE_MAGIC;
    is_skippable.then(|| u32::from_le_bytes([l0, l1, l2, l3]))
}

/// The footer's content. The table stands in [`super`].
pub fn encode_footer(positions: &Positions) -> [u8; FOOTER_BYTES as usize] {
    let Positions { toc, toc_uncompressed, tar_split, tar_split_uncompressed } = *positions;
    let numbers = [
        toc.start(),
        toc.len(),
        toc_uncompressed,
        TOC_KIND,
        tar_split.start(),
        tar_split.len(),
        tar_split_uncompressed,
    ];
    let mut footer = [0; FOOTER_BYTES as usize];
    let (words, _) = footer.as_chunks_mut::<8>();
    for (word, value) in words.iter_mut().zip(numbers.map(u64::to_le_bytes).into_iter().chain([FOOTER_MAGIC])) {
        *word = value;
    }
    footer
}

pub fn decode_footer(footer: &[u8; FOOTER_BYTES as usize]) -> Result<Positions, FooterError> {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(footer.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let [toc, toc_len, toc_uncompressed, kind, tar_split, tar_split_len, tar_split_uncompressed, magic] = words;
    if magic.to_le_bytes() != FOOTER_MAGIC {
        return Err(FooterError::Magic { found: magic.to_le_bytes() });
    }
    if kind != TOC_KIND {
        return Err(PositionError::Kind { found: kind }.into());
    }
    let tar_split = [tar_split, tar_split_len, tar_split_uncompressed];
    Ok(Positions::checked([toc, toc_len, toc_uncompressed], tar_split)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    #[rustfmt::skip]
    const LITERAL: [u8; 64] = [
        0x10, 0, 0, 0, 1, 0, 0, 0,
        0x34, 0x12, 0, 0, 0, 0, 0, 0,
        0, 0, 1, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 2, 0, 0, 0,
        0x20, 0, 0, 0, 0, 0, 0, 0,
        0, 1, 0, 0, 0, 0, 0, 0,
        b'G', b'N', b'U', b'l', b'I', b'n', b'U', b'x',
    ];

    #[test]
    fn has_the_layout_of_the_table() {
        let positions = Positions {
            toc: Span::new(0x1_0000_0010, 0x1234).unwrap(),
            toc_uncompressed: 0x1_0000,
            tar_split: Span::new(0x2_0000_0000, 0x20).unwrap(),
            tar_split_uncompressed: 0x100,
        };
        assert_eq!(encode_footer(&positions), LITERAL);
        assert_eq!(decode_footer(&LITERAL), Ok(positions));
    }

    #[test]
    fn refuses_other_bytes() {
        let with = |at: usize, byte| {
            let mut footer = LITERAL;
            footer[at] = byte;
            decode_footer(&footer)
        };
        assert!(matches!(with(63, b'y'), Err(FooterError::Magic { .. })));
        assert_eq!(with(24, 2), Err(PositionError::Kind { found: 2 }.into()));
        assert!(matches!(with(15, 1), Err(FooterError::Position(PositionError::Size { .. }))));
    }

    #[test]
    fn frames_a_length() {
        assert_eq!(skippable_header(0x40), [0x50, 0x2a, 0x4d, 0x18, 0x40, 0, 0, 0]);
        assert_eq!(skippable_len([0x5f, 0x2a, 0x4d, 0x18, 1, 2, 0, 0]), Some(0x201));
        assert_eq!(skippable_len([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]), None);
    }
}
