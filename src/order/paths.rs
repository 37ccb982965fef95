//! The paths of several layers as numbers in depth-first order. A tree over them is an array, and what is below a
//! directory is the run behind it.

use std::hash::BuildHasher as _;
use std::num::NonZeroU32;

use foldhash::fast::RandomState;
use foldhash::{HashSet, HashSetExt as _};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::tree::{Whiteout, whiteout};
use super::{Entry, Made, OverlayMark};
use crate::tar::{EntryKind, TarPath};

/// A path by its place in a table, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PathId(NonZeroU32);

impl PathId {
    fn new(at: usize) -> Self {
        let number = u32::try_from(at + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("the paths of all layers are counted in 32 bits"))
    }

    /// From 0.
    pub fn at(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// An entry as far as merging goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub path: PathId,
    pub kind: EntryKind,
    /// A hard link's target; `None` for one that no layer of the table has.
    pub target: Option<PathId>,
    pub overlay: OverlayMark,
    /// It says of a directory what clients make of one without an entry: how they make it.
    pub looks_made: Option<Made>,
    pub is_setgid: bool,
}

/// Every path that some layers have entries for, and the directories above, which need have none; each once.
#[derive(Debug)]
pub(super) struct Paths {
    sorted: Vec<TarPath>,
    parents: Vec<Option<PathId>>,
    /// AUFS's own paths and everything below them, as almost no image has any.
    reserved: HashSet<PathId>,
}

impl Paths {
    /// The table, and the path of each entry of each layer.
    pub fn new<'a>(layers: impl IntoIterator<Item = &'a [Entry]>) -> (Self, Vec<Vec<PathId>>) {
        let (seen, mut numbers) = first_seen(layers);
        let mut order: Vec<usize> = (0..seen.len()).collect();
        order.sort_by(|&a, &b| seen[a].cmp(seen[b]));
        let room = seen.len() + 1;
        let (sorted, parents) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut table = Self { sorted, parents, reserved: HashSet::new() };
        let mut above = vec![table.push(TarPath::root(), None)];
        let mut ranks = vec![Self::ROOT; seen.len()];
        order.into_iter().for_each(|number| ranks[number] = table.add(seen[number], &mut above));
        numbers.iter_mut().flatten().for_each(|number| *number = ranks[number.at()]);
        (table, numbers)
    }

    pub const ROOT: PathId = PathId(NonZeroU32::MIN);

    /// Adds the next path in order, and before it the directories above that no entry names. `above` are the last path
    /// and those that it is below.
    fn add(&mut self, path: &TarPath, above: &mut Vec<PathId>) -> PathId {
        if path.is_root() {
            return Self::ROOT;
        }
        while above.len() > 1 && above.last().is_some_and(|dir| !path.is_below(self.name(*dir))) {
            above.pop();
        }
        let known = above.last().map_or(0, |dir| self.name(*dir).as_bytes().len());
        let mut implied = Vec::new();
        // Asked first, since almost every directory has an entry.
        if path.as_bytes()[known + 1..].contains(&b'/') {
            let dirs = std::iter::successors(path.parent(), TarPath::parent);
            implied.extend(dirs.take_while(|dir| dir.as_bytes().len() > known));
        }
        for path in implied.into_iter().rev().chain([path.clone()]) {
            let id = self.push(path, above.last().copied());
            above.push(id);
        }
        PathId::new(self.len() - 1)
    }

    fn push(&mut self, path: TarPath, parent: Option<PathId>) -> PathId {
        let id = PathId::new(self.len());
        if whiteout(&path) == Some(Whiteout::Reserved) || parent.is_some_and(|dir| self.is_reserved(dir)) {
            self.reserved.insert(id);
        }
        self.sorted.push(path);
        self.parents.push(parent);
        id
    }

    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    pub fn ids(&self) -> impl Iterator<Item = PathId> + use<> {
        (0..self.len()).map(PathId::new)
    }

