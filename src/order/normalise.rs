//! Several entries for one path in a layer: tar allows it, podman refuses it (tar-split's
//! `ErrDuplicatePath`, the TOC's "duplicate entries"). What an extracting client ends up with is what is kept.

use foldhash::{HashMap, HashMapExt as _};

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
    times: Vec<Times>,
    /// Some directory did, as in almost no layer one does.
    gave_way: bool,
    pub marks: Marks,
}

/// Of a path. Times are the numbers of entries, from 1; 0 stands for never.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    /// When the last entry came.
    came: u32,
    /// When a directory that had something below it last gave way. What is below and older went with it; to look for
    /// all that each time would take too long where it happens again and again.
    gave_way: u32,
}

impl Scratch {
    pub fn new(paths: &Paths) -> Self {
        Self { times: vec![Times::default(); paths.len()], gave_way: false, marks: Marks::new(paths) }
    }

    /// The entry that is there now.
    fn get(&self, paths: &Paths, path: PathId) -> Option<usize> {
        let came = self.times[path.at()].came;
        let mut dirs = std::iter::successors(paths.parent(path), |dir| paths.parent(*dir));
        let is_gone = self.gave_way && dirs.any(|dir| self.times[dir.at()].gave_way > came);
        if is_gone { None } else { (came as usize).checked_sub(1) }
    }

    fn put(&mut self, paths: &Paths, step: &Step, now: u32) {
        let times = &mut self.times[step.path.at()];
        times.came = now;
        // Directories that something stands in are marked; they need no entries of their own.
        if step.kind != EntryKind::Dir && self.marks.has(step.path) {
            times.gave_way = now;
            self.gave_way = true;
        }
        let mut dir = paths.parent(step.path);
        while let Some(path) = dir.filter(|path| self.marks.mark(*path)) {
            dir = paths.parent(path);
        }
    }

    fn clear(&mut self, steps: &[Step]) {
        steps.iter().for_each(|step| self.times[step.path.at()] = Times::default());
        self.gave_way = false;
        self.marks.clear();
    }
}

/// The live entries, in the order of the input.
pub(super) fn normalise(paths: &Paths, steps: &[Step], scratch: &mut Scratch) -> Vec<Live> {
    // The entry whose inode each entry is: itself, or what a hard link's target was at that moment.
    let mut inode: Vec<usize> = (0..steps.len()).collect();
    for (index, step) in steps.iter().enumerate() {
        if let Some(target) = step.target.and_then(|target| scratch.get(paths, target)) {
            inode[index] = inode[target];
        }
        scratch.put(paths, step, index as u32 + 1);
    }
    let is_live = |(index, step): (usize, &Step)| scratch.get(paths, step.path) == Some(index);
    let live: Vec<bool> = steps.iter().enumerate().map(is_live).collect();
    scratch.clear(steps);
    let mut holder: HashMap<usize, usize> = HashMap::new();
    let of = |index: usize| Live { index, role: role(steps, index, inode[index], &live, &mut holder) };
    (0..steps.len()).filter(|&index| live[index]).map(of).collect()
}

fn role(steps: &[Step], index: usize, inode: usize, live: &[bool], holder: &mut HashMap<usize, usize>) -> Role {
    if inode == index {
        return Role::Itself;
    }
    if !live[inode] {
        // The first link that is left inherits; later ones link to it.
        let heir = *holder.entry(inode).or_insert(index);
        return if heir == index { Role::Heir(inode) } else { Role::LinkTo(heir) };
    }
    // Straight to the file: a link between may have been replaced by one that leads back here.
    match steps[index].target == Some(steps[inode].path) {
        true => Role::Itself,
        false => Role::LinkTo(inode),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::order::Entry;
    use crate::order::tree::tests::entry;
    use crate::tar::TarPath;

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

    /// A look at all that was ever below took seven seconds for a fifth as many.
    #[test]
    fn a_directory_gives_way_by_the_thousand() {
        let below = (0..100_000).map(|n| entry(&format!("d/{n}"), File, ""));
        let again = (0..100_000).flat_map(|_| [entry("d", File, ""), entry("d/y", Link, "d/7")]);
        let entries: Vec<Entry> = below.chain(again).collect();
        let (paths, ids) = Paths::new([entries.as_slice()]);
        let live = normalise(&paths, &paths.steps(&entries, &ids[0]), &mut Scratch::new(&paths));
        let last = entries.len() - 1;
        assert_eq!(live, [Live { index: last - 1, role: Itself }, Live { index: last, role: Itself }]);
    }

    /// A name in a client's directory.
    struct Name<'a> {
        entry: &'a Entry,
        index: usize,
        inode: usize,
    }

    /// The rule in its plain words: a client unpacks one entry after another, and each takes the place of what is at its
    /// path, with all that is below unless it is a directory itself.
    fn unpacked(entries: &[Entry]) -> Vec<Name<'_>> {
        let mut names: Vec<Name<'_>> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let target = names.iter().find(|name| Some(&name.entry.path) == entry.target.as_ref());
            let inode = target.map_or(index, |target| target.inode);
            let gives_way = |path: &TarPath| *path == entry.path || (entry.kind != Dir && path.is_below(&entry.path));
            names.retain(|name| !gives_way(&name.entry.path));
            names.push(Name { entry, index, inode });
        }
        names
    }

    /// What is written so that names of one inode are again one file, with its content.
    fn naive(entries: &[Entry]) -> Vec<(usize, Role)> {
        let names = unpacked(entries);
        let role = |name: &Name<'_>| match names.iter().find(|other| other.inode == name.inode) {
            _ if name.index == name.inode => Itself,
            Some(first) if names.iter().all(|other| other.index != name.inode) => match first.index == name.index {
                true => Heir(name.inode),
                false => LinkTo(first.index),
            },
            _ if name.entry.target.as_ref() == Some(&entries[name.inode].path) => Itself,
            _ => LinkTo(name.inode),
        };
        names.iter().map(|name| (name.index, role(name))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_left_is_what_a_client_ends_up_with(
            layers in vec(vec(("[ab](/[ab]){0,2}", select(vec![File, Dir, Dir, Link, Link]), "[ab](/[ab]){0,2}"), 0..24), 1..3)
        ) {
            let layer = |entries: &Vec<(String, EntryKind, String)>| -> Vec<Entry> {
                entries.iter().map(|(path, kind, to)| entry(path, *kind, if *kind == Link { to } else { "" })).collect()
            };
            let layers: Vec<Vec<Entry>> = layers.iter().map(layer).collect();
            let (paths, ids) = Paths::new(layers.iter().map(Vec::as_slice));
            // One layer leaves nothing behind for the next.
            let mut scratch = Scratch::new(&paths);
            for (entries, ids) in layers.iter().zip(&ids) {
                let live = normalise(&paths, &paths.steps(entries, ids), &mut scratch);
                let live: Vec<(usize, Role)> = live.into_iter().map(|live| (live.index, live.role)).collect();
                prop_assert_eq!(live, naive(entries));
            }
        }
    }
}
