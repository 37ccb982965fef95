//! Which segment already shows a file of the new image exactly as it must be.

use std::mem::replace;

use foldhash::{HashSet, HashSetExt as _};

use super::Mtime;
use super::log::Log;
use super::new::NewTree;
use crate::order::paths::PathId;
use crate::order::tree::{MergedTree, Node};
use crate::order::{Entry, Place};
use crate::tar::{TarPath, Time};

pub(super) struct Claims {
    /// By a file's first path: segment and entry that show it.
    shown: Vec<Option<Place>>,
    mtimes: Times,
}

/// Times that differ from the input's, by files' first paths, ascending.
pub(super) type Times = Vec<(PathId, Time)>;

impl Claims {
    /// Looks every file up in what the segments of `in_use` show together.
    pub fn new(new: &NewTree<'_>, log: &Log<'_>, in_use: &[bool], mtime: Mtime) -> Self {
        // Times are those that clients have, also where no segment may show a file; then those of other images.
        let all = Old::new(log, |segment| !log.segments[segment].is_shared);
        let is_base = |segment: usize| log.segments[segment].is_base;
        let base = log.segments.iter().any(|segment| segment.is_base).then(|| Old::new(log, is_base));
        let is_shared = |segment: usize| log.segments[segment].is_shared && in_use[segment];
        let shared = (0..log.segments.len()).any(is_shared).then(|| Old::new(log, is_shared));
        let mtimes = all.mtimes(new, mtime, base.as_ref(), shared.as_ref());
        let old =
            if in_use.contains(&false) || shared.is_some() { Old::new(log, |segment| in_use[segment]) } else { all };
        Self::of(new, &old, mtimes)
    }

    /// With times that are known already.
    pub fn of(new: &NewTree<'_>, old: &Old<'_>, mtimes: Times) -> Self {
        let Log { paths, segments, .. } = old.log;
        let mut claims = Self { shown: vec![None; paths.len()], mtimes };
        let mut taken: Vec<Vec<bool>> = segments.iter().map(|segment| vec![false; segment.entries.len()]).collect();
        let mut take = |&(segment, entry): &Place| !replace(&mut taken[segment as usize][entry as usize], true);
        // A file with several paths comes first: one that lost some of them must not take its inode.
        let linked = new.firsts().filter(|&first| new.has_links(first));
        for first in linked.chain(new.firsts().filter(|&first| !new.has_links(first))) {
            let time = claims.mtime(first);
            claims.shown[first.at()] = old.shown(new, first, time).filter(&mut take);
        }
        claims
    }

    /// The segment that shows a file, by its first path.
    pub fn segment(&self, first: PathId) -> Option<usize> {
        self.shown[first.at()].map(|(segment, _)| segment as usize)
    }

    pub fn give_up(&mut self, first: PathId) {
        self.shown[first.at()] = None;
    }

    pub fn give_up_segments(&mut self, goes: impl Fn(usize) -> bool) {
        let lost = |shown: &&mut Option<Place>| shown.is_some_and(|(number, _)| goes(number as usize));
        self.shown.iter_mut().filter(lost).for_each(|shown| *shown = None);
    }

    pub fn mtime(&self, first: PathId) -> Option<Time> {
        self.mtimes.binary_search_by_key(&first, |(first, _)| *first).ok().map(|at| self.mtimes[at].1)
    }

    /// Files, by their first paths, with the segments and entries that show them.
    pub fn shown(&self, new: &NewTree<'_>) -> impl Iterator<Item = (PathId, usize, usize)> {
        new.ids().filter_map(|first| {
            let (segment, entry) = self.shown[first.at()]?;
            Some((first, segment as usize, entry as usize))
        })
    }
}

/// What some of the segments show together.
pub(super) struct Old<'a> {
    shown: MergedTree<'a>,
    log: &'a Log<'a>,
    /// The segment behind each layer of `shown`.
    numbers: Vec<usize>,
}

