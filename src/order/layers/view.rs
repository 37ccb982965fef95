//! What clients will see of the planned layers, held against the new image.

use std::collections::BTreeMap;

use super::Segment;
use super::claims::Claims;
use super::new::{FileId, NewTree, can_hide};
use super::slots::Slot;
use super::write::Draft;
use crate::order::View;
use crate::order::tree::{self, Tree};
use crate::tar::{EntryKind, TarPath};

/// Where the planned layers show something else than the new image.
#[derive(Default)]
pub(super) struct Faults {
    /// Paths that must be hidden: highest ones only.
    pub extra: Vec<TarPath>,
    /// Paths that must go but can't be hidden, and a segment that shows each.
    pub unhideable: Vec<(TarPath, usize)>,
    /// Files, by their first paths, that another layer shows than was planned.
    pub wrong: Vec<FileId>,
}

/// `drafts` are the layers in the place of `slots`; `None` for one that is kept.
pub(super) fn faults(
    new: &NewTree<'_>,
    claims: &Claims,
    segments: &[Segment],
    slots: &[Slot],
    drafts: &[Option<Draft<'_>>],
) -> Faults {
    let mut shown = Tree::new();
    for (layer, (slot, draft)) in slots.iter().zip(drafts).enumerate() {
        let views: Vec<View<'_>> = match draft {
            Some(draft) => draft.rows.iter().map(|row| row.view).collect(),
            None => segments[slot.segments[0]].entries.iter().map(View::from).collect(),
        };
        tree::apply(&mut shown, layer, &views);
    }
    let expected = expected(new, claims, slots);
    let mut faults = Faults::default();
    let mut hidden: Option<&TarPath> = None;
    let mut files = new.files.iter().enumerate().peekable();
    for (path, node) in &shown {
        while let Some((_, file)) = files.next_if(|(_, file)| file.path < *path) {
            faults.wrong.push(file.first);
        }
        let Some((id, file)) = files.next_if(|(_, file)| file.path == *path) else {
            if hidden.is_some_and(|dir| path.is_below(dir)) {
                continue;
            }
            if can_hide(path) && !new.is_implied(path) {
                hidden = Some(path);
                faults.extra.push((*path).clone());
            } else {
                faults.unhideable.extend(slots[node.layer].segments.first().map(|&n| ((*path).clone(), n)));
            }
            continue;
        };
        let is_dir = new.carrier(id as FileId).kind == EntryKind::Dir;
        let is_right = expected[id] == Some(node.layer) || (is_dir && drafts[node.layer].is_some());
        if !is_right {
            faults.wrong.push(file.first);
        }
    }
    faults.wrong.extend(files.map(|(_, file)| file.first));
    faults
}

/// The layer in which each file is to be seen.
fn expected(new: &NewTree<'_>, claims: &Claims, slots: &[Slot]) -> Vec<Option<usize>> {
    let mut of_segment: BTreeMap<usize, usize> = BTreeMap::new();
    let mut expected = vec![None; new.files.len()];
    for (layer, slot) in slots.iter().enumerate() {
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
