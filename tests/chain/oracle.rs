//! What the output must be, worked out from the images as `image` reads them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use restrata::order::layers::{Mtime, Options};
use restrata::order::{Reason, State};
use restrata::rechunk::ImageOutcome;
use restrata::tar::EntryKind;

use crate::image::layout::Layer;
use crate::image::read::read_tar;
use crate::image::sha256;
use crate::image::tree::{Mounted, Node, Seen, mounted};

pub type Nodes = BTreeMap<Vec<u8>, Node>;

/// An image's layers and what they show.
pub struct View<'a> {
    pub layers: Vec<&'a Layer>,
    pub seen: Vec<Vec<Seen>>,
    pub mounted: Mounted,
}

impl<'a> View<'a> {
    pub fn new(layers: impl IntoIterator<Item = &'a Layer>) -> Self {
        let layers: Vec<&Layer> = layers.into_iter().collect();
        let seen: Vec<Vec<Seen>> = layers.iter().map(|layer| read_tar(&layer.tar)).collect();
        let mounted = mounted(&seen);
        Self { layers, seen, mounted }
    }

    /// Without what clients do not look at: names of owners, and the mode of a symbolic link.
    pub fn nodes(&self) -> Nodes {
        let mut nodes = self.mounted.nodes();
        for node in nodes.values_mut() {
            node.meta.owner = Default::default();
            if node.kind == EntryKind::Symlink {
                node.meta.mode = 0;
            }
        }
        nodes
    }
}

