//! What both renderers say in the same words.

use crate::compression::Compression;
use crate::order::cost::{Client, PullOutcome, RegistryProfile};
use crate::rechunk::LayerOutcome;

// Names in JSON and text are fixed: programs read them.

pub(super) const fn client_name(client: Client) -> &'static str {
    match client {
        Client::Plain => "plain",
        Client::Podman => "podman",
    }
}

pub(super) const fn registry_name(registry: RegistryProfile) -> &'static str {
    match registry {
        RegistryProfile::MultiRange => "multi-range",
    }
}

pub(super) const fn outcome_name(outcome: PullOutcome) -> &'static str {
    match outcome {
        PullOutcome::Reused => "reused",
        PullOutcome::Partial => "partial",
        PullOutcome::Whole => "whole",
    }
}

pub(super) const fn compression_name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    }
}

/// Compressed bytes that no client shows, as a share of the image.
pub(super) fn waste(layers: &[LayerOutcome]) -> f64 {
    let size: u64 = layers.iter().map(|layer| layer.size).sum();
    let dead: u64 = layers.iter().map(|layer| layer.dead_bytes).sum();
    if size == 0 { 0.0 } else { dead as f64 / size as f64 }
}
