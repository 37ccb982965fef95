//! The fuzz targets' bodies on stable Rust: over the seeds, damaged seeds and random bytes. See fuzz/README.md.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use restrata::digest::{BlobDigest, ChunkDigest, DiffId, FileDigest};
use restrata::fuzz_frames;
use restrata::oci::fuzz::{fuzz_config, fuzz_index, fuzz_manifest};
use restrata::oci::{self, Config, Descriptor, Manifest};
use restrata::owner::fuzz::fuzz_owner;
use restrata::registry::fuzz::{fuzz_challenge, fuzz_multipart};
use restrata::registry::names::fuzz::{fuzz_auth, fuzz_name, fuzz_registries};
use restrata::tar::fuzz::fuzz_tar;
use restrata::tar::{EntryKind, Header, Time, Xattr, encode};
use restrata::toc::fuzz::{fuzz_footer, fuzz_tarsplit, fuzz_toc};
use restrata::toc::{Chunk, ChunkKind, Layout, Payload, TarSplitWriter, TocEntry, TocWriter, encode_footer};

type Body = fn(&[u8]);
const TARGETS: [(&str, Body); 14] = [
    ("footer", fuzz_footer),
    ("toc", fuzz_toc),
    ("tarsplit", fuzz_tarsplit),
    ("tar", fuzz_tar),
    ("owner", fuzz_owner),
    ("manifest", fuzz_manifest),
    ("index", fuzz_index),
    ("config", fuzz_config),
    ("frames", fuzz_frames),
    ("name", fuzz_name),
    ("auth", fuzz_auth),
    ("registries", fuzz_registries),
    ("challenge", fuzz_challenge),
    ("multipart", fuzz_multipart),
];

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no seeds for {target}");
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_seed_and_every_cut_of_it() {
    for (target, body) in TARGETS {
        for (path, seed) in seeds(target) {
            println!("{}", path.display());
            body(&seed);
            (0..seed.len()).step_by(1 + seed.len() / 200).for_each(|len| body(&seed[..len]));
        }
    }
}

