//! A package's header (rpm's `docs/manual/format_header.md`), as the database has it: without the magic of a package
//! file. The counts of index entries and of bytes, the index, the bytes.

use crate::limits;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpmError {
    #[error("a package header of {found} bytes: expected {expected}")]
    Size { found: usize, expected: u64 },
    #[error("tag {tag} of a package header points outside of it, or has another type than {expected}")]
    Tag { tag: u32, expected: &'static str },
}

pub(super) struct Header<'a> {
    index: &'a [[u8; 16]],
    store: &'a [u8],
}

impl<'a> Header<'a> {
    pub fn parse(blob: &'a [u8]) -> Result<Self, RpmError> {
        let size = |expected| RpmError::Size { found: blob.len(), expected };
        let (counts, rest) = blob.split_first_chunk::<8>().ok_or(size(8))?;
        let [entries, bytes] = [0, 4].map(|at| u64::from(be32(&counts[at..])));
        // Two numbers of 32 bits: no overflow.
        let expected = 8 + 16 * entries + bytes;
        if expected != blob.len() as u64 {
            return Err(size(expected));
        }
        let (index, store) = rest.split_at(16 * entries as usize);
        Ok(Self { index: index.as_chunks().0, store })
    }

    /// Count and bytes from its start on of a tag, if it is there and of one of the types.
    fn tag(&self, tag: u32, types: &[u32], expected: &'static str) -> Result<(usize, &'a [u8]), RpmError> {
        let Some(entry) = self.index.iter().find(|entry| be32(&entry[..]) == tag) else { return Ok((0, &[])) };
        let [kind, start, count] = [4, 8, 12].map(|at| be32(&entry[at..]));
        let bytes = self.store.get(start as usize..).filter(|_| types.contains(&kind));
        Ok((count as usize, bytes.ok_or(RpmError::Tag { tag, expected })?))
    }

    /// Strings end with a NUL byte; fewer than were promised are a damaged header's.
    pub fn strings(&self, tag: u32) -> Result<impl Iterator<Item = &'a [u8]>, RpmError> {
        const STRING: u32 = 6;
        const STRING_ARRAY: u32 = 8;
        let (count, bytes) = self.tag(tag, &[STRING, STRING_ARRAY], "string")?;
        Ok(bytes.split(|&b| b == 0).take(count.min(limits::LISTED_PATHS)))
    }

    pub fn numbers(&self, tag: u32) -> Result<impl Iterator<Item = u32>, RpmError> {
        const INT32: u32 = 4;
        let (count, bytes) = self.tag(tag, &[INT32], "32-bit number")?;
        Ok(bytes.as_chunks::<4>().0.iter().take(count).map(|number| be32(number)))
    }
}

/// The first four bytes, of at least four.
fn be32(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, &byte| number << 8 | u32::from(byte))
}
