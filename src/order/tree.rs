//! Layers merged into the file system that a client mounts (OCI image spec, layer.md, "Applying Changesets").

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use super::normalise::{Role, normalise};
use super::sequence::order_links;
use super::{Entry, View};
use crate::tar::{EntryKind, TarPath};

pub(super) const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names that start so are AUFS's own bookkeeping; no client takes them for content.
const RESERVED: &[u8] = b".wh..wh.";

/// What a layer's entry does to the layers below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whiteout {
    /// Hides this path and everything below it.
    Path(TarPath),
    /// Hides what lower layers have in this directory.
    Opaque(TarPath),
    /// Means nothing.
    Reserved,
}

/// `None` for an ordinary entry.
pub fn whiteout(path: &TarPath) -> Option<Whiteout> {
    let (parent, name) = (path.parent()?, path.file_name());
    if name == OPAQUE {
        return Some(Whiteout::Opaque(parent));
    }
    if name.starts_with(RESERVED) {
        return Some(Whiteout::Reserved);
    }
    name.strip_prefix(WHITEOUT).filter(|hidden| !hidden.is_empty()).map(|hidden| Whiteout::Path(parent.join(hidden)))
}

/// One path of the merged file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub layer: usize,
    /// Index into that layer's entries.
    pub entry: usize,
    /// Layer and entry that carry type, metadata and content: for a hard link, those of the file it names. Paths
    /// with one inode are one file.
    pub inode: (usize, usize),
    pub is_dir: bool,
}

/// Depth first, byte-sorted.
pub type Tree<'a> = BTreeMap<&'a TarPath, Node>;

/// Merges the layers, bottom first.
pub fn merge<'a>(layers: impl IntoIterator<Item = &'a [Entry]>) -> Tree<'a> {
    let mut tree = Tree::new();
    for (layer, entries) in layers.into_iter().enumerate() {
        let entries: Vec<View<'a>> = entries.iter().map(View::from).collect();
        apply(&mut tree, layer, &entries);
    }
    tree
}

/// Puts a layer on top.
pub(super) fn apply<'a>(tree: &mut Tree<'a>, layer: usize, entries: &[View<'a>]) {
    let left = normalise(entries);
    // Whiteouts hide lower layers only, wherever in the layer they stand.
    for live in &left {
        match whiteout(entries[live.index].path) {
            Some(Whiteout::Path(hidden)) => {
                tree.remove(&hidden);
                remove_below(tree, &hidden);
            }
            Some(Whiteout::Opaque(dir)) => remove_below(tree, &dir),
            Some(Whiteout::Reserved) | None => {}
        }
    }
    let live: Vec<_> = left.into_iter().filter(|live| whiteout(entries[live.index].path).is_none()).collect();
    let written: Vec<View<'a>> = live.iter().map(|live| live.as_written(entries)).collect();
    make_way(tree, &written);
    let (mut links, others): (Vec<usize>, Vec<usize>) =
        (0..live.len()).partition(|&at| written[at].kind == EntryKind::HardLink);
    for at in others {
        let carrier = match live[at].role {
            Role::Heir(inode) => inode,
            Role::Itself | Role::LinkTo(_) => live[at].index,
        };
        let is_dir = written[at].kind == EntryKind::Dir;
        insert(tree, written[at], Node { layer, entry: live[at].index, inode: (layer, carrier), is_dir });
    }
    order_links(&written, &mut links);
    for at in links {
        let target = written[at].target.and_then(|target| tree.get(target));
        // A link to nothing is an entry of its own, so that two images with one can still be compared.
        let inode = target.map_or((layer, live[at].index), |target| target.inode);
        insert(tree, written[at], Node { layer, entry: live[at].index, inode, is_dir: false });
    }
}

/// A layer is unpacked into a directory of its own: where it has something below a path that it has no entry for, that
/// path becomes a directory, and hides what is no directory below, symbolic links too.
///
/// `entries` are those that are left when the layer was unpacked.
fn make_way(tree: &mut Tree<'_>, entries: &[View<'_>]) {
    let mut seen: HashSet<TarPath> = HashSet::new();
    for entry in entries {
        for dir in std::iter::successors(entry.path.parent(), TarPath::parent) {
            if tree.get(&dir).is_some_and(|node| !node.is_dir) {
                tree.remove(&dir);
            }
            if !seen.insert(dir) {
                break;
            }
        }
    }
}