    pub fn name(&self, id: PathId) -> &TarPath {
        &self.sorted[id.at()]
    }

    /// True for what AUFS keeps for itself in the root: clients skip it, with all that is below (container-libs
    /// `storage/pkg/archive/diff.go`: whole names with `WhiteoutMetaPrefix`).
    pub fn is_reserved(&self, id: PathId) -> bool {
        self.reserved.contains(&id)
    }

    /// `None` for the root.
    pub fn parent(&self, id: PathId) -> Option<PathId> {
        self.parents[id.at()]
    }

    pub fn find(&self, path: &TarPath) -> Option<PathId> {
        self.sorted.binary_search(path).ok().map(PathId::new)
    }

    /// Everything below a directory, which need not be in the table itself.
    pub fn below(&self, dir: &TarPath) -> impl Iterator<Item = PathId> {
        let from = self.sorted.partition_point(|path| path <= dir);
        let run = self.sorted[from..].iter().take_while(|path| path.is_below(dir)).count();
        (from..from + run).map(PathId::new)
    }

    /// What [`Paths::below`] finds for the path; it is cheap where that is nothing, as it is for almost all.
    pub fn below_id(&self, id: PathId) -> impl Iterator<Item = PathId> {
        let is_dir = self.parents.get(id.at() + 1).is_some_and(|parent| *parent == Some(id));
        is_dir.then(|| self.below(self.name(id))).into_iter().flatten()
    }

    /// A layer's entries; `ids` are their paths.
    pub fn steps(&self, entries: &[Entry], ids: &[PathId]) -> Vec<Step> {
        let step = |(entry, &path): (&Entry, &PathId)| {
            let target = entry.target.as_ref().and_then(|target| self.find(target));
            Step {
                path,
                kind: entry.kind,
                target,
                overlay: entry.overlay,
                looks_made: entry.traits.made(),
                is_setgid: entry.is_setgid,
            }
        };
        entries.iter().zip(ids).map(step).collect()
    }
}

/// Every path once, as they come, and the number of each entry's.
fn first_seen<'a>(layers: impl IntoIterator<Item = &'a [Entry]>) -> (Vec<&'a TarPath>, Vec<Vec<PathId>>) {
    let hasher = RandomState::default();
    let mut seen: Vec<&'a TarPath> = Vec::new();
    let mut table: HashTable<PathId> = HashTable::new();
    let mut number = |path: &'a TarPath| {
        let is_same = |id: &PathId| seen[id.at()] == path;
        match table.entry(hasher.hash_one(path), is_same, |id| hasher.hash_one(seen[id.at()])) {
            Slot::Occupied(slot) => *slot.get(),
            Slot::Vacant(slot) => {
                let id = PathId::new(seen.len());
                slot.insert(id);
                seen.push(path);
                id
            }
        }
    };
    let numbers = layers.into_iter().map(|entries| entries.iter().map(|entry| number(&entry.path)).collect()).collect();
    (seen, numbers)
}

/// Paths that were marked since the last time that all were cleared.
#[derive(Debug)]
pub(super) struct Marks {
    is_marked: Vec<bool>,
    marked: Vec<PathId>,
}

impl Marks {
    pub fn new(paths: &Paths) -> Self {
        Self { is_marked: vec![false; paths.len()], marked: Vec::new() }
    }

    /// True for one that was not marked.
    pub fn mark(&mut self, id: PathId) -> bool {
        let is_new = !std::mem::replace(&mut self.is_marked[id.at()], true);
        if is_new {
            self.marked.push(id);
        }
        is_new
    }

    pub fn has(&self, id: PathId) -> bool {
        self.is_marked[id.at()]
    }

    /// Takes time for those that are marked alone.
    pub fn clear(&mut self) {
        self.marked.drain(..).for_each(|id| self.is_marked[id.at()] = false);
    }
}
