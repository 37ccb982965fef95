//! Splits fresh files into groups that will change together. Each group becomes a layer.

use std::collections::BTreeMap;

use super::new::NewTree;
use super::pieces::pieces;
use super::{Change, Label, Labels, Options};
use crate::order::paths::PathId;
use crate::order::{Members, Place};
use crate::tar::{EntryKind, TarPath};

/// Files for one layer, by their first paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub files: Vec<PathId>,
    pub stored: u64,
    /// Bytes of content as clients unpack it; known of those that are done.
    pub unpacked: u64,
    /// Its files change with every version.
    pub hot: bool,
    /// An index cannot hold its files.
    pub odd: bool,
    /// It is merged last when there are too many layers.
    pub is_own: bool,
    /// Of the family, if others than this image are to have it.
    pub members: Option<Members>,
}

/// How finely to split.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grain {
    /// At most this many owners get a layer each.
    pub owners: usize,
    /// An owner gets a layer from this many compressed bytes on.
    pub least: u64,
    /// At most this many layers in all: one for each such owner, and the rest for the files of nobody else. The rest is at
    /// least one layer.
    pub parts: usize,
    /// Compressed bytes of each layer of the rest.
    pub part: u64,
}

impl Grain {
    /// For files that are such a part of all that are new.
    pub fn part_of(self, stored: u64, all: u64) -> Self {
        let share = |count: usize| (count as u64 * stored / all.max(1)).max(1) as usize;
        Self { owners: share(self.owners), parts: share(self.parts), ..self }
    }
}

/// From this size on, a file without an owner gets a layer of its own: such files change on their own.
const BIG: u64 = 8 << 20;

/// The same for a program, such as Go's and Rust's static binaries: one build makes it as a whole.
const BIG_PROGRAM: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    /// Asked for, by its number.
    Own(usize),
    Owner(u32),
    Big(&'a TarPath),
    Rest,
    Hot,
    /// Can't stand in an index, and would keep others from one.
    Odd,
}

pub(super) fn split(
    new: &NewTree<'_>,
    fresh: &[PathId],
    labels: &Labels<'_>,
    options: &Options,
    grain: Grain,
) -> Vec<Group> {
    let mut groups: BTreeMap<Key<'_>, Group> = BTreeMap::new();
    for &first in fresh {
        let group = groups.entry(key(new, first, labels, options)).or_default();
        group.files.push(first);
        group.stored += new.stored(first);
    }
    let mut own: Vec<(Key<'_>, u64)> = groups
        .iter()
        .filter(|(key, group)| matches!(key, Key::Owner(_) | Key::Big(_)) && group.stored >= grain.least)
        .map(|(key, group)| (key.clone(), group.stored))
        .collect();
    own.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    own.truncate(grain.owners);
    // The biggest one on top: the more bytes, the less can it stay when it is dead, and what stands below need not move.
    own.reverse();
    let mut out: Vec<Group> = own.iter().filter_map(|(key, _)| groups.remove(key)).collect();
    let mut hot = groups.remove(&Key::Hot).unwrap_or_default();
    hot.hot = true;
    let mut odd = groups.remove(&Key::Odd).unwrap_or_default();
    odd.odd = true;
    let asked = groups.extract_if(.., |key, _| matches!(key, Key::Own(_)));
    let asked: Vec<Group> = asked.map(|(_, group)| Group { is_own: true, ..group }).collect();
    let mut rest = Group::default();
    for group in groups.into_values() {
        rest.files.extend(group.files);
        rest.stored += group.stored;
    }
    rest.files.sort_unstable();
    let mut parts = parts(new, rest, grain.part, grain.parts.saturating_sub(out.len()));
    parts.append(&mut out);
    let mut out = parts;
    out.extend(asked);
    out.extend([odd, hot]);
    pieces(new, labels, out.into_iter().filter(|group| !group.files.is_empty()), options)
}

/// Neighbours stay together: they change together more often than others.
fn parts(new: &NewTree<'_>, rest: Group, part: u64, most: usize) -> Vec<Group> {
    let number = (rest.stored / part.max(1)).min(most as u64).max(1);
    let each = rest.stored.div_ceil(number);
    let mut parts = vec![Group::default()];
    for first in rest.files {
        if parts.last().is_some_and(|open| open.stored >= each) && (parts.len() as u64) < number {
            parts.push(Group::default());
        }
        if let Some(open) = parts.last_mut() {
            open.files.push(first);
            open.stored += new.stored(first);
        }
    }
    parts
}

fn key<'a>(new: &NewTree<'a>, first: PathId, labels: &Labels<'_>, options: &Options) -> Key<'a> {
    if let Some(number) = own_layer(new, first, options) {
        return Key::Own(number);
    }
    let label = label(new, first, labels);
    let big = new.stored(first) >= BIG;
    let is_program = new.stored(first) >= BIG_PROGRAM && new.carrier(first).is_program;
    match (label.owner, label.change) {
        _ if is_odd(new, first, labels) => Key::Odd,
        (None, _) if big => Key::Big(new.name(first)),
        (None, Change::Seldom) if is_program => Key::Big(new.name(first)),
        (_, Change::Always) if big => Key::Big(new.name(first)),
        (_, Change::Always) => Key::Hot,
        (Some(owner), Change::Seldom) => Key::Owner(owner),
        (None, Change::Seldom) => Key::Rest,
    }
}

/// The number of the layer that was asked for, for the path that sorts first of a file's paths that have one. Directories
/// come along with what is in them, and need none.
pub(super) fn own_layer(new: &NewTree<'_>, first: PathId, options: &Options) -> Option<usize> {
    if options.own_layers.is_empty() || new.carrier(first).kind == EntryKind::Dir {
        return None;
    }
    new.paths(first).find_map(|id| options.own_layer(new.name(id)))
}

/// Of a file's first path.
pub(super) fn label(new: &NewTree<'_>, first: PathId, labels: &Labels<'_>) -> Label {
    match new.node(first) {
        Some(node) => of(labels, node.at),
        // All that there is to it is its name.
        None => Label { odd: std::str::from_utf8(new.name(first).as_bytes()).is_err(), ..Label::default() },
    }
}

/// One path that an index can't hold is enough: all paths of a file stand in one layer.
pub(super) fn is_odd(new: &NewTree<'_>, first: PathId, labels: &Labels<'_>) -> bool {
    let is_odd = |id: PathId| new.node(id).is_some_and(|node| of(labels, node.at).odd || of(labels, node.inode).odd);
    label(new, first, labels).odd || new.paths(first).any(is_odd)
}

fn of(labels: &Labels<'_>, (layer, entry): Place) -> Label {
    labels.0[layer as usize][entry as usize]
}