fn insert<'a>(tree: &mut Tree<'a>, entry: View<'a>, node: Node) {
    if entry.kind != EntryKind::Dir {
        remove_below(tree, entry.path);
    }
    tree.insert(entry.path, node);
}

fn remove_below(tree: &mut Tree<'_>, dir: &TarPath) {
    // Everything below stands right behind the directory in this order.
    let below = tree.range::<TarPath, _>((Bound::Excluded(dir), Bound::Unbounded));
    let doomed: Vec<&TarPath> = below.map(|(path, _)| *path).take_while(|path| path.is_below(dir)).collect();
    for path in doomed {
        tree.remove(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spec = (&'static str, EntryKind, &'static str);

    fn path(name: &str) -> TarPath {
        TarPath::new(name.as_bytes()).unwrap()
    }

    fn merged(layers: &[&[Spec]]) -> Vec<(String, usize, (usize, usize))> {
        let owned: Vec<Vec<_>> = layers
            .iter()
            .map(|l| l.iter().map(|(p, k, t)| (path(p), *k, (!t.is_empty()).then(|| path(t)))).collect())
            .collect();
        let mut tree = Tree::new();
        for (layer, entries) in owned.iter().enumerate() {
            let views = entries.iter().map(|(path, kind, target)| View {
                path,
                kind: *kind,
                target: target.as_ref(),
                content: None,
            });
            apply(&mut tree, layer, &views.collect::<Vec<_>>());
        }
        tree.into_iter().map(|(path, node)| (path.to_string(), node.layer, node.inode)).collect()
    }

    fn paths(layers: &[&[Spec]]) -> String {
        merged(layers).into_iter().map(|(path, layer, _)| format!("{path}@{layer}")).collect::<Vec<_>>().join(" ")
    }

    use EntryKind::{Dir, HardLink as Link, Regular as File};

    #[test]
    fn whiteouts_hide_lower_layers_only() {
        let base: &[Spec] = &[("a", File, ""), ("d", Dir, ""), ("d/x", File, ""), ("d/y", File, "")];
        assert_eq!(paths(&[base, &[(".wh.a", File, ""), ("d/.wh.x", File, "")]]), "/d@0 /d/y@0");
        assert_eq!(
            paths(&[base, &[("d", Dir, ""), ("d/n", File, ""), ("d/.wh..wh..opq", File, "")]]),
            "/a@0 /d@1 /d/n@1"
        );
        assert_eq!(paths(&[base, &[("a", File, ""), (".wh.a", File, "")]]), "/a@1 /d@0 /d/x@0 /d/y@0");
        assert_eq!(paths(&[base, &[(".wh..wh.plnk", Dir, ""), (".wh.d", File, "")]]), "/a@0");
    }

    #[test]
    fn a_directory_replaced_by_a_file_and_back() {
        let base: &[Spec] = &[("d", Dir, ""), ("d/x", File, ""), ("d-", File, "")];
        let file: &[Spec] = &[("d", File, "")];
        assert_eq!(paths(&[base, file]), "/d@1 /d-@0");
        assert_eq!(paths(&[base, file, &[("d", Dir, "")]]), "/d@2 /d-@0");
    }

    #[test]
    fn a_file_gives_way_to_a_directory_without_an_entry() {
        assert_eq!(paths(&[&[("a", File, "")], &[("a/c", File, "")]]), "/a/c@1");
        assert_eq!(paths(&[&[("a", EntryKind::Symlink, "")], &[("a/b/c", File, "")]]), "/a/b/c@1");
        // What was in a directory that gave way is not there in the end.
        let gave_way: &[Spec] = &[("d/f/x", File, ""), ("d", File, ""), ("d", Dir, "")];
        assert_eq!(paths(&[&[("d/f", File, "")], gave_way]), "/d@1 /d/f@0");
    }

    #[test]
    fn links_share_an_inode_across_chains_and_layers() {
        let layers: [&[Spec]; 2] = [&[("a", Link, "b"), ("b", Link, "f"), ("f", File, "")], &[("f", File, "")]];
        assert_eq!(
            merged(&layers),
            [("/a".to_owned(), 0, (0, 2)), ("/b".to_owned(), 0, (0, 2)), ("/f".to_owned(), 1, (1, 0))]
        );
    }
}
