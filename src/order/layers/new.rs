//! The new image's merged tree as a list, and which of its paths are one file.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Prune;
use crate::order::paths::{Marks, PathId, Paths};
use crate::order::tree::{self, Node, Stack, Whiteout};
use crate::order::{Content, Entry, Place, Traits};
use crate::tar::{EntryKind, TarPath, Time};

/// A path of the new image, by its place in the depth-first list.
pub(super) type FileId = u32;

pub(super) struct NewFile {
    pub path: PathId,
    /// Where type, metadata and content are; `None` for a directory that is implied.
    pub node: Option<Node>,
    /// The first of the paths that are one file with this one.
    pub first: FileId,
    /// The nearest directory above; the file itself where there is none.
    above: FileId,
}

pub(super) struct NewTree<'a> {
    paths: &'a Paths,
    layers: &'a [&'a [Entry]],
    /// Depth first, byte-sorted.
    pub files: Vec<NewFile>,
    /// All paths of a file that has several, by the first.
    links: HashMap<FileId, Vec<FileId>>,
    /// Stands for the entry of every directory that is implied.
    implied: Entry,
    /// Those of them that are written all the same.
    spelled_out: BTreeSet<FileId>,
}

impl<'a> NewTree<'a> {
    /// `ids` are the paths of the layers' entries.
    pub fn new(paths: &'a Paths, layers: &'a [&'a [Entry]], ids: &[Vec<PathId>], pruned: &[Prune]) -> Self {
        let mut stack = Stack::new(paths);
        layers.iter().zip(ids).for_each(|(entries, ids)| stack.add(&paths.steps(entries, ids)));
        let mut files: Vec<NewFile> = Vec::with_capacity(stack.all().count());
        let mut firsts: HashMap<Place, FileId> = HashMap::new();
        let mut links: HashMap<FileId, Vec<FileId>> = HashMap::new();
        let mut above: Vec<FileId> = Vec::new();
        let is_pruned = |path: &TarPath| pruned.iter().any(|prune| prune.takes(path));
        let shared = shared_inodes(&stack);
        for (path, shown) in stack.all().filter(|(path, _)| !is_pruned(paths.name(*path))) {
            let id = files.len() as FileId;
            let node = shown.entry();
            let is_dir = node.is_none_or(|Node { inode, .. }| kind(layers, inode) == EntryKind::Dir);
            let first = match node.filter(|node| shared.contains(&node.inode) && !is_dir) {
                Some(node) => *firsts.entry(node.inode).or_insert(id),
                None => id,
            };
            if first != id {
                links.entry(first).or_insert_with(|| vec![first]).push(id);
            }
            let name = paths.name(path);
            while above.last().is_some_and(|&dir| !name.is_below(paths.name(files[dir as usize].path))) {
                above.pop();
            }
            let dir = above.last().copied().unwrap_or(id);
            if is_dir {
                above.push(id);
            }
            files.push(NewFile { path, node, first, above: dir });
        }
        Self { paths, layers, files, links, implied: implied(), spelled_out: BTreeSet::new() }
    }

    /// From now on a directory that is implied is one of the files that are to be shown by an entry.
    pub fn spell_out(&mut self, id: FileId) {
        self.spelled_out.insert(id);
    }

    /// Does so with those that old layers have entries for: they may stay, or must be hidden, and each layer has the
    /// directories above its entries as they are shown.
    pub fn spell_out_all(&mut self, told: &Marks) {
        let implied = (0..).zip(&self.files).filter(|(_, file)| file.node.is_none() && told.has(file.path));
        self.spelled_out = implied.map(|(id, _)| id).collect();
    }

    /// False for a directory that is implied, and needs no entry.
    pub fn has_entry(&self, id: FileId) -> bool {
        self.file(id).node.is_some() || self.spelled_out.contains(&id)
    }

    pub fn file(&self, id: FileId) -> &NewFile {
        &self.files[id as usize]
    }

    pub fn name(&self, id: FileId) -> &'a TarPath {
        self.paths.name(self.file(id).path)
    }

    /// The nearest directory above.
    pub fn parent(&self, id: FileId) -> Option<FileId> {
        Some(self.file(id).above).filter(|above| *above != id)
    }

    /// The entry that carries a file's metadata and content.
    pub fn carrier(&self, id: FileId) -> &Entry {
        match self.file(id).node {
            Some(Node { inode: (layer, entry), .. }) => &self.layers[layer as usize][entry as usize],
            None => &self.implied,
        }
    }

    pub fn content(&self, id: FileId) -> Option<Content> {
        self.carrier(id).content
    }

    /// Compressed bytes.
    pub fn stored(&self, id: FileId) -> u64 {
        self.content(id).map_or(0, |content| content.stored)
    }

    /// The first path of every file that is to be shown by an entry.
    pub fn firsts(&self) -> impl Iterator<Item = FileId> + '_ {
        (0..self.files.len() as FileId).filter(|&id| self.file(id).first == id && self.has_entry(id))
    }

    /// All paths of a file, the first one first.
    pub fn paths(&self, first: FileId) -> &[FileId] {
        self.links.get(&first).map_or_else(|| std::slice::from_ref(&self.file(first).first), Vec::as_slice)
    }

    pub fn has_links(&self, first: FileId) -> bool {
        self.links.contains_key(&first)
    }

    pub fn find(&self, path: &TarPath) -> Option<FileId> {
        let path = self.paths.find(path)?;
        self.files.binary_search_by_key(&path, |file| file.path).ok().map(|at| at as FileId)
    }
}

fn kind(layers: &[&[Entry]], (layer, entry): Place) -> EntryKind {
    layers[layer as usize][entry as usize].kind
}

/// Clients give it the time when they unpack it, so any will do.
fn implied() -> Entry {
    Entry {
        path: TarPath::root(),
        kind: EntryKind::Dir,
        target: None,
        content: None,
        traits: Traits::IMPLIED,
        mtime: Time::default(),
    }
}

/// The files that may have several paths: one that is not its own inode can be one of several.
fn shared_inodes(stack: &Stack<'_>) -> HashSet<Place> {
    stack.nodes().map(|(_, node)| node).filter(|node| node.at != node.inode).map(|node| node.inode).collect()
}

/// Whether a layer above can say that the path is gone: the name of a whiteout is longer, and no file system takes
/// more than 255 bytes.
pub(super) fn can_hide(path: &TarPath) -> bool {
    path.file_name().len() + tree::WHITEOUT.len() <= 255 && !path.is_root()
}

/// The whiteout that hides the path.
pub(super) fn hide(path: &TarPath) -> TarPath {
    let hidden = [tree::WHITEOUT, path.file_name()].concat();
    let whiteout = path.parent().unwrap_or_else(TarPath::root).join(&hidden);
    debug_assert_eq!(tree::whiteout(&whiteout), Some(Whiteout::Path(path.clone())));
    whiteout
}
