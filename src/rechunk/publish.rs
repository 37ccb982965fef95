//! To a registry.

use crate::degraded::Notes;
use crate::error::Error;
use crate::oci::Reference;
use crate::progress::Progress;
use crate::push::{Push, Pushed};
use crate::registry::names::Name;

use super::inputs::Inputs;
use super::output::Output;
use super::{Outcome, Planned, Request, referring};

/// Publishes the image under the name's tag and the request's other tags.
pub(super) fn publish(request: &Request, name: &Name, progress: &Progress) -> Result<Outcome, Error> {
    let mut notes = Notes::default();
    let push = open(request, name, progress)?;
    let request = &against(request, name, &push, &mut notes);
    let stopped = |error| if progress.is_cancelled() { push.interrupted().into() } else { error };
    let inputs = Inputs::open(request, progress, &mut notes).map_err(stopped)?;
    let finished = push.during(|uploads| inputs.write(Output::Registry(uploads), progress, &mut notes));
    let finished = finished.map_err(stopped)?;
    let published = push.commit(finished.manifests, inputs.index())?;
    let known: Vec<_> = published.left_behind.iter().map(|left| left.digest).chain([published.digest]).collect();
    let left_behind = published.left_behind.iter().cloned().chain(inputs.left_behind(&known));
    notes.extend(referring::note(&left_behind.collect::<Vec<_>>(), published.digest));
    for (digest, claim, _) in finished.proofs {
        request.resources.cache.remember_claim(digest, claim);
    }
    let (notes, degraded) = notes.into_lists();
    let (digest, images, replaced) = (published.digest, finished.images, Vec::new());
    let traffic = [published.traffic, inputs.traffic()].into_iter().sum();
    let published = Some(Pushed { traffic, ..published });
    Ok(Outcome { digest, images, replaced, published, notes, degraded })
}

/// What [`publish`] would do. Nothing is sent.
pub(super) fn plan(request: &Request, name: &Name, progress: &Progress) -> Result<Planned, Error> {
    let mut notes = Notes::default();
    let push = open(request, name, progress)?;
    let request = &against(request, name, &push, &mut notes);
    let images = Inputs::open(request, progress, &mut notes)?.plan(progress, &mut notes)?;
    let (notes, degraded) = notes.into_lists();
    Ok(Planned { images, replaced: Vec::new(), notes, degraded })
}

fn open<'p>(request: &Request, name: &Name, progress: &'p Progress) -> Result<Push<'p>, Error> {
    let Request { tags, dest_reach, force, resources, .. } = request;
    Ok(Push::open(name, tags, dest_reach, &resources.spool_dir, *force, progress)?)
}

/// The request with the published image as the previous one: that of the first tag that has one.
fn against(request: &Request, name: &Name, push: &Push<'_>, notes: &mut Notes) -> Request {
    let mut request = request.clone();
    if request.first || !request.previous.is_empty() {
        return request;
    }
    let published = push.tags().iter().find(|tag| tag.document.is_some());
    let found = published.and_then(|found| format!("{}:{}", name.place(), found.tag).parse::<Name>().ok());
    match found {
        Some(name) => {
            let previous = Reference::from(name);
            notes.push(format!("the previous image is {previous} (--previous names another one, --first none)"));
            request.previous.push(previous);
        }
        None => notes.push(format!("docker://{} has no such tag yet: this is a first layout", name)),
    }
    request
}
