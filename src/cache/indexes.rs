//! Indexes of layers in registries: the compressed bytes of a TOC. Its digest is in the layer's annotations, so a record
//! is checked by it whenever it is read.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::Cache;
use super::records::Kind;
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::limits;
use crate::threads::lock;

/// What is unfinished for so long was left by a process that was killed.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// How much may be put before somebody has to look how much there is.
#[derive(Debug, Clone)]
pub(super) struct Room {
    most: u64,
    left: Arc<Mutex<u64>>,
}

impl Default for Room {
    /// The first to put something looks.
    fn default() -> Self {
        Self { most: limits::CACHED_INDEX_BYTES, left: Arc::default() }
    }
}

impl Cache {
    /// The compressed TOC of this digest, if it is known.
    pub fn index(&self, toc: BlobDigest, len: u64) -> Option<Vec<u8>> {
        if len > limits::TOC_BYTES {
            return None;
        }
        let bytes = self.records.read(Kind::Index, &toc.hex(), len)?;
        (BlobDigest::from_bytes(Sha256Stream::of(&bytes)) == toc).then_some(bytes)
    }

    /// `compressed` has this digest.
    pub fn remember_index(&self, toc: BlobDigest, compressed: &[u8]) {
        if self.dir().is_some() && self.make_room(compressed.len() as u64) {
            self.records.put(Kind::Index, &toc.hex(), compressed);
        }
    }

    /// Bytes of indexes that there may be.
    pub(super) fn most(&self) -> u64 {
        self.room.most
    }

    /// False for more than there may be at all. Removes what was used least recently. Looking costs more than putting,
    /// so that room is made for a sixteenth of all at once.
    fn make_room(&self, bytes: u64) -> bool {
        let most = self.room.most;
        if bytes > most {
            return false;
        }
        let mut left = lock(&self.room.left);
        if *left < bytes {
            let there = self.shrink(most - bytes.max(most / 16));
            *left = most.saturating_sub(there);
        }
        // A directory that can't be changed must not grow.
        let has_room = *left >= bytes;
        *left = left.saturating_sub(bytes);
        has_room
    }

    /// Bytes that remain.
    fn shrink(&self, to: u64) -> u64 {
        // Where nothing can be listed, nothing can be put.
        let Ok((mut found, _)) = self.records.list(Kind::Index) else { return u64::MAX };
        found.sort_by_key(|found| found.used);
        let mut there: u64 = found.iter().map(|found| found.bytes).sum();
        let now = SystemTime::now();
        for found in found {
            let age = now.duration_since(found.used).unwrap_or_default();
            let goes = if found.is_whole { there > to } else { age > UNFINISHED };
            if goes && self.records.remove(&found) {
                there -= found.bytes;
            }
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn of(bytes: &[u8]) -> BlobDigest {
        BlobDigest::from_bytes(Sha256Stream::of(bytes))
    }

    fn limited(dir: &Path, most: u64) -> Cache {
        Cache { room: Room { most, ..Room::default() }, ..Cache::at(dir.join("new")) }
    }

    fn record(dir: &Path, toc: BlobDigest) -> PathBuf {
        dir.join("new/indexes").join(&toc.hex()[..2]).join(toc.hex())
    }

    fn set_age(path: &Path, seconds: u64) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn remembers_and_misses() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, toc) = (Cache::at(dir.path().join("new")), of(b"toc"));
        assert_eq!(cache.index(toc, 3), None);
        cache.remember_index(toc, b"toc");
        assert_eq!(cache.index(toc, 3).unwrap(), b"toc");
        for len in [0, 2, 4, u64::MAX] {
            assert_eq!(cache.index(toc, len), None);
        }
        // Damage of the same length.
        fs::write(record(dir.path(), toc), "tic").unwrap();
        assert_eq!(cache.index(toc, 3), None);
        cache.remember_index(toc, b"toc");
        assert_eq!(cache.index(toc, 3).unwrap(), b"toc");
        // Another's record.
        fs::rename(record(dir.path(), toc), record(dir.path(), toc).with_file_name(of(b"tac").hex())).unwrap();
        assert_eq!(cache.index(of(b"tac"), 3), None);

        Cache::default().remember_index(toc, b"toc");
        assert_eq!(Cache::default().index(toc, 3), None);
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = limited(dir.path(), 1000);
        let all: Vec<Vec<u8>> = (0..10).map(|n| vec![n; 100]).collect();
        for (age, bytes) in all.iter().enumerate() {
            cache.remember_index(of(bytes), bytes);
            set_age(&record(dir.path(), of(bytes)), 1000 + age as u64);
        }
        // Ten fit. The oldest is used now.
        assert!(cache.index(of(&all[9]), 100).is_some());
        cache.remember_index(of(b"new"), b"new");
        let is_there = |bytes: &[u8]| record(dir.path(), of(bytes)).exists();
        let there: Vec<bool> = all.iter().map(|bytes| is_there(bytes)).collect();
        assert_eq!(there, [true, true, true, true, true, true, true, true, false, true]);
        assert!(is_there(b"new"));
        // A proof is no index, and nothing takes more than all.
        cache.remember_index(of(&[7; 1001]), &[7; 1001]);
        assert!(!is_there(&[7; 1001]));
        cache.remember_index(of(&[7; 1000]), &[7; 1000]);
        assert!(is_there(&[7; 1000]) && !is_there(b"new") && !is_there(&all[9]));
    }

    /// Several processes: each looks for itself.
    #[test]
    fn what_others_put_counts() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..40_u8 {
            limited(dir.path(), 1000).remember_index(of(&[n; 100]), &[n; 100]);
        }
        let (found, _) = Cache::at(dir.path().join("new")).records.list(Kind::Index).unwrap();
        let bytes: u64 = found.iter().map(|found| found.bytes).sum();
        assert!((900..=1000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_killed_processes_left_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, toc) = (limited(dir.path(), 1000), of(b"toc"));
        cache.remember_index(toc, b"toc");
        let unfinished = |n: u8| record(dir.path(), toc).with_file_name(format!(".{}.{n:016x}", toc.hex()));
        fs::write(unfinished(1), [1; 500]).unwrap();
        fs::write(unfinished(2), [1; 500]).unwrap();
        set_age(&unfinished(1), 7200);
        limited(dir.path(), 1000).remember_index(of(b"new"), b"new");
        assert!(!unfinished(1).exists() && unfinished(2).exists());
        assert!(cache.index(toc, 3).is_some());
    }

    #[test]
    fn threads_put_the_same_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, bytes) = (Cache::at(dir.path().join("new")), vec![5; 300_000]);
        let toc = of(&bytes);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        cache.remember_index(toc, &bytes);
                        assert!(cache.index(toc, 300_000).is_some());
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(record(dir.path(), toc).parent().unwrap()).unwrap().count(), 1);
    }
}
