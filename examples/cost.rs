//! Time of the cost oracle for a big update: 1,000,000 files in 64 layers, of which every twentieth changed, for all clients
//! and registries.

use std::sync::Arc;
use std::time::Instant;

use restrata::digest::{BlobDigest, ChunkDigest, FileDigest};
use restrata::order::cost::{Has, PullChunk, PullFile, PullIndex, PullLayer, RegistryProfile, ThinVec, pulls};
use restrata::span::Span;

const LAYERS: u64 = 64;
const EACH: u64 = 1_000_000 / LAYERS;
const STORED: u64 = 1500;
/// Where a layer's content starts.
const CONTENT: u64 = 1 << 20;

fn bytes(seed: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    for (at, word) in (1..).zip(digest.as_chunks_mut::<8>().0) {
        *word = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_mul(at).to_le_bytes();
    }
    digest
}

/// Every hundredth file is in two chunks.
fn file(layer: u64, n: u64, version: u64) -> PullFile {
    let seed = (layer * EACH + n) * 4 + if n % 20 == 7 { version } else { 0 };
    let start = CONTENT + n * (STORED + 600);
    let chunk = |half: u64| PullChunk {
        digest: ChunkDigest::from_bytes(bytes(seed * half)),
        start: start + half * STORED / 2,
        is_hole: false,
    };
    let chunks = if n % 100 == 7 { (0..2).map(chunk).collect() } else { ThinVec::new() };
    PullFile { digest: FileDigest::from_bytes(bytes(seed)), span: Span::between(start, start + STORED), chunks }
}

fn layer(layer: u64, version: u64) -> Arc<PullLayer> {
    let digest = BlobDigest::from_bytes(bytes(layer * 2 + version));
    let index = PullIndex {
        toc_digest: digest,
        toc: Span::between(8, 500_000),
        tar_split: Span::between(500_200, 900_000),
        toc_size: 5_000_000,
        files: (0..EACH).map(|n| file(layer, n, version)).collect(),
    };
    Arc::new(PullLayer { digest, size: CONTENT + EACH * (STORED + 600), index: Some(index) })
}

fn main() {
    let image = |version| (0..LAYERS).map(|n| layer(n, version)).collect::<Vec<_>>();
    let (old, new) = (image(0), image(1));
    let start = Instant::now();
    let has = Has::of(old.iter().map(Arc::as_ref));
    println!("what the client has: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let pulls = pulls(&new, 5_000, &has, None, &RegistryProfile::ALL);
    println!("{} pulls: {:.2} s", pulls.len(), start.elapsed().as_secs_f64());
    for pull in pulls {
        let (client, registry, bytes) = (pull.client.name(), pull.registry.name(), pull.blob_bytes());
        println!("{client} on {registry}: {}, {bytes} bytes, {} ranges", pull.outcome.name(), pull.cost.ranges);
    }
}
