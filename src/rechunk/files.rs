//! To a layout or an archive.

use crate::cache;
use crate::degraded::Notes;
use crate::error::Error;
use crate::oci::{Reference, Transport};
use crate::progress::{Phase, Progress};
use crate::sink::Sink;
use crate::source::absolute;
use crate::watch::Stamp;

use super::dest::{note_lost_twin, replaced};

use super::dest::forgotten;
use super::inputs::Inputs;
use super::output::Output;
use super::{Outcome, Planned, Proof, Request};

pub(super) fn write(request: &Request, progress: &Progress) -> Result<Outcome, Error> {
    let mut notes = Notes::default();
    check_places(request)?;
    note_lost_twin(request, progress, &mut notes);
    let inputs = Inputs::open(request, request.ask(), progress, &mut notes)?;
    let sink = Sink::create_with(&request.dest, &request.resources.spool_dir, progress)?;
    let replaced = replaced(&request.dest, progress);
    let finished = inputs.write(Output::Files(&sink), progress, &mut notes)?;
    notes.extend(forgotten(request, &[], progress, |previous| format!("add --previous {previous}")));
    progress.check()?;
    progress.begin(Phase::Saving, None);
    let digest = sink.commit(finished.manifests, inputs.index(), progress)?;
    remember_all(request, &finished.proofs);
    let (notes, degraded) = notes.into_lists();
    Ok(Outcome { digest, images: finished.images, replaced, published: None, notes, degraded })
}

/// What [`write`] would do.
pub(super) fn plan(request: &Request, progress: &Progress) -> Result<Planned, Error> {
    let mut notes = Notes::default();
    check_places(request)?;
    note_lost_twin(request, progress, &mut notes);
    let inputs = Inputs::open(request, request.ask(), progress, &mut notes)?;
    Sink::check(&request.dest)?;
    let replaced = replaced(&request.dest, progress);
    let images = inputs.plan(progress, &mut notes)?;
    notes.extend(forgotten(request, &[], progress, |previous| format!("add --previous {previous}")));
    let (notes, degraded) = notes.into_lists();
    Ok(Planned { images, replaced, notes, degraded })
}

/// Each layer was decoded when it was written, or before.
pub(super) fn remember_all(request: &Request, proofs: &[Proof]) {
    if request.dest.name().is_some() {
        proofs.iter().for_each(|&(digest, claim, _)| request.resources.cache.remember_claim(digest, claim));
    }
    if request.dest.transport() != Transport::Oci {
        return;
    }
    for &(digest, claim, trace) in proofs {
        let blob = request.dest.path().join("blobs/sha256").join(digest.hex());
        match (Stamp::settled(|| std::fs::metadata(&blob)), trace) {
            (Ok(Some(stamp)), Some(trace)) if trace.leads_to(&stamp) => {
                request.resources.cache.remember(digest, cache::Proof { claim, stamp });
            }
            // Something else put it there or writes to it: it is proven when it is needed.
            _ => {}
        }
    }
}

/// An input must outlive the job, and a tree must not grow while it is read.
pub(super) fn check_places(request: &Request) -> Result<(), Error> {
    let dest = absolute(request.dest.path());
    let refuse = |input: &Reference, reason| {
        Err(Error::Place { dest: request.dest.to_string(), input: input.to_string(), reason })
    };
    let new = || request.merge.iter().flat_map(|merge| &merge.below).chain([&request.new]);
    if request.dest.transport() == Transport::OciArchive && !request.dest.is_stdio() {
        let inputs = new().chain(&request.previous).chain(&request.base);
        let mut files = inputs.filter(|input| input.transport().is_file());
        if let Some(input) = files.find(|input| absolute(input.path()) == dest) {
            return refuse(input, "an archive is written anew, and this one is an input");
        }
    }
    let mut trees = new().filter(|new| new.transport() == Transport::Dir);
    match trees.find(|tree| dest.starts_with(absolute(tree.path()))) {
        Some(tree) => refuse(tree, "the destination would become a part of its own image"),
        None => Ok(()),
    }
}
