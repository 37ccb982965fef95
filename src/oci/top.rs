//! What a tag points at.

use oci_spec::image::ANNOTATION_REF_NAME;

use super::{Descriptor, Index};

/// One manifest is tagged itself; several, or one with an index that led to it, get an index of their own.
#[derive(Debug, Clone, PartialEq)]
pub enum Top {
    Image(Descriptor),
    /// Its bytes.
    Index(Vec<u8>),
}

/// Names that an index entry had where it came from; the second is containerd's.
const NAMES: [&str; 2] = [ANNOTATION_REF_NAME, "io.containerd.image.name"];

impl Top {
    /// The media type of an index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    /// `index` lends its annotations and unknown fields. `None` without images.
    pub fn of(mut images: Vec<Descriptor>, index: Option<&Index>) -> Option<Self> {
        for image in &mut images {
            NAMES.iter().for_each(|name| image.remove_annotation(name));
        }
        match (images.len(), index) {
            (0, _) => None,
            (1, None) => Some(Self::Image(images.remove(0).into_oci())),
            _ => Some(Self::Index(index.cloned().unwrap_or_default().to_oci_with(images).to_bytes())),
        }
    }
}
