//! The crate `zstd-chunked` reads what [`pack`] wrote and yields the tar that the whole blob decodes to.

use std::collections::BTreeMap;
use std::io::Read as _;

use restrata::codec::{FrameEncoder, Level, Sha256Stream};
use restrata::digest::{ChunkDigest, FileDigest};
use restrata::inventory::{Chunk, Frames, Inventory, Known, Payload, Stored};
use restrata::pack::{Blobs, IndexPlace, Options, PackedLayer, Placed, Stock, pack};
use restrata::progress::Progress;
use restrata::spool::Spool;
use restrata::tar::{EntryKind, Header, Time, Xattr, encode};
use restrata::toc::{ChunkKind, Chunker, Crc64, Cut};
use sha2::{Digest, Sha256};
use zstd_chunked::{MetadataReferences, Stream};

struct Layer {
    blob: Vec<u8>,
    /// The same layer as gzip.
    gzip: Vec<u8>,
    packed: PackedLayer,
    /// What was put in.
    tar: Vec<u8>,
}

/// Entries with everything that a layer holds; content is whole or cut into chunks.
struct Builder {
    spool: Spool,
    encoder: FrameEncoder,
    inventory: Inventory,
    tar: Vec<u8>,
}

impl Builder {
    fn new() -> Self {
        let spool = Spool::new(&std::env::temp_dir()).unwrap();
        Self {
            spool,
            encoder: FrameEncoder::new(Level::DEFAULT).unwrap(),
            inventory: Inventory::default(),
            tar: Vec::new(),
        }
    }

    fn add(&mut self, header: Header, content: &[u8], chunked: bool) {
        let header = Header { size: content.len() as u64, mode: 0o644, ..header };
        let encoded = encode(&header);
        self.tar.extend_from_slice(&encoded);
        self.tar.extend_from_slice(content);
        self.tar.resize(self.tar.len().next_multiple_of(512), 0);
        self.inventory.push(&header, self.spool.append(&encoded).unwrap(), &Known::default()).unwrap();
        if !content.is_empty() {
            let payload = self.payload(content, chunked);
            self.inventory.set_payload(self.inventory.entries.len() - 1, payload, None);
        }
    }

    fn payload(&mut self, content: &[u8], chunked: bool) -> Payload {
        let mut cuts = Vec::new();
        match chunked {
            true => {
                let mut chunker = Chunker::new();
                chunker.push(content, &mut cuts);
                chunker.finish(&mut cuts);
            }
            false => cuts.push(Cut { len: content.len() as u64, kind: ChunkKind::Data }),
        }
        let mut at = 0;
        let frame = |cut: &Cut| {
            let piece = &content[at..at + cut.len as usize];
            at += piece.len();
            let compressed = self.encoder.frame(piece).unwrap();
            Chunk {
                size: cut.len,
                stored: Stored::One(self.spool.append(compressed).unwrap()),
                digest: ChunkDigest::from_bytes(Sha256Stream::of(piece)),
                hole: cut.kind == ChunkKind::Zeros,
            }
        };
        let mut chunks: Vec<Chunk> = cuts.iter().map(frame).collect();
        let frames = match chunked {
            true => Frames::Chunks(chunks.into_boxed_slice()),
            false => Frames::Whole(chunks.remove(0).stored),
        };
        let mut crc = Crc64::new();
        crc.update(content);
        let digest = FileDigest::from_bytes(Sha256Stream::of(content));
        Payload { digest, size: content.len() as u64, crc64: crc.finish(), frames }
    }

