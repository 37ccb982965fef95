//! What several layers of a run have: each path and each content is in memory once, and content is compressed once.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Mutex;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::UnpackedLayer;
use crate::digest::FileDigest;
use crate::inventory::{Frames, Payload};
use crate::tar::TarPath;
use crate::threads::lock;

/// For runs that read several images. An image alone has little twice, and all that is here takes memory.
#[derive(Default)]
pub struct Seen {
    paths: Mutex<Numbered<TarPath>>,
    contents: Mutex<Numbered<SeenContent>>,
    /// Of large files that somebody compresses.
    sizes: Mutex<HashSet<u64>>,
}

/// Content of several files.
#[derive(Debug, Clone)]
pub(super) struct SeenContent {
    pub payload: Payload,
    pub compiled_from: Option<u32>,
}

impl Seen {
    /// Bytes of memory that a content takes here, and a path beside its own bytes.
    pub(super) const HELD_CONTENT: u64 = 136;
    pub(super) const HELD_PATH: u64 = 24;

    pub(super) fn frames(&self, digest: &FileDigest) -> Option<Frames> {
        let contents = lock(&self.contents);
        let frames = &contents.get(contents.find(digest)?).payload.frames;
        (!matches!(frames, Frames::None)).then(|| frames.clone())
    }

    /// Numbers a content, and true if it is a new one. Frames replace none.
    pub(super) fn content(&self, content: SeenContent) -> (u32, bool) {
        let mut contents = lock(&self.contents);
        let before = contents.all.len();
        let number = contents.number(&content);
        let known = &mut contents.all[number as usize].payload.frames;
        if matches!(known, Frames::None) {
            *known = content.payload.frames;
        }
        (number, contents.all.len() > before)
    }

    /// True for the first large file of a size. The others are most likely the same: they are hashed, and have the first
    /// one's frames when that is done.
    pub(super) fn is_first(&self, size: u64) -> bool {
        lock(&self.sizes).insert(size)
    }

    /// Numbers a path, which then shares its bytes with all like it. True for a new one.
    pub(super) fn path(&self, path: &mut TarPath) -> (u32, bool) {
        let mut paths = lock(&self.paths);
        let before = paths.all.len();
        let number = paths.number(path);
        *path = paths.get(number).clone();
        (number, paths.all.len() > before)
    }

    pub(super) fn with_all<T>(
        &self,
        work: impl FnOnce(&dyn Fn(u32) -> TarPath, &dyn Fn(u32) -> SeenContent) -> T,
    ) -> T {
        let (paths, contents) = (lock(&self.paths), lock(&self.contents));
        work(&|number| paths.get(number).clone(), &|number| contents.get(number).clone())
    }

    /// Contents whose frames are such.
    pub(super) fn payloads(&self, is_it: impl Fn(&Frames) -> bool) -> Vec<Payload> {
        let contents = lock(&self.contents);
        contents.all.iter().map(|content| &content.payload).filter(|it| is_it(&it.frames)).cloned().collect()
    }

    pub(super) fn has_frames(&self, content: u32) -> bool {
        !matches!(lock(&self.contents).get(content).payload.frames, Frames::None)
    }

    /// Gives frames to content that was hashed only, because another layer's was compressed at the same time.
    pub(super) fn fill(&self, layer: &mut UnpackedLayer) {
        let without: Vec<(usize, FileDigest)> = layer.inventory.without_frames().collect();
        for (index, digest) in without {
            if let Some(frames) = self.frames(&digest) {
                layer.inventory.set_frames(index, frames);
            }
        }
    }
}

/// What a value is known by.
trait Keyed: Clone {
    type Key: Hash + Eq;

    fn key(&self) -> &Self::Key;
}

impl Keyed for TarPath {
    type Key = Self;

    fn key(&self) -> &Self {
        self
    }
}

impl Keyed for SeenContent {
    type Key = FileDigest;

    fn key(&self) -> &FileDigest {
        &self.payload.digest
    }
}

/// Different values with their numbers. There can be a million.
struct Numbered<T> {
    hasher: RandomState,
    all: Vec<T>,
    numbers: HashTable<u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), all: Vec::new(), numbers: HashTable::new() }
    }
}

impl<T: Keyed> Numbered<T> {
    fn find(&self, key: &T::Key) -> Option<u32> {
        let is_it = |&number: &u32| self.all[number as usize].key() == key;
        self.numbers.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// Of a value that is added if it is not there.
    fn number(&mut self, value: &T) -> u32 {
        let Self { hasher, all, numbers } = self;
        let is_it = |&number: &u32| all[number as usize].key() == value.key();
        let rehash = |&number: &u32| hasher.hash_one(all[number as usize].key());
        match numbers.entry(hasher.hash_one(value.key()), is_it, rehash) {
            Slot::Occupied(slot) => *slot.get(),
            Slot::Vacant(slot) => {
                let number = all.len() as u32;
                slot.insert(number);
                all.push(value.clone());
                number
            }
        }
    }

    fn get(&self, number: u32) -> &T {
        &self.all[number as usize]
    }
}
