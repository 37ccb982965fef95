//! Layers merged into the file system that a client mounts (OCI image spec, layer.md, "Applying Changesets").

mod setgid;
mod stack;
#[cfg(test)]
mod truths;

use super::paths::{PathId, Paths, Step};
use super::readings::Watch;
use super::{Entry, Made, Place};
use crate::tar::TarPath;

use stack::Stack;

pub(super) const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names in the root that start so are AUFS's own bookkeeping; no client takes them for content.
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
    let name = path.file_name();
    // Said first, since all but a few paths end here.
    let hidden = name.strip_prefix(WHITEOUT)?;
    let parent = path.parent()?;
    if name == OPAQUE {
        return Some(Whiteout::Opaque(parent));
    }
    if name.starts_with(RESERVED) && parent.is_root() {
        return Some(Whiteout::Reserved);
    }
    (!hidden.is_empty()).then(|| Whiteout::Path(parent.join(hidden)))
}

/// One path of the merged file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub at: Place,
    /// The entry that carries type, metadata and content: for a hard link, that of the file it names. Paths with one
    /// inode are one file.
    pub inode: Place,
    pub is_dir: bool,
    /// For a directory as clients make one that has no entry: how they make it.
    pub looks_made: Option<Made>,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Entry(Node),
    /// A directory that the names below it alone tell of, or told of before a layer hid them: clients make it when they
    /// unpack those. The root is one at least.
    Implied(Made),
}

impl Shown {
    pub fn entry(self) -> Option<Node> {
        match self {
            Self::Entry(node) => Some(node),
            Self::Implied(_) => None,
        }
    }

    pub fn is_dir(self) -> bool {
        self.entry().is_none_or(|node| node.is_dir)
    }
}

/// Depth first, byte-sorted.
pub type Tree = Vec<(TarPath, Shown)>;

/// Merges the layers, bottom first.
pub fn merge(layers: &[&[Entry]]) -> Tree {
    let (paths, ids) = Paths::new(layers.iter().copied());
    let merged = MergedTree::of(&paths, layers.iter().zip(&ids).map(|(entries, ids)| paths.steps(entries, ids)));
    merged.all().map(|(path, shown)| (paths.name(path).clone(), shown)).collect()
}

/// The file system that some layers show together.
pub(super) struct MergedTree<'p> {
    paths: &'p Paths,
    nodes: Vec<Option<Shown>>,
}

impl<'p> MergedTree<'p> {
    /// Bottom layer first.
    pub fn of(paths: &'p Paths, layers: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self::watched(paths, layers, None).0
    }

    /// What the watch sees meanwhile is in it when all layers are in their places.
    pub fn watched(
        paths: &'p Paths,
        layers: impl IntoIterator<Item = Vec<Step>>,
        watch: Option<Watch>,
    ) -> (Self, Option<Watch>) {
        let mut nodes = vec![None; paths.len()];
        nodes[Paths::ROOT.at()] = Some(Shown::Implied(Made::Plain));
        let mut stack = Stack::on(Self { paths, nodes }, watch);
        layers.into_iter().for_each(|steps| stack.add(&steps));
        stack.finish()
    }

    pub fn shown(&self, path: PathId) -> Option<Shown> {
        self.nodes[path.at()]
    }

    /// The entry that is shown there.
    pub fn get(&self, path: PathId) -> Option<Node> {
        self.shown(path)?.entry()
    }

    /// In the order of the paths.
    pub fn all(&self) -> impl Iterator<Item = (PathId, Shown)> {
        self.paths.ids().zip(&self.nodes).filter_map(|(path, shown)| Some((path, (*shown)?)))
    }

    /// Those that have an entry.
    pub fn nodes(&self) -> impl Iterator<Item = (PathId, Node)> {
        self.all().filter_map(|(path, shown)| Some((path, shown.entry()?)))
    }

    /// Leaves out paths. Who takes one takes what is below it.
    pub fn prune(&mut self, takes: impl Fn(&TarPath) -> bool) {
        let gone = self.paths.ids().filter(|path| takes(self.paths.name(*path)));
        gone.for_each(|path| self.nodes[path.at()] = None);
    }

    fn hide(&mut self, whiteout: &Whiteout) {
        let dir = match whiteout {
            Whiteout::Path(hidden) => {
                self.paths.find(hidden).into_iter().for_each(|path| self.nodes[path.at()] = None);
                hidden
            }
            Whiteout::Opaque(dir) => dir,
            Whiteout::Reserved => return,
        };
        self.paths.below(dir).for_each(|path| self.nodes[path.at()] = None);
    }