    fn pack(&self, index: IndexPlace, threads: usize) -> Layer {
        let placed: Vec<Placed<'_>> = self
            .inventory
            .entries
            .iter()
            .zip(&self.inventory.bodies)
            .map(|(entry, body)| Placed::of(entry, body))
            .collect();
        let options = Options { level: Level::DEFAULT, index: Some(index), threads };
        let (mut blob, mut gzip) = (Vec::new(), Vec::new());
        let blobs = Blobs { zstd: Some(&mut blob), gzip: Some(&mut gzip) };
        let packed = pack(&placed, Stock { spool: &self.spool, blobs: &[] }, options, &Progress::new(), blobs).unwrap();
        let mut tar = self.tar.clone();
        tar.resize(tar.len() + 1024, 0);
        Layer { blob, gzip, packed, tar }
    }
}

/// Bytes without long runs or repeats.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Entries of all kinds; `chunked` files have holes at their start, middle and end.
fn builder(chunked: bool) -> Builder {
    let mut builder = Builder::new();
    let xattr = Xattr { name: b"security.capability".to_vec(), value: vec![1, 0, 0, 2, 10, 255] };
    builder.add(Header { xattrs: vec![xattr], ..Header::new("./", EntryKind::Dir) }, b"", false);
    builder.add(Header { devmajor: 1, devminor: 3, ..Header::new("null", EntryKind::Char) }, b"", false);
    builder.add(Header::new("empty", EntryKind::Regular), b"", false);
    builder.add(Header { link: b"../x".to_vec(), ..Header::new("link", EntryKind::Symlink) }, b"", false);
    let mtime = Time { secs: -5, nanos: 250_000_000 };
    builder.add(Header { mtime, ..Header::new("n".repeat(300), EntryKind::Regular) }, &noise(1, 512), false);
    let holes = [vec![0; 5000], noise(2, 200_000), vec![0; 1024], noise(3, 70_000), vec![0; 1 << 20]].concat();
    builder.add(Header::new("holes", EntryKind::Regular), &holes, chunked);
    builder.add(Header::new("zeros", EntryKind::Regular), &vec![0; 3000], chunked);
    builder.add(Header::new("one-chunk", EntryKind::Regular), b"1", chunked);
    // More of them than one frame of headers takes.
    for n in 0..1500 {
        builder.add(Header::new(format!("many/{n}"), EntryKind::Regular), &noise(n, n as usize % 7), chunked);
    }
    builder.add(Header { link: b"holes".to_vec(), ..Header::new("same", EntryKind::HardLink) }, b"", false);
    builder
}

/// The tar, through the crate, given where the index lies.
fn read_outside(blob: &[u8], references: &MetadataReferences) -> Vec<u8> {
    let part = |range: &std::ops::Range<u64>| &blob[range.start as usize..range.end as usize];
    for index in [&references.manifest, &references.tarsplit] {
        let unpacked = zstd::decode_all(part(&index.range)).unwrap();
        assert_eq!(unpacked.len() as u64, index.uncompressed_size);
        if let Some(digest) = &index.digest {
            assert_eq!(*digest, sha256(part(&index.range)));
        }
    }
    let stream = Stream::new_from_frames(part(&references.manifest.range), part(&references.tarsplit.range)).unwrap();
    let mut tar = Vec::new();
    let resolve = |reference: &zstd_chunked::ContentReference| {
        let content = zstd::decode_all(part(&reference.range))?;
        assert_eq!((content.len() as u64, sha256(&content)), (reference.size, reference.digest.clone()));
        Ok(content)
    };
    stream.write_to(&mut tar, resolve).unwrap();
    tar
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn annotations(layer: &Layer) -> BTreeMap<&'static str, String> {
    layer.packed.chunked.unwrap().to_pairs().into_iter().collect()
}

fn toc_rows(layer: &Layer) -> Vec<serde_json::Value> {
    let position = layer.packed.chunked.unwrap().positions.toc;
    let toc = zstd::decode_all(&layer.blob[position.start() as usize..position.end() as usize]).unwrap();
    serde_json::from_slice::<serde_json::Value>(&toc).unwrap()["entries"].as_array().unwrap().clone()
}

