//! Which segment already shows a file of the new image exactly as it must be.

use std::collections::{HashMap, HashSet};

use super::new::{FileId, NewTree};
use super::{Mtime, Segment};
use crate::order::Entry;
use crate::order::tree::{self, Node, Tree};
use crate::tar::{TarPath, Time};

pub(super) struct Claims {
    /// Segment and entry that show each file; of its first path only.
    shown: Vec<Option<(u32, u32)>>,
    /// Times that differ from the input's, by a file's first path.
    mtimes: HashMap<FileId, Time>,
}

impl Claims {
    /// Looks every file up in what the segments of `use_` show together.
    pub fn new(new: &NewTree<'_>, segments: &[Segment], in_use: &[bool], mtime: Mtime) -> Self {
        let numbers: Vec<usize> = (0..segments.len()).filter(|&n| in_use[n]).collect();
        let old = tree::merge(numbers.iter().map(|&n| segments[n].entries.as_slice()));
        let mut claims = Self { shown: vec![None; new.files.len()], mtimes: HashMap::new() };
        let look = Look { new, old, segments, numbers, sources: sources(new), mtime };
        let mut taken = HashSet::new();
        // A file with several paths comes first: one that lost some of them must not take its inode.
        let (linked, single): (Vec<FileId>, Vec<FileId>) = new.firsts().partition(|&first| new.has_links(first));
        for first in linked.into_iter().chain(single) {
            if let Some(time) = look.time(first) {
                claims.mtimes.insert(first, time);
            }
            claims.shown[first as usize] =
                look.shown(first, claims.mtimes.get(&first)).filter(|inode| taken.insert(*inode));
        }
        claims
    }

    /// The segment that shows a file, by its first path.
    pub fn segment(&self, first: FileId) -> Option<usize> {
        self.shown[first as usize].map(|(segment, _)| segment as usize)
    }

    pub fn give_up(&mut self, first: FileId) {
        self.shown[first as usize] = None;
    }

    pub fn give_up_segment(&mut self, segment: usize) {
        let lost = |shown: &&mut Option<(u32, u32)>| shown.is_some_and(|(number, _)| number as usize == segment);
        self.shown.iter_mut().filter(lost).for_each(|shown| *shown = None);
    }

    pub fn mtime(&self, first: FileId) -> Option<Time> {
        self.mtimes.get(&first).copied()
    }

    /// Files, by their first paths, with the segments and entries that show them.
    pub fn shown(&self) -> impl Iterator<Item = (FileId, usize, usize)> + '_ {
        let files = (0..).zip(&self.shown);
        files.filter_map(|(first, shown)| shown.map(|(segment, entry)| (first, segment as usize, entry as usize)))
    }
}

struct Look<'a> {
    new: &'a NewTree<'a>,
    old: Tree<'a>,
    segments: &'a [Segment],
    /// The segment behind each layer of `old`.
    numbers: Vec<usize>,
    sources: HashSet<FileId>,
    mtime: Mtime,
}

impl<'a> Look<'a> {
    fn old(&self, path: &TarPath) -> Option<(&Node, &'a Entry)> {
        let node = self.old.get(path)?;
        let (layer, entry) = node.inode;
        Some((node, &self.segments[self.numbers[layer]].entries[entry]))
    }

    /// Another time for the file, by the policy.
    fn time(&self, first: FileId) -> Option<Time> {
        let carrier = self.new.carrier(first);
        let time = match self.mtime {
            Mtime::Keep => None,
            Mtime::Clamp(limit) => (carrier.mtime > limit).then_some(limit),
            Mtime::Previous if self.sources.contains(&first) => None,
            Mtime::Previous => {
                let paths = self.new.paths(first);
                let mut same = paths.iter().filter_map(|&id| self.old(self.new.file(id).path));
                same.find(|(_, old)| is_same(carrier, old)).map(|(_, old)| old.mtime)
            }
        };
        time.filter(|time| *time != carrier.mtime)
    }

    /// The one inode of one segment that all paths of the file show.
    fn shown(&self, first: FileId, time: Option<&Time>) -> Option<(u32, u32)> {
        let carrier = self.new.carrier(first);
        let paths = self.new.paths(first);
        let mut inodes = paths.iter().map(|&id| {
            let (node, old) = self.old(self.new.file(id).path)?;
            let wanted = time.unwrap_or(&carrier.mtime);
            (node.layer == node.inode.0 && is_same(carrier, old) && old.mtime == *wanted).then_some(node.inode)
        });
        let inode = inodes.next()??;
        let all = inodes.all(|other| other == Some(inode));
        all.then(|| (self.numbers[inode.0] as u32, inode.1 as u32))
    }
}

/// All but name and time.
fn is_same(new: &Entry, old: &Entry) -> bool {
    let content = |entry: &Entry| entry.content.map(|content| (content.digest, content.size));
    new.kind == old.kind && new.traits == old.traits && content(new) == content(old)
}

/// Python sources whose byte-code records their time: with another time Python would compile them again.
fn sources(new: &NewTree<'_>) -> HashSet<FileId> {
    let compiled = new.firsts().filter_map(|id| {
        let time = new.content(id)?.compiled_from?;
        let source = new.find(&source_of(new.file(id).path)?)?;
        let first = new.file(source).first;
        (new.carrier(first).mtime.secs as u32 == time).then_some(first)
    });
    compiled.collect()
}

/// `a/__pycache__/b.cpython-311.pyc` comes from `a/b.py` (PEP 3147), `a/b.pyc` from `a/b.py`.
fn source_of(path: &TarPath) -> Option<TarPath> {
    let (parent, name) = (path.parent()?, path.file_name().strip_suffix(b".pyc")?);
    if parent.file_name() != b"__pycache__" {
        return Some(parent.join(&[name, b".py"].concat()));
    }
    let module = name.split(|&b| b == b'.').next()?;
    Some(parent.parent()?.join(&[module, b".py"].concat()))
}
