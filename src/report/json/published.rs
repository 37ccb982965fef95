//! What a registry took.

use serde::Serialize;

use crate::push::{Amount, Pushed};

#[derive(Serialize)]
pub(super) struct Published<'a> {
    references: &'a [String],
    sent: Blobs,
    mounted: Blobs,
    already_there: Blobs,
    /// With all registries, to read and to write.
    requests: u64,
    bytes_up: u64,
    bytes_down: u64,
}

#[derive(Serialize)]
struct Blobs {
    blobs: u64,
    bytes: u64,
}

pub(super) fn published(pushed: &Pushed) -> Published<'_> {
    let blobs = |&Amount { blobs, bytes }: &Amount| Blobs { blobs, bytes };
    Published {
        references: &pushed.references,
        sent: blobs(&pushed.counts.sent),
        mounted: blobs(&pushed.counts.mounted),
        already_there: blobs(&pushed.counts.present),
        requests: pushed.traffic.requests,
        bytes_up: pushed.traffic.sent,
        bytes_down: pushed.traffic.received,
    }
}
