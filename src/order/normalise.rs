//! Several entries for one path in a layer: tar allows it, podman refuses it (tar-split's
//! `ErrDuplicatePath`, the TOC's "duplicate entries"). What an extracting client ends up with is what is kept.

use std::collections::HashMap;

use super::paths::{Marks, PathId, Paths, Step};
use crate::tar::EntryKind;

/// How a live entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// As it came.
    Itself,
    /// A hard link whose target was replaced later in the same layer: it now carries the content, with the
    /// metadata that the replaced entry had. The index is that entry's.
    Heir(usize),
    /// A hard link to the file that another entry (by index) carries now.
    LinkTo(usize),
}

/// An entry that is left when the layer's tar was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    /// Index into the layer's entries.
    pub index: usize,
    pub role: Role,
}

impl Live {
    /// The entry as it will stand in the new layer.
    pub fn as_written(&self, steps: &[Step]) -> Step {
        let step = steps[self.index];
        match self.role {
            Role::Itself => step,
            Role::Heir(inode) => Step { path: step.path, ..steps[inode] },
            Role::LinkTo(holder) => Step { target: Some(steps[holder].path), ..step },
        }
    }
}

/// What normalising needs for every path of a table; used for one layer after another.
#[derive(Debug)]
pub(super) struct Scratch {
    /// The live entry at each path.
    at: Vec<Option<u32>>,
    pub marks: Marks,
}

impl Scratch {
    pub fn new(paths: &Paths) -> Self {
        Self { at: vec![None; paths.len()], marks: Marks::new(paths) }
    }

    fn get(&self, path: PathId) -> Option<usize> {
        self.at[path.at()].map(|index| index as usize)
    }

    fn take(&mut self, path: PathId) -> Option<usize> {
        self.at[path.at()].take().map(|index| index as usize)
    }
}

/// The live entries, in the order of the input.
pub(super) fn normalise(paths: &Paths, steps: &[Step], scratch: &mut Scratch) -> Vec<Live> {
    let mut live = vec![true; steps.len()];
    // The entry whose inode each entry is: itself, or what a hard link's target was at that moment.
    let mut inode: Vec<usize> = (0..steps.len()).collect();
    for (index, step) in steps.iter().enumerate() {
        if let Some(target) = step.target.and_then(|target| scratch.get(target)) {
            inode[index] = inode[target];
        }
        let gives_way = scratch.take(step.path);
        gives_way.into_iter().for_each(|old| live[old] = false);
        // Directories that something stands in are marked; they need no entries of their own.
        if step.kind != EntryKind::Dir && scratch.marks.has(step.path) {
            for old in paths.below_id(step.path).filter_map(|path| scratch.take(path)) {
                live[old] = false;
            }
        }
        scratch.at[step.path.at()] = Some(index as u32);
        let mut dir = paths.parent(step.path);
        while let Some(path) = dir.filter(|path| scratch.marks.mark(*path)) {
            dir = paths.parent(path);
        }
    }
    let mut holder: HashMap<usize, usize> = HashMap::new();
    let mut kept = Vec::with_capacity(steps.len());
    for index in (0..steps.len()).filter(|&index| live[index]) {
        kept.push(Live { index, role: role(steps, index, inode[index], &live, scratch, &mut holder) });
    }
    steps.iter().for_each(|step| scratch.at[step.path.at()] = None);
    scratch.marks.clear();
    kept
}

fn role(
    steps: &[Step],
    index: usize,
    inode: usize,
    live: &[bool],
    scratch: &Scratch,
    holder: &mut HashMap<usize, usize>,
) -> Role {
    if inode == index {
        return Role::Itself;
    }
    if !live[inode] {
        // The first link that is left inherits; later ones link to it.
        let heir = *holder.entry(inode).or_insert(index);
        return if heir == index { Role::Heir(inode) } else { Role::LinkTo(heir) };
    }
    // Straight to the file: a link between may have been replaced by one that leads back here.
    match steps[index].target.and_then(|target| scratch.get(target)) {
        Some(target) if target == inode => Role::Itself,
        _ => Role::LinkTo(inode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Entry;
    use crate::order::tree::tests::entry;

    fn run(entries: &[(&str, EntryKind, &str)]) -> Vec<(usize, Role)> {
        let entries: Vec<Entry> = entries.iter().map(|(path, kind, target)| entry(path, *kind, target)).collect();
        let (paths, ids) = Paths::new([entries.as_slice()]);
        let live = normalise(&paths, &paths.steps(&entries, &ids[0]), &mut Scratch::new(&paths));
        live.into_iter().map(|live| (live.index, live.role)).collect()
    }

    use EntryKind::{Dir, HardLink as Link, Regular as File};
    use Role::{Heir, Itself, LinkTo};

    #[test]
    fn the_last_of_several_wins() {
        assert_eq!(run(&[("a", File, ""), ("./a", File, ""), ("b", File, "")]), [(1, Itself), (2, Itself)]);
        assert_eq!(run(&[("d", Dir, ""), ("d/x", File, ""), ("d", Dir, "")]), [(1, Itself), (2, Itself)]);
    }

    #[test]
    fn a_directory_that_gives_way_takes_its_children() {
        assert_eq!(
            run(&[("d", Dir, ""), ("d/x", File, ""), ("dx", File, ""), ("d", File, "")]),
            [(2, Itself), (3, Itself)]
        );
    }

    #[test]
    fn so_does_a_directory_without_an_entry() {
        assert_eq!(run(&[("d/e/x", File, ""), ("d/y", File, ""), ("d/e", File, "")]), [(1, Itself), (2, Itself)]);
        assert_eq!(run(&[("d/e/x", File, ""), ("d", File, "")]), [(1, Itself)]);
    }

    #[test]
    fn links_inherit_what_was_replaced() {
        let entries = [("a", File, ""), ("b", Link, "a"), ("c", Link, "b"), ("a", File, "")];
        assert_eq!(run(&entries), [(1, Heir(0)), (2, LinkTo(1)), (3, Itself)]);
    }

    #[test]
    fn a_link_follows_its_file_when_the_name_between_is_gone() {
        let entries = [("a", File, ""), ("b", Link, "a"), ("c", Link, "b"), ("b", File, "")];
        assert_eq!(run(&entries), [(0, Itself), (2, LinkTo(0)), (3, Itself)]);
    }

    #[test]
    fn links_that_were_made_again_do_not_go_round_in_a_circle() {
        let entries = [("f", File, ""), ("c", Link, "f"), ("b", Link, "c"), ("c", Link, "b")];
        assert_eq!(run(&entries), [(0, Itself), (2, LinkTo(0)), (3, LinkTo(0))]);
    }

    #[test]
    fn a_link_to_a_lower_layer_stays() {
        assert_eq!(run(&[("b", Link, "elsewhere")]), [(0, Itself)]);
    }
}
