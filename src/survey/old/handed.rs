//! What of an old layer's descriptor is handed on. The previous image and the base may come from a stranger, and clients
//! act on what a descriptor says: they fetch the blob from `urls`, take `data` for it, and hand annotations to snapshotters.

use crate::oci::Descriptor;
use crate::oci::marks::{INDEX, LAYER, OWNERS, OWNERS_BYTES, PROFILE};
use crate::toc;

/// The same descriptor with nothing in it but what was proven or is harmless, and what was left out.
pub(super) fn handed_on(descriptor: &Descriptor) -> (Descriptor, Vec<String>) {
    descriptor.only(is_handed_on)
}

fn is_handed_on(key: &str, value: &str) -> bool {
    match key {
        // What they say is part of the proof.
        toc::TOC_DIGEST | toc::TOC_POSITION | toc::TAR_SPLIT_POSITION => true,
        // Written anew for every image.
        LAYER | INDEX => true,
        // Names for people, as long as those that are written.
        OWNERS => value.len() <= OWNERS_BYTES && !value.contains(char::is_control),
        PROFILE => value.len() <= PROFILE_BYTES && !value.contains(char::is_control),
        _ => false,
    }
}

/// `1 zstd=1.5.7 level=19` is one of the longest.
const PROFILE_BYTES: usize = 64;

/// The sentence for the user, if anything was left out.
pub fn left_out(layer: usize, reference: &str, what: &[String]) -> Option<String> {
    let what = what.join(", ");
    (!what.is_empty()).then(|| {
        format!(
            "layer {layer}: its descriptor in {reference} also has {what}: left out, since nothing proves what it says"
        )
    })
}
