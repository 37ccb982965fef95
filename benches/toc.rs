//! The TOC of a big layer: entries a second, written and read.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restrata::digest::{BlobDigest, ChunkDigest, FileDigest};
use restrata::tar::{EntryKind, Header, Time, Xattr};
use restrata::toc::{Chunk, ChunkKind, Payload, Toc, TocEntry, TocWriter};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(3);

const ENTRIES: u64 = 100_000;

/// Like a server image's: one in ten a directory, one in twenty a link, one file in twenty in chunks.
fn entries() -> Vec<TocEntry> {
    (0..ENTRIES).map(entry).collect()
}

fn entry(n: u64) -> TocEntry {
    let name = format!("usr/lib/python3/dist-packages/package{}/module{}/file{n}.py", n / 100, n / 10);
    let kind = match n % 20 {
        0 | 10 => EntryKind::Dir,
        1 => EntryKind::Symlink,
        _ => EntryKind::Regular,
    };
    let mut header = Header { mode: 0o644, ..Header::new(name, kind) };
    header.mtime = Time { secs: 1_700_000_000 + n as i64, nanos: 0 };
    if n.is_multiple_of(500) {
        header.xattrs = vec![Xattr { name: b"security.capability".to_vec(), value: vec![1; 20] }];
    }
    if kind == EntryKind::Symlink {
        header.link = b"../module/file.py".to_vec();
    }
    if kind != EntryKind::Regular {
        return TocEntry { header, payload: None };
    }
    header.size = 4000;
    let offset = 1000 + n * 2000;
    let chunk = |at: u64| Chunk {
        offset: offset + at * 300,
        chunk_offset: at * 1000,
        size: 1000,
        digest: ChunkDigest::from_bytes(digest(n + at)),
        kind: if at == 2 { ChunkKind::Zeros } else { ChunkKind::Data },
    };
    let chunks = if n % 20 == 2 { (0..4).map(chunk).collect() } else { vec![] };
    let payload = Payload { digest: FileDigest::from_bytes(digest(n)), offset, end_offset: offset + 1500, chunks };
    TocEntry { header, payload: Some(payload) }
}

fn digest(n: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    for (at, word) in (1..).zip(digest.as_chunks_mut::<8>().0) {
        *word = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_mul(at).to_le_bytes();
    }
    digest
}

fn write(entries: &[TocEntry]) -> Vec<u8> {
    let (mut writer, mut json) = (TocWriter::new(), Vec::new());
    entries.iter().for_each(|entry| writer.push(entry, &mut json).expect("a TOC can hold it"));
    writer.finish(Some(BlobDigest::from_bytes([1; 32])), &mut json);
    json
}

fn toc(c: &mut Criterion) {
    let entries = entries();
    let json = write(&entries);
    assert_eq!(Toc::parse(&json).expect("valid").entries, entries);
    let mut group = c.benchmark_group("toc");
    group.throughput(Throughput::Elements(ENTRIES)).sample_size(10).warm_up_time(WARM_UP).measurement_time(MEASURE);
    group.bench_function("write", |b| b.iter(|| black_box(write(&entries))));
    group.bench_function("read", |b| b.iter(|| black_box(Toc::parse(&json))));
    group.finish();
}

criterion_group!(benches, toc);
criterion_main!(benches);
