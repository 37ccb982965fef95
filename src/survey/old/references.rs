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
    /// Of each member; an image alone is the first one.
    previous: Vec<Vec<Source<'a>>>,
    shares: Vec<Source<'a>>,
    base: Option<Source<'a>>,
}

const BASE: &str = "--base";
const SHARE: &str = "--share";

impl<'a> OldImages<'a> {
    pub fn open(ask: Ask<'a>, progress: &'a Progress, notes: &mut Notes) -> Result<Self, Error> {
        let mut previous = Vec::with_capacity(1 + ask.others.len());
        for Previous { references, option, reach } in [ask.previous].iter().chain(ask.others) {
            let mut opened = Vec::with_capacity(references.len());
            for reference in *references {
                match ask.resources.open_by(reference, reach, progress) {
                    Err(error) if error.is_spoilt() => {
                        notes.degraded(Code::PreviousDamaged, damaged(reference, &error));
                    }
                    source => opened.push(source.map_err(|error| Error::from(error).of_option(option))?),
                }
            }
            previous.push(opened);
        }
        let share = |share| ask.resources.open(share, progress);
        let shares: Result<Vec<Source<'_>>, _> = ask.shares.iter().map(share).collect();
        let shares = shares.map_err(|error| Error::from(error).of_option(SHARE))?;
        let base = ask.base.map(|base| ask.resources.open(base, progress)).transpose();
        Ok(Self { ask, previous, shares, base: base.map_err(|error| Error::from(error).of_option(BASE))? })
    }

    /// What refers to a member's newest previous image, if that is in a registry, and is none of these.
    pub fn left_behind(&self, member: usize, others: &[BlobDigest]) -> Option<LeftBehind> {
        let source = self.previous[member].first()?;
        let (digest, artifacts) = source.artifacts_about(others)?;
        Some(LeftBehind { reference: source.reference().to_string(), digest, artifacts })
    }

    /// What went over the network for them.
    pub fn traffic(&self) -> Traffic {
        self.previous.iter().flatten().chain(&self.shares).chain(&self.base).map(Source::traffic).sum()
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
        let asked = [self.ask.previous];
        for (sources, asked) in self.previous.iter().zip(asked.iter().chain(self.ask.others)) {
            let mut taken = Vec::new();
            for source in sources {
                load_previous(&mut loader, source, platform, &mut taken)
                    .map_err(|error| error.of_option(asked.option))?;
            }
            let is_told = |notes: &Notes| notes.degradations().iter().any(|it| it.code == Code::PreviousDamaged);
            if !asked.references.is_empty() && loader.facts.clients.is_empty() && !is_told(loader.notes) {
                loader.notes.degraded(Code::NoPrevious, no_previous(platform));
            }
            loader.end_member();
        }
        for source in &self.shares {
            load_share(&mut loader, source, platform).map_err(|error| error.of_option(SHARE))?;
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

fn load_share<'s>(
    loader: &mut Loader<'s, '_>,
    source: &'s Source<'s>,
    platform: Option<&Platform>,
) -> Result<(), Error> {
    // The same image may be a previous one as well.
    match choose(source, platform, &mut Vec::new(), loader.notes)? {
        Some(image) => loader.share(source, &image),
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
