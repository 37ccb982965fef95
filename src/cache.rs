//! What was proven about blobs before, in the user's cache directory. A blob's digest stands for its bytes, so what
//! once held for them holds for ever; and a file that was not written to since still has them.
//!
//! A record is a small file. A damaged or missing one is a miss, never an error, and so is a cache that can't be
//! written.

use std::fs::{self, Metadata};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::digest::{BlobDigest, DiffId};

/// Names the record's form; another form is a miss.
const MAGIC: [u8; 8] = *b"rstproo4";
const RECORD: usize = MAGIC.len() + 2 * 32 + 5 * 8 + 4;

/// What was found when a blob was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// Of the tar that it decodes to.
    pub diff_id: DiffId,
    /// Of the compressed TOC, which says of the tar what is in it.
    pub toc: BlobDigest,
    /// The file that held it then.
    pub stamp: Stamp,
}

/// A file as it was: one that still looks so was not written to since. Device, inode, bytes, and nanoseconds of mtime
/// and of ctime, which nobody can set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp([u64; 5]);

impl Stamp {
    pub fn of(meta: &Metadata) -> Self {
        let nanos = |secs: i64, nanos| secs.wrapping_mul(1_000_000_000).wrapping_add(nanos).cast_unsigned();
        let (mtime, ctime) = (nanos(meta.mtime(), meta.mtime_nsec()), nanos(meta.ctime(), meta.ctime_nsec()));
        Self([meta.dev(), meta.ino(), meta.size(), mtime, ctime])
    }
}

/// Remembers proofs.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// `None`: nothing is remembered.
    dir: Option<PathBuf>,
}

impl Cache {
    /// `$XDG_CACHE_HOME/restrata`, else `~/.cache/restrata`. A relative path means nothing there (XDG base directory
    /// specification).
    pub fn of_user() -> Self {
        let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| home.join(".cache")));
        Self { dir: base.map(|base| base.join("restrata")) }
    }

    pub fn at(dir: PathBuf) -> Self {
        Self { dir: Some(dir) }
    }

    pub fn proof(&self, blob: BlobDigest) -> Option<Proof> {
        decode(&fs::read(self.path(blob)?).ok()?, blob)
    }

    pub fn remember(&self, blob: BlobDigest, proof: Proof) {
        let Some(path) = self.path(blob) else { return };
        let write = || -> Option<()> {
            let dir = path.parent()?;
            fs::create_dir_all(dir).ok()?;
            let mut file = tempfile::NamedTempFile::new_in(dir).ok()?;
            file.write_all(&encode(proof, blob)).ok()?;
            file.persist(&path).ok().map(drop)
        };
        // A cache that can't be written costs time, nothing else.
        let _ = write();
    }

    fn path(&self, blob: BlobDigest) -> Option<PathBuf> {
        let hex = blob.hex();
        Some(self.dir.as_ref()?.join("proofs").join(&hex[..2]).join(hex))
    }
}

/// The checksum covers the blob's digest, too: a record under another name is a miss.
fn checksum(body: &[u8], blob: BlobDigest) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(body);
    crc.update(blob.as_bytes());
    crc.finalize().to_le_bytes()
}

fn encode(proof: Proof, blob: BlobDigest) -> Vec<u8> {
    let mut record = [MAGIC.as_slice(), proof.diff_id.as_bytes(), proof.toc.as_bytes()].concat();
    proof.stamp.0.iter().for_each(|word| record.extend_from_slice(&word.to_le_bytes()));
    record.extend_from_slice(&checksum(&record, blob));
    record
}

fn decode(record: &[u8], blob: BlobDigest) -> Option<Proof> {
    let (body, sum) = record.split_at_checked(RECORD - 4)?;
    let (diff_id, rest) = body.strip_prefix(&MAGIC)?.split_first_chunk()?;
    let (toc, words) = rest.split_first_chunk()?;
    let mut stamp = Stamp::default();
    for (word, bytes) in stamp.0.iter_mut().zip(words.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let (diff_id, toc) = (DiffId::from_bytes(*diff_id), BlobDigest::from_bytes(*toc));
    (sum == checksum(body, blob)).then_some(Proof { diff_id, toc, stamp })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: Proof = Proof {
        diff_id: DiffId::from_bytes([7; 32]),
        toc: BlobDigest::from_bytes([9; 32]),
        stamp: Stamp([1, 2, 3, u64::MAX, 5]),
    };

    #[test]
    fn remembers_and_misses() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("new"));
        let (blob, other) = (BlobDigest::from_bytes([1; 32]), BlobDigest::from_bytes([2; 32]));
        assert_eq!(cache.proof(blob), None);
        cache.remember(blob, PROOF);
        assert_eq!(cache.proof(blob), Some(PROOF));
        assert_eq!(cache.proof(other), None);
        Cache::default().remember(blob, PROOF);
        assert_eq!(Cache::default().proof(blob), None);
    }

    #[test]
    fn damage_is_a_miss() {
        let blob = BlobDigest::from_bytes([1; 32]);
        let record = encode(PROOF, blob);
        assert_eq!(decode(&record, blob), Some(PROOF));
        assert_eq!(decode(&record, BlobDigest::from_bytes([3; 32])), None);
        for at in 0..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 4;
            assert_eq!(decode(&damaged, blob), None, "byte {at}");
            assert_eq!(decode(&record[..at], blob), None);
        }
        assert_eq!(decode(&[record, vec![0]].concat(), blob), None);
    }

    #[test]
    fn a_file_that_was_written_to_has_another_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = || Stamp::of(&fs::metadata(file.path()).unwrap());
        let before = stamp();
        assert_eq!(before, stamp());
        fs::write(file.path(), b"x").unwrap();
        assert_ne!(before, stamp());
    }

    #[test]
    fn a_time_that_was_set_back_hides_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"x").unwrap();
        let before = fs::metadata(file.path()).unwrap();
        // Longer than a tick of the clock that file systems go by.
        std::thread::sleep(std::time::Duration::from_millis(30));
        fs::write(file.path(), b"y").unwrap();
        file.as_file().set_modified(before.modified().unwrap()).unwrap();
        let after = fs::metadata(file.path()).unwrap();
        assert_eq!(before.modified().unwrap(), after.modified().unwrap());
        assert_ne!(Stamp::of(&before), Stamp::of(&after));
    }
}
