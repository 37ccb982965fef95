//! The order inside a layer.
//!
//! Header-only entries first, then content that the previous image does not have, then the rest in the previous
//! order, then hard links. So an update is one range at the front for every client, however many versions
//! behind: a file that changes moves to the front and what did not change keeps its place behind it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, Hash, RandomState};

use hashbrown::HashTable;

use super::{Entry, Place, View};
use crate::digest::FileDigest;
use crate::tar::{EntryKind, TarPath};

/// What the previous image's TOCs say: which content clients have, and where it stood.
///
/// The tables hold numbers of entries alone: images can have a million.
#[derive(Debug, Clone, Default)]
pub struct Previous<'a> {
    hasher: RandomState,
    /// The layers' entries, with their numbers.
    layers: Vec<(u32, &'a [Entry])>,
    /// Every place of a path that has content.
    paths: HashTable<Place>,
    /// The first place of each content.
    contents: HashTable<Place>,
    /// Paths with content in each layer.
    sizes: HashMap<u32, u64>,
}

impl<'a> Previous<'a> {
    /// Adds the next layer's entries in the order of its tar. Only content that a client can find through
    /// the layer's TOC belongs here.
    pub fn add_layer(&mut self, layer: u32, entries: &'a [Entry]) {
        let slot = self.layers.len() as u32;
        self.layers.push((layer, entries));
        let Self { hasher, layers, paths, contents, .. } = self;
        let entry = |place: &Place| &layers[place.0 as usize].1[place.1 as usize];
        let digest_hash = |place: &Place| hasher.hash_one(entry(place).content.map(|content| content.digest));
        let path_hash = |place: &Place| hasher.hash_one(&entry(place).path);
        let mut count = 0;
        for place in (0..entries.len() as u32).map(|position| (slot, position)) {
            let Some(content) = entry(&place).content else { continue };
            count += 1;
            let is_same = |other: &Place| entry(other).content.is_some_and(|other| other.digest == content.digest);
            contents.entry(digest_hash(&place), is_same, digest_hash).or_insert(place);
            paths.insert_unique(path_hash(&place), place, path_hash);
        }
        *self.sizes.entry(layer).or_default() += count;
    }

    /// Do clients of the previous image have this content?
    pub fn has(&self, content: &FileDigest) -> bool {
        self.seen(content).is_some()
    }

    fn entry(&self, place: Place) -> &'a Entry {
        &self.layers[place.0 as usize].1[place.1 as usize]
    }

    fn numbered(&self, (slot, position): Place) -> Place {
        (self.layers[slot as usize].0, position)
    }

    /// Where content was first seen.
    fn seen(&self, content: &FileDigest) -> Option<Place> {
        let is_same = |place: &Place| self.entry(*place).content.is_some_and(|other| other.digest == *content);
        let place = self.contents.find(self.hasher.hash_one(Some(content)), is_same)?;
        Some(self.numbered(*place))
    }

    /// The layer whose paths are most like these: a layer that did not change finds itself, also when layers
    /// above it have some of its paths again.
    fn home(&self, entries: &[View<'_>]) -> Option<u32> {
        let mut shared: BTreeMap<u32, u64> = BTreeMap::new();
        let mut count = 0;
        for entry in entries.iter().filter(|entry| entry.content.is_some()) {
            count += 1;
            self.places(entry.path).for_each(|(layer, _)| *shared.entry(layer).or_default() += 1);
        }
        // Twice the shared ones over the sum of both sizes (Dice's measure), as products of integers.
        let less = |(a, in_a): &(u32, u64), (b, in_b): &(u32, u64)| {
            let sum = |layer: &u32| u128::from(count + self.sizes[layer]);
            (u128::from(*in_a) * sum(b)).cmp(&(u128::from(*in_b) * sum(a))).then(b.cmp(a))
        };
        shared.into_iter().max_by(less).map(|(layer, _)| layer)
    }

    /// In no order.
    fn places(&self, path: &TarPath) -> impl Iterator<Item = Place> {
        let all = self.paths.iter_hash(self.hasher.hash_one(path));
        all.filter(move |place| self.entry(**place).path == *path).map(|place| self.numbered(*place))
    }

    /// Where known content stood: at the same path, best in the layer `home`, else where it was first seen.
    fn place(&self, path: &TarPath, content: &FileDigest, home: Option<u32>) -> Option<Place> {
        let seen = self.seen(content)?;
        Some(self.places(path).min_by_key(|place| (Some(place.0) != home, *place)).unwrap_or(seen))
    }
}

