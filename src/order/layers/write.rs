//! The entries of a layer that is written.

use std::collections::BTreeSet;
use std::ops::Range;

use super::claims::Claims;
use super::new::{FileId, NewTree, hide};
use crate::digest::FileDigest;
use crate::order::paths::Step;
use crate::order::{Below, Entry, Previous, Role, View, Written, sequence};
use crate::tar::{EntryKind, TarPath};

/// A layer's entries before they are put in order.
pub(super) struct Draft<'a> {
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    view: View<'a>,
    /// `None` for a whiteout, which changes nothing above its own layer.
    step: Option<Step>,
    written: Written,
}

impl<'a> Draft<'a> {
    /// `files` by their first paths. Directories above come along, with their final metadata: a client that unpacks
    /// an entry without one makes up its own. `whiteouts` hold the paths to hide and their names.
    pub fn new(
        new: &NewTree<'a>,
        claims: &Claims,
        files: &[FileId],
        whiteouts: &'a [(TarPath, TarPath)],
        canonical: bool,
    ) -> Self {
        let mut rows = Vec::new();
        let mut dirs = BTreeSet::new();
        for &first in files {
            let paths = new.paths(first);
            let holder = holder(new, paths, canonical);
            for &id in paths {
                add_parents(new, new.parent(id), &mut dirs);
                match new.carrier(first).kind {
                    EntryKind::Dir => drop(dirs.insert(id)),
                    _ => rows.push(row(new, claims, id, holder)),
                }
            }
        }
        for (hidden, name) in whiteouts {
            let dir = std::iter::successors(hidden.parent(), TarPath::parent).find_map(|dir| new.find(&dir));
            add_parents(new, dir, &mut dirs);
            let view = View { path: name, kind: EntryKind::Regular, target: None, content: None };
            rows.push(Row { view, step: None, written: Written::Whiteout(name.clone()) });
        }
        rows.extend(dirs.into_iter().map(|id| row(new, claims, id, id)));
        Self { rows }
    }

    pub fn contents(&self) -> impl Iterator<Item = FileDigest> + '_ {
        self.rows.iter().filter_map(|row| row.view.content).map(|(digest, _)| digest)
    }

    /// What the layer shows, and not what it hides.
    pub fn steps(&self) -> Vec<Step> {
        self.rows.iter().filter_map(|row| row.step).collect()
    }

    pub fn in_order(self, previous: &Previous<'_>, below: &Below, canonical: bool) -> Ordered {
        let views: Vec<View<'_>> = self.rows.iter().map(|row| row.view).collect();
        let (order, fresh_entries) = match canonical {
            true => sequence::canonical(&views, previous),
            false => sequence(&views, previous, below),
        };
        let missing = views.iter().filter_map(|view| view.content).filter(|(content, _)| !previous.has(content));
        let fresh_bytes = missing.map(|(_, size)| size).sum();
        let first = order.iter().position(|&index| views[index].content.is_some()).unwrap_or(0);
        let fresh_run = if canonical { 0..0 } else { first..first + fresh_entries };
        let mut rows: Vec<Option<Written>> = self.rows.into_iter().map(|row| Some(row.written)).collect();
        let entries = order.into_iter().filter_map(|index| rows[index].take()).collect();
        Ordered { entries, fresh_run, fresh_entries, fresh_bytes }
    }
}

/// A draft's entries in their order; for the rest see [`LayerPlan`](crate::order::LayerPlan).
#[derive(Default)]
pub(super) struct Ordered {
    pub entries: Vec<Written>,
    pub fresh_run: Range<usize>,
    pub fresh_entries: usize,
    pub fresh_bytes: u64,
}

fn add_parents(new: &NewTree<'_>, mut dir: Option<FileId>, dirs: &mut BTreeSet<FileId>) {
    while let Some(id) = dir.filter(|id| dirs.insert(*id)) {
        dir = new.parent(id);
    }
}

/// The path that carries the content: where the input has it, if the image shows that. In path order no link may come
/// before it.
fn holder(new: &NewTree<'_>, paths: &[FileId], canonical: bool) -> FileId {
    let as_read = paths.iter().find(|&&id| new.file(id).at == new.file(id).inode);
    as_read.filter(|_| !canonical).copied().unwrap_or(paths[0])
}

/// Other paths than the holder are links to it.
fn row<'a>(new: &NewTree<'a>, claims: &Claims, id: FileId, holder: FileId) -> Row<'a> {
    let (file, path) = (new.file(id), new.name(id));
    let carrier: &'a Entry = new.entry(file.inode);
    let (role, view) = if id != holder {
        let view = View { path, kind: EntryKind::HardLink, target: Some(new.name(holder)), content: None };
        (Role::LinkTo(new.file(holder).at), view)
    } else if file.at == file.inode {
        (Role::Itself, View::from(carrier))
    } else {
        (Role::Heir(file.inode), View { path, ..View::from(carrier) })
    };
    let target = (id != holder).then(|| new.file(holder).path);
    let step = Step { path: file.path, kind: view.kind, target };
    Row { view, step: Some(step), written: Written::Entry { at: file.at, role, mtime: claims.mtime(file.first) } }
}

/// Paths to hide, with the names that hide them.
pub(super) fn whiteouts(hidden: Vec<TarPath>) -> Vec<(TarPath, TarPath)> {
    hidden.into_iter().map(|path| (path.clone(), hide(&path))).collect()
}
