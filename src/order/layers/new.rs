//! The new image's merged tree as a list, and which of its paths are one file.

use std::collections::{HashMap, HashSet};

use super::Prune;
use crate::order::paths::{PathId, Paths};
use crate::order::tree::{self, Stack, Whiteout};
use crate::order::{Content, Entry, Place};
use crate::tar::{EntryKind, TarPath};

/// A path of the new image, by its place in the depth-first list.
pub(super) type FileId = u32;

pub(super) struct NewFile {
    pub path: PathId,
    pub at: Place,
    /// The entry that carries type, metadata and content.
    pub inode: Place,
    /// The first of the paths that are one file with this one.
    pub first: FileId,
    /// The nearest directory above that has an entry; the file itself where there is none.
    above: FileId,
}

pub(super) struct NewTree<'a> {
    paths: &'a Paths<'a>,
    layers: &'a [&'a [Entry]],
    /// Depth first, byte-sorted.
    pub files: Vec<NewFile>,
    /// All paths of a file that has several, by the first.
    links: HashMap<FileId, Vec<FileId>>,
}

impl<'a> NewTree<'a> {
    /// `ids` are the paths of the layers' entries.
    pub fn new(paths: &'a Paths<'a>, layers: &'a [&'a [Entry]], ids: &[Vec<PathId>], pruned: &[Prune]) -> Self {
        let mut stack = Stack::new(paths);
        layers.iter().zip(ids).for_each(|(entries, ids)| stack.add(&paths.steps(entries, ids)));
        let mut files: Vec<NewFile> = Vec::with_capacity(stack.nodes().count());
        let mut firsts: HashMap<Place, FileId> = HashMap::new();
        let mut links: HashMap<FileId, Vec<FileId>> = HashMap::new();
        let mut above: Vec<FileId> = Vec::new();
        let is_pruned = |path: &TarPath| pruned.iter().any(|prune| prune.takes(path));
        let shared = shared_inodes(&stack);
        for (path, node) in stack.nodes().filter(|(path, _)| !is_pruned(paths.name(*path))) {
            let id = files.len() as FileId;
            let is_dir = layers[node.inode.0 as usize][node.inode.1 as usize].kind == EntryKind::Dir;
            let first = match shared.contains(&node.inode) && !is_dir {
                true => *firsts.entry(node.inode).or_insert(id),
                false => id,
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
            files.push(NewFile { path, at: node.at, inode: node.inode, first, above: dir });
        }
        Self { paths, layers, files, links }
    }

    pub fn file(&self, id: FileId) -> &NewFile {
        &self.files[id as usize]
    }

    pub fn name(&self, id: FileId) -> &'a TarPath {
        self.paths.name(self.file(id).path)
    }

    /// The nearest directory above that has an entry.
    pub fn parent(&self, id: FileId) -> Option<FileId> {
        Some(self.file(id).above).filter(|above| *above != id)
    }

    /// The entry that carries a file's metadata and content.
    pub fn carrier(&self, id: FileId) -> &'a Entry {
        self.entry(self.file(id).inode)
    }

    pub fn entry(&self, place: Place) -> &'a Entry {
        &self.layers[place.0 as usize][place.1 as usize]
    }

    pub fn content(&self, id: FileId) -> Option<Content> {
        self.carrier(id).content
    }

    /// Compressed bytes.
    pub fn stored(&self, id: FileId) -> u64 {
        self.content(id).map_or(0, |content| content.stored)
    }

    /// The first path of every file.
    pub fn firsts(&self) -> impl Iterator<Item = FileId> + '_ {
        (0..self.files.len() as FileId).filter(|&id| self.file(id).first == id)
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

    /// True for a directory that only the names below it tell of.
    pub fn is_implied(&self, path: &TarPath) -> bool {
        let at = self.files.partition_point(|file| self.paths.name(file.path) <= path);
        self.files.get(at).is_some_and(|file| self.paths.name(file.path).is_below(path))
    }
}

/// The files that may have several paths: one that is not its own inode can be one of several.
fn shared_inodes(stack: &Stack<'_, '_>) -> HashSet<Place> {
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
