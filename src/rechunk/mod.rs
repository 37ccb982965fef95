//! The main job: source -> unpack -> plan -> pack -> sink.

mod costly;
mod dest;
mod effort;
mod entries;
mod hint;
mod image;
mod labels;
mod layers;
mod ostree;
mod outcome;
#[cfg(test)]
mod panic_tests;
mod planned;
mod read;
mod readings;
mod reframe;
mod sizes;
mod unmatched;

use crate::cache::{Cache, Claim, Proof};
use crate::degraded::{Code, Notes};
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::inventory::XattrGlob;
use crate::job::JobOptions;
use crate::oci::{Config, Platform, Reference, Transport};
use crate::order;
use crate::pack::IndexPlace;
use crate::progress::{Phase, Progress};
use crate::sink::Sink;
use crate::source::{Image, Source, absolute};
use crate::spool::Spool;
use crate::survey::old::{Ask, OldImages};
use crate::tar::Time;
use crate::unpack::UnpackedLayer;
use crate::watch::{Stamp, Trace};

pub use effort::Effort;
pub use hint::{Costs, Hint};
pub use outcome::{ImageOutcome, LayerOutcome, OldBlob, Outcome, Planned, PlannedImage, PlannedLayer};

use dest::{forgotten, replaced};
use image::{Job, Layout};
use layers::Written;
use read::Reader;
use sizes::check_sizes;
use unmatched::Unmatched;

#[derive(Debug, Clone)]
pub struct Request {
    pub new: Reference,
    pub dest: Reference,
    /// What clients have, newest first. The first one decides the order; the cost is told for each.
    pub previous: Vec<Reference>,
    /// `None`: every platform.
    pub platform: Option<Platform>,
    pub effort: Effort,
    /// Ranges of a layer that a client with chunks may have to ask for.
    pub max_ranges: usize,
    pub index: IndexPlace,
    pub layers: order::layers::Options,
    /// Its layers stay at the bottom, byte for byte.
    pub base: Option<Reference>,
    /// Previous layers without a TOC are reused, too.
    pub keep_foreign: bool,
    /// Xattrs that are left out of the image.
    pub drop_xattrs: Vec<XattrGlob>,
    pub cache: Cache,
    /// Labels of the config to set, or to remove where there is no value; one after the other.
    pub labels: Vec<(String, Option<String>)>,
    /// The config of a root file system. Every other image has its own.
    pub config: Option<Config>,
    /// Annotations of the manifest to set.
    pub annotations: Vec<(String, String)>,
    /// No time in the config is later than this.
    pub epoch: Option<Time>,
    /// Fail before anything is visible at the destination when the image would be degraded.
    pub strict: bool,
    pub resources: JobOptions,
}

impl Request {
    fn ask(&self) -> Ask<'_> {
        Ask {
            previous: &self.previous,
            base: self.base.as_ref(),
            max_layers: self.layers.max_layers,
            keep_foreign: self.keep_foreign,
            cache: &self.cache,
            resources: &self.resources,
        }
    }

    /// From `new` to `dest`, with everything else as the command line has it by default, but without a cache.
    pub fn new(new: Reference, dest: Reference, resources: JobOptions) -> Self {
        Self {
            new,
            dest,
            previous: Vec::new(),
            platform: None,
            effort: Effort::Auto,
            max_ranges: 16,
            index: IndexPlace::First,
            layers: order::layers::Options::default(),
            base: None,
            keep_foreign: false,
            drop_xattrs: Vec::new(),
            cache: Cache::default(),
            labels: Vec::new(),
            config: None,
            annotations: Vec::new(),
            epoch: None,
            strict: false,
            resources,
        }
    }
}

/// Writes `request.new` to `request.dest`. The destination appears whole or not at all.
pub fn rechunk(request: &Request, progress: &Progress) -> Result<Outcome, Error> {
    let mut notes = Notes::default();
    let inputs = Inputs::open(request, progress, &mut notes)?;
    let sink = Sink::create_with(&request.dest, &request.resources.spool_dir, progress)?;
    let replaced = replaced(&request.dest, progress);
    let mut proofs = Vec::new();
    let written = inputs.each(progress, &mut notes, |job, unpacked, layout, notes| {
        expect_strict(request, notes)?;
        let level = job.reframe(unpacked, layout)?;
        let written = job.write(&sink, unpacked, &layout.plan, level)?;
        layers::note_written(&written, notes);
        expect_strict(request, notes)?;
        proofs.extend(written.iter().filter_map(Written::proof));
        job.publish(&sink, layout, written)
    })?;
    notes.extend(forgotten(request, progress));
    let (images, descriptors): (Vec<_>, Vec<_>) = written.into_iter().unzip();
    progress.check()?;
    let index = inputs.images.first().and_then(|image| image.index.as_deref());
    progress.begin(Phase::Saving, None);
    let digest = sink.commit(descriptors, index, progress)?;
    remember(request, &proofs);
    let (notes, degraded) = notes.into_lists();
    Ok(Outcome { digest, images, replaced, notes, degraded })
}