impl<'a> Old<'a> {
    pub fn new(log: &'a Log<'a>, is_used: impl Fn(usize) -> bool) -> Self {
        let numbers: Vec<usize> = (0..log.segments.len()).filter(|&segment| is_used(segment)).collect();
        let shown = MergedTree::of(log.paths, numbers.iter().map(|&segment| log.steps(segment)));
        Self { shown, log, numbers }
    }

    /// The segment whose entry is shown at a path.
    pub fn segment(&self, path: PathId) -> Option<usize> {
        Some(self.numbers[self.shown.get(path)?.at.0 as usize])
    }

    fn get(&self, path: PathId) -> Option<(Node, &'a Entry)> {
        let node = self.shown.get(path)?;
        let (layer, entry) = node.inode;
        Some((node, &self.log.segments[self.numbers[layer as usize]].entries[entry as usize]))
    }

    /// Times of files that the policy changes, by their first paths, ascending. What the base shows as it came needs no
    /// other one: it is there whatever clients have.
    pub fn mtimes(&self, new: &NewTree<'_>, policy: Mtime, base: Option<&Self>, shared: Option<&Self>) -> Times {
        let sources = if policy == Mtime::Previous { sources(new) } else { HashSet::new() };
        let time = |first: PathId| {
            let carrier = new.carrier(first);
            let known = || self.time(new, first).or_else(|| shared?.time(new, first));
            let is_implied = new.node(first).is_none();
            let time = match policy {
                // It has no time of its own.
                Mtime::Keep if is_implied => known(),
                Mtime::Clamp(limit) if is_implied => Some(known().unwrap_or(carrier.mtime).min(limit)),
                Mtime::Keep => None,
                Mtime::Clamp(limit) => (carrier.mtime > limit).then_some(limit),
                Mtime::Previous if sources.contains(&first) || base.is_some_and(|base| base.has(new, first)) => None,
                Mtime::Previous => known(),
            };
            time.filter(|time| *time != carrier.mtime).map(|time| (first, time))
        };
        new.firsts().filter_map(time).collect()
    }

    /// That of a file that is equal in all else.
    fn time(&self, new: &NewTree<'_>, first: PathId) -> Option<Time> {
        let mut old = new.paths(first).filter_map(|id| self.get(id));
        old.find(|(_, old)| is_same(new.carrier(first), old)).map(|(_, old)| old.mtime)
    }

    /// Does every path show the file as it came?
    fn has(&self, new: &NewTree<'_>, first: PathId) -> bool {
        let carrier = new.carrier(first);
        let is_it = |id| self.get(id).is_some_and(|(_, old)| is_same(carrier, old) && old.mtime == carrier.mtime);
        new.paths(first).all(is_it)
    }

    /// The one inode of one segment that all paths of the file show.
    fn shown(&self, new: &NewTree<'_>, first: PathId, time: Option<Time>) -> Option<Place> {
        let carrier = new.carrier(first);
        let wanted = time.unwrap_or(carrier.mtime);
        let mut inodes = new.paths(first).map(|id| {
            let (node, old) = self.get(id)?;
            (node.at.0 == node.inode.0 && is_same(carrier, old) && old.mtime == wanted).then_some(node.inode)
        });
        let inode = inodes.next()??;
        let all = inodes.all(|other| other == Some(inode));
        all.then(|| (self.numbers[inode.0 as usize] as u32, inode.1))
    }
}

/// All but name and time.
pub(super) fn is_same(new: &Entry, old: &Entry) -> bool {
    let content = |entry: &Entry| entry.content.map(|content| (content.digest, content.size));
    new.kind == old.kind && new.traits == old.traits && content(new) == content(old)
}

/// Python sources whose byte-code records their time: with another time Python would compile them again.
pub(super) fn sources(new: &NewTree<'_>) -> HashSet<PathId> {
    // Byte-code of several names has several sources: uv and pip link what is equal.
    let compiled = new.ids().filter_map(|id| {
        let time = new.content(id)?.compiled_from?;
        let source = new.find(&source_of(new.name(id))?)?;
        let first = new.first(source);
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
