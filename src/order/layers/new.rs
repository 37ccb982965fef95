//! The new image's merged tree, and which of its paths are one file.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _, HashSet};

use super::Prune;
use super::log::Log;
use crate::limits::PATH_BYTES;
use crate::order::paths::{PathId, Paths};
use crate::order::tree::{self, MergedTree, Node, Shown, Whiteout};
use crate::order::{Content, Entry, Made, OverlayMark, Place, Traits};
use crate::tar::{EntryKind, TarPath, Time};

pub(super) struct NewTree<'a> {
    paths: &'a Paths,
    layers: &'a [&'a [Entry]],
    merged: MergedTree<'a>,
    /// The first of the paths that are one file, for each of the others.
    firsts: HashMap<PathId, PathId>,
    /// And the others, for each first one.
    links: HashMap<PathId, Vec<PathId>>,
    /// Stand for the entries of directories that are implied.
    plain: Entry,
    setgid: Entry,
    /// Those of them that are written all the same.
    spelled_out: BTreeSet<PathId>,
}

impl<'a> NewTree<'a> {
    /// `ids` are the paths of the layers' entries.
    pub fn new(paths: &'a Paths, layers: &'a [&'a [Entry]], ids: &[Vec<PathId>], pruned: &[Prune]) -> Self {
        let steps = layers.iter().zip(ids).map(|(entries, ids)| paths.steps(entries, ids));
        let mut merged = MergedTree::of(paths, steps);
        if !pruned.is_empty() {
            merged.prune(|path| pruned.iter().any(|prune| prune.takes(path)));
        }
        let (firsts, links) = links(layers, &merged);
        Self {
            paths,
            layers,
            merged,
            firsts,
            links,
            plain: implied(Made::Plain),
            setgid: implied(Made::Setgid),
            spelled_out: BTreeSet::new(),
        }
    }

    /// From now on a directory that is implied is one of the files that are to be shown by an entry.
    pub fn spell_out(&mut self, id: PathId) {
        self.spelled_out.insert(id);
    }

    /// Does so with those that old layers show by an entry, which may stay or must be hidden, and with those that have to
    /// do with the setgid bit.
    pub fn spell_out_all(&mut self, log: &Log<'_>) {
        let told = log.dirs();
        let implied = self.merged.all().filter(|(_, shown)| shown.entry().is_none()).map(|(id, _)| id);
        let mut implied: BTreeSet<PathId> = implied.filter(|&id| told.has(id) || self.is_at_setgid(id)).collect();
        if !implied.is_empty() {
            // An old layer above may imply it as well.
            let old = log.merged();
            implied.retain(|id| old.shown(*id) != self.merged.shown(*id));
        }
        self.spelled_out = implied;
        // podman pulls an image without layers, and then can't mount it.
        if !self.layers.is_empty() && !self.ids().any(|id| self.is_written(id)) {
            self.spelled_out.insert(Paths::ROOT);
        }
    }

    /// For a directory that is implied: has it the setgid bit, or stands it in one that would hand the bit on?
    fn is_at_setgid(&self, id: PathId) -> bool {
        let is_setgid = |id: PathId| self.carrier(id).is_setgid;
        is_setgid(id) || self.parent(id).is_some_and(is_setgid)
    }

    /// All that the image shows, depth first and byte-sorted.
    pub fn ids(&self) -> impl Iterator<Item = PathId> + '_ {
        self.merged.all().map(|(id, _)| id)
    }

    pub fn shows(&self, id: PathId) -> bool {
        self.merged.shown(id).is_some()
    }

    /// False for a directory that is implied, and needs no entry.
    pub fn has_entry(&self, id: PathId) -> bool {
        self.node(id).is_some() || self.spelled_out.contains(&id)
    }

    /// Where type, metadata and content are; `None` for a directory that is implied.
    pub fn node(&self, id: PathId) -> Option<Node> {
        self.merged.get(id)
    }

    /// Has a layer that is written an entry for this directory above its entries? Clients would give one without the bit
    /// that it finds above.
    pub fn is_written(&self, id: PathId) -> bool {
        self.has_entry(id) || self.is_at_setgid(id)
    }

    /// How clients make a directory that is implied.
    pub fn made(&self, id: PathId) -> Option<Made> {
        match self.merged.shown(id)? {
            Shown::Implied(made) => Some(made),
            Shown::Entry(_) => None,
        }
    }

