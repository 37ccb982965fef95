//! The rules one by one; tests/oracle.rs holds them against a second model.

use super::*;

fn spans(pairs: &[(u64, u64)]) -> Vec<Span> {
    pairs.iter().map(|&(start, end)| Span::between(start, end)).collect()
}

#[test]
fn small_gaps_are_bridged_and_large_ones_are_not() {
    let missing = spans(&[(0, 10), (1034, 1100), (2125, 2200), (2200, 2300)]);
    assert_eq!(merge(&missing, MAX_RANGES), spans(&[(0, 1100), (2125, 2300)]));
    assert_eq!(merge(&[], MAX_RANGES), []);
}

#[test]
fn above_the_maximum_the_cheapest_gaps_go() {
    let missing: Vec<_> = (0..1030u64).map(|n| Span::between(n * 10_000 + n, n * 10_000 + n + 100)).collect();
    assert_eq!(merge(&missing, MAX_RANGES).len(), MAX_RANGES - 1);
    assert_eq!(merge(&missing[..1023], MAX_RANGES).len(), 1023);
    assert_eq!(merge(&missing[..1024], MAX_RANGES).len(), 1023);
}

fn digest(n: u8) -> BlobDigest {
    BlobDigest::from_bytes([n; 32])
}

fn file(n: u8, start: u64, end: u64) -> PullFile {
    PullFile { digest: FileDigest::from_bytes([n; 32]), span: Span::between(start, end), chunks: ThinVec::new() }
}

fn chunk(n: u8, start: u64) -> PullChunk {
    PullChunk { digest: ChunkDigest::from_bytes([n; 32]), start, is_hole: n == 0 }
}

/// A layer of 100,000 bytes with the index in bytes 8 to 28.
fn layer(n: u8, files: Vec<PullFile>) -> Arc<PullLayer> {
    let (toc, tar_split) = (Span::between(8, 18), Span::between(22, 28));
    let index = PullIndex { toc_digest: digest(n), toc, tar_split, toc_size: 50, files };
    Arc::new(PullLayer { digest: digest(n), size: 100_000, index: Some(index) })
}

fn bare(n: u8) -> Arc<PullLayer> {
    Arc::new(PullLayer { digest: digest(n), size: 100, index: None })
}

fn pulled(layers: &[Arc<PullLayer>], has: &[Arc<PullLayer>], client: Client, registry: RegistryProfile) -> Pull {
    pull(layers, 5, &Has::of(has.iter().map(Arc::as_ref)), client, registry, None)
}

/// A layer in another place is another layer for it, and a blob that stands twice is downloaded once.
#[test]
fn docker_pays_everything_above_the_lowest_change() {
    let docker = |new: &[Arc<PullLayer>], has: &[Arc<PullLayer>]| {
        let pull = pulled(new, has, Client::Docker, RegistryProfile::MultiRange);
        (pull.outcome, pull.blob_bytes(), pull.cost.requests)
    };
    let has = [bare(1), bare(2), bare(3)];
    assert_eq!(docker(&has, &has), (PullOutcome::Reused, 5, 1));
    assert_eq!(docker(&[bare(1), bare(2), bare(3), bare(4)], &has), (PullOutcome::Whole, 105, 2));
    assert_eq!(docker(&[bare(1), bare(4), bare(3)], &has), (PullOutcome::Whole, 205, 3));
    assert_eq!(docker(&[bare(2), bare(1), bare(3)], &has), (PullOutcome::Whole, 305, 4));
    assert_eq!(docker(&[bare(1), bare(2), bare(4), bare(4)], &has), (PullOutcome::Whole, 105, 2));
    assert_eq!(docker(&has[..2], &has), (PullOutcome::Reused, 5, 1));
}

#[test]
fn plain_clients_pay_whole_layers() {
    let new = [bare(1), layer(2, vec![file(1, 10_000, 20_000), file(2, 30_000, 40_000)])];
    let has = [bare(1), layer(3, vec![file(1, 50, 60)])];
    let plain = pulled(&new, &has, Client::Plain, RegistryProfile::MultiRange);
    assert_eq!((plain.outcome, plain.blob_bytes(), plain.cost.requests), (PullOutcome::Whole, 100_005, 2));
    let podman = pulled(&new, &has, Client::Podman, RegistryProfile::MultiRange);
    assert_eq!(podman.outcome, PullOutcome::Partial);
    assert_eq!((podman.blob_bytes(), podman.cost.ranges, podman.cost.requests), (10_021, 1, 3));
}

