//! Which image of a reference is meant.

use crate::oci::Platform;
use crate::source::Image;

/// The image for the platform; a lone image serves for any.
pub fn pick(mut images: Vec<Image>, platform: Option<&Platform>) -> Option<Image> {
    position(&images, platform).map(|at| images.swap_remove(at))
}

/// Where [`pick`] finds it.
pub fn position(images: &[Image], platform: Option<&Platform>) -> Option<usize> {
    let same = platform.and_then(|platform| images.iter().position(|image| is_for(image, platform)));
    same.or((images.len() == 1).then_some(0))
}

pub fn is_for(image: &Image, platform: &Platform) -> bool {
    image.platform.as_ref().is_some_and(|other| other.is_same(platform))
}

/// To compare with it is harmless, but seldom what was meant.
pub fn other_platform(image: &Image, platform: Option<&Platform>) -> Option<String> {
    let (found, wanted) = (image.config.platform().or_else(|| image.platform.clone())?, platform?);
    (!found.is_same_family(wanted)).then(|| format!("expected an image for {wanted}, found one for {found}"))
}
