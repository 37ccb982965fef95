//! The cost oracle against a second, naive model: a blob is an array of bytes that are fetched or not, and the rules of the
//! clients and registries are written down once more, without looking for speed.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use restrata::digest::{BlobDigest, ChunkDigest, FileDigest};
use restrata::order::cost::{
    Client, Has, PullChunk, PullFile, PullIndex, PullLayer, PullOutcome, RegistryProfile, merge, pull, pulls,
};
use restrata::span::Span;

const SIZE: u64 = 60_000;

/// Files as content, pieces (content and bytes; content 0 is a hole) and the bytes before them.
type File = (u8, Vec<(u8, u64)>, u64);
type Layer = (u8, Option<Vec<File>>);

fn layer() -> impl Strategy<Value = Layer> {
    let file = (0_u8..12, vec((0_u8..9, 1_u64..3000), 1..4), 0_u64..2500);
    (0_u8..20, proptest::option::weighted(0.8, vec(file, 0..9)))
}

fn built((digest, files): &Layer) -> Arc<PullLayer> {
    let blob = |n| BlobDigest::from_bytes([n; 32]);
    let index = files.as_ref().map(|files| {
        let mut at = 400;
        let mut file = |(content, pieces, before): &File| {
            at += before;
            let start = at;
            let mut chunk = |&(content, bytes): &(u8, u64)| {
                let chunk =
                    PullChunk { digest: ChunkDigest::from_bytes([content; 32]), start: at, is_hole: content == 0 };
                at += bytes;
                chunk
            };
            let mut chunks: Vec<PullChunk> = pieces.iter().map(&mut chunk).collect();
            if chunks.len() == 1 {
                chunks.clear();
            }
            PullFile {
                digest: FileDigest::from_bytes([*content; 32]),
                span: Span::between(start, at),
                chunks: chunks.into(),
            }
        };
        let files = files.iter().map(&mut file).collect();
        let (toc, tar_split) = (Span::between(8, 208), Span::between(216, 300));
        PullIndex { toc_digest: blob(*digest), toc, tar_split, toc_size: 900, files }
    });
    Arc::new(PullLayer { digest: blob(*digest), size: SIZE, index })
}

/// (outcome, requests, ranges, bytes that are read) of one layer.
type Naive = (PullOutcome, u64, u64, u64);

/// docker with a graph driver stores a layer under the names of all layers below it.
fn naive_docker(new: &[Arc<PullLayer>], old: &[Arc<PullLayer>]) -> Vec<Naive> {
    let mut pulled: Vec<BlobDigest> = Vec::new();
    let mut of_layer = |at: usize| {
        let chain = |layers: &[Arc<PullLayer>]| layers.iter().map(|layer| layer.digest).collect::<Vec<_>>();
        let is_there = old.len() > at && chain(&old[..=at]) == chain(&new[..=at]);
        if is_there || pulled.contains(&new[at].digest) {
            return (PullOutcome::Reused, 0, 0, 0);
        }
        pulled.push(new[at].digest);
        (PullOutcome::Whole, 1, 0, new[at].size)
    };
    (0..new.len()).map(&mut of_layer).collect()
}

fn naive(layer: &PullLayer, has: &[Arc<PullLayer>], client: Client, registry: RegistryProfile) -> Naive {
    if has.iter().any(|other| other.digest == layer.digest) {
        return (PullOutcome::Reused, 0, 0, 0);
    }
    let Some(index) = layer.index.as_ref().filter(|_| client != Client::Plain) else {
        return (PullOutcome::Whole, 1, 0, layer.size);
    };
    match registry {
        RegistryProfile::Refuse400 => return (PullOutcome::Whole, 2, 0, layer.size),
        RegistryProfile::Refuse501 => return (PullOutcome::Failed, 0, 0, 0),
        _ => {}
    }
    let sends_all = registry == RegistryProfile::Whole200;
    let index_read = if sends_all { 300 } else { 284 };
    let ranges = runs(&wanted(index, has, client));
    if ranges.is_empty() {
        return (PullOutcome::Partial, 1, 0, index_read);
    }
    let most = match registry {
        RegistryProfile::Ranges16 => 16,
        RegistryProfile::Ranges299 => 299,
        _ => usize::MAX,
    };
    if ranges.len() > most {
        return (PullOutcome::Failed, 0, 0, 0);
    }
    let read = match sends_all && ranges.len() > 1 {
        true => ranges.last().unwrap().1,
        false => ranges.iter().map(|(start, end)| end - start).sum(),
    };
    (PullOutcome::Partial, 2, ranges.len() as u64, index_read + read)
}

