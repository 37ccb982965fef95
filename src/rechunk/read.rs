//! Reads the new image while the old ones are proven. What was taken from an old layer that turns out to lie is read again.

use crate::codec::Level;
use crate::degraded::Notes;
use crate::error::Error;
use crate::inventory::{Frames, Known, Payload};
use crate::origin::fetch;
use crate::pack::Stock;
use crate::progress::{Phase, Progress};
use crate::source::{Image, Layer, Source, SourceError, stored_bytes};
use crate::spool::Spool;
use crate::survey::old::{Ask, Opened, Plannable, Proven};
use crate::threads;
use crate::unpack::{self, LayerInput, Seen, UnpackError, UnpackedLayer, settle_across, unpack};

use super::Request;
use super::layers::old_runs;
use super::reframe::each;

/// A layer of a new image.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub source: &'a Source<'a>,
    pub image: &'a Image,
    pub index: usize,
}

impl<'a> Part<'a> {
    /// All layers of an image.
    pub fn all(source: &'a Source<'a>, image: &'a Image) -> impl Iterator<Item = Self> {
        (0..image.layers.len()).map(move |index| Self { source, image, index })
    }

    fn layer(&self) -> &'a Layer {
        &self.image.layers[self.index]
    }
}

/// New images, before anything is decided.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub request: &'a Request,
    /// What is read, and the layers of each image by their numbers in it.
    pub parts: &'a [Part<'a>],
    pub images: &'a [Vec<usize>],
    pub spool: &'a Spool,
    pub progress: &'a Progress,
}

impl Reader<'_> {
    /// The layers, and what of the old images each new image can be laid out against.
    pub fn read<'s>(
        &self,
        opened: Opened<'s>,
        ask: Ask<'_>,
        notes: &mut Notes,
    ) -> Result<(Vec<UnpackedLayer>, Vec<Plannable<'s>>), Error> {
        self.progress.begin(Phase::Reading, stored_bytes(self.parts.iter().map(Part::layer)));
        let level = self.request.effort.first(opened.is_update());
        let asked = || opened.ask(ask, self.progress);
        let (verdicts, unpacked) = threads::beside(asked, || self.unpack(opened.known(), level))?;
        let (mut unpacked, verdicts) = (unpacked?, verdicts?);
        let (mut proven, has_lost) = opened.proven(verdicts, notes)?;
        if has_lost {
            unpacked = self.unpack_again(unpacked, proven.known(), level)?;
        }
        let lies = self.lies(&unpacked, &proven)?;
        if !lies.is_empty() {
            proven = proven.without(&lies, notes);
            unpacked = self.unpack_again(unpacked, proven.known(), level)?;
        }
        Ok((unpacked, proven.plannable()))
    }

    /// Payloads whose frames lie in older images' blobs and are not what those say. They are few: of what is shared, the
    /// newest image's frames are taken.
    fn lies(&self, unpacked: &[UnpackedLayer], proven: &Proven<'_>) -> Result<Vec<Frames>, Error> {
        let payloads =
            unpacked.iter().flat_map(|layer| &layer.inventory.bodies).filter_map(|body| body.payload.as_ref());
        let unproven: Vec<&Payload> = payloads.filter(|payload| proven.is_unproven(&payload.frames)).collect();
        let runs = unproven.iter().flat_map(|payload| old_runs(&payload.frames));
        fetch(proven.blobs(), runs, self.spool, self.progress)?;
        let stock = Stock { spool: self.spool, blobs: proven.blobs() };
        let threads = self.request.resources.threads;
        let sound = each(stock, threads, self.progress, &unproven, Level::DEFAULT, |reframer, payload| {
            Ok(reframer.is_sound(payload))
        })?;
        let lies = unproven.into_iter().zip(sound).filter(|(_, is_sound)| !is_sound);
        Ok(lies.map(|(payload, _)| payload.frames.clone()).collect())
    }

    /// Content that is not known is compressed at this level.
    fn unpack(&self, known: &Known, level: Level) -> Result<Vec<UnpackedLayer>, Error> {
        let all: Vec<usize> = (0..self.parts.len()).collect();
        let are_several = self.parts.iter().any(|part| !std::ptr::eq(part.image, self.parts[0].image));
        let seen = are_several.then(Seen::default);
        let how = unpack::Options {
            level: Some(level),
            known,
            expect_known: true,
            seen: seen.as_ref(),
            threads: self.request.resources.threads,
            drop_xattrs: &self.request.drop_xattrs,
            size: &self.progress.size_limit(),
        };
        let mut unpacked = self.unpack_layers(&all, how)?;
        if let Some(seen) = &seen {
            seen.fill(&mut unpacked);
        }
        // A large file that has the size of known content is hashed only; few turn out to be something else.
        let lacks = |layer: &UnpackedLayer| layer.inventory.without_frames().next().is_some();
        let again: Vec<usize> = all.into_iter().filter(|&index| lacks(&unpacked[index])).collect();
        let how = unpack::Options { expect_known: false, ..how };
        for (index, layer) in again.iter().zip(self.unpack_layers(&again, how)?) {
            self.progress.give_back(unpacked[*index].inventory.held);
            unpacked[*index] = layer;
        }
        for image in self.images {
            settle_across(&mut unpacked, image, self.spool, self.progress)
                .map_err(|(index, error)| self.layer_error(index, error))?;
        }
        Ok(unpacked)
    }

    /// Not with both in memory.
    fn unpack_again(
        &self,
        before: Vec<UnpackedLayer>,
        known: &Known,
        level: Level,
    ) -> Result<Vec<UnpackedLayer>, Error> {
        before.iter().for_each(|layer| self.progress.give_back(layer.inventory.held));
        drop(before);
        self.progress.begin(Phase::Reading, stored_bytes(self.parts.iter().map(Part::layer)));
        self.unpack(known, level)
    }

    fn unpack_layers(&self, indexes: &[usize], how: unpack::Options<'_>) -> Result<Vec<UnpackedLayer>, Error> {
        let input = |&index: &usize| {
            let (source, layer) = (self.parts[index].source, self.parts[index].layer());
            LayerInput {
                open: Box::new(move || source.open_layer(layer).map_err(SourceError::into_io)),
                verified: layer.descriptor.as_ref().map(|descriptor| descriptor.digest),
                diff_id: layer.diff_id,
            }
        };
        let inputs = indexes.iter().map(input).collect();
        unpack(inputs, self.spool, how, self.progress).map_err(|(at, source)| self.layer_error(indexes[at], source))
    }

    fn layer_error(&self, index: usize, source: UnpackError) -> Error {
        let Part { source: from, image, index } = self.parts[index];
        Error::unpack(from.reference().to_string(), layer_name(image, index), source)
    }
}

/// A layer's digest, or its number in an image whose layers have none.
pub(super) fn layer_name(image: &Image, index: usize) -> String {
    match image.layers.get(index).and_then(|layer| layer.descriptor.as_ref()) {
        Some(descriptor) => descriptor.digest.to_string(),
        None => index.to_string(),
    }
}
