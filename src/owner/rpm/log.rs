//! SQLite's write-ahead log (sqlite.org, "Database File Format", 4). Images have one when their package manager
//! ended without writing its pages back into the database.

use std::collections::HashMap;

use super::sqlite::be32;

/// The pages as the last commit left them.
pub(super) fn committed(log: &[u8]) -> HashMap<u32, &[u8]> {
    let (mut pages, mut pending) = (HashMap::new(), Vec::new());
    let Some((header, mut frames)) = log.split_first_chunk::<32>() else { return pages };
    let big_endian = match be32(header, 0) {
        Some(0x377f_0682) => false,
        Some(0x377f_0683) => true,
        _ => return pages,
    };
    let size = be32(header, 8).unwrap_or(0) as usize;
    let mut sums = Sums { big_endian, sums: (0, 0) };
    sums.add(&header[..24]);
    if sums.stored() != header[24..] || size == 0 {
        return pages;
    }
    while let Some((frame, page)) = frames.split_first_chunk::<24>()
        && let Some((page, rest)) = page.split_at_checked(size)
    {
        sums.add(&frame[..8]);
        sums.add(page);
        // Behind the last frame stands what an older log left; its salt is another.
        if frame[8..16] != header[16..24] || sums.stored() != frame[16..] {
            break;
        }
        pending.extend(be32(frame, 0).map(|number| (number, page)));
        if be32(frame, 4) != Some(0) {
            pages.extend(pending.drain(..));
        }
        frames = rest;
    }
    pages
}

/// The log's checksum, over everything up to a frame's end.
struct Sums {
    big_endian: bool,
    sums: (u32, u32),
}

impl Sums {
    fn add(&mut self, bytes: &[u8]) {
        let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let (one, two) = &mut self.sums;
        for pair in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            *one = one.wrapping_add(read(pair[0])).wrapping_add(*two);
            *two = two.wrapping_add(read(pair[1])).wrapping_add(*one);
        }
    }

    fn stored(&self) -> [u8; 8] {
        let (one, two) = self.sums;
        (u64::from(one) << 32 | u64::from(two)).to_be_bytes()
    }
}
