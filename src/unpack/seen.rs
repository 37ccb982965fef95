//! What several layers of a run have, so that its content is compressed once and its path is in memory once.

use std::collections::HashSet;
use std::sync::Mutex;

use foldhash::HashMap;

use super::UnpackedLayer;
use crate::digest::FileDigest;
use crate::inventory::Frames;
use crate::tar::TarPath;
use crate::threads::lock;

/// For runs that read several images. An image alone has little twice, and all that is here takes memory.
#[derive(Default)]
pub struct Seen {
    frames: Mutex<HashMap<FileDigest, Frames>>,
    /// Of large files that somebody compresses.
    sizes: Mutex<HashSet<u64>>,
    paths: Mutex<HashSet<TarPath>>,
}

impl Seen {
    /// Bytes of memory that a file takes here.
    pub(super) const HELD: u64 = 96;

    pub(super) fn frames(&self, digest: &FileDigest) -> Option<Frames> {
        lock(&self.frames).get(digest).cloned()
    }

    pub(super) fn add(&self, digest: FileDigest, frames: &Frames) {
        lock(&self.frames).entry(digest).or_insert_with(|| frames.clone());
    }

    /// True for the first large file of a size. The others are most likely the same: they are hashed, and
    /// [`fill`](Self::fill) gives them their frames.
    pub(super) fn is_first(&self, size: u64) -> bool {
        lock(&self.sizes).insert(size)
    }

    /// Shares the bytes of a path. True if others have it.
    pub(super) fn share(&self, path: &mut TarPath) -> bool {
        let mut paths = lock(&self.paths);
        match paths.get(path) {
            Some(shared) => {
                *path = shared.clone();
                true
            }
            None => {
                paths.insert(path.clone());
                false
            }
        }
    }

    /// Gives frames to content that was hashed only, because another layer's was compressed at the same time.
    pub fn fill(&self, layers: &mut [UnpackedLayer]) {
        for layer in layers {
            let without = layer.inventory.without_frames().collect::<Vec<_>>();
            for (index, digest) in without {
                if let Some(frames) = self.frames(&digest) {
                    layer.inventory.set_frames(index, frames);
                }
            }
        }
    }
}
