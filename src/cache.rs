//! What was proven about blobs before, in the user's cache directory. A blob's digest stands for its bytes, so what
//! once held for them holds for ever.
//!
//! A record is a small file. A damaged or missing one is a miss, never an error, and so is a cache that can't be
//! written.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use crate::digest::{BlobDigest, DiffId};

/// Names the record's form; another form is a miss.
const MAGIC: [u8; 8] = *b"rstdiff1";
const RECORD: usize = MAGIC.len() + 32 + 4;

/// Which tar a blob decodes to.
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

    pub fn diff_id(&self, blob: BlobDigest) -> Option<DiffId> {
        decode(&fs::read(self.path(blob)?).ok()?, blob)
    }

    /// Whoever calls this has decoded the blob and hashed the tar.
    pub fn remember(&self, blob: BlobDigest, diff_id: DiffId) {
        let Some(path) = self.path(blob) else { return };
        let write = || -> Option<()> {
            let dir = path.parent()?;
            fs::create_dir_all(dir).ok()?;
            let mut file = tempfile::NamedTempFile::new_in(dir).ok()?;
            file.write_all(&encode(diff_id, blob)).ok()?;
            file.persist(&path).ok().map(drop)
        };
        // A cache that can't be written costs time, nothing else.
        let _ = write();
    }

    fn path(&self, blob: BlobDigest) -> Option<PathBuf> {
        let hex = blob.hex();
        Some(self.dir.as_ref()?.join("diff-ids").join(&hex[..2]).join(hex))
    }
}

/// The checksum covers the blob's digest, too: a record under another name is a miss.
fn checksum(body: &[u8], blob: BlobDigest) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(body);
    crc.update(blob.as_bytes());
    crc.finalize().to_le_bytes()
}

fn encode(diff_id: DiffId, blob: BlobDigest) -> Vec<u8> {
    let mut record = [MAGIC.as_slice(), diff_id.as_bytes()].concat();
    record.extend_from_slice(&checksum(&record, blob));
    record
}

fn decode(record: &[u8], blob: BlobDigest) -> Option<DiffId> {
    let (body, sum) = record.split_at_checked(RECORD - 4)?;
    let diff_id = body.strip_prefix(&MAGIC)?;
    (sum == checksum(body, blob)).then_some(DiffId::from_bytes(diff_id.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_and_misses() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("new"));
        let (blob, other) = (BlobDigest::from_bytes([1; 32]), BlobDigest::from_bytes([2; 32]));
        assert_eq!(cache.diff_id(blob), None);
        cache.remember(blob, DiffId::from_bytes([7; 32]));
        assert_eq!(cache.diff_id(blob), Some(DiffId::from_bytes([7; 32])));
        assert_eq!(cache.diff_id(other), None);
        assert_eq!(Cache::default().diff_id(blob), None);
        Cache::default().remember(blob, DiffId::from_bytes([7; 32]));
    }

    #[test]
    fn damage_is_a_miss() {
        let blob = BlobDigest::from_bytes([1; 32]);
        let record = encode(DiffId::from_bytes([7; 32]), blob);
        assert!(decode(&record, blob).is_some());
        assert_eq!(decode(&record, BlobDigest::from_bytes([3; 32])), None);
        for at in 0..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 4;
            assert_eq!(decode(&damaged, blob), None, "byte {at}");
            assert_eq!(decode(&record[..at], blob), None);
        }
        assert_eq!(decode(&[record, vec![0]].concat(), blob), None);
    }
}
