//! What both renderers say in the same words.

use crate::compression::Compression;
use crate::order::Reason;
use crate::rechunk::{LayerOutcome, PlannedLayer};

// Names in JSON and text are fixed: programs read them.

pub(super) const fn compression_name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    }
}

/// Compressed bytes that no client shows, as a share of the image.
pub(super) fn waste(layers: &[LayerOutcome]) -> f64 {
    share(layers.iter().map(|layer| (layer.planned.dead_bytes, layer.size)))
}

/// The same before the layers are written, when their content stands for them.
pub(super) fn planned_waste(layers: &[PlannedLayer]) -> f64 {
    share(layers.iter().map(|layer| (layer.dead_bytes, layer.kept().map_or(layer.live_bytes, |blob| blob.size))))
}

fn share(layers: impl Iterator<Item = (u64, u64)>) -> f64 {
    let (dead, size) = layers.fold((0, 0), |(dead, size), layer| (dead + layer.0, size + layer.1));
    if size == 0 { 0.0 } else { dead as f64 / size as f64 }
}

/// Why a layer is as it is, in a few words that fit in a table.
pub(super) const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Live => "still shown",
        Reason::StoodOn => "others stand on it",
        Reason::Base => "base image",
        Reason::NotShown => "in no kept layer",
        Reason::Waste => "too much is hidden",
        Reason::Purge => "holds purged content",
        Reason::CannotHide => "can't hide what is gone",
        Reason::Limit => "too many layers",
    }
}
