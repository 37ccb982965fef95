//! Frames of old blobs, which can be copied instead of compressing the same content again.

use std::collections::BTreeSet;

use crate::digest::BlobDigest;
use crate::inventory::{Frames, Known, Stored, toc_frames};
use crate::origin::{FrameBlob, Origin};
use crate::toc::Toc;

/// Blobs by their numbers, and what stands in their frames.
#[derive(Default)]
pub(super) struct OldFrames<'s> {
    pub known: Known,
    pub blobs: Vec<FrameBlob<'s>>,
    /// Which layer of which image each is, for people, and its digest.
    names: Vec<(String, BlobDigest)>,
}

impl<'s> OldFrames<'s> {
    /// The blob's number; `name` says which one it is.
    pub fn add(&mut self, toc: &Toc, place: Origin<'s>, name: String, digest: BlobDigest) -> u32 {
        let blob = self.blobs.len() as u32;
        for entry in &toc.entries {
            if let Some(payload) = entry.payload.as_ref().filter(|payload| payload.end_offset <= place.size()) {
                self.known.add(payload.digest, entry.header.size, toc_frames(payload, blob));
            }
        }
        self.blobs.push(FrameBlob::new(place));
        self.names.push((name, digest));
        blob
    }

    pub fn digest(&self, blob: u32) -> BlobDigest {
        self.names[blob as usize].1
    }

    /// Forgets the blobs that these frames, which don't hold what is said of them, lie in.
    pub fn forget<'a>(&mut self, frames: impl Iterator<Item = &'a Frames>, notes: &mut Vec<String>) {
        let blobs: BTreeSet<u32> = frames.flat_map(blobs).collect();
        notes.extend(blobs.iter().map(|&blob| {
            format!("{} is not used: it holds other content than its TOC says", self.names[blob as usize].0)
        }));
        self.known.forget(&blobs);
    }
}

/// The numbers of the blobs that frames lie in.
pub(super) fn blobs(frames: &Frames) -> impl Iterator<Item = u32> {
    frames.stored().filter_map(|stored| match stored {
        Stored::Blob(blob, _) => Some(*blob),
        Stored::One(_) | Stored::Many(_) => None,
    })
}
