//! The old images as the planner takes them.

use std::sync::Arc;

use crate::inventory::Known;
use crate::order::cost::PullLayer;
use crate::order::layers::{Old, OldError, Segment};
use crate::origin::FrameBlob;
use crate::watch::Used;

use super::Facts;
use super::frames::OldFrames;
use super::proven::{Proven, ProvenLayer};

/// Proven layers by the numbers of the planner's segments.
pub struct Plannable<'s> {
    segments: Vec<Segment>,
    layers: Vec<ProvenLayer<'s>>,
    frames: OldFrames<'s>,
    pub facts: Facts,
}

impl<'s> Plannable<'s> {
    pub(super) fn new(proven: Proven<'s>) -> Self {
        let Proven { layers, mut frames, facts } = proven;
        // It has a name for each content of all old images.
        frames.known = Known::default();
        let (layers, segments) = layers.into_iter().unzip();
        Self { segments, layers, frames, facts }
    }

    /// What a plan builds on.
    pub fn old(&self) -> Result<Old<'_>, OldError> {
        let have = self.facts.clients.iter().map(|client| client.have.as_slice());
        Old::new(&self.segments, have.collect())
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub fn layer(&self, number: usize) -> &ProvenLayer<'s> {
        &self.layers[number]
    }

    /// Base layers first, then those of the newest previous image.
    pub fn layers(&self) -> impl Iterator<Item = (&ProvenLayer<'s>, &Segment)> {
        self.layers.iter().zip(&self.segments)
    }

    /// The segments as clients see them.
    pub fn pulls(&self) -> Vec<Arc<PullLayer>> {
        self.segments.iter().map(|segment| Arc::clone(&segment.pull)).collect()
    }

    /// False where everything in the new image is new.
    pub fn is_update(&self) -> bool {
        !self.frames.blobs.is_empty()
    }

    /// Frames are copied from these.
    pub fn blobs(&self) -> &[FrameBlob<'s>] {
        &self.frames.blobs
    }

    /// A blob that frames are copied from, if it is a file. Of an older image's layer the frames alone are proven, and
    /// not by its digest.
    pub fn used(&self, number: u32) -> Option<Used<'_>> {
        let is_proven = self.layers.iter().any(|layer| layer.blob == Some(number));
        let blob = self.frames.blobs[number as usize].file()?;
        Some(Used { blob, digest: self.frames.digest(number), is_proven })
    }
}
