//! What clients will see of the planned layers, held against the new image.

use std::collections::{BTreeMap, BTreeSet};

use super::claims::Claims;
use super::log::Log;
use super::new::{FileId, NewTree, can_hide};
use super::slots::Slot;
use super::write::Draft;
use crate::order::paths::PathId;
use crate::order::tree::Stack;
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
}

/// `drafts` are the layers in the place of `slots`, without whiteouts; `None` for one that is kept.
pub(super) fn faults(
    new: &NewTree<'_>,
    claims: &Claims,
    log: &Log<'_>,
    slots: &[Slot],
    drafts: &[Option<Draft<'_>>],
) -> Faults {
    let mut shown = Stack::new(log.paths);
    for (slot, draft) in slots.iter().zip(drafts) {
        shown.add(&draft.as_ref().map_or_else(|| log.steps(slot.segments[0]), Draft::steps));
    }
    let expected = expected(new, claims, slots);
    let mut faults = Faults::default();
    let mut hidden: Option<&TarPath> = None;
    let mut files = (0..).zip(&new.files).peekable();
    for (path, node) in shown.nodes() {
        while let Some((_, file)) = files.next_if(|(_, file)| file.path < path) {
            faults.wrong.push(file.first);
        }
        let layer = node.at.0;
        let Some((id, file)) = files.next_if(|(_, file)| file.path == path) else {
            let id = path;
            let path = log.paths.name(id);
            if hidden.is_some_and(|dir| path.is_below(dir)) {
                continue;
            }
            if can_hide(path) && !new.is_implied(path) {
                hidden = Some(path);
                faults.extra.push(path.clone());
            } else {
                faults.unhideable.insert(id);
            }
            continue;
        };
        let is_dir = || new.carrier(id).kind == EntryKind::Dir;
        let is_right = expected[id as usize] == Some(layer) || (drafts[layer as usize].is_some() && is_dir());
        if !is_right {
            faults.wrong.push(file.first);
        }
    }
    faults.wrong.extend(files.map(|(_, file)| file.first));
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
