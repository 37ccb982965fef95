//! The new image's merged tree as a list, and which of its paths are one file.

use std::collections::HashMap;

use super::Prune;
use crate::order::tree::{self, Whiteout};
use crate::order::{Content, Entry, Place};
use crate::tar::{EntryKind, TarPath};

/// A path of the new image, by its place in the depth-first list.
pub(super) type FileId = u32;

pub(super) struct NewFile<'a> {
    pub path: &'a TarPath,
    pub at: Place,
    /// The entry that carries type, metadata and content.
    pub inode: Place,
    /// The first of the paths that are one file with this one.
    pub first: FileId,
    /// The nearest directory above that has an entry.
    pub parent: Option<FileId>,
}

pub(super) struct NewTree<'a> {
    layers: &'a [&'a [Entry]],
    /// Depth first, byte-sorted.
    pub files: Vec<NewFile<'a>>,
    /// All paths of a file that has several, by the first.
    links: HashMap<FileId, Vec<FileId>>,
}

impl<'a> NewTree<'a> {
    pub fn new(layers: &'a [&'a [Entry]], pruned: &[Prune]) -> Self {
        let tree = tree::merge(layers.iter().copied());
        let mut files: Vec<NewFile<'a>> = Vec::with_capacity(tree.len());
        let mut firsts: HashMap<Place, FileId> = HashMap::new();
        let mut links: HashMap<FileId, Vec<FileId>> = HashMap::new();
        let mut above: Vec<FileId> = Vec::new();
        let is_pruned = |path: &TarPath| pruned.iter().any(|prune| prune.takes(path));
        for (path, node) in tree.into_iter().filter(|(path, _)| !is_pruned(path)) {
            let id = files.len() as FileId;
            let place = |(layer, entry): (usize, usize)| (layer as u32, entry as u32);
            let (at, inode) = (place((node.layer, node.entry)), place(node.inode));
            let first = match is_file(layers, inode) {
                true => *firsts.entry(inode).or_insert(id),
                false => id,
            };
            if first != id {
                links.entry(first).or_insert_with(|| vec![first]).push(id);
            }
            while above.last().is_some_and(|&dir| !path.is_below(files[dir as usize].path)) {
                above.pop();
            }
            let parent = above.last().copied();
            if layers[inode.0 as usize][inode.1 as usize].kind == EntryKind::Dir {
                above.push(id);
            }
            files.push(NewFile { path, at, inode, first, parent });
        }
        Self { layers, files, links }
    }

    pub fn file(&self, id: FileId) -> &NewFile<'a> {
        &self.files[id as usize]
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
    pub fn paths(&self, first: FileId) -> Vec<FileId> {
        self.links.get(&first).cloned().unwrap_or_else(|| vec![first])
    }

    pub fn has_links(&self, first: FileId) -> bool {
        self.links.contains_key(&first)
    }

    pub fn find(&self, path: &TarPath) -> Option<FileId> {
        self.files.binary_search_by(|file| file.path.cmp(path)).ok().map(|at| at as FileId)
    }

    /// True for a directory that only the names below it tell of.
    pub fn is_implied(&self, path: &TarPath) -> bool {
        let at = self.files.partition_point(|file| file.path <= path);
        self.files.get(at).is_some_and(|file| file.path.is_below(path))
    }
}

fn is_file(layers: &[&[Entry]], inode: Place) -> bool {
    layers[inode.0 as usize][inode.1 as usize].kind != EntryKind::Dir
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
