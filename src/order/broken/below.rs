//! What stands below something that is no directory.

use foldhash::HashMap;

use super::{BrokenEntry, ancestors};
use crate::order::Entry;
use crate::tar::EntryKind;

/// Asked in the order of the tar: what comes later does not help a client that has stopped.
pub(super) fn below_file(entries: &[Entry]) -> Option<BrokenEntry> {
    let (mut dirs, parents) = Dirs::above(entries);
    (1..).zip(entries).zip(parents).find_map(|((now, entry), parent)| {
        let wall = dirs.pass(parent, now);
        dirs.put(entry, now);
        let (depth, wall) = wall?;
        let (path, parent) = (entry.path.clone(), ancestors(&entry.path).nth(depth)?);
        Some(match wall {
            Wall::File => BrokenEntry::BelowFile { path, parent },
            Wall::Link => BrokenEntry::BelowLink { path, parent },
        })
    })
}

/// The directories that something of a layer stands in. Only an entry at such a path can be in the way of another one,
/// and there are far fewer of them than entries.
///
/// Times are the numbers of entries, from 1. What a directory had below when it gave way is not looked for: it is
/// known by being older than that.
struct Dirs<'a> {
    numbers: HashMap<&'a [u8], u32>,
    dirs: Vec<Dir>,
    /// When any of them last gave way with something below; 0 for never, as it is in almost every layer.
    gave_way: u32,
}

/// What is in the way of an entry that is to stand below it.
#[derive(Clone, Copy)]
enum Wall {
    File,
    /// Clients go through it to wherever it leads, of which the merged tree knows nothing.
    Link,
}

#[derive(Default)]
struct Dir {
    parent: u32,
    /// When something last came that takes the place of a directory; 0 for never.
    replaced: u32,
    /// What came last, if it is no directory.
    wall: Option<Wall>,
    /// When an entry was last found to have its way through here; 0 for never.
    passed: u32,
}

impl<'a> Dirs<'a> {
    const ROOT: u32 = 0;

    /// And which one each entry stands in; the root in itself.
    fn above(entries: &'a [Entry]) -> (Self, Vec<u32>) {
        let root = (&[][..], Self::ROOT);
        let mut dirs = Self { numbers: [root].into_iter().collect(), dirs: vec![Dir::default()], gave_way: 0 };
        let mut last = root;
        let number = |entry: &'a Entry| {
            let dir = parent(entry.path.as_bytes()).unwrap_or_default();
            // Most entries come behind one of the same directory.
            if dir != last.0 {
                last = (dir, dirs.number(dir));
            }
            last.1
        };
        let parents = entries.iter().map(number).collect();
        (dirs, parents)
    }

    fn number(&mut self, dir: &'a [u8]) -> u32 {
        let mut found = None;
        for dir in std::iter::successors(Some(dir), |dir| parent(dir)) {
            let next = self.dirs.len() as u32;
            let number = *self.numbers.entry(dir).or_insert(next);
            match found {
                None => found = Some(number),
                Some(_) => self.dirs[next as usize - 1].parent = number,
            }
            if number < next {
                break;
            }
            self.dirs.push(Dir::default());
        }
        found.unwrap_or(Self::ROOT)
    }

    /// An entry comes into a directory. Says how far above it a wall stands, from 0; `None` when the way is free.
    fn pass(&mut self, dir: u32, now: u32) -> Option<(usize, Wall)> {
        if self.dirs[dir as usize].passed > self.gave_way {
            return None;
        }
        let parent = |dir: &u32| Some(self.dirs[*dir as usize].parent);
        let way: Vec<u32> = std::iter::successors(Some(dir), parent).take_while(|dir| *dir != Self::ROOT).collect();
        let mut gone = 0;
        for (depth, dir) in way.into_iter().enumerate().rev() {
            let dir = &mut self.dirs[dir as usize];
            if let Some(wall) = dir.wall.filter(|_| dir.replaced > gone) {
                return Some((depth, wall));
            }
            // What is below and not newer went with it.
            gone = gone.max(dir.replaced);
            dir.passed = now;
        }
        None
    }

    fn put(&mut self, entry: &Entry, now: u32) {
        let Some(number) = self.numbers.get(entry.path.as_bytes()) else { return };
        let dir = &mut self.dirs[*number as usize];
        dir.wall = match entry.kind {
            EntryKind::Dir => None,
            EntryKind::Symlink => Some(Wall::Link),
            _ => Some(Wall::File),
        };
        if entry.kind != EntryKind::Dir {
            dir.replaced = now;
            if dir.passed > 0 {
                self.gave_way = now;
            }
        }
    }
}

/// `None` for the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
    (!path.is_empty()).then(|| &path[..end])
}
