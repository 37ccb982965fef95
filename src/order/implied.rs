//! Directories that no entry names, but the paths below it: a tree has them all the same, and a path of 4 kB can have 2,000
//! of them above it.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::HashSet;
use foldhash::fast::RandomState;

use super::Entry;
use crate::limits;
use crate::tar::EntryKind;

/// Sees a layer's entries in their order. A directory whose entry comes behind what is in it counts once too often.
#[derive(Debug, Default)]
pub struct ImpliedDirs {
    hasher: RandomState,
    /// Hashes of the directories that were seen.
    seen: HashSet<u64>,
    /// The last directory that was asked for: mostly it is the next one, too.
    last: Vec<u8>,
}

impl ImpliedDirs {
    /// Bytes of memory that the directories above an entry take which nothing has told of before.
    pub fn above(&mut self, entry: &Entry) -> u64 {
        let path = entry.path.as_bytes();
        if entry.kind == EntryKind::Dir {
            self.is_new(path);
        }
        let Some(end) = parent_len(path) else { return 0 };
        if path[..end] == self.last {
            return 0;
        }
        self.last = path[..end].to_vec();
        let dirs = std::iter::successors(Some(end), |&end| parent_len(&path[..end]));
        dirs.take_while(|&end| self.is_new(&path[..end])).map(|end| limits::HELD_IMPLIED + end as u64).sum()
    }

    fn is_new(&mut self, dir: &[u8]) -> bool {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(dir);
        self.seen.insert(hasher.finish())
    }
}

/// `None` for what stands in the root, which is always there.
fn parent_len(path: &[u8]) -> Option<usize> {
    path.iter().rposition(|&byte| byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::tree::tests::entry;

    #[test]
    fn directories_count_once_and_those_with_an_entry_not_at_all() {
        let mut dirs = ImpliedDirs::default();
        let mut above = |name: &str, kind| dirs.above(&entry(name, kind, ""));
        let implied = |len: u64| limits::HELD_IMPLIED + len;
        assert_eq!(above("top", EntryKind::Regular), 0);
        assert_eq!(above("a/b/c/f", EntryKind::Regular), implied(5) + implied(3) + implied(1));
        assert_eq!(above("a/b/c/g", EntryKind::Regular) + above("a/b", EntryKind::Dir), 0);
        assert_eq!(above("a/b/d/g", EntryKind::Regular), implied(5));
        assert_eq!(above("x", EntryKind::Dir) + above("x/y", EntryKind::Dir) + above("x/y/f", EntryKind::Regular), 0);
        assert_eq!(above("a/b/c/h", EntryKind::Regular), 0);
    }
}
