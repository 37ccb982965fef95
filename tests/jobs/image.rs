//! Small images, and images that lie.

use std::fs;
use std::io::Write;
use std::path::Path;

use restrata::codec::Sha256Stream;
use restrata::compression::Compression;
use restrata::digest::DiffId;
use restrata::error::Error;
use restrata::inspect::{Inspection, inspect};
use restrata::job::JobOptions;
use restrata::oci::{Config, Descriptor, Manifest, Platform, Reference};
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{Request, rechunk};
use restrata::sink::Sink;
use restrata::tar::{END_OF_ARCHIVE, EntryKind, Header, Time, Xattr, encode, padding};
use restrata::toc::{ChunkedAnnotations, FOOTER_FRAME, Layout, encode_footer, skippable_header};
use serde_json::Value;

pub type Entry = (Header, Vec<u8>);

/// All platforms of an image.
pub fn inspected(reference: &Reference) -> Result<Inspection, Error> {
    inspect(reference, None, &options(), &Progress::new())
}

pub fn options() -> JobOptions {
    JobOptions::new(2, std::env::temp_dir())
}

pub fn entry(name: &str, kind: EntryKind) -> Entry {
    let mut header = Header::new(name, kind);
    header.mode = 0o755;
    header.mtime = Time { secs: 1_700_000_000, nanos: 0 };
    (header, Vec::new())
}

pub fn file(name: &str, content: &[u8]) -> Entry {
    let (mut header, _) = entry(name, EntryKind::Regular);
    header.size = content.len() as u64;
    (header, content.to_vec())
}

pub fn link(name: &str, kind: EntryKind, target: &str) -> Entry {
    let (mut header, _) = entry(name, kind);
    header.link = target.into();
    (header, Vec::new())
}

/// Bytes that don't compress.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(step).collect()
}

/// Every kind of entry.
pub fn sample() -> Vec<Entry> {
    let mut tool = file("usr/bin/tool", &noise(3000));
    tool.0.mode = 0o4755;
    tool.0.xattrs = vec![Xattr { name: b"security.capability".to_vec(), value: vec![1, 0, 0, 2, 0xff] }];
    let mut alias = link("usr/bin/alias", EntryKind::HardLink, "usr/bin/tool");
    (alias.0.mode, alias.0.xattrs) = (tool.0.mode, tool.0.xattrs.clone());
    let mut null = entry("dev/null", EntryKind::Char);
    (null.0.devmajor, null.0.devminor) = (1, 3);
    let mut dated = file("usr/share/dated", b"dated");
    dated.0.mtime = Time { secs: -2, nanos: 500_000_000 };
    let long = format!("usr/share/{}", "n".repeat(180));
    vec![
        entry("./", EntryKind::Dir),
        entry("dev/", EntryKind::Dir),
        null,
        entry("usr/", EntryKind::Dir),
        entry("usr/bin/", EntryKind::Dir),
        tool,
        alias,
        link("usr/bin/sym", EntryKind::Symlink, "tool"),
        entry("usr/share/", EntryKind::Dir),
        dated,
        file("usr/share/empty", b""),
        file(&long, &noise(70_000)),
        file("usr/share/zeros", &[0; 40_000]),
        entry("usr/share/pipe", EntryKind::Fifo),
    ]
}

pub fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (header, content) in entries {
        tar.extend_from_slice(&encode(header));
        tar.extend_from_slice(content);
        tar.resize(tar.len() + padding(content.len() as u64), 0);
    }
    tar.extend_from_slice(&END_OF_ARCHIVE);
    tar
}

/// An image of plain layers; returns its reference.
pub fn plain(dir: &Path, tag: &str, layers: &[Vec<Entry>]) -> String {
    platforms(dir, tag, &[(Platform::host(), layers)])
}

/// An image for each platform.
pub fn platforms(dir: &Path, tag: &str, images: &[(Platform, &[Vec<Entry>])]) -> String {
    let of = |(platform, layers): &(Platform, _)| (platform.clone(), Config::minimal(platform), *layers);
    with_configs(dir, tag, &images.iter().map(of).collect::<Vec<_>>())
}

