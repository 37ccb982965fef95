//! What else stands at the destination.

use std::path::Path;

use crate::degraded::{Code, Notes};
use crate::oci::{Reference, Transport, Which};
use crate::progress::Progress;
use crate::source::{Source, absolute};
use crate::survey::old::lost_twin;

use super::Request;

/// The other images of an archive that is written anew; nothing, if nobody can tell.
pub(super) fn replaced(dest: &Reference, progress: &Progress) -> Vec<String> {
    if dest.transport() != Transport::OciArchive || dest.is_stdio() {
        return Vec::new();
    }
    // It is no compressed one: that is refused.
    let there = Source::open_file(dest, Path::new(""), progress);
    there.and_then(|archive| archive.other_images(dest.tag())).unwrap_or_default()
}

/// Of the image that DEST's tag has now, which need not be the previous one.
pub(super) fn note_lost_twin(request: &Request, progress: &Progress, notes: &mut Notes) {
    let dest = &request.dest;
    let is_written_anew = !matches!(dest.transport(), Transport::Oci | Transport::OciArchive);
    if request.formats.has_gzip() || is_written_anew || dest.is_stdio() {
        return;
    }
    let images = Source::open_file(dest, Path::new(""), progress).and_then(|there| there.images(None));
    if images.is_ok_and(|images| images.iter().any(|image| image.twin.is_some())) {
        notes.degraded(Code::TwinLost, lost_twin(&dest.to_string()));
    }
}

/// What is said where no previous image is named, but the layout that is written to has one that may be meant. The layers
/// of a base are none that an update could do without.
/// `others` are written by the same run; `how` says how a previous image is named.
pub(super) fn forgotten(
    request: &Request,
    others: &[&Reference],
    progress: &Progress,
    how: impl Fn(&Reference) -> String,
) -> Option<String> {
    const SHOWN: usize = 16;
    let Request { new, dest, .. } = request;
    if request.first || !request.previous.is_empty() || request.base.is_some() || dest.transport() != Transport::Oci {
        return None;
    }
    let there = Source::open_file(dest, Path::new(""), progress).ok()?;
    let inputs = request.merge.iter().flat_map(|merge| &merge.below).chain([new]);
    let known: Vec<&Reference> = inputs.chain(others.iter().copied()).collect();
    let is_new = |tag: &str| {
        known.iter().any(|known| known.tag() == Some(tag) && absolute(known.path()) == absolute(dest.path()))
    };
    let mut tags = there.other_tags(dest.tag()).ok()?;
    tags.retain(|tag| !is_new(tag));
    let (them, tag) = match tags.as_slice() {
        [] => return None,
        [tag] => ("it", tag.clone()),
        _ => ("one of them", "TAG".to_owned()),
    };
    let previous = dest.choosing(Which::Tag(tag));
    let more = if tags.len() > SHOWN { format!(" and {} more", tags.len() - SHOWN) } else { String::new() };
    tags.truncate(SHOWN);
    Some(format!(
        "no previous image is given, so that every client pulls the whole image; oci:{} has {}{more}: if clients have \
         {them}, {}",
        dest.path().display(),
        tags.join(", "),
        how(&previous)
    ))
}
