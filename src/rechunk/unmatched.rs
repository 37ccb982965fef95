//! Paths of options that match nothing: one that was mistyped would stay unnoticed, and with it what was to go.

use std::collections::BTreeMap;

use crate::degraded::{Code, Notes};
use crate::order::Entry;
use crate::order::layers::Prune;
use crate::order::tree::{Shown, Tree, merge};
use crate::tar::TarPath;
use crate::unpack::UnpackedLayer;

use super::image::Job;

/// The paths that no image so far has.
#[derive(Default)]
pub(super) struct Unmatched(Option<BTreeMap<Asked, Told>>);

/// An option, and the number of its path.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Prune(usize),
    OwnLayer(usize),
    Purge(usize),
}

pub(super) struct Told {
    message: String,
    is_degraded: bool,
}

impl Unmatched {
    /// The same of another platform's image. What one of them has was not mistyped.
    pub fn add(&mut self, mut other: BTreeMap<Asked, Told>) {
        match &mut self.0 {
            None => self.0 = Some(other),
            Some(all) => all.retain(|asked, told| match other.remove(asked) {
                Some(other) if other.is_degraded => {
                    *told = other;
                    true
                }
                other => other.is_some(),
            }),
        }
    }

    /// What no image has.
    pub fn note(self, notes: &mut Notes) {
        for Told { message, is_degraded } in self.0.into_iter().flat_map(BTreeMap::into_values) {
            match is_degraded {
                true => notes.degraded(Code::PathUnmatched, message),
                false => notes.push(message),
            }
        }
    }
}

impl Job<'_, '_> {
    /// The paths that this image does not have.
    pub fn unmatched(&self, unpacked: &[&UnpackedLayer]) -> BTreeMap<Asked, Told> {
        let options = &self.request.layers;
        let new = match options.prune.is_empty() && options.own_layers.is_empty() {
            true => Tree::new(),
            false => shown(unpacked),
        };
        let is_pruned = |path: &TarPath| options.prune.iter().any(|prune| prune.takes(path));
        let old = || self.old.segments().iter().flat_map(|segment| segment.entries.iter());
        let mut unmatched = BTreeMap::new();
        let mut tell = |asked, message: String, is_degraded| {
            unmatched.insert(asked, Told { message, is_degraded });
        };
        for (number, prune) in (0..).zip(&options.prune) {
            if !new.iter().any(|(path, _)| prune.takes(path)) {
                tell(Asked::Prune(number), unpruned(prune, &new), true);
            }
        }
        for (number, own) in (0..).zip(&options.own_layers) {
            let there = || new.iter().map(|(path, _)| path).filter(|path| is_in(path, own));
            if there().all(is_pruned) {
                let found = if there().next().is_some() { "--prune leaves out all that is there" } else { NOTHING };
                tell(Asked::OwnLayer(number), format!("{own}: to have a layer of its own, but {found}"), true);
            }
        }
        // Where no layer could stay, nothing is left of it.
        let is_update = !self.old.segments().is_empty();
        for (number, out) in (0..).zip(&options.purge).filter(|(_, out)| !old().any(|entry| is_in(&entry.path, out))) {
            let message =
                format!("{out}: to be purged, but no layer that could stay has anything there; check the path");
            tell(Asked::Purge(number), message, is_update);
        }
        unmatched
    }
}

const NOTHING: &str = "the image has nothing there; check the path";

/// What clients see: an upper layer can hide what a lower one has.
fn shown(unpacked: &[&UnpackedLayer]) -> Tree {
    let layers: Vec<&[Entry]> = unpacked.iter().map(|layer| layer.inventory.entries.as_slice()).collect();
    merge(&layers)
}

fn is_in(path: &TarPath, dir: &TarPath) -> bool {
    path == dir || path.is_below(dir)
}

fn unpruned(Prune { path, keep_dir }: &Prune, new: &[(TarPath, Shown)]) -> String {
    match *keep_dir && new.iter().any(|(there, shown)| there == path && !shown.is_dir()) {
        true => format!("{path}/: to be pruned, but it is no directory, and stays: without the slash it is left out"),
        false => format!("{path}: to be pruned, but {NOTHING}"),
    }
}
