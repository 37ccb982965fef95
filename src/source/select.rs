//! Which of several images is meant.

use super::{Image, SourceError};
use crate::oci::{Platform, Reference};

/// Those for `wanted`: the very platform if it is there, else every variant of it when no variant was asked for.
/// `others` are platforms that were seen but not loaded, `absent` those whose blobs are not there.
pub(super) fn by_platform(
    images: Vec<Image>,
    others: Vec<Platform>,
    absent: Vec<String>,
    wanted: Option<&Platform>,
    reference: &Reference,
) -> Result<Vec<Image>, SourceError> {
    let Some(wanted) = wanted else { return Ok(images) };
    let is = |image: &Image, fits: fn(&Platform, &Platform) -> bool| {
        image.platform.as_ref().is_some_and(|platform| fits(platform, wanted))
    };
    let fits = if images.iter().any(|image| is(image, Platform::is_same)) {
        Platform::is_same
    } else if wanted.variant.is_none() {
        Platform::is_same_family
    } else {
        |_: &Platform, _: &Platform| false
    };
    if !images.iter().any(|image| is(image, fits)) {
        let seen = images.iter().filter_map(|image| image.platform.clone());
        let mut available: Vec<_> = seen.chain(others).map(|platform| platform.to_string()).collect();
        available.sort();
        available.dedup();
        return Err(SourceError::NoPlatform {
            reference: reference.to_string(),
            wanted: wanted.to_string(),
            available,
            absent,
        });
    }
    Ok(images.into_iter().filter(|image| is(image, fits)).collect())
}

/// True when the platforms tell the images apart, so that they are versions of one image.
pub(super) fn are_variants(images: &[Image]) -> bool {
    images
        .iter()
        .enumerate()
        .all(|(i, image)| image.platform.is_some() && images[..i].iter().all(|other| other.platform != image.platform))
}