    /// Is something shown that the whiteout would hide?
    pub fn has_for(&self, whiteout: &Whiteout) -> bool {
        let (dir, itself) = match whiteout {
            Whiteout::Path(hidden) => (hidden, self.paths.find(hidden)),
            Whiteout::Opaque(dir) => (dir, None),
            Whiteout::Reserved => return false,
        };
        itself.into_iter().chain(self.paths.below(dir)).any(|path| self.shown(path).is_some())
    }

    fn insert(&mut self, path: PathId, node: Node) {
        if !node.is_dir {
            self.paths.below_id(path).for_each(|path| self.nodes[path.at()] = None);
        }
        self.nodes[path.at()] = Some(Shown::Entry(node));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::order::{OverlayMark, Traits};
    use crate::tar::{EntryKind, Time};

    type Spec = (&'static str, EntryKind, &'static str);

    fn path(name: &str) -> TarPath {
        TarPath::new(name.as_bytes()).unwrap()
    }

    /// Without content; a target of "" is none.
    pub fn entry(name: &str, kind: EntryKind, target: &str) -> Entry {
        let target = (!target.is_empty()).then(|| path(target));
        Entry {
            path: path(name),
            kind,
            target,
            content: None,
            traits: Traits::from_digest([0; 32]),
            mtime: Time::default(),
            overlay: OverlayMark::None,
            is_setgid: false,
            is_program: false,
        }
    }

    fn merged(layers: &[&[Spec]]) -> Vec<(String, u32, Place)> {
        let entries = |layer: &&[Spec]| layer.iter().map(|(path, kind, target)| entry(path, *kind, target)).collect();
        let layers: Vec<Vec<Entry>> = layers.iter().map(entries).collect();
        let layers: Vec<&[Entry]> = layers.iter().map(Vec::as_slice).collect();
        let entry = |(path, shown): (TarPath, Shown)| {
            let node = shown.entry()?;
            Some((path.to_string(), node.at.0, node.inode))
        };
        merge(&layers).into_iter().filter_map(entry).collect()
    }

    fn implied(layers: &[&[Spec]]) -> String {
        let entries = |layer: &&[Spec]| layer.iter().map(|(path, kind, target)| entry(path, *kind, target)).collect();
        let layers: Vec<Vec<Entry>> = layers.iter().map(entries).collect();
        let layers: Vec<&[Entry]> = layers.iter().map(Vec::as_slice).collect();
        let implied = merge(&layers).into_iter().filter(|(_, shown)| shown.entry().is_none());
        implied.map(|(path, _)| path.to_string()).collect::<Vec<_>>().join(" ")
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
    fn what_aufs_keeps_for_itself_is_not_shown() {
        let layer: &[Spec] = &[
            (".wh..wh.plnk", Dir, ""),
            (".wh..wh.plnk/5", File, ""),
            (".wh..wh.plnk/d/.wh.f", File, ""),
            ("f", Link, ".wh..wh.plnk/5"),
        ];
        assert_eq!(merged(&[&[("f", File, "")], layer]), [("/f".to_owned(), 1, (1, 1))]);
        assert_eq!(implied(&[layer]), "/");
        assert_eq!(implied(&[layer, &[(".wh..wh.orph/x/y", File, "")]]), "/");
        // Below the root it is a whiteout like any other.
        assert_eq!(paths(&[&[("d/.wh..wh.aufs", File, "")]]), "");
        assert_eq!(implied(&[&[("d/.wh..wh.aufs", File, "")]]), "/ /d");
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
    fn names_below_tell_of_directories() {
        assert_eq!(implied(&[&[]]), "/");
        assert_eq!(implied(&[&[("", Dir, ""), ("a/b/c/f", File, ""), ("a/b", Dir, "")]]), "/a /a/b/c");
        // What was in them goes, they stay.
        let base: &[Spec] = &[("a/b/f", File, ""), ("g", File, "")];
        assert_eq!(implied(&[base, &[("a/b/.wh.f", File, "")]]), "/ /a /a/b");
        assert_eq!(implied(&[base, &[("a/.wh.b", File, "")]]), "/ /a");
        assert_eq!(implied(&[base, &[("a", File, "")]]), "/");
        assert_eq!(implied(&[base, &[("a/b", Dir, "")]]), "/ /a");
        // A whiteout stands in a directory, too, but for those that mean nothing.
        assert_eq!(implied(&[base, &[("x/.wh.y", File, ""), ("g/.wh..wh..opq", File, "")]]), "/ /a /a/b /g /x");
        assert_eq!(implied(&[base, &[(".wh..wh.plnk/x/.wh..wh.y", File, "")]]), "/ /a /a/b");
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
