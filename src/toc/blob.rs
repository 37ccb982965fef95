//! Where the parts of a blob lie: arithmetic only.

use super::annotations::{PositionError, Positions};
use super::footer::{FOOTER_BYTES, SKIPPABLE_HEADER};
use crate::span::Span;
use crate::units;

/// Least bytes of the padding frame. Servers may join ranges that nearly touch;
/// a client that asked for TOC and tar-split fails when it gets one part instead of two.
pub const PADDING: u64 = 128;

/// Bytes of the footer's frame, the last in a blob.
pub const FOOTER_FRAME: u64 = SKIPPABLE_HEADER + FOOTER_BYTES;

/// Why an index can't be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error("the TOC has {found} bytes: expected at most the {reserved} that were kept for it", found = units::count(*found), reserved = units::count(*reserved))]
    Room { reserved: u64, found: u64 },
    #[error("a frame of {found} bytes: a skippable frame holds at most {}", u32::MAX)]
    Frame { found: u64 },
    #[error("the blob would be longer than 64 bits can count")]
    Overflow,
}

/// The parts of an index. `toc` and `tar_split` leave out their 8-byte frame headers, as annotations do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub toc: Span,
    /// The frame between the two, with its header. Empty with the index at the end.
    pub padding: Span,
    pub tar_split: Span,
    /// First byte behind the index: the payloads with the index first, else the footer's frame.
    pub end: u64,
}

impl Layout {
    /// The index behind `head` bytes of frames with headers of the first entries.
    ///
    /// Offsets in the TOC depend on how far the payloads stand behind it, and its compressed size on the
    /// offsets. Room for `toc_reserved` bytes breaks the circle: the padding takes up what the TOC leaves.
    pub fn index_first(head: u64, toc_reserved: u64, toc: u64, tar_split: u64) -> Result<Self, LayoutError> {
        let spare = toc_reserved.checked_sub(toc).ok_or(LayoutError::Room { reserved: toc_reserved, found: toc })?;
        Self::new(head, toc, PADDING.checked_add(spare).ok_or(LayoutError::Overflow)?, tar_split)
    }

    /// podman's order: the index behind `payloads` bytes of frames.
    pub fn index_end(payloads: u64, toc: u64, tar_split: u64) -> Result<Self, LayoutError> {
        Self::new(payloads, toc, 0, tar_split)
    }

    fn new(start: u64, toc: u64, padding: u64, tar_split: u64) -> Result<Self, LayoutError> {
        let toc = content(start, toc)?;
        let padding = match padding {
            0 => Span::new(toc.end(), 0).ok_or(LayoutError::Overflow)?,
            _ => {
                let content = content(toc.end(), padding - SKIPPABLE_HEADER)?;
                Span::new(toc.end(), content.end() - toc.end()).ok_or(LayoutError::Overflow)?
            }
        };
        let tar_split = content(padding.end(), tar_split)?;
        Ok(Self { toc, padding, tar_split, end: tar_split.end() })
    }

    /// For the annotations and the footer.
    pub fn positions(&self, toc_uncompressed: u64, tar_split_uncompressed: u64) -> Result<Positions, PositionError> {
        let numbers = |span: Span, unpacked| [span.start(), span.len(), unpacked];
        Positions::checked(numbers(self.toc, toc_uncompressed), numbers(self.tar_split, tar_split_uncompressed))
    }
}

/// The content of a skippable frame that starts at `start`.
fn content(start: u64, len: u64) -> Result<Span, LayoutError> {
    u32::try_from(len).map_err(|_| LayoutError::Frame { found: len })?;
    let start = start.checked_add(SKIPPABLE_HEADER).ok_or(LayoutError::Overflow)?;
    Span::new(start, len).ok_or(LayoutError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn podmans_order_has_no_gap() {
        let layout = Layout::index_end(1000, 50, 20).unwrap();
        assert_eq!((layout.toc.start(), layout.tar_split.start(), layout.end), (1008, 1066, 1086));
        assert!(layout.padding.is_empty());
    }

    #[test]
    fn names_what_does_not_fit() {
        assert_eq!(Layout::index_first(9, 10, 11, 1), Err(LayoutError::Room { reserved: 10, found: 11 }));
        assert_eq!(Layout::index_end(0, 1 << 32, 1), Err(LayoutError::Frame { found: 1 << 32 }));
        assert_eq!(Layout::index_end(u64::MAX - 9, 1, 1), Err(LayoutError::Overflow));
        assert_eq!(Layout::index_first(0, u64::MAX, 1, 1), Err(LayoutError::Overflow));
    }

    proptest! {
        #[test]
        fn payloads_stand_still_while_the_toc_shrinks(head in 1_u64..9999, toc in 1_u64..9999, spare in 0_u64..9999, split in 1_u64..9999) {
            let layout = Layout::index_first(head, toc + spare, toc, split).unwrap();
            prop_assert_eq!(layout.end, Layout::index_first(head, toc + spare, toc + spare, split).unwrap().end);
            prop_assert_eq!(layout.toc.start(), head + SKIPPABLE_HEADER);
            prop_assert_eq!(layout.padding.start(), layout.toc.end());
            prop_assert_eq!(layout.padding.len(), PADDING + spare);
            prop_assert_eq!(layout.tar_split.start(), layout.padding.end() + SKIPPABLE_HEADER);
            let positions = layout.positions(7, 8).unwrap();
            prop_assert_eq!((positions.toc, positions.tar_split), (layout.toc, layout.tar_split));
        }
    }
}