/// The seeds that [`write_seeds`] makes are what the code makes today, and are read to their ends.
#[test]
fn seeds_are_of_today() {
    for (target, name, bytes) in made() {
        assert!(seeds(target).contains(&(seed_path(target, name), bytes)), "{target}/{name}: run the ignored test");
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Remove(Index, u8),
    Insert(Index, Vec<u8>),
    /// Repeats a part somewhere else.
    Copy(Index, Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, len)| Damage::Remove(at, len)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, new)| Damage::Insert(at, new)),
        (any::<Index>(), any::<Index>(), any::<u8>()).prop_map(|(from, to, len)| Damage::Copy(from, to, len)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let end = |at: usize, len: u8| (at + usize::from(len)).min(bytes.len());
    match damage {
        Damage::Set(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Damage::Remove(at, len) => {
            let at = at.index(bytes.len());
            drop(bytes.drain(at..end(at, *len)));
        }
        Damage::Insert(at, new) => {
            let at = at.index(bytes.len());
            drop(bytes.splice(at..at, new.iter().copied()));
        }
        Damage::Copy(from, to, len) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let part = bytes[from..end(from, *len)].to_vec();
            drop(bytes.splice(to..to, part));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_seeds(seed in any::<Index>(), damages in prop::collection::vec(damage(), 1..6)) {
        for (target, body) in TARGETS {
            let seeds = seeds(target);
            let mut bytes = seed.get(&seeds).1.clone();
            damages.iter().for_each(|damage| apply(&mut bytes, damage));
            body(&bytes);
        }
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        TARGETS.iter().for_each(|(_, body)| body(&bytes));
        fuzz_footer(&bytes[..bytes.len().min(64)]);
    }
}

fn seed_path(target: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target).join(name)
}

#[test]
#[ignore = "writes into the source tree"]
fn write_seeds() {
    for (target, name, bytes) in made() {
        let path = seed_path(target, name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// What restrata writes itself, for each target.
fn made() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let layouts = [Layout::index_first(100, 300, 200, 50), Layout::index_end(5000, 200, 50)];
    let [first, end] = layouts.map(|layout| encode_footer(&layout.unwrap().positions(900, 400).unwrap()).to_vec());
    let mut empty = Vec::new();
    TocWriter::new().finish(None, &mut empty);
    vec![
        ("footer", "first", first),
        ("footer", "end", end),
        ("toc", "empty", empty),
        ("toc", "all-kinds", toc()),
        ("tarsplit", "all-kinds", tar_split()),
        ("tar", "all-kinds", tar()),
        ("tar", "gnu", gnu_tar()),
        ("tar", "sparse", sparse_tar()),
        ("manifest", "oci", manifest().to_bytes()),
        ("manifest", "docker", docker_manifest()),
        ("index", "tagged", index()),
        ("config", "of-a-run", config().with_layers(&[(DiffId::from_bytes([7; 32]), "kept".to_owned())]).to_bytes()),
        ("frames", "of-each-kind", frames()),
    ]
}

fn config() -> Config {
    let config = r#"{"architecture":"arm64","os":"linux","variant":"v8","created":"2024-01-01T00:00:00Z",
        "config":{"Labels":{"a":"b"},"Env":null},"rootfs":{"type":"layers","diff_ids":[]},
        "history":[{"created_by":"RUN x","empty_layer":true},{"created_by":"restrata"}],"x":[1.5,-1,1e99]}"#;
    Config::parse(config.as_bytes(), "config").unwrap()
}

fn manifest() -> Manifest {
    let blob = |media_type: &str, byte| Descriptor::new(media_type, BlobDigest::from_bytes([byte; 32]), 7);
    let mut layer = blob("application/vnd.oci.image.layer.v1.tar+zstd", 2);
    layer.set_annotation("io.github.containers.zstd-chunked.manifest-position", "100:200:900:1");
    let config = blob("application/vnd.oci.image.config.v1+json", 1);
    Manifest::new(config.clone()).to_oci_with(vec![layer, blob("", 3)], config)
}

fn docker_manifest() -> Vec<u8> {
    let text = String::from_utf8(manifest().to_bytes()).unwrap();
    let text = text.replace("vnd.oci.image.manifest.v1", "vnd.docker.distribution.manifest.v2");
    text.replace("vnd.oci.image.config.v1", "vnd.docker.container.image.v1").into_bytes()
}

fn index() -> Vec<u8> {
    let mut index = oci::Index::default();
    let mut entry = Descriptor::new("application/vnd.oci.image.manifest.v1+json", BlobDigest::from_bytes([5; 32]), 9);
    entry.set_platform(&"linux/arm64/v8".parse().unwrap());
    index.replace_tag(entry.clone(), Some("v1"));
    index.replace_tag(entry, None);
    index.to_bytes()
}

/// Content with and without a checksum, blocks of every type, several frames, and one that is skipped. The first byte is the
/// size of the pieces.
fn frames() -> Vec<u8> {
    let zstd = |content: &[u8]| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        std::io::Write::write_all(&mut encoder, content).unwrap();
        encoder.finish().unwrap()
    };
    let run = [0x28, 0xb5, 0x2f, 0xfd, 0, 0, 2 | 3 << 3, 0, 0, b'r', 1 | 2 << 3, 0, 0, b'a', b'b'];
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    [&[7][..], &zstd(b"content ".repeat(40).as_slice()), &run, &skipped, &zstd(b"")].concat()
}

fn headers() -> Vec<Header> {
    use EntryKind::{Block, Char, Dir, Fifo, HardLink, Regular, Symlink};
    let new = |name: &str, kind| Header { mode: 0o755, uid: 1000, ..Header::new(name, kind) };
    let xattrs =
        ["security.capability", "user.\u{fc}"].map(|name| Xattr { name: name.into(), value: vec![1, 10, 0, 255] });
    vec![
        Header { xattrs: xattrs.to_vec(), ..new("./", Dir) },
        Header { size: 700, mtime: Time { secs: -2, nanos: 750_000_000 }, ..new("file", Regular) },
        Header { size: 3, atime: Some(Time { secs: 5, nanos: 1 }), ..new("\u{fc}/f", Regular) },
        Header { mtime: Time { secs: 1_700_000_000, nanos: 5 }, ..new("empty", Regular) },
        Header { link: "../".repeat(60).into(), ..new(&"long/".repeat(60), Symlink) },
        Header { link: b"file".to_vec(), uid: 1 << 40, ..new("hard", HardLink) },
        Header { devmajor: 8, devminor: 1 << 30, ..new("block", Block) },
        Header { devmajor: 1, devminor: 3, gid: -1, ..new("char", Char) },
        Header { uname: b"root".to_vec(), gname: "\u{e9}".into(), ..new("fifo", Fifo) },
    ]
}

fn toc() -> Vec<u8> {
    let (mut writer, mut json) = (TocWriter::new(), Vec::new());
    let mut offset = 100;
    for header in headers() {
        let header = Header { uname: vec![], gname: vec![], ..header };
        let chunk = |offset, chunk_offset, size, kind| Chunk {
            offset,
            chunk_offset,
            size,
            digest: ChunkDigest::from_bytes([2; 32]),
            kind,
        };
        let chunks = match header.size {
            700 => vec![chunk(offset, 0, 300, ChunkKind::Data), chunk(offset + 40, 300, 400, ChunkKind::Zeros)],
            _ => vec![],
        };
        let digest = FileDigest::from_bytes([1; 32]);
        let payload = header.has_payload().then(|| Payload { digest, offset, end_offset: offset + 80, chunks });
        offset += 100;
        writer.push(&TocEntry { header, payload }, &mut json).unwrap();
    }
    writer.finish(Some(BlobDigest::from_bytes([3; 32])), &mut json);
    json
}

/// The first byte is the size of the pieces.
fn tar_split() -> Vec<u8> {
    let (mut writer, mut lines) = (TarSplitWriter::new(), vec![100]);
    for header in headers() {
        writer.segment(&encode(&header), &mut lines);
        writer.file(&header.name, header.size, header.has_payload().then_some(7 << 40), &mut lines);
    }
    writer.file(b"\xff", 0, None, &mut lines);
    writer.segment(&[0; 1024], &mut lines);
    lines
}

fn tar() -> Vec<u8> {
    let mut tar = Vec::new();
    for header in headers() {
        tar.extend(encode(&header));
        tar.resize(tar.len() + (header.size as usize).next_multiple_of(512), b'x');
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Long names and links as GNU tar writes them.
fn gnu_tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mtime(1 << 40);
    header.set_uid(1 << 30);
    builder.append_data(&mut header, "long/".repeat(50) + "name", &b"abc"[..]).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "link", "target/".repeat(30)).unwrap();
    builder.into_inner().unwrap()
}

/// Formats 0.1 and 1.0.
fn sparse_tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut append = |records: &[(&str, &[u8])], content: &[u8]| {
        builder.append_pax_extensions(records.iter().copied()).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, "GNUSparseFile.0/s", content).unwrap();
    };
    let (major, minor) = ("GNU.sparse.major", "GNU.sparse.minor");
    let old: [(&str, &[u8]); 6] = [
        (major, b"0"),
        (minor, b"1"),
        ("GNU.sparse.numblocks", b"2"),
        ("GNU.sparse.map", b"0,2,4096,1"),
        ("GNU.sparse.size", b"5000"),
        ("GNU.sparse.name", b"old"),
    ];
    append(&old, b"abc");
    let new: [(&str, &[u8]); 4] =
        [(major, b"1"), (minor, b"0"), ("GNU.sparse.realsize", b"9000"), ("GNU.sparse.name", b"new")];
    let mut map = b"1\n512\n3\n".to_vec();
    map.resize(512, 0);
    append(&new, &[map.as_slice(), b"xyz"].concat());
    builder.into_inner().unwrap()
}
