//! Which layers of a registry need no proof: to prove one takes a download of all of it.

use crate::cache::{Cache, CacheError};
use crate::oci::Reference;
use crate::source::Layer;
use crate::units::size;

use super::proof::claim;

/// What is known of a layer before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Unproven,
    /// The cache has seen it decoded.
    Known,
    /// The user trusts it.
    Told,
}

/// Of the layers of one image.
#[derive(Default)]
pub(super) struct Trust {
    layers: usize,
    /// Those that are neither in the cache nor trusted by the user.
    unproven: usize,
    unproven_bytes: u64,
    /// Those that only the user trusts.
    told: usize,
}

impl Trust {
    /// How a layer, which may stay, stands.
    pub fn add(&mut self, layer: &Layer, cache: &Cache, trust_previous: bool) -> Standing {
        self.layers += 1;
        if is_known(layer, cache) {
            return Standing::Known;
        }
        if trust_previous {
            self.told += 1;
            return Standing::Told;
        }
        self.unproven += 1;
        self.unproven_bytes += layer.descriptor.as_ref().map_or(0, |descriptor| descriptor.size);
        Standing::Unproven
    }

    /// What the user is told.
    pub fn note(&self, reference: &Reference, cache: &Cache) -> Option<String> {
        let Self { layers, unproven, unproven_bytes, told } = self;
        match (told, unproven) {
            (0, 0) => None,
            (0, _) => Some(format!(
                "{reference}: {unproven} of {layers} layers ({}) are downloaded once to prove them, since {}, or use \
                 --trust-previous if nobody else pushes there",
                size(*unproven_bytes),
                reason(cache)
            )),
            (told, _) => {
                Some(format!("{reference}: {told} of {layers} layers are taken without a proof (--trust-previous)"))
            }
        }
    }
}

/// Why they are not known, and what to do.
fn reason(cache: &Cache) -> String {
    match cache.unusable() {
        None => {
            "the cache does not know them; keep the cache between runs (restrata cache shows where it is)".to_owned()
        }
        Some(error @ CacheError::Unwritable { .. }) => format!(
            "the cache does not know them, and nothing can be remembered for the next run ({error}); set XDG_CACHE_HOME \
             to a directory of your own"
        ),
        Some(error) => format!("the cache is not used ({error}); set XDG_CACHE_HOME to a directory of your own"),
    }
}

/// True if this user's cache has seen the layer decoded.
pub(super) fn is_known(layer: &Layer, cache: &Cache) -> bool {
    let (Some(descriptor), Some(diff_id)) = (&layer.descriptor, layer.diff_id) else { return false };
    cache.has_proven(descriptor.digest, claim(descriptor, diff_id))
}
