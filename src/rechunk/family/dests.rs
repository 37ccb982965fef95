//! Where the members of a family go.

use crate::degraded::Notes;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::oci::{Descriptor, Index, Reference};
use crate::progress::Progress;
use crate::push::{Push, Pushed};
use crate::rechunk::dest::{forgotten, note_lost_twin, replaced};
use crate::rechunk::output::Output;
use crate::rechunk::{Request, publish};
use crate::sink::Sink;

use super::{Dests, Told};

/// A destination that is being filled.
pub(super) struct Dest<'p> {
    target: Target<'p>,
    /// Other images that an archive loses.
    pub replaced: Vec<String>,
    /// What a registry's tag points at, where the user names no previous image.
    published: Option<Reference>,
}

enum Target<'p> {
    Files(Box<Sink>),
    Registry(Box<Push<'p>>),
    /// Nothing is to be written.
    None,
}

/// A member that clients can pull.
pub(super) struct Committed {
    pub digest: BlobDigest,
    pub replaced: Vec<String>,
    pub published: Option<Pushed>,
    pub notes: Vec<String>,
}

/// Opens all of them, so that one that can't be written to ends the run before the work.
pub(super) fn open<'p>(
    requests: &[Request],
    progress: &'p Progress,
    notes: &mut Told,
    is_written: bool,
) -> Result<Dests<'p>, Error> {
    let family: Vec<&Reference> = requests.iter().map(|request| &request.dest).collect();
    let mut dests: Dests<'p> = Vec::with_capacity(requests.len());
    for (request, notes) in requests.iter().zip(&mut notes.members) {
        let dest = Dest::open(request, &family, &dests, progress, notes, is_written)?;
        dests.push(dest);
    }
    Ok(dests)
}

impl<'p> Dest<'p> {
    /// `family` are all destinations; `others` are committed first.
    fn open(
        request: &Request,
        family: &[&Reference],
        others: &[Self],
        progress: &'p Progress,
        notes: &mut Notes,
        is_written: bool,
    ) -> Result<Self, Error> {
        let Some(name) = request.dest.name() else {
            note_lost_twin(request, progress, notes);
            let member = |previous: &Reference| format!("name it, too: {}={}={previous}", request.new, request.dest);
            notes.extend(forgotten(request, family, progress, member));
            let target = match is_written {
                true => {
                    let others: Vec<&Sink> = others.iter().filter_map(Self::sink).collect();
                    let temp_dir = &request.resources.spool_dir;
                    Target::Files(Box::new(Sink::create_beside(&request.dest, temp_dir, &others, progress)?))
                }
                false => Sink::check(&request.dest).map(|()| Target::None)?,
            };
            return Ok(Self { target, replaced: replaced(&request.dest, progress), published: None });
        };
        let push = publish::open(request, name, progress)?;
        if is_written {
            push.expect_permission()?;
        }
        publish::note_lost_twin(request, name, &push, notes);
        let published = publish::published(request, name, &push, notes);
        let target = if is_written { Target::Registry(Box::new(push)) } else { Target::None };
        Ok(Self { target, replaced: Vec::new(), published })
    }

    /// The previous images of the member that goes here.
    pub fn previous(&self, request: &Request) -> Vec<Reference> {
        match &self.published {
            Some(published) => vec![published.clone()],
            None => request.previous.clone(),
        }
    }

    /// Makes the member visible.
    pub fn commit(
        self,
        request: &Request,
        manifests: Vec<Descriptor>,
        index: Option<&Index>,
        progress: &Progress,
    ) -> Result<Committed, Error> {
        let Self { target, replaced, .. } = self;
        match target {
            Target::Files(sink) => {
                let digest = sink.commit(manifests, index, progress)?;
                Ok(Committed { digest, replaced, published: None, notes: Vec::new() })
            }
            Target::Registry(push) => {
                let platforms: Vec<_> = manifests.iter().filter_map(Descriptor::platform).collect();
                let mut notes = publish::lost_platforms(&push, &platforms.iter().collect::<Vec<_>>());
                let pushed = push.commit(manifests, index)?;
                notes.extend(publish::overwritten(&pushed));
                notes.extend(super::super::referring::note(&pushed.left_behind, pushed.digest));
                Ok(Committed { digest: pushed.digest, replaced, published: Some(pushed), notes })
            }
            Target::None => Err(Error::Internal("a commit of a plan")),
        }
        .map_err(|source| member(request, source))
    }
}

/// An error that is about one member.
pub(super) fn member(request: &Request, source: Error) -> Error {
    match source {
        Error::Interrupted(_) | Error::Member { .. } => source,
        source => Error::Member { member: request.dest.to_string(), source: Box::new(source) },
    }
}

/// Says who was published before an error.
pub(super) fn in_part(source: Error, requests: &[Request], published: usize) -> Error {
    if published == 0 {
        return source;
    }
    let done: Vec<String> = requests[..published].iter().map(|request| request.dest.to_string()).collect();
    Error::FamilyInPart { published: done, source: Box::new(source) }
}

/// A registry's tags are as they were when the job was stopped.
pub(super) fn stopped(error: Error, dests: &Dests<'_>, progress: &Progress) -> Error {
    let push = dests.iter().find_map(|dest| if let Target::Registry(push) = &dest.target { Some(push) } else { None });
    match push {
        Some(push) if progress.is_cancelled() => push.interrupted().into(),
        _ => error,
    }
}

/// An opened destination, and a way to read what is written there.
#[derive(Clone, Copy)]
pub(super) struct Outlet<'o, 's> {
    pub output: Output<'o, 's>,
    pub dest: &'s Dest<'s>,
}

impl<'s> Dest<'s> {
    fn sink(&self) -> Option<&Sink> {
        if let Target::Files(sink) = &self.target { Some(sink) } else { None }
    }

    /// The registry that this member goes to.
    pub fn push(&self) -> Option<&Push<'s>> {
        if let Target::Registry(push) = &self.target { Some(push) } else { None }
    }
}

/// Runs `work` while all destinations take blobs.
pub(super) fn with_outputs<'s, T>(
    dests: &'s [Dest<'s>],
    outlets: Vec<Outlet<'_, 's>>,
    work: &mut dyn FnMut(&[Outlet<'_, 's>]) -> Result<T, Error>,
) -> Result<T, Error> {
    let Some(dest) = dests.get(outlets.len()) else { return work(&outlets) };
    let mut more = outlets;
    match &dest.target {
        Target::Files(sink) => {
            more.push(Outlet { output: Output::Files(sink), dest });
            with_outputs(dests, more, work)
        }
        Target::Registry(push) => push.during(|uploads| {
            // The others live longer.
            let mut more: Vec<Outlet<'_, 's>> = more;
            more.push(Outlet { output: Output::Registry(uploads), dest });
            with_outputs(dests, more, work)
        }),
        Target::None => Err(Error::Internal("an output of a plan")),
    }
}
