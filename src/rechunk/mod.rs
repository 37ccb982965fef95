//! The main job: source -> unpack -> plan -> pack -> sink.

mod entries;
mod image;
mod labels;
mod layers;
mod old;

use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::codec::Level;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::job::JobOptions;
use crate::oci::{Platform, Reference, Transport};
use crate::order::cost::Pull;
use crate::order::{self, Reason, State};
use crate::pack::IndexPlace;
use crate::progress::Progress;
use crate::sink::Sink;
use crate::source::Source;
use crate::spool::Spool;

use old::OldImages;

#[derive(Debug, Clone)]
pub struct Request {
    pub new: Reference,
    pub dest: Reference,
    /// What clients have, newest first. The first one decides the order; the cost is told for each.
    pub previous: Vec<Reference>,
    /// `None`: every platform.
    pub platform: Option<Platform>,
    pub level: Level,
    pub index: IndexPlace,
    pub layers: order::layers::Options,
    /// Its layers stay at the bottom, byte for byte.
    pub base: Option<Reference>,
    /// Previous layers without a TOC are reused, too.
    pub keep_foreign: bool,
    pub cache: Cache,
    pub resources: JobOptions,
}

impl Request {
    /// From `new` to `dest`, with everything else as the command line has it by default, but without a cache.
    pub fn new(new: Reference, dest: Reference, resources: JobOptions) -> Self {
        Self {
            new,
            dest,
            previous: Vec::new(),
            platform: None,
            level: Level::DEFAULT,
            index: IndexPlace::First,
            layers: order::layers::Options::default(),
            base: None,
            keep_foreign: false,
            cache: Cache::default(),
            resources,
        }
    }
}

#[derive(Debug)]
pub struct Outcome {
    /// What the destination's tag points at: a manifest, or an index of several.
    pub digest: BlobDigest,
    pub images: Vec<ImageOutcome>,
    /// For the user to know; nothing of it makes the image wrong.
    pub notes: Vec<String>,
}

#[derive(Debug)]
pub struct ImageOutcome {
    pub platform: Option<Platform>,
    pub digest: BlobDigest,
    pub layers: Vec<LayerOutcome>,
    /// A first pull, then an update from each previous image that has this platform.
    pub pulls: Vec<Pull>,
}

#[derive(Debug, Clone)]
pub struct LayerOutcome {
    pub digest: BlobDigest,
    /// Bytes of the blob.
    pub size: u64,
    pub state: State,
    pub reason: Reason,
    pub entries: u64,
    /// Compressed content bytes that the merged file system shows, and those that a layer above hides.
    pub live_bytes: u64,
    pub dead_bytes: u64,
    /// Bytes of TOC and tar-split.
    pub index_bytes: u64,
    /// Files whose content clients of the previous image lack, and its bytes uncompressed.
    pub fresh_entries: u64,
    pub fresh_bytes: u64,
    /// False for a layer that the format can't index.
    pub chunked: bool,
}

/// Writes `request.new` to `request.dest`. The destination appears whole or not at all.
pub fn rechunk(request: &Request, progress: &Progress) -> Result<Outcome, Error> {
    check_places(request)?;
    let source = Source::open(&request.new)?;
    let images = source.images(request.platform.as_ref())?;
    let old = OldImages::open(request)?;
    let sink = Sink::create(&request.dest)?;
    let mut notes = source.take_notes();
    let (mut outcomes, mut descriptors) = (Vec::new(), Vec::new());
    let index = images.first().and_then(|image| image.index.clone());
    for image in &images {
        let spool = Spool::new(&request.resources.spool_dir)?;
        let old = old.load(image.platform.as_ref(), progress, &mut notes)?;
        let mut job = image::Job { request, source: &source, image, old, spool: &spool, sink: &sink, progress };
        let (mut unpacked, liars) = job.read()?;
        if !liars.is_empty() {
            job.old.refuse(&liars, &mut notes)?;
            unpacked = job.read()?.0;
        }
        let (outcome, descriptor) = job.run(unpacked, &mut notes)?;
        outcomes.push(outcome);
        descriptors.push(descriptor);
    }
    notes.extend(source.take_notes());
    progress.check()?;
    let digest = sink.commit(descriptors, index.as_deref())?;
    Ok(Outcome { digest, images: outcomes, notes })
}

/// An input must outlive the job, and a tree must not grow while it is read.
fn check_places(request: &Request) -> Result<(), Error> {
    let dest = absolute(request.dest.path());
    let refuse = |input: &Reference, reason| {
        Err(Error::Place { dest: request.dest.to_string(), input: input.to_string(), reason })
    };
    if request.dest.transport() == Transport::OciArchive {
        let mut inputs = std::iter::once(&request.new).chain(&request.previous).chain(&request.base);
        if let Some(input) = inputs.find(|input| absolute(input.path()) == dest) {
            return refuse(input, "an archive is written anew, and this one is an input");
        }
    }
    if request.new.transport() == Transport::Dir && dest.starts_with(absolute(request.new.path())) {
        return refuse(&request.new, "the destination would become a part of its own image");
    }
    Ok(())
}

/// With links resolved as far as the path is there.
fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = whole.ancestors().find_map(|dir| Some((dir, dir.canonicalize().ok()?)));
    match there {
        Some((dir, real)) => whole.strip_prefix(dir).map_or(real.clone(), |rest| real.join(rest)),
        None => whole,
    }
}
