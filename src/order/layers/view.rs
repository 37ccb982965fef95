//! What clients will see of the planned layers, held against the new image.

use std::collections::{BTreeMap, BTreeSet};

use super::claims::Claims;
use super::log::Log;
use super::new::{NewTree, can_hide};
use super::slots::Slot;
use super::write::Draft;
use crate::order::paths::PathId;
use crate::order::tree::{MergedTree, Node, Shown};
use crate::tar::{EntryKind, TarPath};

/// Where the planned layers show something else than the new image.
#[derive(Default)]
pub(super) struct Faults {
    /// Paths that must be hidden: highest ones only.
    pub extra: Vec<TarPath>,
    /// Paths that must go but can't be hidden.
    pub unhideable: BTreeSet<PathId>,
    /// Files, by their first paths, that another layer shows than was planned.
    pub wrong: Vec<PathId>,
    /// Directories without an entry that clients would not see, or see as something else.
    pub implied: Vec<PathId>,
}

impl Faults {
    pub fn are_none_but_extra(&self) -> bool {
        self.unhideable.is_empty() && self.wrong.is_empty() && self.implied.is_empty()
    }

    fn add_wrong(&mut self, new: &NewTree<'_>, id: PathId) {
        match new.has_entry(id) {
            true => self.wrong.push(new.first(id)),
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
    let steps = |(slot, draft): (&Slot, &Option<Draft<'_>>)| match draft {
        Some(draft) => draft.steps(),
        None => log.steps(slot.segments[0]),
    };
    let merged = MergedTree::of(log.paths, slots.iter().zip(drafts).map(steps));
    let expected = expected(new, claims, slots, log.paths.len());
    let is_right = |id: PathId, shown: Shown| match shown {
        Shown::Implied(made) => !new.has_entry(id) && new.made(id) == Some(made),
        Shown::Entry(Node { at: (layer, _), .. }) => {
            let is_dir = || new.carrier(id).kind == EntryKind::Dir;
            expected[id.at()] == Some(layer) || (drafts[layer as usize].is_some() && is_dir())
        }
    };
    let mut faults = Faults::default();
    let mut hidden: Option<&TarPath> = None;
    for id in log.paths.ids() {
        match (new.shows(id), merged.shown(id)) {
            (false, None) => {}
            (true, Some(shown)) if is_right(id, shown) => {}
            (true, _) => faults.add_wrong(new, id),
            (false, Some(_)) if hidden.is_some_and(|dir| log.paths.name(id).is_below(dir)) => {}
            (false, Some(_)) if can_hide(log.paths.name(id)) => {
                hidden = Some(log.paths.name(id));
                faults.extra.push(log.paths.name(id).clone());
            }
            (false, Some(_)) => drop(faults.unhideable.insert(id)),
        }
    }
    faults
}

/// By path: the layer in which a file is to be seen.
fn expected(new: &NewTree<'_>, claims: &Claims, slots: &[Slot], paths: usize) -> Vec<Option<u32>> {
    let mut of_segment: BTreeMap<usize, u32> = BTreeMap::new();
    let mut expected = vec![None; paths];
    for (layer, slot) in (0..).zip(slots) {
        of_segment.extend(slot.segments.iter().map(|&segment| (segment, layer)));
        slot.groups.iter().flat_map(|group| &group.files).for_each(|&first| expected[first.at()] = Some(layer));
    }
    for id in new.ids() {
        let first = new.first(id);
        expected[id.at()] = match claims.segment(first) {
            Some(segment) => of_segment.get(&segment).copied(),
            None => expected[first.at()],
        };
    }
    expected
}

/// Entries of a segment that the image shows.
pub(super) fn live_files(new: &NewTree<'_>, claims: &Claims, segments: usize) -> Vec<Vec<PathId>> {
    let mut live = vec![Vec::new(); segments];
    for first in new.firsts() {
        if let Some(segment) = claims.segment(first) {
            live[segment].push(first);
        }
    }
    live
}
