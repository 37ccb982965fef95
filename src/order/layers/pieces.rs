//! What would be too much for one layer, in pieces.

use super::new::NewTree;
use super::split::{Group, label};
use super::{Labels, Options};
use crate::order::paths::PathId;

/// Entries of one layer at most, so that its TOC stays below what clients take (at most 350 bytes for a path of ordinary
/// length, 150 MiB for all).
const MOST_ENTRIES: usize = 400_000;

/// Groups that are too large, each cut where it stands.
pub(super) fn pieces(
    new: &NewTree<'_>,
    labels: &Labels<'_>,
    groups: impl Iterator<Item = Group>,
    options: &Options,
) -> Vec<Group> {
    let groups = groups.flat_map(few_entries).map(|group| Group { unpacked: new.sizes(&group.files), ..group });
    let groups: Vec<Group> = groups.collect();
    let Some(most) = options.max_layer_size else { return groups };
    // More layers than there may be would be merged again, and not with their like.
    let least =
        groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.unpacked)) / options.max_layers.max(1) as u64;
    let mut given = most;
    loop {
        let pieces: Vec<Group> = groups.iter().flat_map(|group| few_bytes(new, labels, group, given)).collect();
        if pieces.len() <= options.max_layers || pieces.len() == groups.len() {
            return pieces;
        }
        given = least.max(given.saturating_add(given / 4 + 1));
    }
}

fn few_entries(group: Group) -> Vec<Group> {
    if group.files.len() <= MOST_ENTRIES {
        return vec![group];
    }
    let parts = group.files.len().div_ceil(MOST_ENTRIES);
    let each = group.files.len().div_ceil(parts);
    let stored = group.stored / parts as u64;
    group.files.chunks(each).map(|files| Group { files: files.to_vec(), stored, ..group }).collect()
}

/// Pieces of about the same size: the largest is the one that clients wait for. A file that is too large stands alone,
/// above the others.
fn few_bytes(new: &NewTree<'_>, labels: &Labels<'_>, group: &Group, most: u64) -> Vec<Group> {
    if group.unpacked <= most {
        return vec![group.clone()];
    }
    let (mut files, large): (Vec<PathId>, Vec<PathId>) =
        group.files.iter().copied().partition(|&first| new.size(first) <= most);
    // In path order the files of packages stand among each other.
    files.sort_by_key(|&first| label(new, first, labels).owner);
    let all = new.sizes(&files);
    let each = all.div_ceil(all.div_ceil(most).max(1));
    let mut pieces = vec![Vec::new()];
    let mut open = 0;
    for unit in units(new, labels, &files, most) {
        let bytes = new.sizes(unit);
        if bytes > 0 && (open >= each || bytes > most.saturating_sub(open)) {
            pieces.push(Vec::new());
            open = 0;
        }
        open = open.saturating_add(bytes);
        pieces.last_mut().into_iter().for_each(|piece| piece.extend(unit));
    }
    pieces.extend(large.into_iter().map(|first| vec![first]));
    pieces.into_iter().filter(|files| !files.is_empty()).map(|files| piece(new, group, files)).collect()
}

/// What is not to be cut: what a package has here, or a file, where that is too much or nobody's.
fn units<'f>(
    new: &'f NewTree<'_>,
    labels: &'f Labels<'_>,
    files: &'f [PathId],
    most: u64,
) -> impl Iterator<Item = &'f [PathId]> {
    let owner = |first: PathId| label(new, first, labels).owner;
    files.chunk_by(move |&a, &b| owner(a) == owner(b)).flat_map(move |run| {
        let bytes = new.sizes(run);
        let is_whole = bytes <= most && run.first().is_some_and(|&first| owner(first).is_some());
        run.chunks(if is_whole { run.len() } else { 1 })
    })
}

fn piece(new: &NewTree<'_>, group: &Group, mut files: Vec<PathId>) -> Group {
    files.sort_unstable();
    let stored = files.iter().map(|&first| new.stored(first)).sum();
    let unpacked = new.sizes(&files);
    Group { files, stored, unpacked, ..*group }
}
