//! Reads the new image while the old ones are proven. What was taken from an old layer that turns out to lie is read again.

use std::collections::HashMap;

use crate::codec::Level;
use crate::degraded::Notes;
use crate::digest::DiffId;
use crate::error::Error;
use crate::inventory::{Frames, Known, Payload};
use crate::origin::fetch;
use crate::pack::Stock;
use crate::progress::{Phase, Progress};
use crate::source::{Image, Layer, Source, SourceError, stored_bytes};
use crate::spool::Spool;
use crate::survey::old::{Ask, Opened, Plannable, Proven};
use crate::threads;
use crate::unpack::{self, LayerInput, Seen, Shelf, Shelved, UnpackError, UnpackedLayer, settle_across, unpack_each};

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

/// The layers of these images, each tar once, and those of each image by their numbers.
pub(super) fn parts<'a>(
    images: impl IntoIterator<Item = (&'a Source<'a>, &'a Image)>,
) -> (Vec<Part<'a>>, Vec<Vec<usize>>) {
    let (mut parts, mut all) = (Vec::new(), Vec::new());
    let mut seen: HashMap<DiffId, usize> = HashMap::new();
    for (source, image) in images {
        let mut numbers = Vec::with_capacity(image.layers.len());
        for part in Part::all(source, image) {
            let diff_id = part.layer().diff_id;
            // A layer that stands twice in an image is read twice.
            let known = diff_id.and_then(|diff_id| seen.get(&diff_id).copied());
            let number = known.filter(|number| !numbers.contains(number)).unwrap_or(parts.len());
            if number == parts.len() {
                parts.push(part);
            }
            diff_id.into_iter().for_each(|diff_id| _ = seen.entry(diff_id).or_insert(number));
            numbers.push(number);
        }
        all.push(numbers);
    }
    (parts, all)
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
        let (shelf, old) = self.shelve(opened, ask, notes)?;
        Ok((shelf.into_layers(), old))
    }

    /// The same for several images, whose layers wait for their turn.
    pub fn shelve<'s>(
        &self,
        opened: Opened<'s>,
        ask: Ask<'_>,
        notes: &mut Notes,
    ) -> Result<(Shelf, Vec<Plannable<'s>>), Error> {
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
    fn lies(&self, unpacked: &Shelf, proven: &Proven<'_>) -> Result<Vec<Frames>, Error> {
        let unproven: Vec<Payload> = unpacked.payloads(|frames| proven.is_unproven(frames));
        let runs = unproven.iter().flat_map(|payload| old_runs(&payload.frames));
        fetch(proven.blobs(), runs, self.spool, self.progress)?;
        let stock = Stock { spool: self.spool, blobs: proven.blobs() };
        let threads = self.request.resources.threads;
        let sound = each(stock, threads, self.progress, &unproven, Level::DEFAULT, |reframer, payload| {
            Ok(reframer.is_sound(payload))
        })?;
        let lies = unproven.into_iter().zip(sound).filter(|(_, is_sound)| !is_sound);
        Ok(lies.map(|(payload, _)| payload.frames).collect())
    }

    /// Content that is not known is compressed at this level.
    fn unpack(&self, known: &Known, level: Level) -> Result<Shelf, Error> {
        let all: Vec<usize> = (0..self.parts.len()).collect();
        let are_several = self.parts.iter().any(|part| !std::ptr::eq(part.image, self.parts[0].image));
        let seen = are_several.then(Seen::default);
        let size = self.progress.size_limit();
        let (threads, drop_xattrs) = (self.request.resources.threads, &self.request.drop_xattrs);
        let level = Some(level);
        let how = unpack::Options { level, known, expect_known: true, seen: None, threads, drop_xattrs, size: &size };
        let layers = self.unpack_layers(&all, unpack::Options { seen: seen.as_ref(), ..how })?;
        let mut shelf = Shelf::new(seen, layers);
        // A large file that has the size of known content is hashed only; few turn out to be something else.
        let again = shelf.without_frames();
        let read = self.unpack_layers(&again, unpack::Options { expect_known: false, seen: shelf.seen(), ..how })?;
        for (index, layer) in again.into_iter().zip(read) {
            shelf.replace(index, layer, self.progress);
        }
        for image in self.images {
            let own: Vec<usize> = (0..image.len()).collect();
            let failed = |index, error| self.layer_error(index, error);
            shelf.with(image, self.progress, &failed, |layers| {
                let settled = settle_across(layers, &own, self.spool, self.progress);
                Ok(((), settled.map_err(|(at, error)| failed(image[at], error))?))
            })?;
        }
        Ok(shelf)
    }

    /// Not with both in memory.
    fn unpack_again(&self, before: Shelf, known: &Known, level: Level) -> Result<Shelf, Error> {
        before.give_all_back(self.progress);
        drop(before);
        self.progress.begin(Phase::Reading, stored_bytes(self.parts.iter().map(Part::layer)));
        self.unpack(known, level)
    }

    fn unpack_layers(&self, indexes: &[usize], how: unpack::Options<'_>) -> Result<Vec<Shelved>, Error> {
        let input = |&index: &usize| {
            let (source, layer) = (self.parts[index].source, self.parts[index].layer());
            LayerInput {
                open: Box::new(move || source.open_layer(layer).map_err(SourceError::into_io)),
                verified: layer.descriptor.as_ref().map(|descriptor| descriptor.digest),
                diff_id: layer.diff_id,
            }
        };
        let inputs = indexes.iter().map(input).collect();
        let shelved = |layer| match how.seen.filter(|_| self.images.len() > 1) {
            Some(seen) => Shelved::packed(layer, seen, self.progress),
            None => Ok(Shelved::Open(Box::new(layer))),
        };
        let read = unpack_each(inputs, self.spool, how, self.progress, shelved);
        read.map_err(|(at, source)| self.layer_error(indexes[at], source))
    }

    pub fn layer_error(&self, index: usize, source: UnpackError) -> Error {
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
