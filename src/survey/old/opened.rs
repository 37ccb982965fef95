//! Old images as their manifests and indexes say.

use std::collections::BTreeMap;

use crate::compression::Compression;
use crate::degraded::Notes;
use crate::digest::DiffId;
use crate::error::Error;
use crate::inventory::Known;
use crate::oci::Descriptor;
use crate::order::layers::Segment;
use crate::order::{BrokenEntry, Entry, broken_above, broken_alone};
use crate::origin::Origin;
use crate::progress::{Progress, SizeLimit};
use crate::threads;

use super::faults::{Fault, Flaw};
use super::frames::OldFrames;
use super::handed::handed_on;
use super::proven::Proven;
use super::trust::Standing;
use super::{Ask, Facts};

/// A layer that can be used again as it is.
pub struct OldLayer<'s> {
    pub reference: String,
    /// In its image, from the bottom.
    pub index: usize,
    /// What is handed on of it.
    pub descriptor: Descriptor,
    /// What its descriptor said beside that.
    pub left_out: Vec<String>,
    /// Of a layer that was read whole, what its bytes say.
    pub compression: Compression,
    pub diff_id: DiffId,
    pub place: Origin<'s>,
    pub gzip: Twin<'s>,
    pub(super) standing: Standing,
    /// Its number among the blobs whose frames can be copied.
    pub(super) blob: Option<u32>,
}

/// A layer's tar as gzip, in the image's twin.
pub enum Twin<'s> {
    /// There is no such image, or nobody asks for it.
    None,
    /// Why it is of no use.
    Lost(String),
    /// Unproven until somebody wants it.
    There(Box<OldLayer<'s>>),
}

/// A layer that this run wrote for one member of a family, for the others. `from` is the member.
pub struct WrittenLayer<'s> {
    pub from: String,
    pub index: usize,
    pub descriptor: Descriptor,
    pub compression: Compression,
    pub diff_id: DiffId,
    pub place: Origin<'s>,
}

impl<'s> WrittenLayer<'s> {
    /// With its tar as gzip, if there is a twin.
    pub(super) fn into_old(self, gzip: Option<Self>) -> OldLayer<'s> {
        let Self { from: reference, index, descriptor, compression, diff_id, place } = self;
        let (descriptor, left_out) = handed_on(&descriptor);
        let gzip = gzip.map_or(Twin::None, |gzip| Twin::There(Box::new(gzip.into_old(None))));
        // It was decoded as it was written.
        let standing = Standing::Known;
        OldLayer { reference, index, descriptor, left_out, compression, diff_id, place, gzip, standing, blob: None }
    }
}

impl OldLayer<'_> {
    /// Of a layer that was asked: false if only the user says so.
    pub fn is_proven(&self) -> bool {
        self.standing != Standing::Told
    }
}

/// A layer, and the planner's view of it.
pub(super) struct OpenedLayer<'s> {
    pub layer: OldLayer<'s>,
    pub segment: Segment,
}

/// Everything that the new image can be laid out against, unproven.
pub struct Opened<'s> {
    /// Base layers first, then those of each member's newest previous image, then shared ones.
    pub(super) layers: Vec<OpenedLayer<'s>>,
    pub(super) frames: OldFrames<'s>,
    /// Of each member.
    pub(super) members: Vec<Facts>,
    /// What they may unpack to, all together.
    pub(super) size: SizeLimit,
}

/// What is wrong with layers, by their numbers.
pub struct Verdicts(BTreeMap<usize, Fault>);

impl<'s> Opened<'s> {
    /// Of no image. `size` bounds what all layers together unpack to.
    pub(super) fn new(size: SizeLimit) -> Self {
        Self { layers: Vec::new(), frames: OldFrames::default(), members: Vec::new(), size }
    }

    /// Content whose frames can be copied when they are proven.
    pub fn known(&self) -> &Known {
        &self.frames.known
    }

    /// False where everything in the new image is new.
    pub fn is_update(&self) -> bool {
        !self.frames.blobs.is_empty()
    }

    /// Asks every layer, several at once. Whoever reads beside it says that the job was interrupted.
    pub fn ask(&self, ask: Ask<'_>, progress: &Progress) -> Result<Verdicts, Error> {
        let faults = threads::each(ask.resources.threads, self.layers.len(), |number| {
            if progress.check().is_err() {
                return Ok(None);
            }
            Ok::<_, Error>(self.fault(number, ask, progress)?.map(|fault| (number, fault)))
        })?;
        Ok(Verdicts(faults.into_iter().flatten().collect()))
    }

    fn fault(&self, number: usize, ask: Ask<'_>, progress: &Progress) -> Result<Option<Fault>, Error> {
        let OpenedLayer { layer, .. } = &self.layers[number];
        // A layer without a TOC was read whole to know its entries.
        let lie = match layer.blob {
            Some(_) => layer.lies(&ask.resources.cache, &self.size, progress)?,
            None => None,
        };
        Ok(match lie {
            Some(lie) => Some(Fault::Lies(Flaw::of(lie, &layer.place, layer.descriptor.digest, progress))),
            None => self.broken(number).map(Fault::Broken),
        })
    }

    /// The first entry of a layer that clients can't extract. A base's layer stands on those that it stands on now.
    fn broken(&self, number: usize) -> Option<BrokenEntry> {
        let segment = &self.layers[number].segment;
        if !segment.is_base {
            return broken_alone(&segment.entries);
        }
        let below = self.layers[..number].iter().map(|below| below.segment.entries.as_slice());
        broken_above(&segment.entries, &below.collect::<Vec<&[Entry]>>())
    }

    /// Without the layers whose content is not what their digests promise. Those that clients can't extract are to be
    /// written anew. True where a layer went: what was taken for its content has to be read again.
    pub fn proven(self, verdicts: Verdicts, notes: &mut Notes) -> Result<(Proven<'s>, bool), Error> {
        Proven::new(self, verdicts.0, notes)
    }
}
