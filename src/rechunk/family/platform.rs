//! The members of one platform. They are read together, agree on what they have in common, and are planned one after the
//! other: what one of them writes for others is offered to those.

use std::sync::Arc;

use crate::degraded::Notes;
use crate::error::Error;
use crate::oci::Platform;
use crate::order::Entry;
use crate::order::layers::family::{Sets, Standings, Surveyed, Usages, offered};
use crate::order::layers::{Agreed, Given, PlanError, Segment, Standing};
use crate::progress::{Phase, Progress};
use crate::rechunk::image::{Job, Layout, Prepared};
use crate::rechunk::inputs::expect_strict;
use crate::rechunk::read::Reader;
use crate::rechunk::sizes::check_sizes;
use crate::rechunk::twin::GzipSizes;
use crate::rechunk::unmatched::Unmatched;
use crate::rechunk::{PlannedImage, ostree};
use crate::spool::Spool;
use crate::survey::old::{Plannable, ProvenLayer};
use crate::unpack::{Shelf, UnpackedLayer, is_settled_across};

use super::Told;
use super::dests::member;
use super::inputs::{Chosen, FamilyInputs};

/// A layer that a member wrote for others, or would.
pub(super) struct Offer<'s> {
    pub segment: Segment,
    /// `None` if it is only planned.
    pub layer: Option<Arc<ProvenLayer<'s>>>,
}

/// A member whose turn it is.
pub(super) struct Turn<'t, 's> {
    pub member: usize,
    pub job: &'t Job<'t, 's>,
    pub layout: Layout,
    /// The layers of the plan that others are offered.
    pub offered: Vec<(usize, Segment)>,
}

/// Does something with each member, and gives its offers.
pub(super) type Finish<'f, 's, T> =
    &'f mut dyn FnMut(Turn<'_, 's>, &mut [UnpackedLayer], &mut Notes) -> Result<(T, Vec<Offer<'s>>), Error>;

impl FamilyInputs<'_> {
    /// What would be written, for each member.
    pub fn plan(&self, progress: &Progress, notes: &mut Told) -> Result<Vec<Vec<PlannedImage>>, Error> {
        let mut planned: Vec<Vec<PlannedImage>> = self.requests.iter().map(|_| Vec::new()).collect();
        for (platform, chosen) in self.by_platform() {
            let images = self.each(platform, &chosen, progress, notes, &mut |turn, unpacked, _| {
                let image = turn.job.planned(&turn.layout, &all(unpacked));
                let offers = turn.offered.into_iter().map(|(_, segment)| Offer { segment, layer: None });
                Ok((image, offers.collect()))
            })?;
            chosen.iter().zip(images).for_each(|(chosen, image)| planned[chosen.member].push(image));
        }
        Ok(planned)
    }

    /// Reads and plans all members that have this platform; `finish` does the rest of the work on each.
    pub fn each<'s, T>(
        &'s self,
        platform: Option<&Platform>,
        chosen: &[Chosen<'s>],
        progress: &Progress,
        notes: &mut Told,
        finish: Finish<'_, 's, T>,
    ) -> Result<Vec<T>, Error> {
        progress.give_all_back();
        let request = &self.requests[0];
        for &Chosen { member: number, image } in chosen {
            let checked = ostree::check_config(&self.requests[number], image);
            checked
                .and_then(|()| check_sizes(&self.requests[number], image))
                .map_err(|e| member(&self.requests[number], e))?;
        }
        let spool = Spool::new(&request.resources.spool_dir)?;
        let opened = self.old.load(platform, progress, &mut notes.common)?;
        let (parts, images) = self.parts(chosen);
        let reader = Reader { request, parts: &parts, images: &images, spool: &spool, progress };
        let (shelf, old) = reader.shelve(opened, self.ask, &mut notes.common)?;
        let mut old: Vec<Option<Plannable<'s>>> = old.into_iter().map(Some).collect();
        let mut jobs = Vec::with_capacity(chosen.len());
        for &Chosen { member, image } in chosen {
            let old = old[member].take().ok_or(Error::Internal("a member with two images for one platform"))?;
            let (request, source, gzip_sizes) =
                (&self.requests[member], &self.sources[member], GzipSizes::new(progress));
            jobs.push(Job { request, source, image, old, spool: &spool, progress, gzip_sizes });
        }
        progress.begin(Phase::Planning, None);
        let mut party = Party { inputs: self, chosen, reader, jobs, prepared: Vec::new(), shelf };
        let (standings, sets) = party.agree(notes)?;
        party.finish(&standings, &sets, notes, finish)
    }

    /// Hard links to lower layers say what a file there is. For another member, which has it without the link, it is
    /// something else.
    fn expect_settled(
        &self,
        chosen: &[Chosen<'_>],
        images: &[Vec<usize>],
        at: usize,
        unpacked: &[UnpackedLayer],
    ) -> Result<(), Error> {
        let is_common = |number: &usize| images.iter().enumerate().any(|(n, it)| n != at && it.contains(number));
        let own: Vec<usize> = (0..unpacked.len()).collect();
        if images[at].iter().any(is_common) && is_settled_across(unpacked, &own) {
            return Err(Error::LinkedAcross { new: self.requests[chosen[at].member].new.to_string() });
        }
        Ok(())
    }
}

