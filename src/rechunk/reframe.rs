//! New content gets the frames that it is published with: harder compressed when there is little of it, and in chunks
//! where they pay. What of it is new is known only when the plan is made.

use std::collections::BTreeMap;

use crate::codec::Level;
use crate::error::Error;
use crate::inventory::{Body, Frames, Payload, Stored};
use crate::limits;
use crate::order::chunking::{self, Candidate, Cutting};
use crate::order::layers::{Change, Label};
use crate::order::{Place, Plan, Role, Written};
use crate::pack::{PackError, Reframer, Slice, Stock};
use crate::progress::{Phase, Progress};
use crate::threads;
use crate::unpack::UnpackedLayer;

use super::image::{Job, Layout};

/// A file of new content.
struct File {
    place: Place,
    layer: usize,
    /// Where it would be cut; empty if it is no candidate.
    slices: Vec<Slice>,
    cutting: Cutting,
}

impl Job<'_, '_> {
    /// Returns the level that new content has now.
    pub(super) fn reframe(&self, unpacked: &mut [UnpackedLayer], layout: &mut Layout) -> Result<Level, Error> {
        let Layout { plan, labels, .. } = layout;
        let mut files = new_files(unpacked, plan);
        let size = |file: &File| payload(unpacked, file.place).map_or(0, |payload| payload.size);
        let (new, all) =
            (files.iter().map(size).sum(), unpacked.iter().map(|layer| layer.inventory.content_bytes).sum());
        let level = self.request.effort.level(self.is_update(), new, all);
        self.slice(&mut files, unpacked, labels, level)?;
        self.decide(&mut files, labels);
        self.compress(&files, unpacked, level)?;
        plan.defer(|place| {
            files.binary_search_by_key(&place, |file| file.place).is_ok_and(|at| files[at].cutting == Cutting::Partial)
        });
        Ok(level)
    }

    /// Cuts the files for which chunks may pay.
    fn slice(
        &self,
        files: &mut [File],
        unpacked: &[UnpackedLayer],
        labels: &[Vec<Label>],
        level: Level,
    ) -> Result<(), Error> {
        let is_candidate = |file: &File| {
            let is_large = payload(unpacked, file.place).is_some_and(|payload| payload.size >= chunking::LEAST);
            is_large && (is_hot(labels, file.place) || !self.old.facts.chunks.is_empty())
        };
        let mut left = limits::CHUNKED_BYTES;
        let mut fits = |file: &File| {
            let size = payload(unpacked, file.place).map_or(0, |payload| payload.size);
            left = left.saturating_sub(size);
            left > 0
        };
        let candidates = (0..files.len()).filter(|&n| is_candidate(&files[n]) && fits(&files[n]));
        let candidates: Vec<usize> = candidates.collect();
        let slices = self.each(&candidates, level, |reframer, &n| match payload(unpacked, files[n].place) {
            Some(payload) => reframer.slices(payload),
            None => Ok(Vec::new()),
        })?;
        candidates.into_iter().zip(slices).for_each(|(n, slices)| files[n].slices = slices);
        Ok(())
    }

    fn decide(&self, files: &mut [File], labels: &[Vec<Label>]) {
        let mut layers: BTreeMap<usize, Vec<&mut File>> = BTreeMap::new();
        for file in files.iter_mut().filter(|file| file.slices.len() > 1) {
            layers.entry(file.layer).or_default().push(file);
        }
        for mut files in layers.into_values() {
            let candidate = |file: &&mut File| Candidate {
                chunks: file.slices.iter().map(|slice| (slice.digest, slice.size)).collect(),
                is_hot: is_hot(labels, file.place),
            };
            let candidates: Vec<Candidate> = files.iter().map(candidate).collect();
            let cutting = chunking::decide(&candidates, &self.old.facts.chunks, self.request.max_ranges);
            files.iter_mut().zip(cutting).for_each(|(file, cutting)| file.cutting = cutting);
        }
    }

