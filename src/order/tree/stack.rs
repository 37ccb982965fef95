//! One layer on top of those below, as a client that mounts them with overlayfs sees it.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::setgid::handed_on;
use super::{MergedTree, Node, Shown, Whiteout, whiteout};
use crate::order::normalise::{Live, Role, Scratch, normalise};
use crate::order::paths::{PathId, Paths, Step};
use crate::order::readings::Watch;
use crate::order::sequence::order_links;
use crate::order::{Made, OverlayMark};
use crate::tar::{EntryKind, TarPath};

/// A file system that layers are put on.
pub(super) struct Stack<'p> {
    merged: MergedTree<'p>,
    scratch: Scratch,
    layers: u32,
    watch: Option<Watch>,
}

impl<'p> Stack<'p> {
    pub fn on(merged: MergedTree<'p>, watch: Option<Watch>) -> Self {
        Self { scratch: Scratch::new(merged.paths), merged, layers: 0, watch }
    }

    pub fn finish(self) -> (MergedTree<'p>, Option<Watch>) {
        (self.merged, self.watch)
    }

    /// Puts a layer on top.
    pub fn add(&mut self, steps: &[Step]) {
        let paths = self.merged.paths;
        let setgid = handed_on(paths, steps);
        let mut live = normalise(paths, steps, &mut self.scratch);
        let (mut whiteouts, mut hides, mut reserved) = (Vec::new(), Vec::new(), Vec::new());
        let mut devices: HashSet<PathId> = HashSet::new();
        live.retain(|live| {
            let step = live.as_written(steps);
            let path = step.path;
            if paths.is_reserved(path) {
                reserved.push(path);
                return true;
            }
            match step.overlay {
                OverlayMark::Opaque => hides.push((live.index, Whiteout::Opaque(paths.name(path).clone()))),
                OverlayMark::Whiteout => {
                    devices.insert(path);
                    hides.push((live.index, Whiteout::Path(paths.name(path).clone())));
                }
                OverlayMark::None | OverlayMark::Other => {
                    let Some(whiteout) = whiteout(paths.name(path)) else { return true };
                    hides.push((live.index, whiteout));
                }
            }
            let is_shown = step.overlay == OverlayMark::Opaque;
            if !is_shown {
                whiteouts.push(path);
            }
            is_shown
        });
        // Whiteouts hide lower layers only, wherever in the layer they stand.
        self.hide_all(&hides, steps, &live);
        let written: Vec<Step> = live.iter().map(|live| live.as_written(steps)).collect();
        let shown = written.iter().map(|step| step.path).filter(|path| !paths.is_reserved(*path));
        self.make_way(shown.chain(whiteouts), &setgid);
        let layer = self.layers;
        self.layers += 1;
        let mut links = Vec::new();
        for (live, step) in live.iter().zip(&written) {
            let at = (layer, live.index as u32);
            if step.kind == EntryKind::HardLink {
                links.push((step.path, step.target, at));
                continue;
            }
            let inode = match live.role {
                Role::Heir(inode) => (layer, inode as u32),
                Role::Itself | Role::LinkTo(_) => at,
            };
            let is_dir = step.kind == EntryKind::Dir;
            let looks_made = step.looks_made.filter(|_| is_dir);
            let node = Node { at, inode, is_dir, looks_made };
            self.merged.insert(step.path, node);
        }
        for (path, target, at) in order_links(links) {
            // Another name of a whiteout device is a whiteout as well.
            if target.is_some_and(|target| devices.contains(&target)) {
                self.merged.hide(&Whiteout::Path(paths.name(path).clone()));
                devices.insert(path);
                continue;
            }
            // A link to nothing is an entry of its own, so that two images with one can still be compared.
            let inode = target.and_then(|target| self.merged.get(target)).map_or(at, |target| target.inode);
            self.merged.insert(path, Node { at, inode, is_dir: false, looks_made: None });
        }
        // Links of their layer found them: AUFS keeps the files there that have several names.
        reserved.into_iter().for_each(|path| self.merged.nodes[path.at()] = None);
    }

    /// Hides what these whiteouts hide, each with the index of its entry. Two kinds hide nothing, since clients that
    /// unpack a layer for overlayfs make of a whiteout a device, and of an opaque directory an attribute:
    ///
    /// - a directory that comes later in the layer takes the device's place, and lower layers are seen through it;
    /// - overlayfs does not ask the root for the attribute.
    fn hide_all(&mut self, hides: &[(usize, Whiteout)], steps: &[Step], live: &[Live]) {
        if hides.is_empty() {
            return;
        }
        let paths = self.merged.paths;
        let mut dirs: HashMap<&TarPath, usize> = HashMap::new();
        for live in live.iter().filter(|live| live.as_written(steps).kind == EntryKind::Dir) {
            dirs.insert(paths.name(steps[live.index].path), live.index);
        }
        for (index, whiteout) in hides {
            let is_void = match whiteout {
                Whiteout::Path(hidden) => dirs.get(hidden).is_some_and(|dir| dir > index),
                Whiteout::Opaque(dir) => dir.is_root(),
                Whiteout::Reserved => true,
            };
            if let Some(watch) = &mut self.watch {
                watch.hides(&self.merged, whiteout, is_void, steps[*index].overlay);
            }
            if !is_void {
                self.merged.hide(whiteout);
            }
        }
    }

    /// A layer is unpacked into a directory of its own: where it has something below a path that it has no entry for,
    /// clients make a directory there. It hides what is no directory below, symbolic links too, and of a directory below
    /// mode, owner and xattrs. A whiteout is such a something. Of the root no client takes mode and owner from a layer's
    /// tar, so an entry of a lower layer stays.
    ///
    /// `written` are those that are left when the layer was unpacked, and `setgid` the directories that were made with
    /// the bit of the one above, ascending.
    fn make_way(&mut self, written: impl Iterator<Item = PathId>, setgid: &[PathId]) {
        for path in written {
            let mut dir = self.merged.paths.parent(path);
            while let Some(path) = dir.filter(|path| self.scratch.marks.mark(*path)) {
                dir = self.merged.paths.parent(path);
                if path == Paths::ROOT {
                    continue;
                }
                let made = if setgid.binary_search(&path).is_ok() { Made::Setgid } else { Made::Plain };
                let below = self.merged.shown(path);
                // Only the time is another one, and it is none that the image says: the entry's does as well.
                if below.and_then(Shown::entry).is_some_and(|node| node.looks_made == Some(made)) {
                    continue;
                }
                self.merged.nodes[path.at()] = Some(Shown::Implied(made));
                if let Some(watch) = &mut self.watch {
                    watch.implies(path, below);
                }
            }
        }
        self.scratch.marks.clear();
    }
}
