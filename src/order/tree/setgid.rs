//! Directories that no entry names, below one that has the setgid bit: a client makes them with `mkdir`, and the kernel
//! hands the bit on. An entry says all of a mode, so its directory has the bit only if it says so.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::order::paths::{PathId, Paths, Step};
use crate::tar::EntryKind;

/// The directories without an entry that have the bit in the end when a client has unpacked the layer; ascending.
///
/// It depends on the order of the entries: what is made before its directory has the bit never gets it.
pub(super) fn handed_on(paths: &Paths, steps: &[Step]) -> Vec<PathId> {
    let mut unpacking = Unpacking { paths, inside: inside(paths, steps), dirs: BTreeMap::new() };
    // Almost every layer ends here, or has entries for all that is inside.
    if unpacking.inside.is_empty() {
        return Vec::new();
    }
    steps.iter().filter(|step| !paths.is_reserved(step.path)).for_each(|step| unpacking.add(step));
    let made = unpacking.dirs.into_iter().filter(|(_, dir)| dir.has_bit && !dir.has_entry);
    made.map(|(path, _)| path).collect()
}

/// Runs of paths, ascending: directories that an entry gives the bit, each with all that is below.
fn inside(paths: &Paths, steps: &[Step]) -> Vec<Range<usize>> {
    let setgid = steps.iter().filter(|step| step.is_setgid && !paths.is_reserved(step.path));
    let mut dirs: Vec<PathId> = setgid.map(|step| step.path).collect();
    dirs.sort_unstable();
    let mut runs: Vec<Range<usize>> = Vec::new();
    for dir in dirs {
        if runs.last().is_none_or(|run| !run.contains(&dir.at())) {
            runs.push(dir.at()..dir.at() + 1 + paths.below_id(dir).count());
        }
    }
    runs
}

/// The directory that a layer is unpacked into, as far as a bit can be handed on.
struct Unpacking<'p> {
    paths: &'p Paths,
    inside: Vec<Range<usize>>,
    dirs: BTreeMap<PathId, Dir>,
}

#[derive(Clone, Copy)]
struct Dir {
    has_bit: bool,
    has_entry: bool,
}

impl Unpacking<'_> {
    fn add(&mut self, step: &Step) {
        if step.kind != EntryKind::Dir {
            self.remove(step.path);
        }
        if self.is_inside(step.path) {
            self.make_parents(step.path);
            if step.kind == EntryKind::Dir {
                self.dirs.insert(step.path, Dir { has_bit: step.is_setgid, has_entry: true });
            }
        }
    }

    fn is_inside(&self, path: PathId) -> bool {
        let next = self.inside.partition_point(|run| run.end <= path.at());
        self.inside.get(next).is_some_and(|run| run.contains(&path.at()))
    }

    fn make_parents(&mut self, path: PathId) {
        let mut missing = Vec::new();
        let mut has_bit = false;
        let mut above = self.paths.parent(path);
        while let Some(dir) = above.filter(|dir| self.is_inside(*dir)) {
            if let Some(found) = self.dirs.get(&dir) {
                has_bit = found.has_bit;
                break;
            }
            missing.push(dir);
            above = self.paths.parent(dir);
        }
        self.dirs.extend(missing.into_iter().map(|dir| (dir, Dir { has_bit, has_entry: false })));
    }

    /// A directory that something else takes the place of goes with all that is in it.
    fn remove(&mut self, path: PathId) {
        let name = self.paths.name(path);
        let is_gone = |dir: &PathId| *dir == path || self.paths.name(*dir).is_below(name);
        let gone: Vec<PathId> = self.dirs.range(path..).map(|(dir, _)| *dir).take_while(is_gone).collect();
        gone.iter().for_each(|dir| _ = self.dirs.remove(dir));
    }
}