/// An image of plain layers with this config.
pub fn configured(dir: &Path, tag: &str, config: Value, layers: &[Vec<Entry>]) -> String {
    let config = Config::given(config.to_string().as_bytes(), "the test's").unwrap().on(&Platform::host());
    with_configs(dir, tag, &[(Platform::host(), config, layers)])
}

fn with_configs(dir: &Path, tag: &str, images: &[(Platform, Config, &[Vec<Entry>])]) -> String {
    let reference = format!("oci:{}:{tag}", dir.join("plain").display());
    let sink = Sink::create(&reference.parse().unwrap(), &Progress::new()).unwrap();
    let manifests = images.iter().map(|(platform, config, layers)| manifest(&sink, platform, config, layers)).collect();
    sink.commit(manifests, None, &Progress::new()).unwrap();
    reference
}

fn manifest(sink: &Sink, platform: &Platform, config: &Config, layers: &[Vec<Entry>]) -> Descriptor {
    let (mut descriptors, mut diff_ids) = (Vec::new(), Vec::new());
    for layer in layers {
        let mut blob = sink.blob().unwrap();
        blob.write_all(&tar(layer)).unwrap();
        let (digest, size) = blob.finish().unwrap();
        descriptors.push(Descriptor::new(Compression::None.media_type(), digest, size));
        diff_ids.push(DiffId::from_bytes(*digest.as_bytes()));
    }
    let config = config.with_diff_ids(&diff_ids).to_bytes();
    let (digest, size) = sink.put_bytes(&config).unwrap();
    let config = Descriptor::new("application/vnd.oci.image.config.v1+json", digest, size);
    let manifest = Manifest::new(config.clone()).to_oci_with(descriptors, config);
    let (digest, size) = sink.put_bytes(&manifest.to_bytes()).unwrap();
    let mut descriptor = Descriptor::new("application/vnd.oci.image.manifest.v1+json", digest, size);
    descriptor.set_platform(platform);
    descriptor
}

/// The same with zstd:chunked layers.
pub fn chunked(dir: &Path, from: &str, index: IndexPlace) -> String {
    let dest = format!("oci:{}:latest", dir.join(format!("{index:?}")).display());
    let request = Request { index, ..Request::new(from.parse().unwrap(), dest.parse().unwrap(), options()) };
    rechunk(&request, &Progress::new()).unwrap();
    dest
}

/// The parts of an image of one layer, to change and write again with all digests made right.
pub struct Parts {
    manifest: Value,
    config: Value,
    pub blob: Vec<u8>,
}

fn json(dir: &Path, digest: &Value) -> Value {
    serde_json::from_slice(&fs::read(blob_path(dir, digest.as_str().unwrap())).unwrap()).unwrap()
}

