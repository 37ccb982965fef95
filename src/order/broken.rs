//! Entries at which podman gives up (container-libs `archive.Unpack`, `extractTarFileEntry`), or that it writes to another
//! place than they name: better told before a layer is published than by its clients.
//!
//! A link that stands before its target is none of them: the new order mends it.

use std::cell::LazyCell;
use std::collections::HashMap;

use super::normalise::{Live, Role, Scratch, normalise};
use super::paths::Paths;
use super::tree::{self, whiteout};
use super::{Entry, View};
use crate::tar::{EntryKind, TarPath};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenEntry {
    #[error("entry {path}: expected a hard link to another entry, found one that leads back to itself")]
    LinkToItself { path: TarPath },
    #[error("entry {path}: expected the target of the hard link in this layer or below, found nothing at {target}")]
    LinkToNothing { path: TarPath, target: TarPath },
    #[error("entry {path}: expected the target of the hard link in the same layer, found nothing at {target}")]
    LinkElsewhere { path: TarPath, target: TarPath },
    #[error("entry {path}: expected a hard link to a file, found a directory at {target}")]
    LinkToDir { path: TarPath, target: TarPath },
    #[error("entry {path}: expected a directory at {parent}, found an earlier entry of this layer that is none")]
    BelowFile { path: TarPath, parent: TarPath },
    #[error(
        "entry {path}: expected a directory at {parent}, found a symbolic link, through which clients would write it elsewhere"
    )]
    BelowLink { path: TarPath, parent: TarPath },
}

/// The first entry that can't be extracted, and its layer; bottom first.
pub fn broken_entry(layers: &[&[Entry]]) -> Option<(usize, BrokenEntry)> {
    let mut layers = layers.iter().enumerate().map(|(layer, entries)| (layer, broken_above(entries, &layers[..layer])));
    layers.find_map(|(layer, broken)| Some((layer, broken?)))
}

/// The first entry of a layer that can't be extracted where these stand below.
pub fn broken_above(entries: &[Entry], below: &[&[Entry]]) -> Option<BrokenEntry> {
    below_file(entries).or_else(|| broken_link(entries, below))
}

/// The first entry of a layer that can't be extracted wherever the layer stands: what is below it now may go. podman
/// looks for the targets of hard links in the layer alone (container-libs `storage/pkg/archive/archive.go`, `extractDir`).
pub fn broken_alone(entries: &[Entry]) -> Option<BrokenEntry> {
    Some(match broken_above(entries, &[])? {
        BrokenEntry::LinkToNothing { path, target } => BrokenEntry::LinkElsewhere { path, target },
        other => other,
    })
}

/// Asked in the order of the tar: what comes later does not help a client that has stopped.
fn below_file(entries: &[Entry]) -> Option<BrokenEntry> {
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
        let mut dirs = Self { numbers: HashMap::from([root]), dirs: vec![Dir::default()], gave_way: 0 };
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

/// Asked of what is left in the end: a link that was replaced harms nobody.
fn broken_link(entries: &[Entry], below: &[&[Entry]]) -> Option<BrokenEntry> {
    // Most layers have no links, and most links need no other layer.
    entries.iter().find(|entry| entry.kind == EntryKind::HardLink)?;
    let (paths, ids) = Paths::new([entries]);
    let live = normalise(&paths, &paths.steps(entries, &ids[0]), &mut Scratch::new(&paths));
    let written: HashMap<&TarPath, View<'_>> =
        live.iter().map(|live| as_written(live, entries)).map(|entry| (entry.path, entry)).collect();
    let lower = LazyCell::new(|| tree::merge(below));
    let kind = |path: &TarPath| {
        let here = written.get(path).map(|entry| entry.kind);
        here.or_else(|| {
            let at = lower.binary_search_by(|(other, _)| other.cmp(path)).ok()?;
            let inode = lower[at].1.entry().map(|node| node.inode);
            Some(inode.map_or(EntryKind::Dir, |(layer, entry)| below[layer as usize][entry as usize].kind))
        })
    };
    let mut passed = HashMap::new();
    // Whiteouts are known by their names alone; AUFS made them hard links.
    let asked = live.iter().filter(|live| !paths.is_reserved(ids[0][live.index]));
    let links = asked.map(|live| &entries[live.index]).filter(|entry| whiteout(&entry.path).is_none());
    links.filter(|entry| entry.kind == EntryKind::HardLink).find_map(|entry| {
        // The file before it gave way to the link, so that a client finds neither.
        let is_own_target = entry.target.as_ref() == Some(&entry.path);
        let path = entry.path.clone();
        if is_own_target { Some(BrokenEntry::LinkToItself { path }) } else { follow(path, &written, kind, &mut passed) }
    })
}

/// [`Live::as_written`] with a target that need not be in the layer.
fn as_written<'a>(live: &Live, entries: &'a [Entry]) -> View<'a> {
    let entry = View::from(&entries[live.index]);
    match live.role {
        Role::Itself => entry,
        Role::Heir(inode) => View { path: entry.path, ..View::from(&entries[inode]) },
        Role::LinkTo(holder) => View { target: Some(&entries[holder].path), ..entry },
    }
}

