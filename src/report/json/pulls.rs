//! Pulls, in the same fields for every job.

use serde::Serialize;

use crate::compression::Compression;
use crate::order::cost::Pull;

#[derive(Serialize)]
pub(super) struct PullFields<'a> {
    from: Option<&'a str>,
    client: &'static str,
    /// Which of two images of the index this client takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'static str>,
    registry: &'static str,
    outcome: &'static str,
    /// Of a pull that fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    requests: u64,
    ranges: u64,
    index_bytes: u64,
    data_bytes: u64,
    gap_bytes: u64,
    shared_bytes: u64,
    hang_up_bytes: u64,
    multipart_bytes: u64,
    range_header_bytes: u64,
    blob_bytes: u64,
    /// These two: of a pull through a bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_requests: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Failure {
    /// From 0, the lowest.
    layer: usize,
    digest: String,
    why: String,
}

pub(super) fn pull(pull: &Pull) -> PullFields<'_> {
    PullFields {
        from: pull.from.as_deref(),
        client: pull.client.name(),
        image: pull.image.map(Compression::name),
        registry: pull.registry.name(),
        outcome: pull.outcome.name(),
        failure: pull.failure().map(|(layer, why)| Failure {
            layer,
            digest: pull.layers[layer].digest.to_string(),
            why: why.to_string(),
        }),
        requests: pull.cost.requests,
        ranges: pull.cost.ranges,
        index_bytes: pull.cost.index_bytes,
        data_bytes: pull.cost.data_bytes,
        gap_bytes: pull.cost.gap_bytes,
        shared_bytes: pull.cost.shared_bytes,
        hang_up_bytes: pull.cost.hang_up_bytes,
        multipart_bytes: pull.cost.multipart_bytes,
        range_header_bytes: pull.cost.range_header_bytes,
        blob_bytes: pull.blob_bytes(),
        upstream_requests: pull.upstream().map(|upstream| upstream.requests),
        upstream_bytes: pull.upstream().map(|upstream| upstream.bytes),
    }
}
