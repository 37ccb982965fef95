//! Images that are published together: what several of them have is written once, in layers that all of them name.
//!
//! All members are read before the first one is planned, and all are written before the first one is published. Then they
//! are published one after the other.
//!
//! | file | does |
//! | --- | --- |
//! | `dests` | where the members go |
//! | `inputs` | what is read, and the members' images by platform |
//! | `platform` | the members of one platform: reads and plans them |
//! | `written` | writes a planned member, and offers its layers to the others |
//! | `outcome` | what the family came to |

mod dests;
mod inputs;
mod outcome;
mod platform;
mod written;

use crate::degraded::Notes;
use crate::error::Error;
use crate::oci::{Reference, Transport};
use crate::order::Members;
use crate::progress::{Phase, Progress};

use super::{Finished, Outcome, Planned, Request, composefs, files};

pub use outcome::{FamilyOutcome, FamilyPlan, Sums, Switch};

use dests::Dest;
use inputs::FamilyInputs;

/// Writes each request's image to its place. The requests differ in nothing but NEW, DEST, tags and previous images.
pub fn family(requests: &[Request], progress: &Progress) -> Result<FamilyOutcome, Error> {
    expect_possible(requests)?;
    let mut notes = Told::new(requests.len());
    let dests = dests::open(requests, progress, &mut notes, true)?;
    let previous: Vec<_> = requests.iter().zip(&dests).map(|(request, dest)| dest.previous(request)).collect();
    let others = inputs::others(requests, &previous);
    let inputs = FamilyInputs::open(requests, inputs::ask(requests, &previous, &others), progress, &mut notes)?;
    let finished =
        dests::with_outputs(&dests, Vec::new(), &mut |outputs| written::write(&inputs, outputs, progress, &mut notes));
    let finished = finished.map_err(|error| dests::stopped(error, &dests, progress))?;
    progress.check()?;
    progress.begin(Phase::Saving, None);
    let (mut members, mut proofs) = (Vec::new(), Vec::new());
    for (number, (dest, finished)) in dests.into_iter().zip(finished).enumerate() {
        let Finished { images, manifests, proofs: own } = finished;
        let published = members.len();
        let committed = dest.commit(&requests[number], manifests, inputs.index(number), progress);
        let committed = committed.map_err(|error| dests::in_part(error, requests, published))?;
        let own_notes = &mut notes.members[number];
        own_notes.extend(committed.notes);
        let (own_notes, degraded) = std::mem::take(own_notes).into_lists();
        let (digest, replaced, published) = (committed.digest, committed.replaced, committed.published);
        members.push(Outcome { digest, images, replaced, published, notes: own_notes, degraded });
        proofs.push(own);
    }
    // A blob of several names changes when one of the names goes.
    for (request, proofs) in requests.iter().zip(&proofs) {
        files::remember_all(request, proofs);
    }
    let (notes, degraded) = notes.common.into_lists();
    Ok(FamilyOutcome::new(requests, members, notes, degraded))
}

/// What [`family`] would do. Nothing is written.
pub fn plan_family(requests: &[Request], progress: &Progress) -> Result<FamilyPlan, Error> {
    expect_possible(requests)?;
    let mut notes = Told::new(requests.len());
    let dests = dests::open(requests, progress, &mut notes, false)?;
    let previous: Vec<_> = requests.iter().zip(&dests).map(|(request, dest)| dest.previous(request)).collect();
    let others = inputs::others(requests, &previous);
    let inputs = FamilyInputs::open(requests, inputs::ask(requests, &previous, &others), progress, &mut notes)?;
    let images = inputs.plan(progress, &mut notes)?;
    let mut members = Vec::new();
    for ((images, notes), dest) in images.into_iter().zip(notes.members).zip(dests) {
        let (notes, degraded) = notes.into_lists();
        members.push(Planned { images, replaced: dest.replaced, notes, degraded });
    }
    let (notes, degraded) = notes.common.into_lists();
    Ok(FamilyPlan { dests: requests.iter().map(|request| request.dest.clone()).collect(), members, notes, degraded })
}

/// Notes on each member, and those that are about several.
struct Told {
    common: Notes,
    members: Vec<Notes>,
}

impl Told {
    fn new(members: usize) -> Self {
        Self { common: Notes::default(), members: (0..members).map(|_| Notes::default()).collect() }
    }
}

/// Before anything is read, so that nobody waits for nothing.
fn expect_possible(requests: &[Request]) -> Result<(), Error> {
    let refuse = |reason| Err(Error::Family { reason });
    if !(1..=Members::MOST).contains(&requests.len()) {
        return refuse(format!("expected 1 to {} members, found {}", Members::MOST, requests.len()));
    }
    for (number, request) in requests.iter().enumerate() {
        let dest = &request.dest;
        if let Some(other) = requests[..number].iter().find(|other| is_same_place(&other.dest, dest)) {
            return refuse(match dest.transport() {
                Transport::OciArchive => {
                    format!("an archive holds one image, but {} and {dest} are one file; give each its own", other.dest)
                }
                _ => format!("two members have the destination {dest}; give each its own"),
            });
        }
        if dest.is_stdio() || request.new.is_stdio() {
            return refuse("a pipe holds one image alone; name files or a registry".to_owned());
        }
        composefs::expect_program(request)?;
        if dest.name().is_none() {
            files::check_places(request)?;
        }
    }
    Ok(())
}

/// True when the second image would replace the first one. An archive holds what one run writes.
fn is_same_place(one: &Reference, other: &Reference) -> bool {
    let file = |reference: &Reference| std::path::absolute(reference.path()).unwrap_or_default();
    match (one.name(), other.name()) {
        (None, None) if one.transport() == other.transport() => {
            let is_archive = one.transport() == Transport::OciArchive;
            file(one) == file(other) && (is_archive || one.tag() == other.tag())
        }
        _ => one == other,
    }
}

/// The members' destinations, as they are opened.
type Dests<'p> = Vec<Dest<'p>>;