    fn compress(&self, files: &[File], unpacked: &mut [UnpackedLayer], level: Level) -> Result<(), Error> {
        let is_done = |file: &&File| file.cutting == Cutting::Whole && level == self.first_level();
        let files: Vec<&File> = files.iter().filter(|file| !is_done(file)).collect();
        let bytes = |file: &&File| payload(unpacked, file.place).map_or(0, |payload| payload.size);
        self.progress.begin(Phase::Compressing, Some(files.iter().map(bytes).sum()));
        let frames = self.each(&files, level, |reframer, file| {
            let payload = payload(unpacked, file.place).ok_or(PackError::Internal("a file lost its content"))?;
            self.progress.advance(payload.size);
            match file.cutting {
                Cutting::Whole => reframer.frames(payload, &[]),
                Cutting::Chunks | Cutting::Partial => reframer.frames(payload, &file.slices),
            }
        })?;
        for (file, frames) in files.into_iter().zip(frames) {
            if let Some(payload) = &mut body(unpacked, file.place).payload {
                payload.frames = frames;
            }
        }
        Ok(())
    }

    fn each<T: Sync, R: Send>(
        &self,
        files: &[T],
        level: Level,
        work: impl Fn(&mut Reframer<'_>, &T) -> Result<R, PackError> + Sync,
    ) -> Result<Vec<R>, Error> {
        let stock = Stock { spool: self.spool, blobs: self.old.blobs() };
        each(stock, self.request.resources.threads, self.progress, files, level, work)
    }
}

/// Does something with each file, several at once; results in the files' order.
pub(super) fn each<T: Sync, R: Send>(
    stock: Stock<'_>,
    threads: usize,
    progress: &Progress,
    files: &[T],
    level: Level,
    work: impl Fn(&mut Reframer<'_>, &T) -> Result<R, PackError> + Sync,
) -> Result<Vec<R>, Error> {
    let begin = || Ok::<_, PackError>(Reframer::new(stock, level, progress)?);
    let results = threads::each_with(threads, files.len(), begin, |reframer, n| {
        progress.check()?;
        work(reframer, &files[n])
    });
    results.map_err(Error::reframe)
}

/// Content that is written and that no previous blob has in frames, by place.
fn new_files(unpacked: &[UnpackedLayer], plan: &Plan) -> Vec<File> {
    let mut files = Vec::new();
    for (layer, entries) in plan.layers.iter().map(|layer| &layer.entries).enumerate() {
        for place in entries.iter().filter_map(content) {
            let in_spool = |stored: &Stored| !matches!(stored, Stored::Blob(..));
            let is_new =
                |payload: &&Payload| !matches!(payload.frames, Frames::None) && payload.frames.stored().all(in_spool);
            if payload(unpacked, place).filter(is_new).is_some() {
                files.push(File { place, layer, slices: Vec::new(), cutting: Cutting::Whole });
            }
        }
    }
    files.sort_by_key(|file| file.place);
    files
}

/// Whose content an entry is written with.
pub(super) fn content(written: &Written) -> Option<Place> {
    match written {
        Written::Entry { at, role: Role::Itself, .. } => Some(*at),
        Written::Entry { role: Role::Heir(inode), .. } => Some(*inode),
        Written::Entry { role: Role::LinkTo(_), .. } | Written::Implied { .. } | Written::Whiteout(_) => None,
    }
}

pub(super) fn payload(unpacked: &[UnpackedLayer], place: Place) -> Option<&Payload> {
    unpacked[place.0 as usize].inventory.bodies[place.1 as usize].payload.as_ref()
}

fn body(unpacked: &mut [UnpackedLayer], place: Place) -> &mut Body {
    &mut unpacked[place.0 as usize].inventory.bodies[place.1 as usize]
}

fn is_hot(labels: &[Vec<Label>], place: Place) -> bool {
    labels[place.0 as usize][place.1 as usize].change == Change::Always
}
