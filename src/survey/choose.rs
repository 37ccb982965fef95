//! Which image of a reference is meant.

use crate::error::Error;
use crate::oci::Platform;
use crate::source::{Image, Source, SourceError};

/// The image for the platform; a lone image serves for any.
pub fn pick(mut images: Vec<Image>, platform: Option<&Platform>) -> Option<Image> {
    position(&images, platform).map(|at| images.swap_remove(at))
}

/// Where [`pick`] finds it.
fn position(images: &[Image], platform: Option<&Platform>) -> Option<usize> {
    let same = platform.and_then(|platform| images.iter().position(|image| is_for(image, platform)));
    same.or((images.len() == 1).then_some(0))
}

fn is_for(image: &Image, platform: &Platform) -> bool {
    image.platform.as_ref().is_some_and(|other| other.is_same(platform))
}

/// To compare with it is harmless, but seldom what was meant.
pub fn other_platform(image: &Image, platform: Option<&Platform>) -> Option<String> {
    let (found, wanted) = (image.config.platform().or_else(|| image.platform.clone())?, platform?);
    (!found.is_same_family(wanted)).then(|| format!("expected an image for {wanted}, found one for {found}"))
}

/// What is said where one image of several was chosen and nobody asked for it.
pub fn other_platforms(all: &[Platform], chosen: Option<&Platform>) -> Option<String> {
    let chosen = chosen.filter(|_| all.len() > 1)?;
    let others: Vec<String> = all.iter().filter(|other| *other != chosen).map(ToString::to_string).collect();
    Some(format!("told for {chosen} alone; it has images for {}, too (--platform)", others.join(", ")))
}

/// The first one of `images` that all others have for its platform, and theirs.
pub fn common(mut images: Vec<Image>, others: Vec<(&Source, Vec<Image>)>) -> Result<(Image, Vec<Image>), Error> {
    let has = |other: &[Image], image: &Image| {
        image.platform.as_ref().is_some_and(|platform| other.iter().any(|other| is_for(other, platform)))
    };
    let serves = |other: &[Image], image: &Image| position(other, image.platform.as_ref()).is_some();
    let first = |fits: &dyn Fn(&[Image], &Image) -> bool| {
        images.iter().position(|image| others.iter().all(|(_, other)| fits(other, image)))
    };
    let Some(at) = first(&has).or_else(|| first(&serves)) else { return Err(nothing_common(&images, &others).into()) };
    let image = images.swap_remove(at);
    let other = |(_, other)| pick(other, image.platform.as_ref());
    let found: Option<Vec<Image>> = others.into_iter().map(other).collect();
    Ok((image, found.ok_or(Error::Internal("an image that was there is gone"))?))
}

fn nothing_common(images: &[Image], others: &[(&Source, Vec<Image>)]) -> SourceError {
    let lacks = |other: &[Image]| !images.iter().any(|image| position(other, image.platform.as_ref()).is_some());
    let names = |images: &[Image]| {
        let names = images.iter().filter_map(|image| image.platform.as_ref());
        names.map(ToString::to_string).collect::<Vec<_>>()
    };
    let culprit = others.iter().find(|(_, other)| lacks(other)).or(others.first());
    let (reference, available) =
        culprit.map(|(source, other)| (source.reference().to_string(), names(other))).unwrap_or_default();
    SourceError::NoPlatform { reference, wanted: names(images).join(" or "), available, absent: Vec::new() }
}
