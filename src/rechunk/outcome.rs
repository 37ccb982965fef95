//! What a run did, or would do.

use crate::degraded::Degraded;
use crate::digest::{BlobDigest, DiffId};
use crate::merge::Difference;
use crate::oci::Platform;
use crate::order::cost::{NewContent, Pull, PullLayer};
use crate::order::{Reason, State, Unowned};
use crate::push::Pushed;

use super::Hint;

#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the destination's tag points at: a manifest, or an index of several.
    pub digest: BlobDigest,
    pub images: Vec<ImageOutcome>,
    /// Other images that were in the archive before and are gone.
    pub replaced: Vec<String>,
    /// What a registry took.
    pub published: Option<Pushed>,
    /// For the user to know; nothing of it makes the image wrong.
    pub notes: Vec<String>,
    /// Those of the notes that tell why clients pay more than they should.
    pub degraded: Vec<Degraded>,
}

#[derive(Debug, Clone)]
pub struct ImageOutcome {
    pub platform: Option<Platform>,
    pub digest: BlobDigest,
    pub layers: Vec<LayerOutcome>,
    pub twin: Option<GzipTwin>,
    /// Old layers of which nothing is left.
    pub dropped: Vec<OldBlob>,
    /// Layers of the newest previous image without an index, which were not read: what they hold counts as new.
    pub unread: u64,
    /// A first pull, then an update from each previous image that has this platform.
    pub pulls: Vec<Pull>,
    pub hint: Option<Hint>,
    /// In what merged images differ, and what was done about it.
    pub differences: Vec<Difference>,
}

impl ImageOutcome {
    /// Layers that the previous image did not have, with their bytes.
    pub fn new_layers(&self) -> impl Iterator<Item = (BlobDigest, u64)> {
        let new = self.layers.iter().filter(|layer| !layer.planned.is_had());
        new.map(|layer| (layer.digest, layer.size))
    }

    /// Layers that this run wrote, with their bytes.
    pub fn written_layers(&self) -> impl Iterator<Item = (BlobDigest, u64)> {
        let written = self.layers.iter().filter(|layer| layer.planned.state != State::Kept);
        written.map(|layer| (layer.digest, layer.size))
    }
}

/// The same image with gzip layers, in the same index.
#[derive(Debug, Clone)]
pub struct GzipTwin {
    pub digest: BlobDigest,
    /// As many as the image has, each with the same tar.
    pub layers: Vec<GzipBlob>,
}

impl GzipTwin {
    /// Bytes of all layers.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Of those that the previous image's twin did not have.
    pub fn new_bytes(&self) -> u64 {
        self.layers.iter().filter(|layer| layer.is_new).map(|layer| layer.size).sum()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GzipBlob {
    pub digest: BlobDigest,
    /// Bytes.
    pub size: u64,
    /// False for a blob of the previous image, which stays byte for byte.
    pub is_new: bool,
}

impl GzipBlob {
    /// As clients see it.
    pub const fn pull(&self) -> PullLayer {
        PullLayer { digest: self.digest, size: self.size, index: None }
    }
}

#[derive(Debug, Clone)]
pub struct LayerOutcome {
    pub digest: BlobDigest,
    pub diff_id: DiffId,
    /// Bytes of the blob.
    pub size: u64,
    pub planned: PlannedLayer,
    /// Bytes of TOC and tar-split.
    pub index_bytes: u64,
    /// The TOC's digest; `None` for a layer that the format can't index.
    pub toc: Option<BlobDigest>,
}

/// What a run would do.
#[derive(Debug)]
pub struct Planned {
    pub images: Vec<PlannedImage>,
    pub replaced: Vec<String>,
    pub notes: Vec<String>,
    pub degraded: Vec<Degraded>,
}

#[derive(Debug)]
pub struct PlannedImage {
    pub platform: Option<Platform>,
    pub layers: Vec<PlannedLayer>,
    pub dropped: Vec<OldBlob>,
    pub unread: u64,
    /// As an outcome has them, but forecast: of layers that nobody compressed yet, and without chunks. Of gzip layers the
    /// sizes are estimates.
    pub pulls: Vec<Pull>,
    pub hint: Option<Hint>,
    pub differences: Vec<Difference>,
}

#[derive(Debug, Clone)]
pub struct PlannedLayer {
    pub state: State,
    pub reason: Reason,
    /// The layers that it is or takes over.
    pub old: Vec<OldBlob>,
    /// Whose files it shows, most bytes first.
    pub owners: Vec<String>,
    /// What of that no package owns.
    pub unowned: Option<Unowned>,
    /// Most of what it shows changes with every version.
    pub changes_always: bool,
    pub entries: u64,
    /// Compressed content bytes that the merged file system shows, and those that a layer above hides.
    pub live_bytes: u64,
    pub dead_bytes: u64,
    /// What is new to clients of the newest previous image, or else of the base.
    pub new: NewContent,
}

impl PlannedLayer {
    /// True for a layer of the previous image or of the base, as it was. Its clients have it.
    pub fn is_had(&self) -> bool {
        self.state == State::Kept && self.reason != Reason::Shared
    }

    /// What became of it, in one word.
    pub const fn word(&self) -> &'static str {
        match self.reason {
            Reason::Shared => self.reason.name(),
            _ => self.state.name(),
        }
    }

    /// The blob that it is already.
    pub fn kept(&self) -> Option<OldBlob> {
        self.old.first().filter(|_| self.state == State::Kept).copied()
    }
}

/// A layer of the previous image or of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldBlob {
    pub digest: BlobDigest,
    /// Bytes.
    pub size: u64,
}