#[test]
fn what_each_registry_does_to_a_first_pull() {
    let new = [layer(1, vec![file(1, 10_000, 20_000), file(2, 30_000, 40_000)])];
    let cost = |registry| {
        let pull = pulled(&new, &[], Client::Podman, registry);
        (pull.outcome, pull.cost.requests, pull.cost.ranges, pull.blob_bytes())
    };
    use RegistryProfile::{MultiRange, Ranges16, Ranges299, Refuse400, Refuse501, Whole200};
    for registry in [MultiRange, Ranges16, Ranges299] {
        assert_eq!(cost(registry), (PullOutcome::Partial, 3, 2, 20_021));
    }
    // Everything up to the last byte that is wanted, twice.
    assert_eq!(cost(Whole200), (PullOutcome::Partial, 3, 2, 40_033));
    assert_eq!(cost(Refuse400), (PullOutcome::Whole, 3, 0, 100_005));
    let failed = pulled(&new, &[], Client::Podman, Refuse501);
    assert_eq!(
        (failed.outcome, failed.failure()),
        (PullOutcome::Failed, Some((0, Why::GivesUp { status: 501, ranges: 2 })))
    );
}

#[test]
fn many_ranges_are_too_many_for_some() {
    let files =
        |count: u8| (0..count).map(|n| file(n, 2_000 * u64::from(n) + 1_000, 2_000 * u64::from(n) + 1_010)).collect();
    let outcome = |count, registry| pulled(&[layer(1, files(count))], &[], Client::Podman, registry).outcome;
    assert_eq!(outcome(16, RegistryProfile::Ranges16), PullOutcome::Partial);
    assert_eq!(outcome(17, RegistryProfile::Ranges16), PullOutcome::Failed);
}

#[test]
fn chunks_are_reused_with_reflinks_alone_and_holes_by_all() {
    let cut = |digest, chunks: &[PullChunk]| PullFile { chunks: chunks.into(), ..file(digest, 10_000, 40_000) };
    let has = [layer(2, vec![cut(9, &[chunk(1, 10_000), chunk(2, 20_000)])])];
    let new = [layer(
        1,
        vec![cut(8, &[chunk(3, 10_000), chunk(4, 12_000), chunk(0, 15_000), chunk(1, 20_000), chunk(5, 30_000)])],
    )];
    let bytes = |client| {
        let pull = pulled(&new, &has, client, RegistryProfile::MultiRange);
        (pull.cost.ranges, pull.cost.data_bytes)
    };
    assert_eq!(bytes(Client::Podman), (2, 25_000));
    assert_eq!(bytes(Client::PodmanReflink), (2, 15_000));
}

#[test]
fn composefs_fetches_equal_content_once() {
    let new = [layer(1, vec![file(1, 10_000, 20_000), file(1, 30_000, 40_000)])];
    assert_eq!(pulled(&new, &[], Client::Podman, RegistryProfile::MultiRange).cost.data_bytes, 20_000);
    assert_eq!(pulled(&new, &[], Client::Composefs, RegistryProfile::MultiRange).cost.data_bytes, 10_000);
}

#[test]
fn the_same_toc_is_the_same_layer() {
    let new = layer(1, vec![file(1, 10_000, 20_000)]);
    let mut other = (*new).clone();
    other.digest = digest(2);
    let outcome =
        |client| pulled(&[Arc::clone(&new)], &[Arc::new(other.clone())], client, RegistryProfile::MultiRange).outcome;
    assert_eq!((outcome(Client::Podman), outcome(Client::Plain)), (PullOutcome::Reused, PullOutcome::Whole));
}

/// A layer with an index of 64,000 and 32,000 bytes, and a gap of 92 between.
fn large(n: u8, files: Vec<PullFile>) -> Arc<PullLayer> {
    let (toc, tar_split) = (Span::between(8, 64_008), Span::between(64_100, 96_100));
    let index = PullIndex { toc_digest: digest(n), toc, tar_split, toc_size: 300_000, files };
    Arc::new(PullLayer { digest: digest(n), size: 400_000, index: Some(index) })
}

fn upstream(requests: u64, bytes: u64) -> Upstream {
    Upstream { requests, bytes }
}