fn blob_path(dir: &Path, digest: &str) -> std::path::PathBuf {
    dir.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

fn dir_of(reference: &str) -> &Path {
    Path::new(reference.split(':').nth(1).unwrap())
}

impl Parts {
    pub fn read(reference: &str) -> Self {
        Self::of_entry(dir_of(reference), |_| true)
    }

    /// Of a layout with several tags.
    pub fn tagged(reference: &str, tag: &str) -> Self {
        Self::of_entry(dir_of(reference), |entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag)
    }

    fn of_entry(dir: &Path, is_meant: impl Fn(&Value) -> bool) -> Self {
        let index: Value = serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap();
        let entry = index["manifests"].as_array().unwrap().iter().find(|entry| is_meant(entry)).unwrap();
        let manifest = json(dir, &entry["digest"]);
        let config = json(dir, &manifest["config"]["digest"]);
        let blob = fs::read(blob_path(dir, manifest["layers"][0]["digest"].as_str().unwrap())).unwrap();
        Self { manifest, config, blob }
    }

    pub fn annotation(&mut self, key: &str) -> &mut Value {
        &mut self.manifest["layers"][0]["annotations"][key]
    }

    pub fn layer(&mut self) -> &mut Value {
        &mut self.manifest["layers"][0]
    }

    pub fn diff_id(&mut self) -> &mut Value {
        &mut self.config["rootfs"]["diff_ids"][0]
    }

    pub fn index(&self) -> ChunkedAnnotations {
        let annotations = &self.manifest["layers"][0]["annotations"];
        ChunkedAnnotations::from_annotations(|key| annotations[key].as_str()).unwrap().unwrap()
    }

    /// Writes another TOC and tar-split, with annotations and footer that fit; for an index at the end.
    pub fn reindex(&mut self, change: impl Fn(&mut String, &mut String)) {
        let positions = self.index().positions;
        let part = |span: restrata::span::Span| {
            let bytes = &self.blob[span.start() as usize..span.end() as usize];
            String::from_utf8(zstd::decode_all(bytes).unwrap()).unwrap()
        };
        let (mut toc, mut split) = (part(positions.toc), part(positions.tar_split));
        let old = format!("sha256:{}", faster_hex::hex_string(&sha(&zstd_of(&split))));
        let before = split.clone();
        change(&mut toc, &mut split);
        let compressed = zstd_of(&split);
        if split != before {
            let key = "\"tarSplitDigest\":\"";
            let at = toc.find(key).unwrap() + key.len();
            toc.replace_range(at..at + old.len(), &format!("sha256:{}", faster_hex::hex_string(&sha(&compressed))));
        } else {
            // Other levels give other bytes: keep those that the TOC means.
            let span = positions.tar_split;
            let kept = self.blob[span.start() as usize..span.end() as usize].to_vec();
            return self.put_index(&toc, &split, &kept);
        }
        self.put_index(&toc, &split, &compressed);
    }

    fn put_index(&mut self, toc: &str, split: &str, split_bytes: &[u8]) {
        let positions = self.index().positions;
        self.blob.truncate(positions.toc.start() as usize - 8);
        let toc_bytes = zstd_of(toc);
        let layout =
            Layout::index_end(self.blob.len() as u64, toc_bytes.len() as u64, split_bytes.len() as u64).unwrap();
        let positions = layout.positions(toc.len() as u64, split.len() as u64).unwrap();
        for part in [&toc_bytes[..], split_bytes, &encode_footer(&positions)] {
            self.blob.extend_from_slice(&skippable_header(part.len() as u32));
            self.blob.extend_from_slice(part);
        }
        assert_eq!(self.blob.len() as u64, layout.end + FOOTER_FRAME);
        let toc_digest = restrata::digest::BlobDigest::from_bytes(sha(&toc_bytes));
        for (key, value) in (ChunkedAnnotations { toc_digest, positions }).to_pairs() {
            *self.annotation(key) = Value::from(value);
        }
    }

    /// A new layout; returns its reference.
    pub fn write(self, dir: &Path) -> String {
        self.write_texts(dir, &|config| config, &|manifest| manifest, &|index| index)
    }

    /// The same with the text of config, manifest and index changed.
    pub fn write_texts(mut self, dir: &Path, config: Edit<'_>, manifest: Edit<'_>, index: Edit<'_>) -> String {
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let put = |bytes: &[u8], place: &mut Value| {
            let hex = faster_hex::hex_string(&sha(bytes));
            fs::write(blobs.join(&hex), bytes).unwrap();
            place["digest"] = Value::from(format!("sha256:{hex}"));
            place["size"] = Value::from(bytes.len());
        };
        put(&self.blob, &mut self.manifest["layers"][0]);
        put(config(self.config.to_string()).as_bytes(), &mut self.manifest["config"]);
        let mut entry = serde_json::json!({"mediaType": "application/vnd.oci.image.manifest.v1+json"});
        put(manifest(self.manifest.to_string()).as_bytes(), &mut entry);
        let list = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
        fs::write(dir.join("index.json"), index(list.to_string())).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        format!("oci:{}", dir.display())
    }
}

type Edit<'a> = &'a dyn Fn(String) -> String;

fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256Stream::of(bytes)
}

fn zstd_of(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}