/// Content of layers below, with the lowest layer of each.
#[derive(Debug, Clone, Default)]
pub struct Below<'a>(HashMap<&'a FileDigest, u32>);

impl<'a> Below<'a> {
    /// Adds a layer; from the bottom up.
    pub fn add_layer(&mut self, layer: u32, contents: impl IntoIterator<Item = &'a FileDigest>) {
        for content in contents {
            self.0.entry(content).or_insert(layer);
        }
    }

    /// 0 for content that no layer below has; more for a lower layer.
    fn rank(&self, content: &FileDigest) -> u32 {
        self.0.get(content).map_or(0, |layer| u32::MAX - layer)
    }
}

/// The order of a layer's live entries, as indexes into `entries`; and how many of them, behind the header-only
/// ones, are content that `previous` does not have.
///
/// `below` tells of content that a layer below has, too, the lowest one. A client that pulls both finds it there, if
/// that layer was there first; such files stand last in their run, the lowest layers' behind the others', so that
/// what is missing is one range all the same.
pub fn sequence(entries: &[View<'_>], previous: &Previous<'_>, below: &Below<'_>) -> (Vec<usize>, usize) {
    let mut headers = Vec::new();
    let mut fresh = Vec::new();
    let mut known = Vec::new();
    let mut links = Vec::new();
    let home = previous.home(entries);
    for (index, entry) in entries.iter().enumerate() {
        match (entry.kind, entry.content) {
            (EntryKind::HardLink, _) => links.push((entry.path, entry.target, index)),
            (_, None) => headers.push(index),
            (_, Some((content, _))) => match previous.place(entry.path, &content, home) {
                None => fresh.push(index),
                Some(place) => known.push((place, index)),
            },
        }
    }
    let by_path = |a: &usize, b: &usize| entries[*a].path.cmp(entries[*b].path);
    // Depth first and byte-sorted: parents come before their children.
    headers.sort_by(by_path);
    let rank = |index: &usize| entries[*index].content.map_or(0, |(content, _)| below.rank(&content));
    fresh.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| by_path(a, b)));
    known.sort_by(|(a, i), (b, j)| rank(i).cmp(&rank(j)).then_with(|| a.cmp(b)).then_with(|| by_path(i, j)));
    let links = order_links(links);
    let count = fresh.len();
    let mut order = headers;
    order.append(&mut fresh);
    order.extend(known.into_iter().map(|(_, index)| index));
    order.extend(links.into_iter().map(|(.., index)| index));
    (order, count)
}

/// Entries in path order, links directly behind nothing but their targets: the order that composefs and other readers
/// of canonical archives ask for. The first path of a file carries its content, so no link comes before its target.
pub(super) fn canonical(entries: &[View<'_>], previous: &Previous<'_>) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|a, b| entries[*a].path.cmp(entries[*b].path));
    let fresh = entries.iter().filter_map(|entry| entry.content).filter(|(content, _)| !previous.has(content));
    (order, fresh.count())
}

