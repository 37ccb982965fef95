//! One layer's requests: the index, then the content that is missing (container-libs `storage/pkg/chunked`,
//! `readZstdChunkedManifest` and `retrieveMissingFiles`).

use foldhash::{HashSet, HashSetExt as _};

use super::bridge::Upstream;
use super::local::{Arriving, Lacked, Lookup};
use super::ranges::{header_bytes, multipart_bytes};
use super::registry::Answer;
use super::{Client, Cost, LayerPull, MAX_RANGES, PullLayer, PullOutcome, RegistryProfile, Why, merge};
use crate::span::Span;

/// podman's `maxTocSize`, in bytes, compressed or not.
const MAX_TOC: u64 = 150 << 20;

/// What a client does about a layer, before it knows how the registry answers.
pub(super) enum Wanted {
    Nothing,
    Whole(Why),
    Parts {
        index: [Span; 2],
        /// Bytes of content that the client lacks.
        data: u64,
        /// Of these: content that layers below bring, too.
        shared: u64,
        /// In which it asks for them.
        ranges: Vec<Span>,
    },
}

impl Wanted {
    /// `lacked` are the layer's files that [`Has::lacked`](super::Has::lacked) tells.
    pub fn of(layer: &PullLayer, lacked: &[Lacked<'_>], lookup: Lookup<'_>) -> Self {
        if lookup.has.has_layer(layer, lookup.client) {
            return Self::Nothing;
        }
        match (lookup.client, &layer.index) {
            (client, _) if !client.asks_for_ranges() => Self::Whole(Why::PlainClient),
            (_, None) => Self::Whole(Why::NoIndex),
            (_, Some(index)) if index.toc.len().max(index.toc_size) > MAX_TOC => Self::Whole(Why::BigIndex),
            (_, Some(index)) => {
                let lacks = missing(lacked, lookup, Arriving::Lacks);
                let data = bytes(&lacks);
                let shared = data - bytes(&missing(lacked, lookup, Arriving::Has));
                Self::Parts { index: [index.toc, index.tar_split], data, shared, ranges: merge(&lacks, MAX_RANGES) }
            }
        }
    }
}

pub(super) fn layer(layer: &PullLayer, wanted: &Wanted, registry: RegistryProfile) -> LayerPull {
    let (index, missing, shared, ranges) = match wanted {
        Wanted::Nothing => return pulled(layer, PullOutcome::Reused, None, Cost::default(), Vec::new()),
        Wanted::Whole(why) => return whole(layer, *why, registry, Cost::default()),
        Wanted::Parts { index, data, shared, ranges } => (index, *data, *shared, ranges),
    };
    let mut cost = Cost { range_header_bytes: header_bytes(index), ..Cost::default() };
    match request(layer, index, registry, &mut cost) {
        Ok(skipped) => {
            cost.index_bytes += bytes(index);
            cost.gap_bytes += skipped;
        }
        Err(Why::GivesUp { status: 400, .. }) => return whole(layer, Why::FallsBack(400), registry, cost),
        Err(why) => return pulled(layer, PullOutcome::Failed, Some(why), cost, Vec::new()),
    }
    match data(layer, missing, ranges, registry, &mut cost) {
        Ok(fetched) => {
            cost.shared_bytes = shared;
            pulled(layer, PullOutcome::Partial, None, cost, fetched)
        }
        Err(why) => pulled(layer, PullOutcome::Failed, Some(why), cost, Vec::new()),
    }
}

fn pulled(layer: &PullLayer, outcome: PullOutcome, why: Option<Why>, cost: Cost, fetched: Vec<Span>) -> LayerPull {
    LayerPull { digest: layer.digest, outcome, why, cost, fetched }
}

/// An ordinary download, after what was tried before it.
fn whole(layer: &PullLayer, why: Why, registry: RegistryProfile, tried: Cost) -> LayerPull {
    let fetched = vec![Span::between(0, layer.size)];
    let mut cost = Cost { requests: tried.requests + 1, data_bytes: layer.size, ..tried };
    bridged(&fetched, registry, &mut cost);
    pulled(layer, PullOutcome::Whole, Some(why), cost, fetched)
}

/// What the client lacks, in the order of the TOC.
fn missing(lacked: &[Lacked<'_>], lookup: Lookup<'_>, arriving: Arriving) -> Vec<Span> {
    let mut missing = Vec::new();
    // A store in composefs' form keeps each content once (`makeEntriesFlat`).
    let mut seen = HashSet::new();
    for lacked in lacked {
        if lookup.client != Client::Composefs || seen.insert(&lacked.file.digest) {
            lookup.missing(lacked, arriving, &mut missing);
        }
    }
    missing
}

fn bytes(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.len()).sum()
}

/// Asks for `wanted` bytes of content, with half as many ranges after each 400.
fn data(
    layer: &PullLayer,
    wanted: u64,
    ranges: &[Span],
    registry: RegistryProfile,
    cost: &mut Cost,
) -> Result<Vec<Span>, Why> {
    let mut ranges = ranges.to_vec();
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
    bridged(ranges, registry, cost);
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

/// What a bridge does about one request.
fn bridged(ranges: &[Span], registry: RegistryProfile, cost: &mut Cost) {
    if registry == RegistryProfile::Bridge {
        cost.upstream.add(Upstream::of(ranges));
    }
}
