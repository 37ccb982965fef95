//! Berkeley DB's hash table, `Packages`, as EL 8, SLE 12 and older have it (Berkeley DB's `dbinc/db_page.h`): pages of keys and
//! values, and chains of pages for values that are too large for one. Numbers are in the byte order of the machine that wrote them.
//!
//! Every page of the table is looked at, in the order of the file: which bucket it belongs to makes no difference.

/// Why a database is not read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BdbError {
    #[error(
        "not a hash table of Berkeley DB: expected its magic, version 8 to 10, pages of 512 bytes to 64 KiB, and neither \
         checksums nor encryption"
    )]
    Header,
    #[error("page {page} is no page of a hash table: expected its own number, and keys and values inside it")]
    Page { page: u32 },
    #[error("a package of page {page} is not whole: expected a chain of pages with as many bytes as its entry says")]
    Chain { page: u32 },
    #[error("the packages have more bytes than the database: expected each of them once")]
    Overlap,
}

const MAGIC: u32 = 0x0006_1561;
/// Of the first page.
const HASH_META: u8 = 8;
/// Of a page of the table; the second is sorted by key.
const HASH: [u8; 2] = [2, 13];
const OVERFLOW: u8 = 7;
/// A flag of the first page.
const CHECKSUMS: u8 = 1;
/// What a page begins with. Behind it stand the places of its keys and values, in turn.
const HEAD: usize = 26;
/// Kinds of values: in the page itself, or in a chain of others.
const IN_PAGE: u8 = 1;
const IN_CHAIN: u8 = 3;

#[derive(Clone, Copy)]
struct Database<'a> {
    bytes: &'a [u8],
    page: usize,
    is_big: bool,
}

/// Shows the blob of each package. All blobs together have no more bytes than the database: damaged or not, the time
/// this takes is bounded.
pub(super) fn blobs(bytes: &[u8], see: &mut impl FnMut(&[u8])) -> Result<(), BdbError> {
    let database = Database::open(bytes).ok_or(BdbError::Header)?;
    let mut left = bytes.len();
    for number in 1..u32::try_from(bytes.len() / database.page).unwrap_or(u32::MAX) {
        let page = database.page(number);
        if !HASH.contains(&page[25]) {
            continue;
        }
        let fault = BdbError::Page { page: number };
        if database.long(page, 8) != Some(number) {
            return Err(fault);
        }
        let entries = database.entries(page).ok_or(fault)?;
        for [key, value] in entries.as_chunks::<2>().0 {
            // Under the number 0 stands the last number that was given.
            if key[1..].iter().all(|&byte| byte == 0) {
                continue;
            }
            let (size, first) = database.value(value).ok_or(BdbError::Page { page: number })?;
            left = left.checked_sub(size).ok_or(BdbError::Overlap)?;
            match first {
                None => see(&value[1..]),
                Some(first) => see(&database.chain(first, size).ok_or(BdbError::Chain { page: number })?),
            }
        }
    }
    Ok(())
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let is_big = bytes.get(12..16)? == MAGIC.to_be_bytes();
        let head = Self { bytes, page: 0, is_big };
        let page = usize::try_from(head.long(bytes, 20)?).ok()?;
        let (encryption, kind, flags) = (*bytes.get(24)?, *bytes.get(25)?, *bytes.get(26)?);
        let is_plain = encryption == 0 && kind == HASH_META && flags & CHECKSUMS == 0;
        let is_read = head.long(bytes, 12)? == MAGIC && (8..=10).contains(&head.long(bytes, 16)?);
        (is_plain && is_read && (512..=65536).contains(&page)).then_some(Self { page, ..head })
    }

    /// `number` is that of a page in the file.
    fn page(&self, number: u32) -> &'a [u8] {
        &self.bytes[number as usize * self.page..][..self.page]
    }

    /// Keys and values in turn. The first one ends where the page does, each other one where that before it begins.
    fn entries(&self, page: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        let count = self.short(page, 20)?;
        let mut end = page.len();
        let entry = |nth: usize| {
            let start = self.short(page, HEAD + 2 * nth)?;
            let entry = page.get(start..end).filter(|entry| !entry.is_empty())?;
            end = start;
            Some(entry)
        };
        (0..count).map(entry).collect()
    }

    /// Bytes of a value, and the first page of its chain if it has one.
    fn value(&self, entry: &[u8]) -> Option<(usize, Option<u32>)> {
        match entry[0] {
            IN_PAGE => Some((entry.len() - 1, None)),
            IN_CHAIN => Some((usize::try_from(self.long(entry, 8)?).ok()?, Some(self.long(entry, 4)?))),
            _ => None,
        }
    }

    /// No page of a chain is empty, so that it has no more pages than bytes.
    fn chain(&self, first: u32, size: usize) -> Option<Vec<u8>> {
        let (mut found, mut next) = (Vec::new(), first);
        while found.len() < size {
            if next as usize >= self.bytes.len() / self.page {
                return None;
            }
            let page = self.page(next);
            let held = page.get(HEAD..HEAD + self.short(page, 22)?).filter(|held| !held.is_empty())?;
            if page[25] != OVERFLOW {
                return None;
            }
            found.extend_from_slice(held);
            next = self.long(page, 16)?;
        }
        (found.len() == size).then_some(found)
    }

    fn short(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let two = *bytes.get(at..)?.first_chunk()?;
        Some(usize::from(if self.is_big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }))
    }

    fn long(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let four = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    }
}
