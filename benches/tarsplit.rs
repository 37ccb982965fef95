//! The tar-split of a big layer: bytes of its lines a second, written and read; and its checksum over content.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restrata::tar::{EntryKind, Header, encode};
use restrata::toc::{Crc64, TarSplitItem, TarSplitReader, TarSplitWriter};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(3);

const ENTRIES: u64 = 100_000;

/// A segment and a file line for each entry; one header in ten has a pax header in front.
fn items() -> Vec<TarSplitItem> {
    let pair = |n: u64| {
        let mut header = Header {
            size: n % 3 * 100,
            ..Header::new(format!("usr/share/doc/p{}/file{n}", n / 9), EntryKind::Regular)
        };
        header.mtime.nanos = u32::from(n.is_multiple_of(10));
        let crc64 = (header.size > 0).then_some(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let file = TarSplitItem::File { name: header.name.clone(), size: header.size, crc64 };
        [TarSplitItem::Segment(encode(&header)), file]
    };
    (0..ENTRIES).flat_map(pair).collect()
}

fn write(items: &[TarSplitItem]) -> Vec<u8> {
    let (mut writer, mut out) = (TarSplitWriter::new(), Vec::new());
    for item in items {
        match item {
            TarSplitItem::Segment(raw) => writer.segment(raw, &mut out),
            TarSplitItem::File { name, size, crc64 } => writer.file(name, *size, *crc64, &mut out),
        }
    }
    out
}

/// In the pieces that a decompressor hands on.
fn read(lines: &[u8]) -> Vec<TarSplitItem> {
    let (mut reader, mut items) = (TarSplitReader::new(), Vec::new());
    lines.chunks(128 << 10).for_each(|piece| reader.push(piece, &mut items).expect("valid"));
    reader.finish(&mut items).expect("valid");
    items
}

fn tarsplit(c: &mut Criterion) {
    let items = items();
    let lines = write(&items);
    assert_eq!(read(&lines), items);
    let mut group = c.benchmark_group("tarsplit");
    group
        .throughput(Throughput::Bytes(lines.len() as u64))
        .sample_size(10)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASURE);
    group.bench_function("write", |b| b.iter(|| black_box(write(&items))));
    group.bench_function("read", |b| b.iter(|| black_box(read(&lines))));
    let checksum = |content: &[u8]| {
        let mut crc = Crc64::new();
        crc.update(content);
        crc.finish()
    };
    group.bench_function("crc64", |b| b.iter(|| checksum(black_box(&lines))));
    group.finish();
}

criterion_group!(benches, tarsplit);
criterion_main!(benches);
