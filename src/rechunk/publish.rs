//! To a registry.

use crate::degraded::{Code, Notes};
use crate::error::Error;
use crate::oci::marks::ZSTD;
use crate::oci::{Descriptor, Document, Index, Platform, Reference};
use crate::progress::Progress;
use crate::push::{Push, Pushed, TagBefore};
use crate::registry::names::Name;
use crate::survey::old::{Ask, Previous, lost_twin};

use super::inputs::Inputs;
use super::output::Output;
use super::{Outcome, Planned, Request, files, referring};

/// Publishes the image under the name's tag and the request's other tags.
pub(super) fn publish(request: &Request, name: &Name, progress: &Progress) -> Result<Outcome, Error> {
    let mut notes = Notes::default();
    let push = open(request, name, progress)?;
    progress.set_last_words(push.interrupted().to_string());
    push.expect_permission()?;
    let stopped = |error| if progress.is_cancelled() { push.interrupted().into() } else { error };
    note_lost_twin(request, name, &push, &mut notes);
    let published = published(request, name, &push, &mut notes);
    let inputs = Inputs::open(request, ask(request, &published), progress, &mut notes).map_err(stopped)?;
    notes.extend(lost_platforms(&push, &inputs.platforms().collect::<Vec<_>>()));
    let finished = push.during(|uploads| inputs.write(Output::Registry(uploads), progress, &mut notes));
    let finished = finished.map_err(stopped)?;
    let pushed = push.commit(finished.manifests, inputs.index())?;
    let known: Vec<_> = pushed.left_behind.iter().map(|left| left.digest).chain([pushed.digest]).collect();
    let left_behind: Vec<_> = pushed.left_behind.iter().cloned().chain(inputs.left_behind(&known)).collect();
    notes.extend(overwritten(&pushed));
    notes.extend(referring::note(&left_behind, pushed.digest));
    files::remember_all(request, &finished.proofs);
    let (notes, degraded) = notes.into_lists();
    let traffic = [pushed.traffic, inputs.traffic()].into_iter().sum();
    let (digest, images, published) = (pushed.digest, finished.images, Some(Pushed { traffic, ..pushed }));
    Ok(Outcome { digest, images, replaced: Vec::new(), published, notes, degraded })
}

/// Who loses an image that he published meanwhile.
pub(super) fn overwritten(pushed: &Pushed) -> Vec<String> {
    let overwritten = pushed.overwritten.iter().map(|(reference, other)| {
        format!("{reference}: --force replaced {other}, which somebody else published while this run was at work")
    });
    overwritten.collect()
}

/// What [`publish`] would do. Nothing is sent.
pub(super) fn plan(request: &Request, name: &Name, progress: &Progress) -> Result<Planned, Error> {
    let mut notes = Notes::default();
    let push = open(request, name, progress)?;
    note_lost_twin(request, name, &push, &mut notes);
    let published = published(request, name, &push, &mut notes);
    let inputs = Inputs::open(request, ask(request, &published), progress, &mut notes)?;
    notes.extend(lost_platforms(&push, &inputs.platforms().collect::<Vec<_>>()));
    let images = inputs.plan(progress, &mut notes)?;
    let (notes, degraded) = notes.into_lists();
    Ok(Planned { images, replaced: Vec::new(), notes, degraded })
}

pub(super) fn open<'p>(request: &Request, name: &Name, progress: &'p Progress) -> Result<Push<'p>, Error> {
    let Request { tags, dest_reach, force, resources, .. } = request;
    Ok(Push::open(name, tags, dest_reach, &resources.spool_dir, *force, progress)?)
}

/// The published image: that of the first tag that has one. `None` where the user names the previous image, or none.
pub(super) fn published(request: &Request, name: &Name, push: &Push<'_>, notes: &mut Notes) -> Option<Reference> {
    if request.first || !request.previous.is_empty() {
        return None;
    }
    let found = push.tags().iter().find(|tag| tag.document.is_some());
    let found = found.and_then(|found| format!("{}:{}", name.place(), found.tag).parse::<Name>().ok());
    let published = found.map(Reference::from);
    notes.push(match &published {
        Some(previous) => {
            format!("the previous image is {previous} (--previous names another one, --first none)")
        }
        None => format!("docker://{name} has no such tag yet: this is a first layout"),
    });
    published
}

/// What names the previous image where the user does not.
pub(super) const PUBLISHED: &str = "the image that DEST's tag has now (--first ignores it)";

/// The published image is the previous one, and read as DEST is.
fn ask<'a>(request: &'a Request, published: &'a Option<Reference>) -> Ask<'a> {
    match published {
        Some(published) => {
            let references = std::slice::from_ref(published);
            Ask { previous: Previous { references, option: PUBLISHED, reach: &request.dest_reach }, ..request.ask() }
        }
        None => request.ask(),
    }
}

/// Of each tag's own image, which need not be the previous one.
pub(super) fn note_lost_twin(request: &Request, name: &Name, push: &Push<'_>, notes: &mut Notes) {
    let has_twin = |before: &&TagBefore| {
        let document = before.document.as_ref();
        let parsed = document.map(|it| Document::parse(&it.bytes, &it.media_type, &before.tag));
        matches!(parsed, Some(Ok(Document::Index(index))) if has_pair(&index))
    };
    let lost = push.tags().iter().filter(|_| !request.formats.has_gzip()).find(has_twin);
    let place = |tag: &str| format!("docker://{}:{tag}", name.place());
    if let Some(lost) = lost {
        notes.degraded(Code::TwinLost, lost_twin(&place(&lost.tag)));
    }
}

/// True for an index with a marked image and another one, for the same platform.
fn has_pair(index: &Index) -> bool {
    let images = || index.manifests().filter_map(|entry| Some((entry.platform()?, entry.descriptor("").ok()?)));
    let is_marked = |descriptor: &Descriptor| descriptor.annotation(ZSTD) == Some("true");
    images()
        .filter(|(_, it)| is_marked(it))
        .any(|(platform, _)| images().any(|(other, it)| !is_marked(&it) && other.is_same(&platform)))
}

/// Platforms that DEST's tags have now, and will have no longer.
pub(super) fn lost_platforms(push: &Push<'_>, new: &[&Platform]) -> Vec<String> {
    let lost = |before: &TagBefore| {
        let document = before.document.as_ref()?;
        let Ok(Document::Index(index)) = Document::parse(&document.bytes, &document.media_type, &before.tag) else {
            return None;
        };
        let platforms = index.manifests().filter_map(|entry| entry.platform()).filter(|it| !it.is_unknown());
        let is_lost = |it: &Platform| !new.iter().any(|new| new.is_same(it));
        let lost: Vec<String> = platforms.filter(is_lost).map(|it| it.to_string()).collect();
        (!lost.is_empty()).then(|| {
            format!(
                "the tag {} has an image for {} now, and loses it: this run writes none",
                before.tag,
                lost.join(", ")
            )
        })
    };
    push.tags().iter().filter_map(lost).collect()
}