/// Links, each with its path, its target and what goes with it, so that none comes before its target, which may be a
/// link itself. By path as far as that leaves a choice.
pub(super) fn order_links<K: Copy + Ord + Hash, T>(links: Vec<(K, Option<K>, T)>) -> Vec<(K, Option<K>, T)> {
    let by_path: HashMap<K, usize> = links.iter().enumerate().map(|(at, (path, ..))| (*path, at)).collect();
    let next = |at: usize| links[at].1.and_then(|target| by_path.get(&target)).copied();
    // How many links each one leads through; 0 until it is known, so that circles of a broken archive end, too.
    let mut depths = vec![0_usize; links.len()];
    for start in 0..links.len() {
        let mut way = Vec::new();
        let mut at = Some(start);
        while let Some(link) = at.filter(|&link| depths[link] == 0) {
            depths[link] = usize::MAX;
            way.push(link);
            at = next(link);
        }
        let known = at.map_or(0, |link| depths[link]);
        for (above, link) in way.into_iter().rev().enumerate() {
            depths[link] = known.saturating_add(above + 1);
        }
    }
    let mut keyed: Vec<_> = depths.into_iter().zip(links).collect();
    keyed.sort_by_key(|(depth, (path, ..))| (*depth, *path));
    keyed.into_iter().map(|(_, link)| link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Content, Traits};
    use crate::tar::Time;

    fn path(name: &str) -> TarPath {
        TarPath::new(name.as_bytes()).unwrap()
    }

    fn digest(n: u8) -> FileDigest {
        FileDigest::from_bytes([n; 32])
    }

    fn layer(files: &[(&str, u8)]) -> Vec<Entry> {
        let content = |n| Content { digest: digest(n), size: 1, stored: 1, compiled_from: None };
        let entry = |&(name, n): &(&str, u8)| Entry {
            path: path(name),
            kind: Regular,
            target: None,
            content: Some(content(n)),
            traits: Traits::from_digest([0; 32]),
            mtime: Time::default(),
        };
        files.iter().map(entry).collect()
    }

    fn order(entries: &[(&str, EntryKind, u8, &str)], previous: &Previous<'_>) -> (Vec<String>, usize) {
        let owned: Vec<_> =
            entries.iter().map(|(p, k, c, t)| (path(p), *k, *c, (!t.is_empty()).then(|| path(t)))).collect();
        let entries: Vec<_> = owned
            .iter()
            .map(|(path, kind, content, target)| View {
                path,
                kind: *kind,
                target: target.as_ref(),
                content: (*content > 0).then(|| (digest(*content), 1)),
            })
            .collect();
        let (order, fresh) = sequence(&entries, previous, &Below::default());
        (order.into_iter().map(|index| entries[index].path.to_string()).collect(), fresh)
    }

    use EntryKind::{Dir, HardLink, Regular, Symlink};

    #[test]
    fn changed_content_moves_to_the_front() {
        let mut previous = Previous::default();
        let old = layer(&[("z", 1), ("a", 2), ("m", 3)]);
        previous.add_layer(0, &old);
        let new = [
            ("a", Regular, 2, ""),
            ("d", Dir, 0, ""),
            ("m", Regular, 9, ""),
            ("z", Regular, 1, ""),
            ("b", Regular, 8, ""),
        ];
        let (order, fresh) = order(&new, &previous);
        assert_eq!((order.join(" ").as_str(), fresh), ("/d /b /m /z /a", 2));
    }

    /// Images show the same path in several layers all the time, such as package databases.
    #[test]
    fn a_layer_keeps_its_order_when_others_have_its_paths() {
        let mut previous = Previous::default();
        let (lower, upper) = (layer(&[("c", 1), ("a", 2), ("b", 3)]), layer(&[("b", 4), ("a", 2)]));
        previous.add_layer(0, &lower);
        previous.add_layer(1, &upper);
        let below = [("a", Regular, 2, ""), ("b", Regular, 3, ""), ("c", Regular, 1, "")];
        let above = [("a", Regular, 2, ""), ("b", Regular, 4, "")];
        assert_eq!(order(&below, &previous).0.join(" "), "/c /a /b");
        assert_eq!(order(&above, &previous).0.join(" "), "/b /a");
    }

    #[test]
    fn what_lower_layers_have_stands_last() {
        let (a, b, c, d) = (path("a"), path("b"), path("c"), path("d"));
        let view = |path, n| View { path, kind: Regular, target: None, content: Some((digest(n), 1)) };
        let entries = [view(&a, 1), view(&b, 2), view(&c, 3), view(&d, 4)];
        let mut below = Below::default();
        let (one, three) = (digest(1), digest(3));
        below.add_layer(0, [&one]);
        below.add_layer(3, [&one, &three]);
        assert_eq!(sequence(&entries, &Previous::default(), &below).0, [1, 3, 2, 0]);
    }

    #[test]
    fn links_come_last_and_after_their_targets() {
        let new = [
            ("a", HardLink, 0, "b"),
            ("b", HardLink, 0, "f"),
            ("f", Regular, 1, ""),
            ("s", Symlink, 0, ""),
            ("x", HardLink, 0, "y"),
            ("y", HardLink, 0, "x"),
        ];
        let (order, _) = order(&new, &Previous::default());
        assert_eq!(order[..4].join(" "), "/s /f /b /a");
        assert_eq!(order.len(), 6);
    }
}
