//! What else stands at the destination.

use std::path::Path;

use crate::oci::{Reference, Transport, Which};
use crate::progress::Progress;
use crate::source::{Source, absolute};

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

/// What is said where no previous image is named, but the layout that is written to has one that may be meant. The layers
/// of a base are none that an update could do without.
pub(super) fn forgotten(request: &Request, progress: &Progress) -> Option<String> {
    const SHOWN: usize = 16;
    let Request { new, dest, .. } = request;
    if request.first || !request.previous.is_empty() || request.base.is_some() || dest.transport() != Transport::Oci {
        return None;
    }
    let there = Source::open_file(dest, Path::new(""), progress).ok()?;
    let is_new = |tag: &str| new.tag() == Some(tag) && absolute(new.path()) == absolute(dest.path());
    let mut tags = there.other_tags(dest.tag()).ok()?;
    tags.retain(|tag| !is_new(tag));
    let previous = dest.choosing(Which::Tag(tags.first()?.clone()));
    let them = if tags.len() > 1 { "one of them" } else { "it" };
    let more = if tags.len() > SHOWN { format!(" and {} more", tags.len() - SHOWN) } else { String::new() };
    tags.truncate(SHOWN);
    Some(format!(
        "no --previous is given, so that every client pulls the whole image; oci:{} has {}{more}: if clients have {them}, \
         add --previous {previous}",
        dest.path().display(),
        tags.join(", ")
    ))
}