/// Says what [`rechunk`] would do. It reads and compresses as much, since the plan goes by compressed sizes, and writes
/// to temporary files alone. A plan is never refused: what `strict` would refuse is told in it.
pub fn plan(request: &Request, progress: &Progress) -> Result<Planned, Error> {
    let mut notes = Notes::default();
    let inputs = Inputs::open(request, progress, &mut notes)?;
    Sink::check(&request.dest)?;
    let replaced = replaced(&request.dest, progress);
    let images = inputs.each(progress, &mut notes, |job, unpacked, layout, _| Ok(job.planned(layout, unpacked)))?;
    notes.extend(forgotten(request, progress));
    let (notes, degraded) = notes.into_lists();
    Ok(Planned { images, replaced, notes, degraded })
}

fn expect_strict(request: &Request, notes: &Notes) -> Result<(), Error> {
    match notes.degradations() {
        [_, ..] if request.strict => Err(Error::Strict { degraded: notes.degradations().to_vec() }),
        _ => Ok(()),
    }
}

struct Inputs<'a> {
    request: &'a Request,
    source: Source<'a>,
    images: Vec<Image>,
    old: OldImages<'a>,
}

impl<'a> Inputs<'a> {
    fn open(request: &'a Request, progress: &'a Progress, notes: &mut Notes) -> Result<Self, Error> {
        check_places(request)?;
        let source = request.resources.open(&request.new, progress)?;
        let source = source.with_config(request.config.clone());
        let images = source.images(request.platform.as_ref())?;
        Ok(Self { request, source, images, old: OldImages::open(request.ask(), progress, notes)? })
    }

    /// Reads and plans every image; `finish` does the rest of the work on it.
    fn each<T>(
        &self,
        progress: &Progress,
        notes: &mut Notes,
        mut finish: impl FnMut(&Job<'_>, &mut [UnpackedLayer], &mut Layout, &mut Notes) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let Self { request, source, .. } = self;
        let absent = |note| format!("{note} (--platform takes the one that is meant)");
        source.take_absent().into_iter().for_each(|note| notes.degraded(Code::PlatformAbsent, absent(note)));
        notes.extend(source.take_notes());
        let (mut finished, mut unmatched) = (Vec::new(), Unmatched::default());
        for (number, image) in self.images.iter().enumerate() {
            progress.give_all_back();
            ostree::check_config(request, image)?;
            let spool = Spool::new(&request.resources.spool_dir)?;
            let opened = self.old.load(image.platform.as_ref(), progress, notes)?;
            check_sizes(request, image)?;
            let reader = Reader { request, source, image, spool: &spool, progress };
            let (mut unpacked, old) = reader.read(opened, request.ask(), notes)?;
            let job = Job { request, source, image, old, spool: &spool, progress };
            let mut layout = job.layout(&unpacked, notes)?;
            job.check_planned_sizes(&layout.plan)?;
            unmatched.add(job.unmatched(&unpacked));
            if number + 1 == self.images.len() {
                std::mem::take(&mut unmatched).note(notes);
            }
            // A package database can have hundreds of megabytes.
            unpacked.iter_mut().for_each(|layer| layer.inventory.evidence = Vec::new());
            finished.push(finish(&job, &mut unpacked, &mut layout, notes)?);
        }
        notes.extend(source.take_notes());
        Ok(finished)
    }
}

/// Each layer was decoded when it was written, or before.
fn remember(request: &Request, proofs: &[(BlobDigest, Claim, Trace)]) {
    if request.dest.transport() != Transport::Oci {
        return;
    }
    for &(digest, claim, trace) in proofs {
        let blob = request.dest.path().join("blobs/sha256").join(digest.hex());
        match Stamp::settled(|| std::fs::metadata(&blob)) {
            Ok(Some(stamp)) if trace.leads_to(&stamp) => request.cache.remember(digest, Proof { claim, stamp }),
            // Something else put it there or writes to it: it is proven when it is needed.
            _ => {}
        }
    }
}

/// An input must outlive the job, and a tree must not grow while it is read.
fn check_places(request: &Request) -> Result<(), Error> {
    let dest = absolute(request.dest.path());
    let refuse = |input: &Reference, reason| {
        Err(Error::Place { dest: request.dest.to_string(), input: input.to_string(), reason })
    };
    if request.dest.transport() == Transport::OciArchive && !request.dest.is_stdio() {
        let mut inputs = std::iter::once(&request.new).chain(&request.previous).chain(&request.base);
        let is_dest = |input: &&Reference| input.transport().is_file() && absolute(input.path()) == dest;
        if let Some(input) = inputs.find(is_dest) {
            return refuse(input, "an archive is written anew, and this one is an input");
        }
    }
    if request.new.transport() == Transport::Dir && dest.starts_with(absolute(request.new.path())) {
        return refuse(&request.new, "the destination would become a part of its own image");
    }
    Ok(())
}