/// Which bytes of the blob the client needs.
fn wanted(index: &PullIndex, has: &[Arc<PullLayer>], client: Client) -> Vec<bool> {
    let mut wanted = vec![false; SIZE as usize];
    let old_files = || has.iter().filter_map(|layer| layer.index.as_ref()).flat_map(|index| &index.files);
    for (number, file) in index.files.iter().enumerate() {
        let is_again = index.files[..number].iter().any(|other| other.digest == file.digest);
        if old_files().any(|old| old.digest == file.digest) || (client == Client::Composefs && is_again) {
            continue;
        }
        let mut mark = |start: u64, end: u64| wanted[start as usize..end as usize].fill(true);
        if file.chunks.is_empty() {
            mark(file.span.start(), file.span.end());
        }
        for (at, chunk) in file.chunks.iter().enumerate() {
            let end = file.chunks.get(at + 1).map_or(file.span.end(), |next| next.start);
            let is_known = client == Client::PodmanReflink
                && old_files().flat_map(|old| &old.chunks).any(|old| !old.is_hole && old.digest == chunk.digest);
            if !chunk.is_hole && !is_known {
                mark(chunk.start, end);
            }
        }
    }
    wanted
}

/// Runs of wanted bytes, over gaps of up to 1,024 bytes.
fn runs(wanted: &[bool]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for at in (0..wanted.len() as u64).filter(|&at| wanted[at as usize]) {
        match runs.last_mut() {
            Some(last) if at - last.1 <= 1024 => last.1 = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    runs
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_models_agree(new in vec(layer(), 0..4), old in vec(layer(), 0..4)) {
        let new: Vec<Arc<PullLayer>> = new.iter().map(built).collect();
        let old: Vec<Arc<PullLayer>> = old.iter().map(built).collect();
        let has = Has::of(old.iter().map(Arc::as_ref));
        for together in pulls(&new, 77, &has, Some("old"), &RegistryProfile::WITH_BRIDGE) {
            let alone = pull(&new, 77, &has, together.client, together.registry, Some("old".to_owned()));
            prop_assert_eq!(together, alone);
        }
        for client in Client::ALL {
            for registry in RegistryProfile::WITH_BRIDGE {
                let found = pull(&new, 77, &has, client, registry, None);
                let expected: Vec<Naive> = match client {
                    Client::Docker => naive_docker(&new, &old),
                    _ => new.iter().map(|layer| naive(layer, &old, client, registry)).collect(),
                };
                let one = |layer: &restrata::order::cost::LayerPull| match layer.outcome {
                    PullOutcome::Failed => (PullOutcome::Failed, 0, 0, 0),
                    outcome => (outcome, layer.cost.requests, layer.cost.ranges, layer.cost.blob_bytes()),
                };
                let layers: Vec<Naive> = found.layers.iter().map(one).collect();
                prop_assert_eq!(&layers, &expected, "{:?} {:?}", client, registry);
                prop_assert_eq!(found.blob_bytes(), 77 + expected.iter().map(|layer| layer.3).sum::<u64>());
                for (at, layer) in found.layers.iter().enumerate().filter(|(_, layer)| layer.outcome == PullOutcome::Partial) {
                    let below = new[..at].iter().zip(&found.layers).filter(|(layer, pull)| layer.index.is_some() && pull.outcome != PullOutcome::Reused);
                    let with_below: Vec<_> = old.iter().chain(below.map(|(layer, _)| layer)).cloned().collect();
                    let count = |has: &[Arc<PullLayer>]| {
                        wanted(new[at].index.as_ref().unwrap(), has, client).iter().filter(|wanted| **wanted).count() as u64
                    };
                    prop_assert_eq!(layer.cost.shared_bytes, count(&old) - count(&with_below));
                }
                // Of the gaps here, a bridge joins the one of 8 bytes between TOC and tar-split alone.
                let partial = expected.iter().filter(|layer| layer.0 == PullOutcome::Partial).count() as u64;
                let single = |layer: &Naive| match layer.0 { PullOutcome::Partial => 1 + layer.2, _ => layer.1 };
                let single = (1 + expected.iter().map(single).sum::<u64>(), found.blob_bytes() + 8 * partial);
                let upstream = found.upstream().map(|upstream| (upstream.requests, upstream.bytes));
                prop_assert_eq!(upstream, (registry == RegistryProfile::Bridge).then_some(single));
                prop_assert_eq!(found.cost.requests, 1 + expected.iter().map(|layer| layer.1).sum::<u64>());
            }
        }
    }

    /// A wanted byte is never lost, there are never more ranges than allowed, and no cheaper gaps could have been bridged.
    #[test]
    fn ranges_hold_what_is_wanted(parts in vec((0_u64..5000, 1_u64..3000), 0..60), most in 1_usize..40) {
        let mut at = 0;
        let missing: Vec<Span> = parts.iter().map(|(gap, bytes)| {
            let start = at + gap;
            at = start + bytes;
            Span::between(start, at)
        }).collect();
        let ranges = merge(&missing, most);
        prop_assert!(ranges.len() <= most);
        prop_assert!(missing.iter().all(|part| ranges.iter().any(|range| range.start() <= part.start() && part.end() <= range.end())));
        let mut gaps: Vec<u64> = missing.windows(2).map(|pair| pair[1].start() - pair[0].end()).collect();
        gaps.sort_unstable();
        let forced = (missing.len() + 1).saturating_sub(most);
        let bridged: u64 = gaps.iter().enumerate().filter(|(n, gap)| *n < forced || **gap <= 1024).map(|(_, gap)| gap).sum();
        let sum = |spans: &[Span]| spans.iter().map(|span| span.len()).sum::<u64>();
        prop_assert_eq!(sum(&ranges), sum(&missing) + bridged);
    }
}