/// A 64th of what is wanted may be gaps: 1,500 bytes of the index's 96,000, and 2,312 of 148,000 bytes of content. A request of
/// podman's is not joined with another.
#[test]
fn a_bridge_asks_for_few_single_ranges() {
    let files = vec![file(1, 100_000, 164_000), file(2, 166_000, 230_000), file(3, 300_000, 320_000)];
    let new = [large(1, files), bare(2), bare(3)];
    let through = |client| pulled(&new, &[bare(3)], client, RegistryProfile::Bridge);
    let podman = through(Client::Podman);
    let layers: Vec<_> = podman.layers.iter().map(|layer| (layer.outcome, layer.cost.upstream)).collect();
    assert_eq!(
        layers,
        [
            (PullOutcome::Partial, upstream(1 + 2, 96_092 + 130_000 + 20_000)),
            (PullOutcome::Whole, upstream(1, 100)),
            (PullOutcome::Reused, upstream(0, 0))
        ]
    );
    assert_eq!((podman.cost.requests, podman.cost.ranges, podman.blob_bytes()), (4, 3, 96_000 + 148_000 + 100 + 5));
    assert_eq!(podman.upstream(), Some(upstream(5, 246_092 + 100 + 5)));
    // The gap of 6,000 is more than a 64th. The index's of 4 bytes is always joined.
    let small = [layer(1, vec![file(1, 10_000, 20_000), file(2, 26_000, 30_000)])];
    let pull = pulled(&small, &[], Client::Podman, RegistryProfile::Bridge);
    assert_eq!((pull.upstream(), pull.cost.requests), (Some(upstream(1 + 1 + 2, 5 + 20 + 14_000)), 3));
    // Whole layers are one request each.
    let plain = through(Client::Plain);
    assert_eq!((plain.upstream(), plain.blob_bytes()), (Some(upstream(3, 400_105)), 400_105));
    let alone = pulled(&new[2..], &[bare(3)], Client::Podman, RegistryProfile::Bridge);
    assert_eq!(alone.upstream(), Some(upstream(1, 5)));
}

#[test]
fn only_a_bridge_asks_another_registry() {
    let new = [large(1, vec![file(1, 100_000, 164_000)]), bare(2)];
    let has = Has::default();
    let all = pulls(&new, 5, &has, None, &RegistryProfile::WITH_BRIDGE);
    let (bridged, others): (Vec<&Pull>, Vec<&Pull>) =
        all.iter().partition(|pull| pull.registry == RegistryProfile::Bridge);
    assert!(others.iter().all(|pull| pull.upstream().is_none() && pull.cost.upstream == Upstream::default()));
    let clients: Vec<Client> = bridged.iter().map(|pull| pull.client).collect();
    assert_eq!(clients, [Client::Podman, Client::PodmanReflink, Client::Composefs]);
    let without = pulls(&new, 5, &has, None, &RegistryProfile::ALL);
    assert_eq!(others.into_iter().cloned().collect::<Vec<_>>(), without);
}

proptest::proptest! {
    /// podman moves as much as from a registry that serves any number of ranges. The registry sends at most a 64th more, and
    /// the gap in the index if that is small. podman itself asks for no ranges with smaller gaps.
    #[test]
    fn a_bridge_costs_the_registry_little_more(
        files in proptest::collection::vec((0_u64..300_000, 1_u64..400_000), 0..40),
        index in (1_u64..200_000, 0_u64..3_000, 1_u64..200_000),
        known in 0_u8..40,
    ) {
        let (toc, tar_split) = (Span::between(8, 8 + index.0), Span::new(8 + index.0 + index.1, index.2).unwrap());
        let mut at = tar_split.end();
        let files: Vec<PullFile> = files.iter().zip(1..).map(|((gap, bytes), n)| {
            let start = at + gap;
            at = start + bytes;
            file(n, start, at)
        }).collect();
        let old = files.iter().take(known.into()).step_by(2).cloned().collect();
        let index = PullIndex { toc_digest: digest(1), toc, tar_split, toc_size: 50, files };
        let new = [Arc::new(PullLayer { digest: digest(1), size: at, index: Some(index) }), bare(2)];
        let through = |registry| pulled(&new, &[layer(3, old)], Client::Podman, registry);
        let bridge = through.clone()(RegistryProfile::Bridge);
        let direct = through(RegistryProfile::MultiRange);
        let (asked, read) = (bridge.upstream().unwrap(), bridge.blob_bytes());
        assert!((read..=read + read / 64 + 1024).contains(&asked.bytes), "{asked:?} {read}");
        let most = 1 + 1 + 2 + bridge.cost.ranges;
        assert!((bridge.cost.requests..=most).contains(&asked.requests), "{asked:?} {most}");
        let mut same = bridge;
        same.registry = RegistryProfile::MultiRange;
        same.cost.upstream = Upstream::default();
        same.layers.iter_mut().for_each(|layer| layer.cost.upstream = Upstream::default());
        assert_eq!(same, direct);
    }
}
