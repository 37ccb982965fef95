//! Paths of two merged file systems.

use std::cmp::Ordering;

use foldhash::HashSet;

use super::{REMOVED, Removed, Side};
use crate::digest::FileDigest;
use crate::order::Entry;
use crate::order::tree::{Node, merge};
use crate::tar::{EntryKind, TarPath};

/// Paths, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub added: u64,
    pub removed: u64,
    /// Another content, type, link text or device.
    pub changed: u64,
    /// Only mode, owner or xattrs; of links and devices these count as changed.
    pub metadata: u64,
    /// Only the time.
    pub times: u64,
    pub same: u64,
}

/// What an image shows.
pub(super) struct Shown<'a> {
    layers: Vec<&'a [Entry]>,
    /// Directories without an entry are left out.
    tree: Vec<(TarPath, Node)>,
    /// By layer and entry: does any path show it?
    marks: Vec<Vec<bool>>,
}

impl<'a> Shown<'a> {
    pub fn of(sides: &[Side<'a>]) -> Self {
        let layers: Vec<&[Entry]> = sides.iter().map(|side| side.entries).collect();
        let tree: Vec<(TarPath, Node)> =
            merge(&layers).into_iter().filter_map(|(path, shown)| Some((path, shown.entry()?))).collect();
        let mut marks: Vec<Vec<bool>> = layers.iter().map(|entries| vec![false; entries.len()]).collect();
        for (_, node) in &tree {
            marks[node.inode.0 as usize][node.inode.1 as usize] = true;
        }
        Self { layers, tree, marks }
    }

    pub fn shows(&self, layer: usize, entry: usize) -> bool {
        self.marks[layer][entry]
    }

    /// What stands at a path: for a hard link the file.
    pub fn at(&self, path: &TarPath) -> Option<&'a Entry> {
        let at = self.tree.binary_search_by(|(other, _)| other.cmp(path)).ok()?;
        Some(self.entry(&self.tree[at].1))
    }

    fn entry(&self, node: &Node) -> &'a Entry {
        &self.layers[node.inode.0 as usize][node.inode.1 as usize]
    }
}

/// How two entries of one path differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    None,
    Times,
    Metadata,
    Content,
}

pub(super) fn difference(old: &Entry, new: &Entry) -> Difference {
    let content = |entry: &Entry| entry.content.map(|content| content.digest);
    let is_plain = matches!(new.kind, EntryKind::Regular | EntryKind::Dir);
    if old.kind != new.kind || content(old) != content(new) || (!is_plain && old.traits != new.traits) {
        Difference::Content
    } else if old.traits != new.traits {
        Difference::Metadata
    } else if old.mtime != new.mtime {
        Difference::Times
    } else {
        Difference::None
    }
}

pub(super) fn counts(old: &Shown<'_>, new: &Shown<'_>) -> Counts {
    let mut counts = Counts::default();
    let (mut was, mut is) = (old.tree.iter().peekable(), new.tree.iter().peekable());
    loop {
        let order = match (was.peek(), is.peek()) {
            (None, None) => return counts,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let gone = was.next_if(|_| order != Ordering::Greater);
        let came = is.next_if(|_| order != Ordering::Less);
        let count = match (gone, came) {
            (Some((_, a)), Some((_, b))) => match difference(old.entry(a), new.entry(b)) {
                Difference::None => &mut counts.same,
                Difference::Times => &mut counts.times,
                Difference::Metadata => &mut counts.metadata,
                Difference::Content => &mut counts.changed,
            },
            (Some(_), None) => &mut counts.removed,
            _ => &mut counts.added,
        };
        *count += 1;
    }
}

/// Paths that are gone, and how many of them are readable. `kept` finds an old layer in the new image.
pub(super) fn removed(old: &Shown<'_>, new: &Shown<'_>, kept: impl Fn(usize) -> Option<usize>) -> (Vec<Removed>, u64) {
    let kept: Vec<Option<usize>> = (0..old.layers.len()).map(kept).collect();
    let contents = new.tree.iter().filter_map(|(_, node)| new.entry(node).content.as_ref());
    let shown: HashSet<&FileDigest> = contents.map(|content| &content.digest).collect();
    let readable = |node: &Node| {
        let content = old.entry(node).content.as_ref().filter(|content| content.size > 0);
        content.filter(|content| !shown.contains(&content.digest)).and_then(|_| kept[node.inode.0 as usize])
    };
    let gone = old.tree.iter().filter(|(path, _)| new.at(path).is_none());
    let mut gone: Vec<(&TarPath, Option<usize>)> = gone.map(|(path, node)| (path, readable(node))).collect();
    gone.sort_by_key(|(_, layer)| layer.is_none());
    let readable = gone.iter().filter(|(_, layer)| layer.is_some()).count() as u64;
    let listed = gone.into_iter().take(REMOVED).map(|(path, layer)| Removed { path: path.clone(), layer });
    (listed.collect(), readable)
}
