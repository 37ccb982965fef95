//! What a tag points at.

use oci_spec::image::ANNOTATION_REF_NAME;

use super::media::{DOCKER_LIST, DOCKER_MANIFEST};
use super::{Descriptor, Index};

/// One manifest is tagged itself; several, or one with an index that led to it, get an index of their own.
#[derive(Debug, Clone, PartialEq)]
pub enum Top {
    Image(Descriptor),
    Index { media_type: &'static str, bytes: Vec<u8> },
}

/// Names that an index entry had where it came from; the second is containerd's.
const NAMES: [&str; 2] = [ANNOTATION_REF_NAME, "io.containerd.image.name"];

impl Top {
    pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    /// docker's types if the images have them. `index` lends its annotations and unknown fields. `None` without images.
    pub fn of(mut images: Vec<Descriptor>, index: Option<&Index>) -> Option<Self> {
        for image in &mut images {
            NAMES.iter().for_each(|name| image.remove_annotation(name));
        }
        let is_docker = images.first().is_some_and(|image| image.media_type == DOCKER_MANIFEST);
        match (images.len(), index) {
            (0, _) => None,
            (1, None) if is_docker => Some(Self::Image(images.remove(0))),
            (1, None) => Some(Self::Image(images.remove(0).into_oci())),
            _ => {
                let index = index.cloned().unwrap_or_default();
                let (media_type, index) = match is_docker {
                    true => (DOCKER_LIST, index.to_docker_with(&images)),
                    false => (Self::INDEX, index.to_oci_with(images)),
                };
                Some(Self::Index { media_type, bytes: index.to_bytes() })
            }
        }
    }
}
