//! The entries of a layer that is written.

use std::collections::BTreeSet;

use super::claims::Claims;
use super::new::{FileId, NewTree, hide};
use crate::order::{Entry, Previous, Role, View, Written, sequence};
use crate::tar::{EntryKind, TarPath};

/// A layer's entries before they are put in order.
pub(super) struct Draft<'a> {
    pub rows: Vec<Row<'a>>,
}

pub(super) struct Row<'a> {
    pub view: View<'a>,
    written: Written,
}

impl<'a> Draft<'a> {
    /// `files` by their first paths. Directories above come along, with their final metadata: a client that unpacks
    /// an entry without one makes up its own. `whiteouts` hold the paths to hide and their names.
    pub fn new(new: &NewTree<'a>, claims: &Claims, files: &[FileId], whiteouts: &'a [(TarPath, TarPath)]) -> Self {
        let mut rows = Vec::new();
        let mut dirs = BTreeSet::new();
        for &first in files {
            for (index, id) in new.paths(first).into_iter().enumerate() {
                add_parents(new, new.file(id).parent, &mut dirs);
                match new.carrier(first).kind {
                    EntryKind::Dir => drop(dirs.insert(id)),
                    _ => rows.push(row(new, claims, id, index == 0)),
                }
            }
        }
        for (hidden, name) in whiteouts {
            let dir = std::iter::successors(hidden.parent(), TarPath::parent).find_map(|dir| new.find(&dir));
            add_parents(new, dir, &mut dirs);
            let view = View { path: name, kind: EntryKind::Regular, target: None, content: None };
            rows.push(Row { view, written: Written::Whiteout(name.clone()) });
        }
        rows.extend(dirs.into_iter().map(|id| row(new, claims, id, true)));
        Self { rows }
    }

    /// The entries in their order, and how many of them and how many bytes clients lack.
    pub fn in_order(self, previous: &Previous<'_>, canonical: bool) -> (Vec<Written>, usize, u64) {
        let views: Vec<View<'_>> = self.rows.iter().map(|row| row.view).collect();
        let (order, fresh) = match canonical {
            true => sequence::canonical(&views, previous),
            false => sequence(&views, previous),
        };
        let missing = views.iter().filter_map(|view| view.content).filter(|(content, _)| !previous.has(content));
        let bytes = missing.map(|(_, size)| size).sum();
        let mut rows: Vec<Option<Written>> = self.rows.into_iter().map(|row| Some(row.written)).collect();
        (order.into_iter().filter_map(|index| rows[index].take()).collect(), fresh, bytes)
    }
}

fn add_parents(new: &NewTree<'_>, mut dir: Option<FileId>, dirs: &mut BTreeSet<FileId>) {
    while let Some(id) = dir.filter(|id| dirs.insert(*id)) {
        dir = new.file(id).parent;
    }
}

/// The first path of a file carries the content, the others are links to it.
fn row<'a>(new: &NewTree<'a>, claims: &Claims, id: FileId, is_first: bool) -> Row<'a> {
    let file = new.file(id);
    let first = new.file(file.first);
    let carrier: &'a Entry = new.entry(file.inode);
    let (role, view) = match is_first {
        true if file.at == file.inode => (Role::Itself, View::from(carrier)),
        true => (Role::Heir(file.inode), View { path: file.path, ..View::from(carrier) }),
        false => {
            let view = View { path: file.path, kind: EntryKind::HardLink, target: Some(first.path), content: None };
            (Role::LinkTo(first.at), view)
        }
    };
    Row { view, written: Written::Entry { at: file.at, role, mtime: claims.mtime(file.first) } }
}

/// Paths to hide, with the names that hide them.
pub(super) fn whiteouts(hidden: Vec<TarPath>) -> Vec<(TarPath, TarPath)> {
    hidden.into_iter().map(|path| (path.clone(), hide(&path))).collect()
}
