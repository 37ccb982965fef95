//! Hard links that lead to no file.

use std::cell::LazyCell;

use foldhash::{HashMap, HashMapExt as _};

use super::{BrokenEntry, ancestors};
use crate::order::normalise::{Live, Role, Scratch, normalise};
use crate::order::paths::Paths;
use crate::order::tree::{self, Whiteout, whiteout};
use crate::order::{Entry, View};
use crate::tar::{EntryKind, TarPath};

/// Asked of what is left in the end: a link that was replaced harms nobody.
pub(super) fn broken_link(entries: &[Entry], below: &[&[Entry]]) -> Option<BrokenEntry> {
    // Most layers have no links, and most links need no other layer.
    entries.iter().find(|entry| entry.kind == EntryKind::HardLink)?;
    let (paths, ids) = Paths::new([entries]);
    let live = normalise(&paths, &paths.steps(entries, &ids[0]), &mut Scratch::new(&paths));
    // Whiteouts are known by their names alone; AUFS made them hard links.
    let is_file = |path: &TarPath| !matches!(whiteout(path), Some(Whiteout::Path(_) | Whiteout::Opaque(_)));
    let all = live.iter().map(|live| as_written(live, entries)).filter(|entry| is_file(entry.path));
    let written: HashMap<&TarPath, View<'_>> = all.map(|entry| (entry.path, entry)).collect();
    // With what this layer hides, and the directories that only names below tell of.
    let layers: Vec<&[Entry]> = below.iter().copied().chain([entries]).collect();
    let merged = LazyCell::new(|| tree::merge(&layers));
    let kind = |path: &TarPath| {
        let here = written.get(path).map(|entry| entry.kind);
        here.or_else(|| {
            let at = merged.binary_search_by(|(other, _)| other.cmp(path)).ok()?;
            let inode = merged[at].1.entry().map(|node| node.inode);
            Some(inode.map_or(EntryKind::Dir, |(layer, entry)| layers[layer as usize][entry as usize].kind))
        })
    };
    let mut passed = HashMap::new();
    let asked = live.iter().filter(|live| !paths.is_reserved(ids[0][live.index]));
    let links = asked.map(|live| &entries[live.index]).filter(|entry| is_file(&entry.path));
    links.filter(|entry| entry.kind == EntryKind::HardLink).find_map(|entry| {
        // The file before it gave way to the link, so that a client finds neither.
        let is_own_target = entry.target.as_ref() == Some(&entry.path);
        let path = entry.path.clone();
        if is_own_target { Some(BrokenEntry::LinkToItself { path }) } else { follow(path, &written, kind, &mut passed) }
    })
}

/// [`Live::as_written`] with a target that need not be in the layer.
fn as_written<'a>(live: &Live, entries: &'a [Entry]) -> View<'a> {
    let entry = View::from(&entries[live.index]);
    match live.role {
        Role::Itself => entry,
        Role::Heir(inode) => View { path: entry.path, ..View::from(&entries[inode]) },
        Role::LinkTo(holder) => View { target: Some(&entries[holder].path), ..entry },
    }
}

/// From link to link. `passed` says on whose way each one was: the rest of such a way is known to be good.
fn follow<'a>(
    path: TarPath,
    written: &HashMap<&'a TarPath, View<'a>>,
    kind: impl Fn(&TarPath) -> Option<EntryKind>,
    passed: &mut HashMap<&'a TarPath, TarPath>,
) -> Option<BrokenEntry> {
    let mut next = written.get(&path).copied();
    while let Some(View { path: at, target: Some(target), .. }) = next {
        match passed.insert(at, path.clone()) {
            Some(by) if by == path => return Some(BrokenEntry::LinkToItself { path }),
            Some(_) => return None,
            None => {}
        }
        next = written.get(target).copied();
        match kind(target) {
            Some(EntryKind::Dir) => return Some(BrokenEntry::LinkToDir { path, target: target.clone() }),
            Some(_) => {}
            None => {
                let symlink = ancestors(target).find(|dir| kind(dir) == Some(EntryKind::Symlink));
                let target = target.clone();
                return Some(match symlink {
                    Some(parent) => BrokenEntry::LinkThroughLink { path, target, parent },
                    None => BrokenEntry::LinkToNothing { path, target },
                });
            }
        }
    }
    None
}
