//! Where clients show the same layers differently. Merging takes podman's reading; who publishes an image should hear of
//! the others.

use foldhash::{HashMap, HashSet};

use super::paths::{PathId, Paths};
use super::tree::{MergedTree, Node, Shown, Whiteout, whiteout};
use super::{Entry, Made, OverlayMark, Place};
use crate::tar::{EntryKind, TarPath};

/// What clients read differently, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readings {
    /// Directories that an upper layer has no entry for, though it has something below them, and the entry of the lower
    /// layer whose mode, owner and xattrs containerd copies. podman and docker make the directory anew.
    pub implied: Vec<(TarPath, Place)>,
    /// Directories that no entry names, made below one with the setgid bit. podman and docker leave them the bit, and
    /// containerd takes it away.
    pub setgid: Vec<TarPath>,
    /// Directories behind a whiteout for them in one layer. What lower layers have there stays for clients that mount
    /// layers with overlayfs, and goes for those that apply one layer to another.
    pub seen_through: Vec<TarPath>,
    /// The root is opaque, which overlayfs does not look at.
    pub opaque_root: bool,
    /// Paths of which something is hidden by an attribute or a device that is overlayfs's own.
    pub marked: Vec<TarPath>,
}

/// Of layers, bottom first. Almost no image needs to be merged for it.
pub fn readings(layers: &[&[Entry]]) -> Readings {
    let is_bare = |layer: &&[Entry]| !layer.iter().any(|entry| entry.is_setgid);
    let is_plain_base = layers.first().is_none_or(|layer| is_bare(layer) || is_plain(layer));
    if is_plain_base && layers.iter().skip(1).all(|layer| is_plain(layer)) {
        return Readings::default();
    }
    let (paths, ids) = Paths::new(layers.iter().copied());
    let steps = layers.iter().zip(&ids).map(|(entries, ids)| paths.steps(entries, ids));
    let (merged, watch) = MergedTree::watched(&paths, steps, Some(Watch::default()));
    let Watch { copied, mut readings } = watch.unwrap_or_default();
    let setgid = merged.all().filter(|(_, shown)| *shown == Shown::Implied(Made::Setgid));
    readings.setgid = setgid.map(|(path, _)| paths.name(path).clone()).collect();
    let copied = copied.into_iter().filter(|(path, _)| merged.shown(*path) == Some(Shown::Implied(Made::Plain)));
    readings.implied = copied.map(|(path, node)| (paths.name(path).clone(), node.inode)).collect();
    readings.implied.sort_unstable();
    for list in [&mut readings.seen_through, &mut readings.marked] {
        list.sort_unstable();
        list.dedup();
    }
    readings
}

/// Nothing in the layer is read differently, whatever is below it.
fn is_plain(entries: &[Entry]) -> bool {
    let dirs = entries.iter().filter(|entry| entry.kind == EntryKind::Dir).map(|entry| entry.path.as_bytes());
    let dirs: HashSet<&[u8]> = dirs.collect();
    let mut last: Option<&[u8]> = None;
    entries.iter().all(|entry| {
        let hides = match whiteout(&entry.path) {
            Some(Whiteout::Path(hidden)) => dirs.contains(hidden.as_bytes()),
            Some(Whiteout::Opaque(dir)) => dir.is_root(),
            Some(Whiteout::Reserved) | None => false,
        };
        let parent = parent(entry.path.as_bytes());
        // Most entries stand in the directory of the one before.
        let has_parent = parent == last || parent.is_none_or(|dir| dirs.contains(dir));
        last = parent;
        has_parent && !hides && matches!(entry.overlay, OverlayMark::None | OverlayMark::Other)
    })
}

/// `None` for the root and what stands in it.
fn parent(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().rposition(|&b| b == b'/')?;
    Some(&path[..end])
}

/// Sees layers being merged.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// What containerd copies for directories that are implied; some are hidden again later.
    copied: HashMap<PathId, Node>,
    readings: Readings,
}

impl Watch {
    /// A layer implies a directory; `below` is what was shown there.
    pub fn implies(&mut self, path: PathId, below: Option<Shown>) {
        match below {
            Some(Shown::Entry(node)) if node.is_dir => drop(self.copied.insert(path, node)),
            // containerd copies what it copied before.
            Some(Shown::Implied(_)) => {}
            Some(Shown::Entry(_)) | None => drop(self.copied.remove(&path)),
        }
    }

    /// A layer has a whiteout; `merged` is what is below.
    pub fn hides(&mut self, merged: &MergedTree<'_>, whiteout: &Whiteout, is_void: bool, overlay: OverlayMark) {
        match (whiteout, is_void) {
            (Whiteout::Path(dir), true) if merged.has_for(whiteout) => self.readings.seen_through.push(dir.clone()),
            (Whiteout::Opaque(_), true) => self.readings.opaque_root |= merged.has_for(whiteout),
            (Whiteout::Path(path) | Whiteout::Opaque(path), false)
                if overlay != OverlayMark::None && merged.has_for(whiteout) =>
            {
                self.readings.marked.push(path.clone());
            }
            _ => {}
        }
    }
}