/// From link to link. `passed` says on whose way each one was: the rest of such a way is known to be good.
fn follow<'a>(
    path: TarPath,
    written: &HashMap<&'a TarPath, View<'a>>,
    kind: impl Fn(&TarPath) -> Option<EntryKind>,
    passed: &mut HashMap<&'a TarPath, TarPath>,
) -> Option<BrokenEntry> {
    let mut next = written.get(&path).copied();
    while let Some(View { path: at, target: Some(target), .. }) = next {
        match passed.insert(at, path.clone()) {
            Some(by) if by == path => return Some(BrokenEntry::LinkToItself { path }),
            Some(_) => return None,
            None => {}
        }
        next = written.get(target).copied();
        match kind(target) {
            Some(EntryKind::Dir) => return Some(BrokenEntry::LinkToDir { path, target: target.clone() }),
            Some(_) => {}
            // Where a symbolic link on the way leads is not asked here.
            None if ancestors(target).any(|dir| kind(&dir) == Some(EntryKind::Symlink)) => {}
            None => return Some(BrokenEntry::LinkToNothing { path, target: target.clone() }),
        }
    }
    None
}

/// Nearest first, without the root.
fn ancestors(path: &TarPath) -> impl Iterator<Item = TarPath> {
    std::iter::successors(path.parent(), TarPath::parent).take_while(|dir| !dir.is_root())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::order::tree::tests::entry;

    type Spec = (&'static str, EntryKind, &'static str);

    fn found(layers: &[&[Spec]]) -> String {
        let entries = |layer: &&[Spec]| layer.iter().map(|(path, kind, target)| entry(path, *kind, target)).collect();
        let entries: Vec<Vec<Entry>> = layers.iter().map(entries).collect();
        let entries: Vec<&[Entry]> = entries.iter().map(Vec::as_slice).collect();
        broken_entry(&entries).map_or_else(String::new, |(layer, broken)| format!("{layer}: {broken}"))
    }

    use EntryKind::{Dir, HardLink as Link, Regular as File, Symlink};

    #[test]
    fn a_directory_gives_way_after_another_one_did() {
        let entries: &[Spec] = &[
            ("d/f", File, ""),
            ("b/a", File, ""),
            ("b", File, ""),
            ("d", File, ""),
            ("d", Dir, ""),
            ("d/f/a", File, ""),
        ];
        assert_eq!(found(&[entries]), "");
    }

    /// A look at all entries for each one took a minute for ten times as many.
    #[test]
    fn directories_give_way_by_the_thousand() {
        let dirs = (0..10_000).flat_map(|n| [format!("d/{n}/x"), format!("d/{n}")]);
        let entries: Vec<Entry> = dirs.map(|path| entry(&path, File, "")).collect();
        assert_eq!(broken_entry(&[&entries]), None);
        let again = entry("d/7/y", File, "");
        let entries = [entries, vec![again]].concat();
        assert!(matches!(broken_entry(&[&entries]), Some((0, BrokenEntry::BelowFile { .. }))));
    }

    #[test]
    fn a_directory_gives_way_by_the_thousand() {
        let below = (0..100_000).map(|n| entry(&format!("d/{n}/x"), File, ""));
        let again = (0..100_000).flat_map(|_| [entry("d", Symlink, ""), entry("d", Dir, ""), entry("d/y", File, "")]);
        let entries: Vec<Entry> = below.chain(again).collect();
        assert_eq!(broken_entry(&[&entries]), None);
        let entries = [entries, vec![entry("d/y/z", File, "")]].concat();
        assert!(matches!(broken_entry(&[&entries]), Some((0, BrokenEntry::BelowFile { .. }))));
    }

    /// The rule in its plain words: a client stops below what is no directory when it comes to it.
    fn naive(entries: &[Entry]) -> Option<(TarPath, EntryKind)> {
        let mut kinds: Vec<(&TarPath, EntryKind)> = Vec::new();
        for entry in entries {
            let is_wall = |(path, kind): &&(&TarPath, EntryKind)| entry.path.is_below(path) && *kind != Dir;
            if let Some((_, wall)) = kinds.iter().find(is_wall) {
                return Some((entry.path.clone(), *wall));
            }
            let gives_way = entry.kind != Dir;
            kinds.retain(|(path, _)| **path != entry.path && !(gives_way && path.is_below(&entry.path)));
            kinds.push((&entry.path, entry.kind));
        }
        None
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_stands_below_a_file_is_found_where_a_client_stops(
            entries in proptest::collection::vec(("[ab](/[ab]){0,3}", select(vec![File, Dir, Dir, Symlink])), 0..24)
        ) {
            let entries: Vec<Entry> = entries.iter().map(|(path, kind)| entry(path, *kind, "")).collect();
            let found = below_file(&entries).map(|broken| match broken {
                BrokenEntry::BelowFile { path, .. } => (path, File),
                BrokenEntry::BelowLink { path, .. } => (path, Symlink),
                other => panic!("{other}"),
            });
            prop_assert_eq!(found, naive(&entries));
        }
    }

    #[test]
    fn links_that_lead_nowhere() {
        assert!(found(&[&[("a", Link, "./a")]]).contains("entry /a: expected a hard link to another"));
        assert!(found(&[&[("a", File, ""), ("a", Link, "a")]]).contains("entry /a: "));
        assert!(found(&[&[("a", Link, "b"), ("b", Link, "c"), ("c", Link, "b")]]).contains("back to itself"));
        assert!(found(&[&[], &[("a", Link, "b"), ("b", Link, "c")]]).starts_with("1: entry /a: expected the target"));
        assert!(found(&[&[("d", Dir, ""), ("a", Link, "d")]]).contains("found a directory at /d"));
        // What a lower layer hides is not there.
        let base: &[Spec] = &[("f", File, "")];
        assert!(found(&[base, &[(".wh.f", File, "")], &[("a", Link, "f")]]).starts_with("2: "));
    }

    #[test]
    fn a_layer_alone_has_the_targets_of_its_links() {
        let alone = |entries: &[Spec]| {
            let entries: Vec<Entry> = entries.iter().map(|(path, kind, target)| entry(path, *kind, target)).collect();
            broken_alone(&entries).map_or_else(String::new, |broken| broken.to_string())
        };
        assert_eq!(alone(&[("f", File, ""), ("a", Link, "f"), ("d/.wh.g", File, "")]), "");
        assert!(
            alone(&[("a", Link, "f")]).contains("entry /a: expected the target of the hard link in the same layer")
        );
        assert!(alone(&[("a", File, ""), ("a/b", File, "")]).contains("expected a directory at /a"));
    }

    #[test]
    fn links_that_clients_take() {
        let chain: &[Spec] = &[("a", Link, "b"), ("b", Link, "f"), ("f", File, ""), ("c", Link, "b")];
        let replaced: &[Spec] =
            &[("f", File, ""), ("a", Link, "f"), ("f", Link, "a"), ("b", Link, "x"), ("b", File, "")];
        let aufs: &[Spec] = &[(".wh.a", Link, ".wh..wh.aufs")];
        for layer in [chain, replaced, aufs] {
            assert_eq!(found(&[layer]), "");
        }
        assert_eq!(found(&[&[("f", File, "")], &[("a", Link, "f")]]), "");
        let usr: &[Spec] = &[("bin", Symlink, ""), ("usr/bin/x", File, "")];
        assert_eq!(found(&[usr, &[("y", Link, "bin/x")]]), "");
    }

    #[test]
    fn entries_below_what_is_no_directory() {
        let below = |layer: &[Spec]| found(&[layer]);
        assert!(below(&[("a", File, ""), ("a/b", File, "")]).contains("entry /a/b: expected a directory at /a"));
        assert!(below(&[("a", File, ""), ("a/b/c/d", Dir, "")]).contains("at /a,"));
        assert!(below(&[("f", File, ""), ("a", Link, "f"), ("a/b", File, "")]).contains("at /a,"));
        assert!(below(&[("a/b", File, ""), ("a", File, ""), ("a/c", File, "")]).contains("/a/c"));
        assert!(below(&[("a/b/c", File, ""), ("a", File, ""), ("a", Dir, ""), ("a/b/c", File, "")]).is_empty());
        assert!(below(&[("a/b", File, ""), ("a", File, ""), ("a", Dir, ""), ("a/b/c", File, "")]).is_empty());
        assert!(below(&[("a", File, ""), ("a", Dir, ""), ("a/b", File, "")]).is_empty());
        assert!(
            below(&[("a", Symlink, ""), ("a/b", File, "")])
                .contains("entry /a/b: expected a directory at /a, found a sy")
        );
        assert!(below(&[("a", Symlink, ""), ("a/.wh.b", File, "")]).contains("found a symbolic link"));
        assert!(
            below(&[("a/b", File, ""), ("a", Symlink, ""), ("a/b/c", File, "")]).contains("/a/b/c: expected a dir")
        );
        assert!(below(&[("a", Symlink, ""), ("a", Dir, ""), ("a/b", File, "")]).is_empty());
        assert!(below(&[("a/b", File, ""), ("a", Symlink, "")]).is_empty());
        assert!(below(&[("d/x", File, ""), ("d", File, "")]).is_empty());
        // In a lower layer the directory takes its place.
        assert_eq!(found(&[&[("a", File, "")], &[("a/b", File, "")]]), "");
        assert_eq!(found(&[&[("a", Symlink, "")], &[("a/b", File, "")]]), "");
    }
}
