//! Pulls, in the same fields for every job.

use serde::Serialize;

use crate::order::cost::Pull;

#[derive(Serialize)]
pub(super) struct PullFields<'a> {
    from: Option<&'a str>,
    client: &'static str,
    registry: &'static str,
    outcome: &'static str,
    requests: u64,
    ranges: u64,
    index_bytes: u64,
    data_bytes: u64,
    gap_bytes: u64,
    shared_bytes: u64,
    blob_bytes: u64,
}

pub(super) fn pull(pull: &Pull) -> PullFields<'_> {
    PullFields {
        from: pull.from.as_deref(),
        client: pull.client.name(),
        registry: pull.registry.name(),
        outcome: pull.outcome.name(),
        requests: pull.cost.requests,
        ranges: pull.cost.ranges,
        index_bytes: pull.cost.index_bytes,
        data_bytes: pull.cost.data_bytes,
        gap_bytes: pull.cost.gap_bytes,
        shared_bytes: pull.cost.shared_bytes,
        blob_bytes: pull.blob_bytes(),
    }
}
