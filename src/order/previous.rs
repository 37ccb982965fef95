//! What clients of the previous image have.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;

use foldhash::HashMap;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{Entry, Place, View};
use crate::digest::FileDigest;
use crate::tar::TarPath;

/// What the previous image's TOCs say: which content clients have, and where it stood.
///
/// The tables hold numbers of entries alone: images can have a million.
#[derive(Debug, Clone, Default)]
pub struct Previous<'a> {
    hasher: RandomState,
    known: Known<'a>,
    /// Every entry of a path that has content.
    paths: HashTable<EntryNumber>,
    /// The first entry of each content.
    contents: HashTable<EntryNumber>,
    /// Paths with content in each layer.
    sizes: HashMap<u32, u64>,
}

/// An entry, counted through all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EntryNumber(u32);

/// The layers' entries.
#[derive(Debug, Clone, Default)]
struct Known<'a> {
    layers: Vec<KnownLayer<'a>>,
    count: u32,
}

#[derive(Debug, Clone)]
struct KnownLayer<'a> {
    first: EntryNumber,
    /// As the caller numbers it.
    layer: u32,
    entries: &'a [Entry],
}

impl<'a> Known<'a> {
    /// The numbers of the layer's entries.
    fn add(&mut self, layer: u32, entries: &'a [Entry]) -> impl Iterator<Item = EntryNumber> + use<> {
        let first = self.count;
        let count = u32::try_from(entries.len()).ok().and_then(|len| first.checked_add(len));
        self.count = count.expect("the entries of all images are counted in 32 bits");
        self.layers.push(KnownLayer { first: EntryNumber(first), layer, entries });
        (first..self.count).map(EntryNumber)
    }

    /// An entry's layer, and its place there.
    fn find(&self, number: EntryNumber) -> (&KnownLayer<'a>, u32) {
        let layer = &self.layers[self.layers.partition_point(|layer| layer.first <= number) - 1];
        (layer, number.0 - layer.first.0)
    }

    fn entry(&self, number: EntryNumber) -> &'a Entry {
        let (layer, position) = self.find(number);
        &layer.entries[position as usize]
    }

    fn place(&self, number: EntryNumber) -> Place {
        let (layer, position) = self.find(number);
        (layer.layer, position)
    }
}

impl<'a> Previous<'a> {
    /// Adds the next layer's entries in the order of its tar. Only content that a client can find through
    /// the layer's TOC belongs here.
    pub fn add_layer(&mut self, layer: u32, entries: &'a [Entry]) {
        let Self { hasher, known, paths, contents, .. } = self;
        let numbers = known.add(layer, entries);
        let digest = |number: &EntryNumber| known.entry(*number).content.map(|content| content.digest);
        let digest_hash = |number: &EntryNumber| hasher.hash_one(digest(number));
        let path_hash = |number: &EntryNumber| hasher.hash_one(&known.entry(*number).path);
        let mut count = 0;
        for (number, entry) in numbers.zip(entries) {
            let Some(content) = entry.content else { continue };
            count += 1;
            let is_same = |other: &EntryNumber| digest(other) == Some(content.digest);
            contents.entry(hasher.hash_one(Some(content.digest)), is_same, digest_hash).or_insert(number);
            paths.insert_unique(hasher.hash_one(&entry.path), number, path_hash);
        }
        *self.sizes.entry(layer).or_default() += count;
    }

    /// Do clients of the previous image have this content?
    pub fn has(&self, content: &FileDigest) -> bool {
        self.seen(content).is_some()
    }

    /// Where content was first seen.
    fn seen(&self, content: &FileDigest) -> Option<Place> {
        let is_same = |number: &EntryNumber| self.known.entry(*number).content.is_some_and(|it| it.digest == *content);
        let number = self.contents.find(self.hasher.hash_one(Some(content)), is_same)?;
        Some(self.known.place(*number))
    }

    /// The layer whose paths are most like these: a layer that did not change finds itself, also when layers
    /// above it have some of its paths again.
    pub(super) fn home(&self, entries: &[View<'_>]) -> Option<u32> {
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
        let same = all.filter(move |number| self.known.entry(**number).path == *path);
        same.map(|number| self.known.place(*number))
    }

    /// Where known content stood: at the same path, best in the layer `home`, else where it was first seen.
    pub(super) fn place(&self, path: &TarPath, content: &FileDigest, home: Option<u32>) -> Option<Place> {
        let seen = self.seen(content)?;
        Some(self.places(path).min_by_key(|place| (Some(place.0) != home, *place)).unwrap_or(seen))
    }
}