    pub fn name(&self, id: PathId) -> &'a TarPath {
        self.paths.name(id)
    }

    /// The nearest directory above.
    pub fn parent(&self, id: PathId) -> Option<PathId> {
        let mut above = std::iter::successors(self.paths.parent(id), |id| self.paths.parent(*id));
        above.find(|&id| self.merged.shown(id).is_some_and(Shown::is_dir))
    }

    /// The entry that carries a file's metadata and content.
    pub fn carrier(&self, id: PathId) -> &Entry {
        match self.node(id) {
            Some(Node { inode: (layer, entry), .. }) => &self.layers[layer as usize][entry as usize],
            None if self.made(id) == Some(Made::Setgid) => &self.setgid,
            None => &self.plain,
        }
    }

    pub fn content(&self, id: PathId) -> Option<Content> {
        self.carrier(id).content
    }

    /// Compressed bytes.
    pub fn stored(&self, id: PathId) -> u64 {
        self.content(id).map_or(0, |content| content.stored)
    }

    /// Bytes as clients unpack them.
    pub fn size(&self, id: PathId) -> u64 {
        self.content(id).map_or(0, |content| content.size)
    }

    /// The same of several. A TOC can promise any size.
    pub fn sizes(&self, files: &[PathId]) -> u64 {
        files.iter().fold(0, |sum, &first| sum.saturating_add(self.size(first)))
    }

    /// The first of the paths that are one file with this one.
    pub fn first(&self, id: PathId) -> PathId {
        self.firsts.get(&id).copied().unwrap_or(id)
    }

    /// The first path of every file that is to be shown by an entry.
    pub fn firsts(&self) -> impl Iterator<Item = PathId> + '_ {
        self.ids().filter(|&id| self.first(id) == id && self.has_entry(id))
    }

    /// All paths of a file, the first one first.
    pub fn paths(&self, first: PathId) -> impl Iterator<Item = PathId> + '_ {
        std::iter::once(first).chain(self.links.get(&first).into_iter().flatten().copied())
    }

    pub fn has_links(&self, first: PathId) -> bool {
        self.links.contains_key(&first)
    }

    pub fn find(&self, path: &TarPath) -> Option<PathId> {
        self.paths.find(path).filter(|&id| self.shows(id))
    }
}

/// The first path of every other one, and the others of every first one.
fn links(layers: &[&[Entry]], merged: &MergedTree<'_>) -> (HashMap<PathId, PathId>, HashMap<PathId, Vec<PathId>>) {
    let shared = shared_inodes(merged);
    let mut of_inode: HashMap<Place, PathId> = HashMap::new();
    let mut firsts = HashMap::new();
    let mut links: HashMap<PathId, Vec<PathId>> = HashMap::new();
    let is_file = |node: &Node| kind(layers, node.inode) != EntryKind::Dir;
    for (id, node) in merged.nodes().filter(|(_, node)| shared.contains(&node.inode) && is_file(node)) {
        let first = *of_inode.entry(node.inode).or_insert(id);
        if first != id {
            firsts.insert(id, first);
            links.entry(first).or_default().push(id);
        }
    }
    (firsts, links)
}

fn kind(layers: &[&[Entry]], (layer, entry): Place) -> EntryKind {
    layers[layer as usize][entry as usize].kind
}

/// Clients give it the time when they unpack it, so any will do.
fn implied(made: Made) -> Entry {
    Entry {
        path: TarPath::root(),
        kind: EntryKind::Dir,
        target: None,
        content: None,
        traits: Traits::of_made(made),
        mtime: Time::default(),
        overlay: OverlayMark::None,
        is_setgid: made == Made::Setgid,
        is_program: false,
    }
}

/// The files that may have several paths: one that is not its own inode can be one of several.
fn shared_inodes(merged: &MergedTree<'_>) -> HashSet<Place> {
    merged.nodes().map(|(_, node)| node).filter(|node| node.at != node.inode).map(|node| node.inode).collect()
}

/// Whether a layer above can say that the path is gone: the name of a whiteout is longer, and no file system takes
/// more than 255 bytes, nor a path above the limit for layers that are read; and one for a name that is like a whiteout's
/// would mean something else.
pub(super) fn can_hide(path: &TarPath) -> bool {
    let (name, more) = (path.file_name(), tree::WHITEOUT.len());
    let fits = name.len() + more <= 255 && path.as_bytes().len() + more <= PATH_BYTES;
    fits && !name.starts_with(tree::WHITEOUT) && !path.is_root()
}

/// The whiteout that hides the path.
pub(super) fn hide(path: &TarPath) -> TarPath {
    let hidden = [tree::WHITEOUT, path.file_name()].concat();
    let whiteout = path.parent().unwrap_or_else(TarPath::root).join(&hidden);
    debug_assert_eq!(tree::whiteout(&whiteout), Some(Whiteout::Path(path.clone())));
    whiteout
}
