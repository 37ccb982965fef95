//! What is laid over each other.

use crate::degraded::{Code, Notes};
use crate::error::Error;
use crate::merge;
use crate::oci::{Config, Platform, Reference, Transport};
use crate::progress::Progress;
use crate::rechunk::Request;
use crate::rechunk::inputs::{note_absent, open_new};
use crate::source::{Image, Source};

use super::Merge;

/// The inputs beside the one whose config the result has. Of each, an image for each platform of that one.
#[derive(Default)]
pub struct Others<'a> {
    below: Vec<Other<'a>>,
    above: Vec<Other<'a>>,
}

struct Other<'a> {
    source: Source<'a>,
    images: Vec<Image>,
}

impl<'a> Others<'a> {
    pub fn sources(&self) -> impl Iterator<Item = &Source<'a>> {
        self.below.iter().chain(&self.above).map(|other| &other.source)
    }

    /// All inputs of platform `number`, the lowest first.
    pub fn around<'s>(&'s self, number: usize, own: (&'s Source<'a>, &'s Image)) -> Vec<(&'s Source<'a>, &'s Image)> {
        let of = |other: &'s Other<'a>| (&other.source, &other.images[number]);
        self.below.iter().map(of).chain([own]).chain(self.above.iter().map(of)).collect()
    }
}

/// An input as it was opened.
struct Opened<'a> {
    source: Source<'a>,
    images: Vec<Image>,
    /// What it says of how to run counts.
    has_config: bool,
}

impl Opened<'_> {
    /// Takes out the image for the platform. A directory is one for any.
    fn take(&mut self, platform: Option<&Platform>) -> Option<Image> {
        if self.source.reference().transport() == Transport::Dir {
            return self.source.images(platform).ok()?.pop();
        }
        let fits = |image: &Image| match (&image.platform, platform) {
            (Some(own), Some(wanted)) => own.is_same(wanted),
            _ => self.images.len() == 1,
        };
        let at = self.images.iter().position(fits)?;
        Some(self.images.swap_remove(at))
    }
}

/// The input whose config the result has, its images with that config, and the others.
pub fn open<'a>(
    request: &'a Request,
    merge: &'a Merge,
    progress: &'a Progress,
    notes: &mut Notes,
) -> Result<(Source<'a>, Vec<Image>, Others<'a>), Error> {
    let mut inputs = Vec::new();
    for reference in merge.below.iter().chain([&request.new]) {
        let (source, images) = open_new(request, reference, progress, notes)?;
        note_absent(&source, notes);
        let has_config = reference.transport() != Transport::Dir || request.config.is_some();
        inputs.push(Opened { source, images, has_config });
    }
    let donor = donor(merge, &inputs)?;
    let platforms: Vec<Option<Platform>> = inputs[donor].images.iter().map(|image| image.platform.clone()).collect();
    let mut taken: Vec<Vec<Image>> = inputs.iter().map(|_| Vec::new()).collect();
    for platform in platforms {
        let of_platform: Vec<Option<Image>> = inputs.iter_mut().map(|input| input.take(platform.as_ref())).collect();
        match of_platform.iter().position(Option::is_none) {
            Some(lacking) => note_lacking(&inputs[lacking].source, platform.as_ref(), notes),
            None => {
                let mut images: Vec<Image> = of_platform.into_iter().flatten().collect();
                images[donor].config = config(&inputs, &images, donor)?;
                taken.iter_mut().zip(images).for_each(|(taken, image)| taken.push(image));
            }
        }
    }
    note_unused(&inputs, notes);
    if taken[donor].is_empty() {
        return Err(nothing_common(&inputs));
    }
    let mut all = inputs.into_iter().zip(taken).map(|(input, images)| Other { source: input.source, images });
    let below = all.by_ref().take(donor).collect();
    let own = all.next().ok_or(Error::Internal("a merge without inputs"))?;
    Ok((own.source, own.images, Others { below, above: all.collect() }))
}

/// Which input the config is of.
fn donor(merge: &Merge, inputs: &[Opened<'_>]) -> Result<usize, Error> {
    match merge.config_from {
        Some(number) if number >= inputs.len() => Err(Error::Merge {
            reason: format!(
                "--config-from: expected the number of an input, 1 to {}, found {}",
                inputs.len(),
                number + 1
            ),
        }),
        Some(number) if !inputs[number].has_config => Err(Error::Merge {
            reason: format!(
                "--config-from: expected an image, found {}, which has no config; --config FILE gives it one",
                inputs[number].source.reference()
            ),
        }),
        Some(number) => Ok(number),
        None => Ok(inputs.iter().rposition(|input| input.has_config).unwrap_or(inputs.len() - 1)),
    }
}

fn config(inputs: &[Opened<'_>], images: &[Image], donor: usize) -> Result<Config, Error> {
    let counts = |at: &usize| *at == donor || inputs[*at].has_config;
    let numbers: Vec<usize> = (0..images.len()).filter(counts).collect();
    let configs: Vec<&Config> = numbers.iter().map(|&at| &images[at].config).collect();
    let own = numbers.iter().position(|&at| at == donor).unwrap_or_default();
    merge::config(&configs, own).ok_or(Error::Internal("a merge without inputs"))
}

fn note_lacking(source: &Source<'_>, platform: Option<&Platform>, notes: &mut Notes) {
    let platform = platform.map_or_else(|| "the platform".to_owned(), ToString::to_string);
    let note = format!("{} has no image for {platform}, so that the result has none either", source.reference());
    notes.degraded(Code::PlatformAbsent, note);
}

/// Images for platforms that the others lack.
fn note_unused(inputs: &[Opened<'_>], notes: &mut Notes) {
    for Opened { source, images, .. } in inputs {
        if source.reference().transport() == Transport::Dir {
            continue;
        }
        for platform in images.iter().filter_map(|image| image.platform.as_ref()) {
            let note = format!("{} has an image for {platform}, and another input has none", source.reference());
            notes.degraded(Code::PlatformAbsent, note);
        }
    }
}

fn nothing_common(inputs: &[Opened<'_>]) -> Error {
    let references: Vec<&Reference> = inputs.iter().map(|input| input.source.reference()).collect();
    let names: Vec<String> = references.iter().map(ToString::to_string).collect();
    let reason =
        format!("expected images for one platform, found no platform that all inputs have: {}", names.join(", "));
    Error::Merge { reason }
}
