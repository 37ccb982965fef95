//! One layer's requests: the index, then the content that is missing (container-libs `storage/pkg/chunked`,
//! `readZstdChunkedManifest` and `retrieveMissingFiles`).

use std::collections::HashSet;

use super::local::Lookup;
use super::ranges::{header_bytes, multipart_bytes};
use super::registry::Answer;
use super::{Client, Cost, LayerPull, MAX_RANGES, PullIndex, PullLayer, PullOutcome, RegistryProfile, Why, merge};
use crate::span::Span;

/// podman's `maxTocSize`, in bytes, compressed or not.
const MAX_TOC: u64 = 150 << 20;

pub(super) fn layer(layer: &PullLayer, lookup: Lookup<'_>, registry: RegistryProfile) -> LayerPull {
    let client = lookup.client;
    if lookup.has.has_layer(layer, client) {
        return pulled(layer, PullOutcome::Reused, None, Cost::default(), Vec::new());
    }
    let index = match (client, &layer.index) {
        (Client::Plain, _) => return whole(layer, Why::PlainClient, Cost::default()),
        (_, None) => return whole(layer, Why::NoIndex, Cost::default()),
        (_, Some(index)) if index.toc.len().max(index.toc_size) > MAX_TOC => {
            return whole(layer, Why::BigIndex, Cost::default());
        }
        (_, Some(index)) => index,
    };
    let wanted = [index.toc, index.tar_split];
    let mut cost = Cost { range_header_bytes: header_bytes(&wanted), ..Cost::default() };
    match request(layer, &wanted, registry, &mut cost) {
        Ok(skipped) => {
            cost.index_bytes += index.bytes();
            cost.gap_bytes += skipped;
        }
        Err(Why::GivesUp { status: 400, .. }) => return whole(layer, Why::FallsBack(400), cost),
        Err(why) => return pulled(layer, PullOutcome::Failed, Some(why), cost, Vec::new()),
    }
    let lacks = missing(index, Lookup { arriving: None, ..lookup });
    match data(layer, &lacks, registry, &mut cost) {
        Ok(fetched) => {
            cost.shared_bytes = bytes(&lacks) - bytes(&missing(index, lookup));
            pulled(layer, PullOutcome::Partial, None, cost, fetched)
        }
        Err(why) => pulled(layer, PullOutcome::Failed, Some(why), cost, Vec::new()),
    }
}

fn pulled(layer: &PullLayer, outcome: PullOutcome, why: Option<Why>, cost: Cost, fetched: Vec<Span>) -> LayerPull {
    LayerPull { digest: layer.digest, outcome, why, cost, fetched }
}

/// An ordinary download, after what was tried before it.
fn whole(layer: &PullLayer, why: Why, tried: Cost) -> LayerPull {
    let cost = Cost { requests: tried.requests + 1, data_bytes: layer.size, ..tried };
    pulled(layer, PullOutcome::Whole, Some(why), cost, vec![Span::between(0, layer.size)])
}

/// What the client lacks, in the order of the TOC.
fn missing(index: &PullIndex, lookup: Lookup<'_>) -> Vec<Span> {
    let mut missing = Vec::new();
    // A store in composefs' form keeps each content once (`makeEntriesFlat`).
    let mut seen = HashSet::new();
    for file in &index.files {
        if lookup.client != Client::Composefs || seen.insert(&file.digest) {
            lookup.missing(file, &mut missing);
        }
    }
    missing
}

fn bytes(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.len()).sum()
}

/// Asks for content, with half as many ranges after each 400.
fn data(layer: &PullLayer, missing: &[Span], registry: RegistryProfile, cost: &mut Cost) -> Result<Vec<Span>, Why> {
    let wanted = bytes(missing);
    let mut ranges = merge(missing, MAX_RANGES);
    if ranges.is_empty() {
        return Ok(ranges);
    }
    loop {
        cost.range_header_bytes = cost.range_header_bytes.max(header_bytes(&ranges));
        match request(layer, &ranges, registry, cost) {
            Ok(skipped) => {
                let fetched = bytes(&ranges);
                cost.ranges += ranges.len() as u64;
                cost.data_bytes += wanted;
                cost.gap_bytes += fetched - wanted + skipped;
                return Ok(ranges);
            }
            Err(Why::GivesUp { status: 400, .. }) if ranges.len() > 1 => ranges = merge(&ranges, ranges.len() / 2),
            Err(why) => return Err(why),
        }
    }
}

/// One request. Returns the bytes outside the ranges that the client has to read.
fn request(layer: &PullLayer, ranges: &[Span], registry: RegistryProfile, cost: &mut Cost) -> Result<u64, Why> {
    cost.requests += 1;
    match registry.answer(ranges) {
        Answer::Parts => {
            cost.multipart_bytes += multipart_bytes(ranges, layer.size);
            Ok(0)
        }
        Answer::Whole => {
            // The client reads on to each range and can't go back (`splitHTTP200ResponseToPartial`), and hangs up
            // behind the last one.
            if ranges.windows(2).any(|pair| pair[1].start() < pair[0].end()) {
                return Err(Why::IndexOrder);
            }
            let end = ranges.last().map_or(0, |last| last.end());
            cost.hang_up_bytes += layer.size.saturating_sub(end);
            Ok(end - bytes(ranges))
        }
        Answer::Refused(status) => Err(Why::GivesUp { status, ranges: ranges.len() as u64 }),
    }
}
