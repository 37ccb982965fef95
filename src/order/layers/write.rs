//! The entries of a layer that is written.

use std::collections::BTreeSet;
use std::ops::Range;

use super::claims::Claims;
use super::new::{NewTree, hide};
use crate::digest::FileDigest;
use crate::order::paths::{PathId, Step};
use crate::order::tree::Node;
use crate::order::{Below, Made, OverlayMark, Previous, Role, View, Written, sequence};
use crate::tar::{EntryKind, TarPath};

/// A layer's entries before they are put in order.
pub(super) struct Draft<'a> {
    new: &'a NewTree<'a>,
    claims: &'a Claims,
    /// Each with the path that carries its content, of which others are links.
    files: Vec<(PathId, PathId)>,
    /// Paths to hide, and their names.
    whiteouts: &'a [(TarPath, TarPath)],
}

impl<'a> Draft<'a> {
    /// `files` by their first paths. Directories above come along, with their final metadata: a client that unpacks
    /// an entry without one makes up its own.
    pub fn new(
        new: &'a NewTree<'a>,
        claims: &'a Claims,
        files: &[PathId],
        whiteouts: &'a [(TarPath, TarPath)],
        canonical: bool,
    ) -> Self {
        let mut rows = Vec::new();
        let mut dirs = BTreeSet::new();
        for &first in files {
            let holder = holder(new, first, canonical);
            for id in new.paths(first) {
                add_parents(new, new.parent(id), &mut dirs);
                match new.carrier(first).kind {
                    EntryKind::Dir => drop(dirs.insert(id)),
                    _ => rows.push((id, holder)),
                }
            }
        }
        for (hidden, _) in whiteouts {
            let dir = std::iter::successors(hidden.parent(), TarPath::parent).find_map(|dir| new.find(&dir));
            add_parents(new, dir, &mut dirs);
        }
        // Directories first, as they are written: clients make those that are missing in the order of the entries.
        let rows = dirs.into_iter().map(|id| (id, id)).chain(rows).collect();
        Self { new, claims, files: rows, whiteouts }
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.whiteouts.is_empty()
    }

    pub fn contents(&self) -> impl Iterator<Item = &'a FileDigest> + '_ {
        let holders = self.files.iter().filter(|(id, holder)| id == holder);
        holders.filter_map(|(id, _)| self.new.carrier(*id).content.as_ref()).map(|content| &content.digest)
    }

    /// What the layer shows, and not what it hides.
    pub fn steps(&self) -> Vec<Step> {
        let step = |row: &(PathId, PathId)| {
            let (id, holder) = *row;
            let carrier = self.new.carrier(id);
            Step {
                path: id,
                kind: self.view(row).kind,
                target: (id != holder).then_some(holder),
                overlay: OverlayMark::None,
                looks_made: carrier.traits.made(),
                is_setgid: carrier.is_setgid,
            }
        };
        self.files.iter().map(step).collect()
    }

    pub fn in_order(&self, previous: &Previous<'_>, below: &Below<'_>, canonical: bool) -> Ordered {
        let whiteout = |name| View { path: name, kind: EntryKind::Regular, target: None, content: None };
        let whiteouts = self.whiteouts.iter().map(|(_, name)| whiteout(name));
        let views: Vec<View<'_>> = self.files.iter().map(|row| self.view(row)).chain(whiteouts).collect();
        let (order, fresh_entries) = match canonical {
            true => sequence::canonical(&views, previous),
            false => sequence(&views, previous, below),
        };
        let first = order.iter().position(|&index| views[index].content.is_some()).unwrap_or(0);
        let fresh_run = if canonical { 0..0 } else { first..first + fresh_entries };
        let entries = order.into_iter().map(|index| self.written(index)).collect();
        Ordered { entries, fresh_run, fresh_entries }
    }

    /// Other paths than the holder are links to it.
    fn view(&self, &(id, holder): &(PathId, PathId)) -> View<'a> {
        let path = self.new.name(id);
        match id == holder {
            true => View { path, ..View::from(self.new.carrier(id)) },
            false => View { path, kind: EntryKind::HardLink, target: Some(self.new.name(holder)), content: None },
        }
    }

    fn written(&self, index: usize) -> Written {
        let Some(&(id, holder)) = self.files.get(index) else {
            return Written::Whiteout(self.whiteouts[index - self.files.len()].1.clone());
        };
        let mtime = self.claims.mtime(self.new.first(id));
        match (self.new.node(id), self.new.node(holder)) {
            (Some(Node { at, inode, .. }), Some(held)) => {
                let role = match (id == holder, at == inode) {
                    (false, _) => Role::LinkTo(held.at),
                    (true, true) => Role::Itself,
                    (true, false) => Role::Heir(inode),
                };
                Written::Entry { at, role, mtime }
            }
            _ => {
                let made = self.new.made(id).unwrap_or(Made::Plain);
                Written::Implied { path: self.new.name(id).clone(), made, mtime: mtime.unwrap_or_default() }
            }
        }
    }
}

/// A draft's entries in their order; for the rest see [`LayerPlan`](crate::order::LayerPlan).
#[derive(Default)]
pub(super) struct Ordered {
    pub entries: Vec<Written>,
    pub fresh_run: Range<usize>,
    pub fresh_entries: usize,
}

fn add_parents(new: &NewTree<'_>, mut dir: Option<PathId>, dirs: &mut BTreeSet<PathId>) {
    while let Some(id) = dir.filter(|&id| !new.is_written(id) || dirs.insert(id)) {
        dir = new.parent(id);
    }
}

/// The path that carries the content: where the input has it, if the image shows that. In path order no link may come
/// before it.
fn holder(new: &NewTree<'_>, first: PathId, canonical: bool) -> PathId {
    let as_read = new.paths(first).find(|&id| new.node(id).is_some_and(|node| node.at == node.inode));
    as_read.filter(|_| !canonical).unwrap_or(first)
}

/// Paths to hide, with the names that hide them.
pub(super) fn whiteouts(hidden: Vec<TarPath>) -> Vec<(TarPath, TarPath)> {
    hidden.into_iter().map(|path| (path.clone(), hide(&path))).collect()
}
