//! Which entries of a list of images a reference means: by tag, number, digest, or because there is one alone.

use super::SourceError;
use super::layout::is_attachment;
use super::near::mistyped;
use crate::oci::{Index, IndexEntry, Reference, Which};

/// An entry of index.json, and where it stands there.
#[derive(Clone, Copy)]
pub(super) struct Numbered<'a> {
    pub at: usize,
    pub entry: IndexEntry<'a>,
}

/// containerd's name for an image, in full.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Each blob once.
pub(super) fn entries<'a>(index: &'a Index, reference: &Reference) -> Result<Vec<Numbered<'a>>, SourceError> {
    let all: Vec<Numbered<'a>> = index.manifests().enumerate().map(|(at, entry)| Numbered { at, entry }).collect();
    let images = || all.iter().copied().filter(|image| image.entry.tag().is_some() || !is_attachment(image.entry));
    let those = |is: &dyn Fn(&Numbered<'_>) -> bool| all.iter().copied().filter(|image| is(image)).collect::<Vec<_>>();
    let found = match reference.which() {
        Some(Which::Tag(tag)) => {
            let mut found = those(&|image| image.entry.tag() == Some(tag));
            if found.is_empty() {
                found = those(&|image| image.entry.annotation(CONTAINERD_NAME) == Some(tag));
            }
            if found.is_empty() {
                // A digest without its @: no tool writes such a tag.
                found = those(&|image| image.entry.name() == *tag);
            }
            found
        }
        Some(Which::Position(at)) => those(&|image| image.at == *at),
        Some(Which::Digest(digest)) => those(&|image| image.entry.name() == digest.to_string()),
        None => {
            let tags = index.tags().len();
            let untagged = images().filter(|image| image.entry.tag().is_none()).count();
            if tags + usize::from(untagged > 0) > 1 {
                return Err(several(reference, &images().collect::<Vec<_>>()));
            }
            all.clone()
        }
    };
    if let (true, Some(which)) = (found.is_empty(), reference.which()) {
        let images: Vec<_> = images().collect();
        let tags = images.iter().filter_map(|image| image.entry.tag()).filter(|tag| is_unique(tag, &images));
        return Err(none(reference, which, labels(&images), &tags.collect::<Vec<_>>()));
    }
    let mut entries: Vec<Numbered<'_>> = Vec::new();
    for image in found {
        if entries.iter().all(|known| known.entry.name() != image.entry.name()) {
            entries.push(image);
        }
    }
    Ok(entries)
}

/// The images that have another tag than this one.
pub(super) fn others(index: &Index, tag: Option<&str>) -> Vec<String> {
    let all = index.manifests().enumerate().map(|(at, entry)| Numbered { at, entry });
    labels(&all.filter(|image| image.entry.tag() != tag).collect::<Vec<_>>())
}

/// The tags that lead to one image, without this one.
pub(super) fn other_tags(index: &Index, tag: Option<&str>) -> Vec<String> {
    let images: Vec<_> = index.manifests().enumerate().map(|(at, entry)| Numbered { at, entry }).collect();
    let tags = images.iter().filter_map(|image| image.entry.tag());
    tags.filter(|other| tag != Some(other) && is_unique(other, &images)).map(str::to_owned).collect()
}

/// What is told when nothing is what the reference asks for. `tags` are all that lead to one image.
pub(super) fn none(reference: &Reference, which: &Which, available: Vec<String>, tags: &[&str]) -> SourceError {
    let hint = match which {
        Which::Tag(wanted) => nearest(reference, wanted, tags),
        _ => None,
    };
    let reference = reference.to_string();
    match which {
        Which::Tag(tag) => SourceError::NoTag { reference, tag: tag.clone(), available, hint },
        which => SourceError::NoSuchImage { reference, wanted: which.to_string(), available },
    }
}

/// A reference with a tag that is there: one that the wanted tag is a part of or the other way round, or the one that was
/// mistyped.
fn nearest(reference: &Reference, wanted: &str, tags: &[&str]) -> Option<String> {
    let has_end = |name: &str, end: &str| name.strip_suffix(end).is_some_and(|rest| rest.ends_with(['/', ':']));
    let has_start = |name: &str, start: &str| name.strip_prefix(start).is_some_and(|rest| rest.starts_with(':'));
    let is_part = |name: &str, part: &str| has_end(name, part) || has_start(name, part);
    let part = tags.iter().copied().find(|tag| is_part(tag, wanted) || is_part(wanted, tag));
    let meant = part.or_else(|| mistyped(wanted, tags))?;
    Some(reference.choosing(Which::Tag(meant.to_owned())).to_string())
}

/// One is shown, and a command line names few images that can't be it.
pub(super) const EXAMPLES: usize = 16;

/// What is told when more than one image is meant.
pub(super) fn several(reference: &Reference, images: &[Numbered<'_>]) -> SourceError {
    let examples = images.iter().take(EXAMPLES).map(|image| {
        let which = match image.entry.tag() {
            Some(tag) if is_unique(tag, images) => Which::Tag(tag.to_owned()),
            _ => Which::Position(image.at),
        };
        reference.choosing(which).to_string()
    });
    SourceError::SeveralImages {
        reference: reference.to_string(),
        available: labels(images),
        examples: examples.collect(),
    }
}

/// What a reference may say behind the path for each image, with what else tells it from the others.
fn labels(images: &[Numbered<'_>]) -> Vec<String> {
    images
        .iter()
        .map(|image| match image.entry.tag() {
            Some(tag) if is_unique(tag, images) => tag.to_owned(),
            _ => {
                let name = image.entry.annotation(CONTAINERD_NAME).map_or_else(|| image.entry.name(), str::to_owned);
                format!("@{} ({name})", image.at)
            }
        })
        .collect()
}

/// True for a tag that leads to one image, and that a reference can hold.
fn is_unique(tag: &str, images: &[Numbered<'_>]) -> bool {
    let is_legal = format!("oci:x:{tag}").parse::<Reference>().is_ok_and(|parsed| parsed.tag() == Some(tag));
    is_legal && images.iter().filter(|image| image.entry.tag() == Some(tag)).count() == 1
}