fn all(unpacked: &[UnpackedLayer]) -> Vec<&UnpackedLayer> {
    unpacked.iter().collect()
}

/// The members of a platform while they are planned.
struct Party<'a, 's> {
    inputs: &'a FamilyInputs<'s>,
    chosen: &'a [Chosen<'s>],
    reader: Reader<'a>,
    jobs: Vec<Job<'a, 's>>,
    prepared: Vec<Prepared<'a>>,
    /// The layers of all.
    shelf: Shelf,
}

impl<'a, 's> Party<'a, 's> {
    /// A member, as long as it is in memory.
    fn with_member<T>(
        &mut self,
        at: usize,
        work: impl FnOnce(&Job<'a, 's>, &mut Vec<UnpackedLayer>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Self { reader, shelf, jobs, .. } = self;
        let failed = |number, error| reader.layer_error(number, error);
        let job = &jobs[at];
        shelf.with(&reader.images[at], reader.progress, &failed, |unpacked| Ok((work(job, unpacked)?, false)))
    }

    /// What all members decide together.
    fn agree(&mut self, notes: &mut Told) -> Result<(Standings, Sets), Error> {
        let options = self.inputs.requests[0].layers.clone();
        let (mut usages, mut unmatched) = (Usages::default(), Unmatched::default());
        for (at, &Chosen { member: number, .. }) in self.chosen.iter().enumerate() {
            let (inputs, chosen, images) = (self.inputs, self.chosen, self.reader.images);
            let notes = &mut notes.members[number];
            let unmatched = &mut unmatched;
            let prepared = self.with_member(at, |job, unpacked| {
                inputs.expect_settled(chosen, images, at, unpacked)?;
                let own = all(unpacked);
                let prepared = job.prepared(&own, notes).map_err(|error| member(job.request, error))?;
                unmatched.add(job.unmatched(&own));
                with_given(job, at, &own, &prepared, &[], |given| usages.add(given))?;
                Ok(prepared)
            })?;
            self.prepared.push(prepared);
        }
        // What one member has was not mistyped.
        unmatched.note(&mut notes.common);
        expect_strict(&self.inputs.requests[0], &notes.common)?;
        let standings = usages.settle(&options);
        let mut surveyed = Surveyed::default();
        let prepared = std::mem::take(&mut self.prepared);
        for (at, prepared) in prepared.iter().enumerate() {
            self.with_member(at, |job, unpacked| {
                let standing = standing(at, &standings, job.old.segments());
                with_given(job, at, &all(unpacked), prepared, &standing, |given| surveyed.add(given))
            })?;
        }
        self.prepared = prepared;
        Ok((standings, surveyed.sets(options.max_layers)))
    }

    fn finish<T>(
        mut self,
        standings: &Standings,
        sets: &Sets,
        notes: &mut Told,
        finish: Finish<'_, 's, T>,
    ) -> Result<Vec<T>, Error> {
        let before: Vec<usize> = self.jobs.iter().map(|job| job.old.segments().len()).collect();
        let mut finished = Vec::with_capacity(self.jobs.len());
        for (at, prepared) in std::mem::take(&mut self.prepared).into_iter().enumerate() {
            let number = self.chosen[at].member;
            let notes = &mut notes.members[number];
            let (value, offers) = self.with_member(at, |job, unpacked| {
                let (old, offers) = job.old.segments().split_at(before[at]);
                let mut standing = standing(at, standings, old);
                // What another one wrote for this member as well stays as it is.
                standing.extend(offers.iter().map(|_| Standing::Stays));
                let agreed = Agreed { member: at, standing: &standing, sets: Some(sets) };
                let failed = |error| member(job.request, error);
                let layout = job.planned_layout(&all(unpacked), prepared, agreed, notes).map_err(failed)?;
                job.check_planned_sizes(&layout.plan).map_err(failed)?;
                let entries: Vec<&[Entry]> = unpacked.iter().map(|layer| layer.inventory.entries.as_slice()).collect();
                let offered = offered(&layout.plan, &entries, job.old.segments());
                let turn = Turn { member: number, job, layout, offered };
                finish(turn, unpacked, notes).map_err(failed)
            })?;
            finished.push(value);
            let (images, progress) = (self.reader.images, self.reader.progress);
            let is_last = |number: &&usize| !images[at + 1..].iter().any(|image| image.contains(number));
            images[at].iter().filter(is_last).for_each(|&number| self.shelf.forget(number, progress));
            for Offer { segment, layer } in offers {
                self.jobs[at + 1..].iter_mut().for_each(|job| job.old.offer(segment.clone(), layer.clone()));
            }
        }
        Ok(finished)
    }
}

/// A member's own decision, before all agree.
fn with_given(
    job: &Job<'_, '_>,
    at: usize,
    own: &[&UnpackedLayer],
    prepared: &Prepared<'_>,
    standing: &[Standing],
    work: impl FnOnce(Given<'_>) -> Result<(), PlanError>,
) -> Result<(), Error> {
    let agreed = Agreed { member: at, standing, sets: None };
    job.with_given(own, prepared, agreed, work).map_err(|error| member(job.request, error))
}

/// What a member agreed on its old layers.
fn standing(at: usize, standings: &Standings, segments: &[Segment]) -> Vec<Standing> {
    segments.iter().map(|segment| standings.of(at, segment.pull.digest)).collect()
}
