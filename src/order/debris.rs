//! What builders leave behind where their runtimes mount something. docs/debris.md has what was measured.

use std::collections::BTreeSet;

use super::layers::{Given, Old};
use super::tree::{Whiteout, merge, whiteout};
use super::{Entry, Plan, Role, State, Written};
use crate::tar::{EntryKind, TarPath};

/// Every runtime puts a file of its own there, whether the image has one or not.
const FILES: [&str; 6] =
    [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"];

/// The same for directories.
const DIRS: [&str; 1] = ["run/secrets"];

/// What a builder made, if nothing is below it. Of a file, the mode tells: runtimes make what they mount a file over with
/// 0700 (crun) or 0755 (runc), and nobody else makes one of these files so that it can be run.
fn is_debris(entry: &Entry) -> bool {
    match entry.kind {
        EntryKind::Regular => entry.content.is_none() && entry.is_program && is_one_of(&FILES, &entry.path),
        EntryKind::Dir => is_one_of(&DIRS, &entry.path),
        _ => false,
    }
}

fn is_one_of(names: &[&str], path: &TarPath) -> bool {
    names.iter().any(|name| name.as_bytes() == path.as_bytes())
}

/// The image's paths that builders made for their own mounts, in the order of the paths. A directory is empty if all
/// below it `is_pruned`.
pub fn debris(layers: &[&[Entry]], is_pruned: impl Fn(&TarPath) -> bool) -> Vec<TarPath> {
    if !layers.iter().any(|layer| layer.iter().any(is_debris)) {
        return Vec::new();
    }
    let mut tree = merge(layers);
    tree.retain(|(path, _)| !is_pruned(path));
    let found = tree.iter().filter(|(path, shown)| {
        let is_debris = shown.entry().is_some_and(|node| {
            let (layer, entry) = node.at;
            is_debris(&layers[layer as usize][entry as usize])
        });
        is_debris && !tree.iter().any(|(other, _)| other.is_below(path))
    });
    found.map(|(path, _)| path.clone()).collect()
}

/// A plan, and the plan without what debris changes in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Without {
    pub plan: Plan,
    /// Debris that is new to clients, looks different to them, or is gone.
    pub paths: Vec<TarPath>,
    /// Written layers that have nothing else.
    pub layers: usize,
}

/// What an update would be if debris had stayed as it was. `None` where it has.
pub fn without_debris(plan: &Plan, given: Given<'_>) -> Option<Without> {
    let mut written = plan.layers.iter().filter(|layer| layer.state != State::Kept).flat_map(|layer| &layer.entries);
    if given.old.segments().is_empty() || !written.any(|written| !changed_debris(written, given).is_empty()) {
        return None;
    }
    let mut without = Without { plan: plan.clone(), paths: Vec::new(), layers: 0 };
    for layer in without.plan.layers.iter_mut().filter(|layer| layer.state != State::Kept) {
        let (mut changed, mut rest) = (Vec::new(), Vec::new());
        for written in layer.entries.drain(..) {
            match changed_debris(&written, given) {
                paths if paths.is_empty() => rest.push(written),
                paths => changed.extend(paths),
            }
        }
        // Each layer has the directories above its entries.
        let is_above = |written: &Written| {
            let path = written_path(written, given);
            changed.iter().any(|debris| debris.is_below(path)) && is_known_dir(written, given)
        };
        if !changed.is_empty() && rest.iter().all(is_above) {
            rest.clear();
            without.layers += 1;
        }
        layer.entries = rest;
        without.paths.extend(changed);
    }
    without.plan.layers.retain(|layer| layer.state == State::Kept || !layer.entries.is_empty());
    without.paths.sort();
    Some(without)
}

fn written_path<'a>(written: &'a Written, given: Given<'a>) -> &'a TarPath {
    match written {
        Written::Entry { at: (layer, entry), .. } => &given.layers[*layer as usize][*entry as usize].path,
        Written::Implied { path, .. } | Written::Whiteout(path) => path,
    }
}

/// The debris that this writes otherwise than the previous image has it, or hides. None, if it does anything else.
fn changed_debris(written: &Written, given: Given<'_>) -> Vec<TarPath> {
    match written {
        Written::Entry { at: (layer, entry), role: Role::Itself, mtime } => {
            let entry = &given.layers[*layer as usize][*entry as usize];
            let is_pruned = |path: &TarPath| given.options.prune.iter().any(|prune| prune.takes(path));
            let mut all = given.layers.iter().flat_map(|layer| layer.iter());
            let is_changed = is_debris(entry)
                && !all.any(|other| other.path.is_below(&entry.path) && !is_pruned(&other.path))
                && !has(given.old, entry, |old| old.mtime == mtime.unwrap_or(entry.mtime));
            is_changed.then(|| entry.path.clone()).into_iter().collect()
        }
        Written::Whiteout(mark) => match whiteout(mark) {
            Some(Whiteout::Path(path)) if !given.options.prune.iter().any(|prune| prune.takes(&path)) => {
                hidden(&path, given.old)
            }
            _ => Vec::new(),
        },
        Written::Entry { .. } | Written::Implied { .. } => Vec::new(),
    }
}

/// What of old debris is below a path, itself included, if beside directories nothing else is.
fn hidden(path: &TarPath, old: &Old<'_>) -> Vec<TarPath> {
    let is_above =
        |name: &str| TarPath::new(name.as_bytes()).is_ok_and(|debris| debris == *path || debris.is_below(path));
    if !FILES.iter().chain(&DIRS).any(|name| is_above(name)) {
        return Vec::new();
    }
    let mut found = BTreeSet::new();
    for entry in old_entries(old).filter(|entry| entry.path == *path || entry.path.is_below(path)) {
        match (is_debris(entry), entry.kind) {
            (true, _) => _ = found.insert(entry.path.clone()),
            (false, EntryKind::Dir) => {}
            (false, _) => return Vec::new(),
        }
    }
    found.into_iter().collect()
}

/// A directory that looks as it did, whatever its time.
fn is_known_dir(written: &Written, given: Given<'_>) -> bool {
    match written {
        Written::Entry { at: (layer, entry), .. } => {
            let entry = &given.layers[*layer as usize][*entry as usize];
            entry.kind == EntryKind::Dir && has(given.old, entry, |_| true)
        }
        Written::Implied { .. } => true,
        Written::Whiteout(_) => false,
    }
}

fn has(old: &Old<'_>, entry: &Entry, is_same: impl Fn(&Entry) -> bool) -> bool {
    let looks = |old: &&Entry| {
        (&old.path, old.kind, old.traits, old.content) == (&entry.path, entry.kind, entry.traits, entry.content)
    };
    old_entries(old).filter(looks).any(is_same)
}

fn old_entries<'a>(old: &Old<'a>) -> impl Iterator<Item = &'a Entry> {
    old.segments().iter().flat_map(|segment| segment.entries.iter())
}
