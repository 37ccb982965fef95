//! Where files are cut: bytes a second through the rolling sum, and over holes.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use restrata::toc::{Chunker, Cut};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(3);

const LEN: usize = 16 << 20;

/// Data without holes, data with a hole of 8 KiB in every 64, and zeros only.
fn data(kind: &str) -> Vec<u8> {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    match kind {
        "zeros" => vec![0; LEN],
        _ => (0..LEN).map(|at| if kind == "holes" && at % 65_536 < 8192 { 0 } else { noise() }).collect(),
    }
}

fn cuts(data: &[u8]) -> Vec<Cut> {
    let (mut chunker, mut cuts) = (Chunker::new(), Vec::new());
    // The pieces that unpack reads.
    data.chunks(1 << 20).for_each(|piece| chunker.push(piece, &mut cuts));
    chunker.finish(&mut cuts);
    cuts
}

fn chunker(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunker");
    group.throughput(Throughput::Bytes(LEN as u64)).sample_size(10).warm_up_time(WARM_UP).measurement_time(MEASURE);
    for kind in ["noise", "holes", "zeros"] {
        let data = data(kind);
        group.bench_with_input(BenchmarkId::from_parameter(kind), &data, |b, data| b.iter(|| black_box(cuts(data))));
    }
    group.finish();
}

criterion_group!(benches, chunker);
criterion_main!(benches);
