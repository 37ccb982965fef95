//! A layer of a few thousand files: unpack (hash, compress, spool) and pack (index, DiffID, blob), in bytes of
//! the tar a second.

use std::hint::black_box;
use std::io::{self, Read};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use restrata::codec::Level;
use restrata::inventory::{Inventory, Known};
use restrata::pack::{self, Blobs, IndexPlace, Placed, Stock, pack};
use restrata::progress::{Progress, SizeLimit};
use restrata::spool::{Spool, default_dir};
use restrata::tar::{EntryKind, Header, encode};
use restrata::unpack::{self, LayerInput, UnpackedLayer, unpack};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(3);

const FILES: u64 = 4000;

/// Files of 0 to 32 KiB, half text that compresses well and half that hardly does.
fn tar() -> Vec<u8> {
    let mut tar = Vec::new();
    let mut state = 1_u64;
    for n in 0..FILES {
        let size = n * n * 7919 % 32_768;
        let header = Header { size, mode: 0o644, ..Header::new(format!("srv/d{}/f{n}", n / 50), EntryKind::Regular) };
        tar.extend(encode(&header));
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n | 1);
            (state >> 56) as u8
        };
        match n % 2 {
            0 => tar.extend((0..size).map(|_| noise())),
            _ => tar.extend((0..size).map(|_| b"the of and to in is was\n     "[usize::from(noise()) % 29])),
        }
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn read(tar: &[u8], spool: &Spool, threads: usize) -> UnpackedLayer {
    let input =
        LayerInput { open: Box::new(move || Ok(Box::new(tar) as Box<dyn Read + Send>)), diff_id: None, verified: None };
    let options = unpack::Options {
        level: Some(Level::DEFAULT),
        known: &Known::default(),
        expect_known: false,
        seen: None,
        threads,
        drop_xattrs: &[],
        size: &SizeLimit::default(),
    };
    match unpack(vec![input], spool, options, &Progress::new()) {
        Ok(mut layers) => layers.remove(0),
        Err((_, error)) => panic!("{error}"),
    }
}

fn layer(c: &mut Criterion) {
    let tar = tar();
    let mut group = c.benchmark_group("layer");
    group
        .throughput(Throughput::Bytes(tar.len() as u64))
        .sample_size(10)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASURE);
    let spool = || Spool::new(&default_dir()).expect("room for a spool");
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("unpack", threads), |b| {
            b.iter(|| black_box(read(&tar, &spool(), threads)));
        });
        let spool = spool();
        let unpacked = read(&tar, &spool, threads);
        let Inventory { entries, bodies, .. } = &unpacked.inventory;
        let placed: Vec<_> = entries.iter().zip(bodies).map(|(entry, body)| Placed::of(entry, body)).collect();
        let stock = Stock { spool: &spool, blobs: &[] };
        let options = pack::Options { level: Level::DEFAULT, index: Some(IndexPlace::First), threads };
        group.bench_function(BenchmarkId::new("pack", threads), |b| {
            b.iter(|| {
                let blobs = Blobs { zstd: Some(&mut io::sink()), gzip: None };
                pack(&placed, stock, options, &Progress::new(), blobs).expect("packs")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, layer);
criterion_main!(benches);
