//! The old layers that are what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use crate::degraded::{Code, Notes};
use crate::error::Error;
use crate::inventory::{Frames, Known};
use crate::order::layers::Segment;
use crate::origin::FrameBlob;

use super::Facts;
use super::faults::{Fault, unused};
use super::frames::{OldFrames, blobs};
use super::opened::{OldLayer, Opened, OpenedLayer, WrittenLayer};
use super::plannable::Plannable;

/// A layer whose blob decodes to what its digest, its DiffID, its TOC and its tar-split say, or that the user trusts
/// ([`OldLayer::is_proven`] tells).
pub struct ProvenLayer<'s>(OldLayer<'s>);

impl<'s> ProvenLayer<'s> {
    /// One that this run wrote, and decoded as it did; with its tar as gzip, if there is a twin.
    pub fn written(layer: WrittenLayer<'s>, gzip: Option<WrittenLayer<'s>>) -> Arc<Self> {
        Arc::new(Self(layer.into_old(gzip)))
    }
}

impl<'s> Deref for ProvenLayer<'s> {
    type Target = OldLayer<'s>;

    fn deref(&self) -> &OldLayer<'s> {
        &self.0
    }
}

/// The proven layers, and frames of older images that nobody has proven yet.
pub struct Proven<'s> {
    pub(super) layers: Vec<(ProvenLayer<'s>, Segment)>,
    pub(super) frames: OldFrames<'s>,
    /// Of each member.
    pub(super) members: Vec<Facts>,
}

impl<'s> Proven<'s> {
    pub(super) fn new(
        opened: Opened<'s>,
        faults: BTreeMap<usize, Fault>,
        notes: &mut Notes,
    ) -> Result<(Self, bool), Error> {
        let Opened { mut layers, mut frames, mut members, .. } = opened;
        for (&number, fault) in &faults {
            if let Fault::Broken(entry) = fault {
                let OpenedLayer { layer: OldLayer { reference, index, descriptor, .. }, segment } = &mut layers[number];
                expect_previous(segment, reference, *index, entry)?;
                let layer = descriptor.digest.short();
                let note = format!("{reference}: layer {index} ({layer}) does not stay as it is: {entry}");
                notes.degraded(Code::LayerBroken, note);
                segment.is_broken = true;
            }
        }
        let (mut proven, mut liars) = (Vec::with_capacity(layers.len()), BTreeSet::new());
        let count = layers.len();
        let mut numbers = vec![None; count];
        for (number, OpenedLayer { layer, segment }) in layers.into_iter().enumerate() {
            let Some(Fault::Lies(flaw)) = faults.get(&number) else {
                numbers[number] = Some(proven.len());
                proven.push((ProvenLayer(layer), segment));
                continue;
            };
            let OldLayer { reference, index, descriptor, blob, .. } = &layer;
            expect_previous(&segment, reference, *index, flaw)?;
            notes.degraded(Code::LayerDamaged, unused(reference, *index, descriptor, flaw, true));
            liars.extend(*blob);
        }
        // Their frames may lie as well.
        frames.known.forget(&liars);
        let has_lost = proven.len() < count;
        for facts in &mut members {
            facts.own = facts.own.iter().filter_map(|&number| numbers[number]).collect();
        }
        Ok((Self { layers: proven, frames, members }, has_lost))
    }

    /// Content whose frames can be copied.
    pub fn known(&self) -> &Known {
        &self.frames.known
    }

    /// Frames are copied from these.
    pub fn blobs(&self) -> &[FrameBlob<'s>] {
        &self.frames.blobs
    }

    /// True for a frame that no layer's proof covers: one of an older image, whose layers nobody else reads.
    pub fn is_unproven(&self, frames: &Frames) -> bool {
        let is_proven = |number: u32| self.layers.iter().any(|(layer, _)| layer.blob == Some(number));
        blobs(frames).any(|number| !is_proven(number))
    }

    /// Without the blobs that these frames lie in, which don't hold what is said of them.
    pub fn without(mut self, frames: &[Frames], notes: &mut Vec<String>) -> Self {
        self.frames.forget(frames.iter(), notes);
        self
    }

    /// For the planner, for each member, when the new images refer to all that they need of the frames.
    pub fn plannable(self) -> Vec<Plannable<'s>> {
        Plannable::of_members(self)
    }
}

/// A layer of a previous image need not stay as it is; one of a base must.
fn expect_previous(
    segment: &Segment,
    reference: &str,
    index: usize,
    reason: &dyn std::fmt::Display,
) -> Result<(), Error> {
    match segment.is_base {
        true => Err(Error::Base { reference: reference.to_owned(), reason: format!("layer {index}: {reason}") }),
        false => Ok(()),
    }
}
