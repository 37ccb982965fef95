//! What clients will see of the planned layers, held against the new image.

use std::collections::{BTreeMap, BTreeSet};

use super::claims::Claims;
use super::log::Log;
use super::new::{FileId, NewTree, can_hide};
use super::slots::Slot;
use super::write::Draft;
use crate::order::paths::PathId;
use crate::order::tree::{Node, Shown, Stack};
use crate::tar::{EntryKind, TarPath};

/// Where the planned layers show something else than the new image.
#[derive(Default)]
pub(super) struct Faults {
    /// Paths that must be hidden: highest ones only.
    pub extra: Vec<TarPath>,
    /// Paths that must go but can't be hidden.
    pub unhideable: BTreeSet<PathId>,
    /// Files, by their first paths, that another layer shows than was planned.
    pub wrong: Vec<FileId>,
    /// Directories without an entry that clients would not see, or see as something else.
    pub implied: Vec<FileId>,
}

impl Faults {
    pub fn are_none_but_extra(&self) -> bool {
        self.unhideable.is_empty() && self.wrong.is_empty() && self.implied.is_empty()
    }

    fn add_wrong(&mut self, new: &NewTree<'_>, id: FileId) {
        match new.has_entry(id) {
            true => self.wrong.push(new.file(id).first),
            false => self.implied.push(id),
        }
    }
}

/// `drafts` are the layers in the place of `slots`, without whiteouts; `None` for one that is kept.
pub(super) fn faults(
    new: &NewTree<'_>,
    claims: &Claims,
    log: &Log<'_>,
    slots: &[Slot],
    drafts: &[Option<Draft<'_>>],
) -> Faults {
    let mut stack = Stack::new(log.paths);
    for (slot, draft) in slots.iter().zip(drafts) {
        stack.add(&draft.as_ref().map_or_else(|| log.steps(slot.segments[0]), Draft::steps));
    }
    let expected = expected(new, claims, slots);
    let is_right = |id: FileId, shown: Shown| match shown {
        Shown::Implied => !new.has_entry(id),
        Shown::Entry(Node { at: (layer, _), .. }) => {
            let is_dir = || new.carrier(id).kind == EntryKind::Dir;
            expected[id as usize] == Some(layer) || (drafts[layer as usize].is_some() && is_dir())
        }
    };
    let mut faults = Faults::default();
    let mut hidden: Option<&TarPath> = None;
    let mut files = (0..).zip(&new.files).peekable();
    for (path, shown) in stack.all() {
        while let Some((id, _)) = files.next_if(|(_, file)| file.path < path) {
            faults.add_wrong(new, id);
        }
        match files.next_if(|(_, file)| file.path == path) {
            Some((id, _)) if is_right(id, shown) => {}
            Some((id, _)) => faults.add_wrong(new, id),
            None if hidden.is_some_and(|dir| log.paths.name(path).is_below(dir)) => {}
            None if can_hide(log.paths.name(path)) => {
                hidden = Some(log.paths.name(path));
                faults.extra.push(log.paths.name(path).clone());
            }
            None => drop(faults.unhideable.insert(path)),
        }
    }
    files.for_each(|(id, _)| faults.add_wrong(new, id));
    faults
}

/// The layer in which each file is to be seen.
fn expected(new: &NewTree<'_>, claims: &Claims, slots: &[Slot]) -> Vec<Option<u32>> {
    let mut of_segment: BTreeMap<usize, u32> = BTreeMap::new();
    let mut expected = vec![None; new.files.len()];
    for (layer, slot) in (0..).zip(slots) {
        of_segment.extend(slot.segments.iter().map(|&segment| (segment, layer)));
        slot.groups.iter().flat_map(|group| &group.files).for_each(|&first| expected[first as usize] = Some(layer));
    }
    for id in 0..expected.len() {
        let first = new.files[id].first;
        expected[id] = match claims.segment(first) {
            Some(segment) => of_segment.get(&segment).copied(),
            None => expected[first as usize],
        };
    }
    expected
}

/// Entries of a segment that the image shows.
pub(super) fn live_files(new: &NewTree<'_>, claims: &Claims, segments: usize) -> Vec<Vec<FileId>> {
    let mut live = vec![Vec::new(); segments];
    for first in new.firsts() {
        if let Some(segment) = claims.segment(first) {
            live[segment].push(first);
        }
    }
    live
}
