//! The former content of paths that are to be purged.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::new::NewTree;
use super::{Options, Segment};
use crate::digest::FileDigest;
use crate::order::paths::Paths;
use crate::order::{Entry, tree};
use crate::tar::TarPath;

/// Former content of a purged path that stays, since the image shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpurged {
    /// Where a segment has it: the path to be purged, or the first one below.
    pub path: TarPath,
    /// Where the image shows it.
    pub shown_at: TarPath,
    /// How many other paths there are of which that holds.
    pub more: usize,
}

/// What `--purge` can't take away, one for each of its paths. What is below such a path and did not change is meant to
/// stay, and is left out.
pub fn unpurged(layers: &[&[Entry]], segments: &[Segment], options: &Options) -> Vec<Unpurged> {
    if options.purge.is_empty() {
        return Vec::new();
    }
    let (paths, ids) = Paths::new(layers.iter().copied());
    let new = NewTree::new(&paths, layers, &ids, &options.prune);
    let mut shown: HashMap<FileDigest, &TarPath> = HashMap::new();
    for id in new.ids() {
        if let Some(content) = new.content(id) {
            shown.entry(content.digest).or_insert(new.name(id));
        }
    }
    let is_current = |path: &TarPath, digest| {
        new.find(path).and_then(|id| new.content(id)).is_some_and(|content| content.digest == digest)
    };
    let held: Vec<(&TarPath, FileDigest)> = segments.iter().flat_map(|segment| held(segment, &options.purge)).collect();
    let stays = |out: &TarPath| {
        let held = held.iter().filter(|(path, _)| is_at(path, out));
        let former = held.filter(|(path, digest)| *path == out || !is_current(path, *digest));
        let mut found: Vec<(&TarPath, &TarPath)> =
            former.filter_map(|(path, digest)| Some((*path, *shown.get(digest)?))).collect();
        found.sort_unstable();
        found.dedup_by_key(|(path, _)| *path);
        let (path, shown_at) = found.first().map(|(path, at)| ((*path).clone(), (*at).clone()))?;
        Some(Unpurged { path, shown_at, more: found.len() - 1 })
    };
    options.purge.iter().filter_map(stays).collect()
}

/// What purged paths held and the image no longer shows. The same bytes may stand under other names, too.
pub(super) fn purged(new: &NewTree<'_>, segments: &[Segment], options: &Options) -> HashSet<FileDigest> {
    let mut purged: HashSet<FileDigest> = HashSet::new();
    for segment in segments.iter().filter(|_| !options.purge.is_empty()) {
        purged.extend(held(segment, &options.purge).into_iter().map(|(_, digest)| digest));
    }
    if !purged.is_empty() {
        let shown: HashSet<FileDigest> =
            new.firsts().filter_map(|first| new.content(first)).map(|c| c.digest).collect();
        purged.retain(|digest| !shown.contains(digest));
    }
    purged
}

/// Content that a segment has at one of the paths or below it.
fn held<'a>(segment: &'a Segment, outs: &[TarPath]) -> Vec<(&'a TarPath, FileDigest)> {
    let entries = segment.entries.as_slice();
    let is_out = |path: &TarPath| outs.iter().any(|out| is_at(path, out));
    let content = |path: &'a TarPath, entry: &Entry| entry.content.map(|content| (path, content.digest));
    // A hard link has its content elsewhere in its layer.
    let merged = tree::merge(&[entries]).into_iter().filter(|(path, _)| is_out(path));
    let merged = merged.filter_map(|(_, shown)| {
        let node = shown.entry()?;
        content(&entries[node.at.1 as usize].path, &entries[node.inode.1 as usize])
    });
    // Of several entries for one path a tar holds all.
    let named = entries.iter().filter(|entry| is_out(&entry.path));
    merged.chain(named.filter_map(|entry| content(&entry.path, entry))).collect()
}

fn is_at(path: &TarPath, out: &TarPath) -> bool {
    path == out || path.is_below(out)
}

pub(super) fn holds<'a>(segment: &'a Segment, digests: &HashSet<FileDigest>) -> Option<&'a TarPath> {
    let holds = |entry: &&Entry| entry.content.is_some_and(|content| digests.contains(&content.digest));
    segment.entries.iter().find(holds).map(|entry| &entry.path)
}

/// A path whose former content can't go, and where the base has that.
pub(super) fn purged_in_base(new: &NewTree<'_>, segments: &[Segment], options: &Options) -> Option<(TarPath, TarPath)> {
    let purged = purged(new, segments, options);
    let base = segments.iter().filter(|segment| segment.is_base);
    let (held_at, digest) = base.flat_map(|segment| segment.entries.iter()).find_map(|entry| {
        let digest = entry.content?.digest;
        purged.contains(&digest).then_some((&entry.path, digest))
    })?;
    let held = segments.iter().flat_map(|segment| held(segment, &options.purge));
    let former: Vec<&TarPath> = held.filter(|(_, held)| *held == digest).map(|(path, _)| path).collect();
    // Under the name that was asked for, if it stands there.
    let path = if former.contains(&held_at) { held_at } else { *former.first()? };
    Some((path.clone(), held_at.clone()))
}
