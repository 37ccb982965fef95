//! What a pull moves: a replay of the client's own decisions.
//!
//! podman looks for each file's digest in every local layer that has a TOC, asks for the missing ones in a single request
//! with many ranges, bridges gaps of at most 1,024 bytes, and then the cheapest gaps until 1,024 ranges are
//! left (container-libs `storage/pkg/chunked/storage_linux.go`, `mergeMissingChunks`). Index and content are
//! separate requests; the index is always two ranges.

use std::collections::HashSet;
use std::sync::Arc;

use crate::digest::{BlobDigest, FileDigest};
use crate::span::Span;

/// podman's `autoMergePartsThreshold`, in bytes.
pub const BRIDGED_GAP: u64 = 1024;
/// podman's `maxNumberMissingChunks`.
pub const MAX_RANGES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Reuses whole layers only: docker, containerd, podman without partial pulls.
    Plain,
    /// podman with partial pulls, on a store without reflinks: it reuses whole files.
    Podman,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryProfile {
    /// Answers any number of ranges with exactly those bytes.
    MultiRange,
}

/// How one layer, or the image, comes to the client. The image's is the costliest of its layers'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PullOutcome {
    Reused,
    Partial,
    Whole,
}

/// A layer as a client sees it before it pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullLayer {
    pub digest: BlobDigest,
    /// Bytes of the blob.
    pub size: u64,
    /// `None`: a layer without a TOC, which is pulled whole.
    pub index: Option<PullIndex>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullIndex {
    /// Bytes of compressed TOC and tar-split.
    pub bytes: u64,
    /// Each file's content and the blob's bytes that hold it, in the order of the TOC.
    pub files: Vec<(FileDigest, Span)>,
}

/// What a client has already.
#[derive(Debug, Clone, Default)]
pub struct Has<'a> {
    layers: HashSet<BlobDigest>,
    /// Content that stands in a TOC of one of the layers.
    files: HashSet<&'a FileDigest>,
}

impl<'a> Has<'a> {
    pub fn of(layers: impl IntoIterator<Item = &'a PullLayer>) -> Self {
        let mut has = Self::default();
        for layer in layers {
            has.layers.insert(layer.digest);
            has.files.extend(layer.index.iter().flat_map(|index| &index.files).map(|(digest, _)| digest));
        }
        has
    }
}

/// A pull's cost; all byte counts are of blob bodies, multipart framing left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The image that the client has; `None` for a first pull.
    pub from: Option<String>,
    pub client: Client,
    pub registry: RegistryProfile,
    pub outcome: PullOutcome,
    pub requests: u64,
    /// Ranges of content over all layers; the index's two a layer are not counted.
    pub ranges: u64,
    pub index_bytes: u64,
    pub data_bytes: u64,
    pub gap_bytes: u64,
    /// Everything, with the config.
    pub blob_bytes: u64,
}

/// The cost of an image with a config of `config_size` bytes for a client that has `has`.
pub fn pull(layers: &[Arc<PullLayer>], config_size: u64, has: &Has<'_>, client: Client, from: Option<String>) -> Pull {
    let mut pull = Pull {
        from,
        client,
        registry: RegistryProfile::MultiRange,
        outcome: PullOutcome::Reused,
        requests: 1,
        ranges: 0,
        index_bytes: 0,
        data_bytes: 0,
        gap_bytes: 0,
        blob_bytes: config_size,
    };
    for layer in layers.iter().filter(|layer| !has.layers.contains(&layer.digest)) {
        match (&layer.index, client) {
            (Some(index), Client::Podman) => add_partial(&mut pull, index, has),
            _ => {
                pull.outcome = PullOutcome::Whole;
                pull.requests += 1;
                pull.data_bytes += layer.size;
                pull.blob_bytes += layer.size;
            }
        }
    }
    pull
}

fn add_partial(pull: &mut Pull, index: &PullIndex, has: &Has<'_>) {
    let missing = index.files.iter().filter(|(digest, _)| !has.files.contains(digest)).map(|(_, span)| *span);
    let missing: Vec<Span> = missing.collect();
    let ranges = merge(&missing);
    let wanted: u64 = missing.iter().map(|span| span.len()).sum();
    let fetched: u64 = ranges.iter().map(|span| span.len()).sum();
    pull.outcome = pull.outcome.max(PullOutcome::Partial);
    pull.requests += 1 + u64::from(!ranges.is_empty());
    pull.ranges += ranges.len() as u64;
    pull.index_bytes += index.bytes;
    pull.data_bytes += wanted;
    pull.gap_bytes += fetched - wanted;
    pull.blob_bytes += index.bytes + fetched;
}

/// The ranges that podman asks for, given the missing spans in ascending order.
pub fn merge(missing: &[Span]) -> Vec<Span> {
    let gap = |at: usize| missing[at].start().saturating_sub(missing[at - 1].end());
    let mut by_cost: Vec<usize> = (1..missing.len()).collect();
    by_cost.sort_by_key(|&at| (gap(at), at));
    let mut bridged = vec![false; missing.len()];
    let mut to_merge = missing.len() as i64 - MAX_RANGES as i64;
    for at in by_cost {
        // At exactly the maximum the client still bridges one gap: its count goes below zero first.
        if to_merge >= 0 || gap(at) <= BRIDGED_GAP {
            bridged[at] = true;
            to_merge -= 1;
        }
    }
    let mut ranges: Vec<Span> = Vec::new();
    for (span, bridged) in missing.iter().zip(bridged) {
        match ranges.last_mut() {
            Some(last) if bridged => *last = Span::between(last.start(), span.end()),
            _ => ranges.push(*span),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(u64, u64)]) -> Vec<Span> {
        pairs.iter().map(|&(start, end)| Span::between(start, end)).collect()
    }

    #[test]
    fn small_gaps_are_bridged_and_large_ones_are_not() {
        let missing = spans(&[(0, 10), (1034, 1100), (2125, 2200), (2200, 2300)]);
        assert_eq!(merge(&missing), spans(&[(0, 1100), (2125, 2300)]));
        assert_eq!(merge(&[]), []);
    }

    #[test]
    fn above_the_maximum_the_cheapest_gaps_go() {
        let missing: Vec<_> = (0..1030u64).map(|n| Span::between(n * 10_000 + n, n * 10_000 + n + 100)).collect();
        assert_eq!(merge(&missing).len(), MAX_RANGES - 1);
        assert_eq!(merge(&missing[..1023]).len(), 1023);
        assert_eq!(merge(&missing[..1024]).len(), 1023);
    }

    #[test]
    fn plain_clients_pay_whole_layers() {
        let digest = |n| BlobDigest::from_bytes([n; 32]);
        let file = |n| FileDigest::from_bytes([n; 32]);
        let one = file(1);
        let index = PullIndex { bytes: 7, files: vec![(one, Span::between(10, 20)), (file(2), Span::between(30, 40))] };
        let new = [
            PullLayer { digest: digest(1), size: 100, index: None },
            PullLayer { digest: digest(2), size: 50, index: Some(index) },
        ]
        .map(Arc::new);
        let has = Has { layers: HashSet::from([digest(1)]), files: HashSet::from([&one]) };
        let plain = pull(&new, 5, &has, Client::Plain, None);
        assert_eq!((plain.outcome, plain.blob_bytes, plain.requests), (PullOutcome::Whole, 55, 2));
        let podman = pull(&new, 5, &has, Client::Podman, None);
        assert_eq!(
            (podman.outcome, podman.blob_bytes, podman.ranges, podman.requests),
            (PullOutcome::Partial, 22, 1, 3)
        );
    }
}