fn check(layer: &Layer) {
    let whole = zstd::decode_all(layer.blob.as_slice()).unwrap();
    assert!(whole == layer.tar, "the blob decodes to another tar than was put in");
    assert_eq!(sha256(&whole), layer.packed.diff_id.to_string());
    let annotations = annotations(layer);
    let from_annotations = MetadataReferences::from_oci(|key| annotations.get(key)).unwrap();
    assert!(from_annotations.manifest.digest.is_some());
    assert!(read_outside(&layer.blob, &from_annotations) == whole, "another tar by the annotations");
    let from_footer = MetadataReferences::from_footer(&layer.blob).unwrap();
    assert!(read_outside(&layer.blob, &from_footer) == whole, "another tar by the footer");
    assert_eq!(from_footer.manifest.range, from_annotations.manifest.range);
}

#[test]
fn whole_files_with_the_index_first_and_last() {
    let builder = builder(false);
    for place in [IndexPlace::First, IndexPlace::End] {
        let layer = builder.pack(place, 2);
        check(&layer);
        let index = layer.packed.chunked.unwrap().positions;
        let first_file = layer.packed.files.iter().map(|file| file.span.start()).min().unwrap();
        assert_eq!(index.tar_split.end() <= first_file, place == IndexPlace::First);
        assert!(toc_rows(&layer).iter().all(|row| row["type"] != "chunk"));
    }
}

#[test]
fn chunks_and_holes() {
    let builder = builder(true);
    for place in [IndexPlace::First, IndexPlace::End] {
        let layer = builder.pack(place, 2);
        check(&layer);
        check_chunks(&layer);
    }
}

/// Every chunk's own frame holds what its row says; holes are zeros; together they are the file.
fn check_chunks(layer: &Layer) {
    let rows = toc_rows(layer);
    let number = |row: &serde_json::Value, key: &str| row[key].as_u64().unwrap_or(0);
    let (mut chunks, mut holes) = (0, 0);
    let is_part = |row: &serde_json::Value| row["chunkDigest"].is_string();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| is_part(row)) {
        let next = rows.get(at + 1).filter(|next| next["type"] == "chunk");
        let end = next.map_or(number(row, "endOffset"), |next| number(next, "offset"));
        let content = zstd::decode_all(&layer.blob[number(row, "offset") as usize..end as usize]).unwrap();
        assert_eq!(content.len() as u64, number(row, "chunkSize"), "{row}");
        assert_eq!(sha256(&content), row["chunkDigest"].as_str().unwrap(), "{row}");
        if let Some(next) = next {
            assert_eq!(next["name"], row["name"]);
            assert_eq!(number(next, "chunkOffset"), number(row, "chunkOffset") + number(row, "chunkSize"));
        }
        chunks += usize::from(row["type"] == "chunk");
        if row["chunkType"] == "zeros" {
            assert!(content.len() >= 1024 && content.iter().all(|byte| *byte == 0));
            holes += 1;
        }
    }
    assert_eq!(holes, 4, "three holes in a file, and a file that is one");
    assert!(chunks >= 6, "{chunks} chunks behind a file's first");
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let builder = builder(true);
    let [one, four] = [1, 4].map(|threads| builder.pack(IndexPlace::First, threads));
    assert!(one.blob == four.blob && one.gzip == four.gzip);
    assert_eq!(one.packed, four.packed);
}

#[test]
fn the_gzip_blob_is_the_same_tar() {
    for builder in [builder(false), builder(true), Builder::new()] {
        let layer = builder.pack(IndexPlace::First, 3);
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(layer.gzip.as_slice()).read_to_end(&mut tar).unwrap();
        assert!(tar == layer.tar);
    }
}

#[test]
fn a_layer_without_entries() {
    for place in [IndexPlace::First, IndexPlace::End] {
        let layer = Builder::new().pack(place, 1);
        check(&layer);
        assert_eq!(layer.tar.len(), 1024);
    }
}
