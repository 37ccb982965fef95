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

/// What one image can be laid out against: proven layers by the numbers of the planner's segments.
pub struct Plannable<'s> {
    segments: Vec<Segment>,
    /// `None` for a layer that is only planned.
    layers: Vec<Option<Arc<ProvenLayer<'s>>>>,
    frames: Arc<OldFrames<'s>>,
    pub facts: Facts,
}

impl<'s> Plannable<'s> {
    /// Of each member: the base, its own layers, and those of all others.
    pub(super) fn of_members(proven: Proven<'s>) -> Vec<Self> {
        let Proven { layers, mut frames, members } = proven;
        // It has a name for each content of all old images.
        frames.known = Known::default();
        let frames = Arc::new(frames);
        let layers: Vec<(Arc<ProvenLayer<'s>>, Segment)> =
            layers.into_iter().map(|(layer, segment)| (Arc::new(layer), segment)).collect();
        let of_member = |facts: Facts| {
            let base = (0..layers.len()).filter(|&number| layers[number].1.is_base);
            let is_other = |number: &usize| !layers[*number].1.is_base && !facts.own.contains(number);
            let others = (0..layers.len()).filter(is_other);
            let own = base.chain(facts.own.iter().copied()).map(|number| (number, false));
            let numbers: Vec<(usize, bool)> = own.chain(others.map(|number| (number, true))).collect();
            let part = |&(number, is_shared): &(usize, bool)| {
                let (layer, segment) = &layers[number];
                (Some(Arc::clone(layer)), Segment { is_shared, ..segment.clone() })
            };
            let (layers, segments) = numbers.iter().map(part).unzip();
            Self { segments, layers, frames: Arc::clone(&frames), facts }
        };
        members.into_iter().map(of_member).collect()
    }

    /// Adds a layer that another member of the family has from now on; `None` for one that is only planned.
    pub fn offer(&mut self, segment: Segment, layer: Option<Arc<ProvenLayer<'s>>>) {
        self.segments.push(Segment { is_shared: true, ..segment });
        self.layers.push(layer);
    }

    /// What a plan builds on.
    pub fn old(&self) -> Result<Old<'_>, OldError> {
        let have = self.facts.clients.iter().map(|client| client.have.as_slice());
        Old::new(&self.segments, have.collect())
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// `None` for a layer that is only planned.
    pub fn layer(&self, number: usize) -> Option<&ProvenLayer<'s>> {
        self.layers[number].as_deref()
    }

    /// Base layers first, then those of the newest previous image, then shared ones.
    pub fn layers(&self) -> impl Iterator<Item = (&ProvenLayer<'s>, &Segment)> {
        self.layers.iter().zip(&self.segments).filter_map(|(layer, segment)| Some((layer.as_deref()?, segment)))
    }

    /// The segments as clients see them, without those of other images.
    pub fn pulls(&self) -> Vec<Arc<PullLayer>> {
        self.segments.iter().filter(|segment| !segment.is_shared).map(|segment| Arc::clone(&segment.pull)).collect()
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
        let is_proven = self.layers.iter().flatten().any(|layer| layer.blob == Some(number));
        let blob = self.frames.blobs[number as usize].file()?;
        Some(Used { blob, digest: self.frames.digest(number), is_proven })
    }
}
