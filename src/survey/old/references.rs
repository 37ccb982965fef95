//! The references of previous images and of the base: which image of each is meant.

use std::path::PathBuf;

use crate::degraded::{Code, Notes};
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::oci::{Platform, Reference, Transport, Which};
use crate::progress::Progress;
use crate::push::LeftBehind;
use crate::registry::Traffic;
use crate::source::{Image, Source, SourceError, absolute};
use crate::survey::{other_platform, pick};

use super::load::Loader;
use super::{Ask, Opened, Previous};

/// The opened references.
pub struct OldImages<'a> {
    ask: Ask<'a>,
    previous: Vec<Source<'a>>,
    base: Option<Source<'a>>,
}

const BASE: &str = "--base";

impl<'a> OldImages<'a> {
    pub fn open(ask: Ask<'a>, progress: &'a Progress, notes: &mut Notes) -> Result<Self, Error> {
        let Previous { references, option, reach } = ask.previous;
        let mut previous = Vec::with_capacity(references.len());
        for reference in references {
            match ask.resources.open_by(reference, reach, progress) {
                Err(error) if error.is_spoilt() => {
                    notes.degraded(Code::PreviousDamaged, damaged(reference, &error));
                }
                opened => previous.push(opened.map_err(|error| Error::from(error).of_option(option))?),
            }
        }
        let base = ask.base.map(|base| ask.resources.open(base, progress)).transpose();
        Ok(Self { ask, previous, base: base.map_err(|error| Error::from(error).of_option(BASE))? })
    }

    /// What refers to the newest previous image, if that is in a registry, and is none of these.
    pub fn left_behind(&self, others: &[BlobDigest]) -> Option<LeftBehind> {
        let source = self.previous.first()?;
        let (digest, artifacts) = source.artifacts_about(others)?;
        Some(LeftBehind { reference: source.reference().to_string(), digest, artifacts })
    }

    /// What went over the network for them.
    pub fn traffic(&self) -> Traffic {
        self.previous.iter().chain(&self.base).map(Source::traffic).sum()
    }

    /// What they hold for a platform.
    pub fn load(
        &self,
        platform: Option<&Platform>,
        progress: &Progress,
        notes: &mut Notes,
    ) -> Result<Opened<'_>, Error> {
        let mut loader = Loader::new(self.ask, progress, notes);
        if let Some(base) = &self.base {
            load_base(&mut loader, base, platform).map_err(|error| error.of_option(BASE))?;
        }
        let mut taken = Vec::new();
        for source in &self.previous {
            load_previous(&mut loader, source, platform, &mut taken)
                .map_err(|error| error.of_option(self.ask.previous.option))?;
        }
        let is_told = |notes: &Notes| notes.degradations().iter().any(|it| it.code == Code::PreviousDamaged);
        if !self.ask.previous.references.is_empty() && loader.opened.facts.clients.is_empty() && !is_told(loader.notes)
        {
            loader.notes.degraded(Code::NoPrevious, no_previous(platform));
        }
        Ok(loader.opened)
    }
}

fn no_previous(platform: Option<&Platform>) -> String {
    let platform = platform.map_or_else(|| "this image".to_owned(), ToString::to_string);
    format!("no previous image has anything for {platform}, so that clients pull it like a new image")
}

fn load_base<'s>(loader: &mut Loader<'s, '_>, base: &'s Source<'s>, platform: Option<&Platform>) -> Result<(), Error> {
    let image = pick(base.images(None)?, platform).ok_or_else(|| no_platform(base.reference(), platform))?;
    if let Some(reason) = other_platform(&image, platform) {
        return Err(Error::Base { reference: base.reference().to_string(), reason });
    }
    loader.base(base, &image)
}

fn load_previous<'s>(
    loader: &mut Loader<'s, '_>,
    source: &'s Source<'s>,
    platform: Option<&Platform>,
    taken: &mut Vec<(Identity, String)>,
) -> Result<(), Error> {
    match choose(source, platform, taken, loader.notes)? {
        Some(image) => loader.previous(source, &image),
        None => Ok(()),
    }
}

fn damaged(reference: &Reference, error: &SourceError) -> String {
    format!("{reference}: not compared with, since it is damaged: {error}")
}

/// A previous reference's image, unless there is none that is of use; then a note says why. `taken` are those before.
fn choose(
    source: &Source,
    platform: Option<&Platform>,
    taken: &mut Vec<(Identity, String)>,
    notes: &mut Notes,
) -> Result<Option<Image>, Error> {
    let reference = source.reference().to_string();
    let images = match source.images(None) {
        Err(error) if error.is_spoilt() => {
            notes.degraded(Code::PreviousDamaged, damaged(source.reference(), &error));
            return Ok(None);
        }
        images => images?,
    };
    let Some(image) = pick(images, platform) else {
        let platform = platform.map_or_else(|| "this image".to_owned(), ToString::to_string);
        notes.push(format!("{reference}: nothing there for {platform}, so it is not compared with"));
        return Ok(None);
    };
    // Clients of this platform have nothing of it.
    if let Some(other) = other_platform(&image, platform) {
        notes.push(format!("{reference}: {other}, so it is not compared with"));
        return Ok(None);
    }
    let identity = Identity::of(source.reference(), &image);
    if let Some((_, same)) = taken.iter().find(|(taken, _)| *taken == identity) {
        notes.push(format!("{reference}: the same image as {same}, so it counts once"));
        return Ok(None);
    }
    taken.push((identity, reference));
    Ok(Some(image))
}

/// Images with the same one are the same.
#[derive(PartialEq, Eq)]
enum Identity {
    Manifest(BlobDigest),
    Place(Transport, PathBuf, Option<Which>),
}

impl Identity {
    fn of(reference: &Reference, image: &Image) -> Self {
        let which = || reference.which().cloned();
        let place = || Self::Place(reference.transport(), absolute(reference.path()), which());
        image.manifest_digest.map_or_else(place, Self::Manifest)
    }
}

fn no_platform(reference: &Reference, platform: Option<&Platform>) -> Error {
    let platform = platform.map_or_else(|| "this image".to_owned(), ToString::to_string);
    Error::Base { reference: reference.to_string(), reason: format!("nothing there for {platform}") }
}
