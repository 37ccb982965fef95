//! rpm's own database, `Packages.db` (rpm's `lib/backend/ndb/rpmpkg.c`), as openSUSE and SLE have it: pages of slots,
//! and behind them blobs, each in blocks of 16 bytes. Numbers are little-endian.
//!
//! Its checksums are not asked: a damaged blob is no package header, or a package has the wrong files.

const PAGE: usize = 4096;
const BLOCK: usize = 16;

/// The header takes the place of two slots.
const HEADER: usize = 2 * BLOCK;

/// Why a database is not read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NdbError {
    #[error("not an ndb database: expected \"RpmP\", version 0 and pages of slots inside the file")]
    Header,
    #[error("slot {slot} is not one of an ndb database: expected \"Slot\"")]
    Slot { slot: usize },
    #[error("the package of slot {slot} is outside of the database, or another one's")]
    Blob { slot: usize },
    #[error("the packages have more bytes than the database: expected each of them once")]
    Overlap,
}

/// Shows the blob of each package. All blobs together have no more bytes than the database: damaged or not, the time
/// this takes is bounded.
pub(super) fn blobs(bytes: &[u8], see: &mut impl FnMut(&[u8])) -> Result<(), NdbError> {
    let (magic, version) = (bytes.get(..4), le32(bytes, 4));
    let pages = le32(bytes, 12).and_then(|pages| usize::try_from(pages).ok());
    let end = pages.and_then(|pages| pages.checked_mul(PAGE));
    let slots = end.and_then(|end| bytes.get(HEADER..end)).filter(|_| magic == Some(b"RpmP") && version == Some(0));
    let mut left = bytes.len();
    for (slot, entry) in (2..).zip(slots.ok_or(NdbError::Header)?.as_chunks::<BLOCK>().0) {
        let [package, block, blocks] = [4, 8, 12].map(|at| le32(entry, at).unwrap_or(0));
        if !entry.starts_with(b"Slot") {
            return Err(NdbError::Slot { slot });
        }
        // A free one.
        if package == 0 {
            continue;
        }
        let blob = blob(bytes, package, block, blocks).ok_or(NdbError::Blob { slot })?;
        left = left.checked_sub(blob.len().max(BLOCK)).ok_or(NdbError::Overlap)?;
        see(blob);
    }
    Ok(())
}

/// A blob has a head of one block: magic, package, generation, size.
fn blob(bytes: &[u8], package: u32, block: u32, blocks: u32) -> Option<&[u8]> {
    let start = usize::try_from(block).ok()?.checked_mul(BLOCK)?;
    let size = usize::try_from(blocks).ok()?.checked_mul(BLOCK)?;
    let (head, rest) = bytes.get(start..start.checked_add(size)?)?.split_first_chunk::<BLOCK>()?;
    let is_its = head.starts_with(b"BlbS") && le32(head, 4) == Some(package);
    rest.get(..usize::try_from(le32(head, 12)?).ok()?).filter(|_| is_its)
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