/// What the output must show of `new`, whose clients have `old`; `base` stays below it.
pub fn expected(new: &View<'_>, old: &View<'_>, base: &View<'_>, options: &Options) -> Nodes {
    let is_pruned = |path: &[u8]| options.prune.iter().any(|out| is_at_or_below(path, out.path.as_bytes()));
    let mut nodes = new.nodes();
    nodes.retain(|path, _| !is_pruned(path));
    let mut groups: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for (path, node) in &nodes {
        groups.entry(node.first_name.clone()).or_default().push(path.clone());
    }
    let (as_read, shown, based) = (nodes.clone(), old.nodes(), base.nodes());
    for mut group in groups.into_values() {
        let first_name = group[0].clone();
        // Depth first, as the tool walks.
        group.sort_by_key(|path| path.split(|b| *b == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>());
        let time = time(&as_read, &group, (&shown, &based), options.mtime);
        for path in &group {
            let node = nodes.get_mut(path).unwrap();
            node.meta.mtime = time;
            node.first_name.clone_from(&first_name);
        }
    }
    nodes
}

fn time(new: &Nodes, group: &[Vec<u8>], (old, base): (&Nodes, &Nodes), policy: Mtime) -> i128 {
    let node = &new[&group[0]];
    let own = node.meta.mtime;
    match policy {
        Mtime::Keep => own,
        Mtime::Clamp(limit) => own.min(i128::from(limit.secs) * 1_000_000_000 + i128::from(limit.nanos)),
        Mtime::Previous if group.iter().any(|path| is_compiled(new, path, own)) => own,
        Mtime::Previous => {
            let bare = |node: &Node| {
                let mut node = node.clone();
                (node.meta.mtime, node.first_name) = (0, Vec::new());
                node
            };
            let is_it = |base: &Node| !base.is_implied && bare(base) == bare(node) && base.meta.mtime == own;
            if group.iter().all(|path| base.get(path).is_some_and(is_it)) {
                return own;
            }
            let mut before = group.iter().filter_map(|path| old.get(path)).filter(|old| !old.is_implied);
            before.find(|old| bare(old) == bare(node)).map_or(own, |old| old.meta.mtime)
        }
    }
}

/// Is there byte-code beside it that records this time? The content is not at hand, but it is [`super::world`]'s.
pub fn is_compiled(new: &Nodes, path: &[u8], time: i128) -> bool {
    let Some(dir) = path.strip_suffix(b"m.py") else { return false };
    let code = new.get(&[dir, b"__pycache__/m.cpython-311.pyc"].concat());
    code.is_some_and(|code| code.digest == super::world::byte_code(time.div_euclid(1_000_000_000) as u32).1)
}

pub fn is_at_or_below(path: &[u8], dir: &[u8]) -> bool {
    dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Everything that is promised of an output beside what it shows.
pub struct Promise<'a> {
    pub out: &'a View<'a>,
    pub outcome: &'a ImageOutcome,
    pub options: &'a Options,
    /// The outcome says that `--max-layers` left too little room.
    pub is_large: bool,
    pub old: &'a View<'a>,
    /// Layers of the base image.
    pub base: &'a [Layer],
}

impl Promise<'_> {
    pub fn check(&self) {
        let count = self.outcome.layers.len();
        assert_eq!(self.out.layers.len(), count);
        assert!(count <= self.options.max_layers.max(self.base.len() + 1), "{count} layers");
        self.check_base();
        self.check_sizes();
        self.check_waste();
        self.check_purge();
        for (number, outcome) in self.outcome.layers.iter().enumerate() {
            let is_old = self.old.layers.iter().any(|old| old.blob == self.out.layers[number].blob);
            match outcome.planned.state {
                State::Kept => assert!(is_old, "layer {number} is said to be kept"),
                _ => self.check_parents(number),
            }
            if self.options.max_waste.0 == 0 && !self.is_base(number) {
                self.check_strict(number);
            }
        }
    }

    /// No layer that is written is too large, but for a file alone, and where the outcome says so.
    fn check_sizes(&self) {
        let most = self.options.max_layer_size.unwrap_or(u64::MAX);
        let written = self.outcome.layers.iter().zip(&self.out.layers);
        let written = written.filter(|(outcome, _)| outcome.planned.state != State::Kept);
        let is_large = written.into_iter().any(|(_, layer)| {
            let files: Vec<u64> =
                read_tar(&layer.tar).iter().map(|seen| seen.content.0.len() as u64).filter(|size| *size > 0).collect();
            files.len() > 1 && files.iter().sum::<u64>() > most
        });
        assert_eq!(is_large, self.is_large);
    }

    fn is_base(&self, number: usize) -> bool {
        self.base.iter().any(|base| base.blob == self.out.layers[number].blob)
    }

    fn check_base(&self) {
        let mut bottom: Vec<&[u8]> = Vec::new();
        for layer in self.base {
            if !bottom.contains(&layer.blob.as_slice()) {
                bottom.push(&layer.blob);
            }
        }
        for (layer, base) in self.out.layers.iter().zip(bottom) {
            assert!(layer.blob == base, "the base image's layers are not at the bottom");
        }
    }

    /// Compressed bytes of each layer's files, by layer and path. A layer without a TOC has its bytes shared out.
    fn stored(&self, number: usize) -> Option<BTreeMap<Vec<u8>, u64>> {
        let layer = self.out.layers[number];
        if layer.annotation("manifest-checksum").is_some() {
            let rows = layer.toc().into_iter().filter(|row| row["type"] == "reg" && row["offset"].is_u64());
            let bytes = |row: &serde_json::Value| Some(row["endOffset"].as_u64()? - row["offset"].as_u64()?);
            return Some(rows.map(|row| (name(&row), bytes(&row).unwrap())).collect());
        }
        let planned = &self.outcome.layers[number].planned;
        // Who wrote the layer for another image a moment ago knows more of it than the layer tells.
        if planned.state != State::Kept || planned.reason == Reason::Shared {
            return None;
        }
        let sizes = self.out.seen[number].iter().map(|seen| (seen.path.clone(), seen.content.0.len() as u64));
        let all: u64 = sizes.clone().map(|(_, size)| size).sum();
        Some(sizes.map(|(path, size)| (path, size * layer.blob.len() as u64 / all.max(1))).collect())
    }

    fn check_waste(&self) {
        let shown: HashSet<usize> = self.out.mounted.paths.values().copied().collect();
        let (mut dead_in_all, mut size) = (0, 0);
        for number in 0..self.out.layers.len() {
            let outcome = &self.outcome.layers[number];
            size += outcome.size;
            let Some(stored) = self.stored(number) else { continue };
            let (mut live, mut dead) = (0, 0);
            let inodes = self.out.mounted.inodes.iter().zip(&self.out.mounted.layers).enumerate();
            for (inode, (seen, _)) in inodes.filter(|(_, (_, layer))| **layer == number) {
                let bytes = stored.get(&seen.path).copied().unwrap_or(0);
                *(if shown.contains(&inode) { &mut live } else { &mut dead }) += bytes;
            }
            assert_eq!(
                (outcome.planned.live_bytes, outcome.planned.dead_bytes),
                (live, dead),
                "layer {number}: {outcome:?}"
            );
            dead_in_all += if self.is_base(number) { 0 } else { dead };
        }
        assert!(dead_in_all * 10_000 <= size * u64::from(self.options.max_waste.0), "{dead_in_all} of {size} is waste");
    }

    fn check_purge(&self) {
        let secrets = purged(self.old, &self.out.nodes(), self.options);
        for (number, layer) in self.out.seen.iter().enumerate().filter(|(number, _)| !self.is_base(*number)) {
            let found = layer.iter().find(|seen| secrets.contains(&*seen.content.0));
            assert!(found.is_none(), "layer {number} still has {found:?}");
        }
    }

    /// A layer's entries bring the directories above with their final metadata.
    fn check_parents(&self, number: usize) {
        let layer = &self.out.seen[number];
        let own: BTreeMap<&[u8], &Seen> = layer.iter().map(|seen| (seen.path.as_slice(), seen)).collect();
        let needed: BTreeSet<&[u8]> = layer.iter().flat_map(|seen| ancestors(&seen.path)).collect();
        for dir in needed {
            let inode = &self.out.mounted.paths[dir];
            // Clients make it as it is to be.
            if self.out.mounted.inodes[*inode].is_implied {
                continue;
            }
            let seen =
                own.get(dir).unwrap_or_else(|| panic!("layer {number} lacks {:?}", String::from_utf8_lossy(dir)));
            assert_eq!(seen.meta, self.out.mounted.inodes[*inode].meta);
        }
    }

    /// No file that a layer above hides.
    fn check_strict(&self, number: usize) {
        for seen in self.out.seen[number].iter().filter(|seen| seen.kind != EntryKind::Dir) {
            let name = seen.path.rsplit(|b| *b == b'/').next().unwrap();
            let layer = self.out.mounted.paths.get(&seen.path).map(|inode| self.out.mounted.layers[*inode]);
            assert!(
                name.starts_with(b".wh.") || layer == Some(number),
                "layer {number} has {seen:?}, shown by {layer:?}"
            );
        }
    }
}

/// Former contents of purged paths that the new image shows no more.
pub fn purged<'a>(old: &'a View<'_>, shown: &Nodes, options: &Options) -> HashSet<&'a [u8]> {
    let mut secrets: HashSet<&[u8]> = HashSet::new();
    let is_named = |path: &[u8]| options.purge.iter().any(|out| is_at_or_below(path, out.as_bytes()));
    for layer in &old.seen {
        let own = mounted(std::slice::from_ref(layer));
        let named = own.paths.iter().filter(|(path, _)| is_named(path));
        let inodes = named.map(|(_, inode)| own.inodes[*inode].path.clone()).collect::<HashSet<_>>();
        secrets.extend(layer.iter().filter(|seen| inodes.contains(&seen.path)).map(|seen| &*seen.content.0));
    }
    let kept: HashSet<&str> = shown.values().map(|node| node.digest.as_str()).collect();
    secrets.retain(|content| !content.is_empty() && !kept.contains(sha256(content).as_str()));
    secrets
}

fn name(row: &serde_json::Value) -> Vec<u8> {
    crate::image::tree::clean(row["name"].as_str().unwrap().as_bytes())
}

fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at])
}
