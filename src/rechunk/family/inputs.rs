//! What a family reads.

use crate::error::Error;
use crate::oci::{Index, Platform, Reference};
use crate::progress::Progress;
use crate::rechunk::inputs::open_new;
use crate::rechunk::read::{Part, parts};
use crate::rechunk::{Request, publish};
use crate::source::{Image, Source};
use crate::survey::old::{Ask, OldImages, Previous};

use super::Told;

pub(super) struct FamilyInputs<'a> {
    pub requests: &'a [Request],
    pub ask: Ask<'a>,
    pub sources: Vec<Source<'a>>,
    /// Of each member, one for each platform.
    images: Vec<Vec<Image>>,
    pub old: OldImages<'a>,
}

/// A member's image for a platform.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub member: usize,
    pub image: &'a Image,
}

/// The previous images of all members but the first.
pub(super) fn others<'a>(requests: &'a [Request], previous: &'a [Vec<Reference>]) -> Vec<Previous<'a>> {
    requests.iter().zip(previous).skip(1).map(|(request, references)| previous_of(request, references)).collect()
}

fn previous_of<'a>(request: &'a Request, references: &'a [Reference]) -> Previous<'a> {
    let is_published = request.previous.is_empty() && !references.is_empty();
    match is_published {
        true => Previous { references, option: publish::PUBLISHED, reach: &request.dest_reach },
        false => Previous { references, option: "a previous image", reach: &request.resources.reach },
    }
}

/// What is asked of old images; there is a first member.
pub(super) fn ask<'a>(requests: &'a [Request], previous: &'a [Vec<Reference>], others: &'a [Previous<'a>]) -> Ask<'a> {
    Ask { previous: previous_of(&requests[0], &previous[0]), others, ..requests[0].ask() }
}

impl<'a> FamilyInputs<'a> {
    pub fn open(
        requests: &'a [Request],
        ask: Ask<'a>,
        progress: &'a Progress,
        notes: &mut Told,
    ) -> Result<Self, Error> {
        let (mut sources, mut images) = (Vec::new(), Vec::new());
        for (request, notes) in requests.iter().zip(&mut notes.members) {
            let (source, own) = open_new(request, &request.new, progress, notes)?;
            sources.push(source);
            images.push(own);
        }
        let old = OldImages::open(ask, progress, &mut notes.common)?;
        Ok(Self { requests, ask, sources, images, old })
    }

    /// The index that led to a member's images.
    pub fn index(&self, member: usize) -> Option<&Index> {
        self.images[member].first().and_then(|image| image.index.as_deref())
    }

    /// The members of each platform, in the order in which members name platforms. What shares no platform shares no layer.
    pub fn by_platform(&self) -> Vec<(Option<&Platform>, Vec<Chosen<'_>>)> {
        let mut all: Vec<(Option<&Platform>, Vec<Chosen<'_>>)> = Vec::new();
        for (member, images) in self.images.iter().enumerate() {
            for image in images {
                let platform = image.platform.as_ref();
                let is_it = |other: Option<&Platform>| match (platform, other) {
                    (Some(one), Some(other)) => one.is_same(other),
                    (one, other) => one.is_none() && other.is_none(),
                };
                let chosen = Chosen { member, image };
                match all.iter_mut().find(|(other, _)| is_it(*other)) {
                    Some((_, members)) => members.push(chosen),
                    None => all.push((platform, vec![chosen])),
                }
            }
        }
        all
    }

    /// The layers of these images, each tar once, and those of each image by their numbers.
    pub fn parts<'s>(&'s self, chosen: &[Chosen<'s>]) -> (Vec<Part<'s>>, Vec<Vec<usize>>) {
        parts(chosen.iter().map(|&Chosen { member, image }| (&self.sources[member], image)))
    }
}
