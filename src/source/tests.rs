//! One suite over the three kinds of image files, then what each does with damaged ones.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{BlobError, Image, Source, SourceError};
use crate::codec::Sha256Stream;
use crate::compression::Compression;
use crate::digest::{BlobDigest, DiffId};
use crate::oci::Platform;

const LAYERS: [&[u8]; 2] = [b"first layer, not really a tar", b"second"];
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn digest(bytes: &[u8]) -> BlobDigest {
    BlobDigest::from_bytes(Sha256Stream::of(bytes))
}

fn config(architecture: &str) -> Value {
    let ids: Vec<_> = LAYERS.iter().map(|layer| digest(layer).to_string()).collect();
    json!({"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": ids}, "x": 1})
}

/// A layout that is made by hand, so that it can be wrong.
struct Layout {
    dir: TempDir,
}

impl Layout {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("oci/blobs/sha256")).unwrap();
        let layout = Self { dir };
        fs::write(layout.path("oci-layout"), crate::oci::LAYOUT_FILE).unwrap();
        layout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("oci").join(name)
    }

    fn blob_path(&self, digest: BlobDigest) -> PathBuf {
        self.path("blobs/sha256").join(digest.hex())
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        fs::write(self.blob_path(digest(bytes)), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest(bytes).to_string(), "size": bytes.len()})
    }

    fn image(&self, config: &Value, layer_type: &str) -> Value {
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let layers: Vec<_> = LAYERS.iter().map(|layer| self.blob(layer_type, layer)).collect();
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers, "annotations": {"a": "b"}});
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    fn index(&self, entries: &[Value]) {
        fs::write(self.path("index.json"), json!({"schemaVersion": 2, "manifests": entries}).to_string()).unwrap();
    }

    fn open(&self, tag: &str) -> Source<'static> {
        open(&format!("oci:{}{tag}", self.path("").display()))
    }

    fn images(&self, tag: &str, platform: Option<&str>) -> Result<Vec<Image>, SourceError> {
        self.open(tag).images(platform.map(|text| text.parse::<Platform>().unwrap()).as_ref())
    }

    fn archive(&self) -> PathBuf {
        let path = self.dir.path().join("oci.tar");
        let mut tar = ::tar::Builder::new(fs::File::create(&path).unwrap());
        tar.append_dir_all(".", self.path("")).unwrap();
        tar.finish().unwrap();
        path
    }
}

fn tagged(mut entry: Value, tag: &str) -> Value {
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    entry
}

fn on(mut entry: Value, os: &str, architecture: &str) -> Value {
    entry["platform"] = json!({"os": os, "architecture": architecture});
    entry
}

fn open(reference: &str) -> Source<'static> {
    Source::open(&reference.parse().unwrap()).unwrap()
}

fn opened(reference: &str) -> Result<Vec<Image>, SourceError> {
    Source::open(&reference.parse().unwrap())?.images(None)
}

fn open_error(reference: &str) -> String {
    Source::open(&reference.parse().unwrap()).unwrap_err().to_string()
}

fn good() -> Layout {
    let layout = Layout::new();
    let image = layout.image(&config("amd64"), PLAIN);
    layout.index(&[tagged(image, "v1")]);
    layout
}

/// `docker save` of old: links between layers, RepoTags, a config named after its digest.
fn docker_archive(dir: &Path, tags: &[&str]) -> PathBuf {
    let path = dir.join("docker.tar");
    let mut tar = ::tar::Builder::new(fs::File::create(&path).unwrap());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = ::tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, bytes).unwrap();
    };
    add("../../etc/evil", b"outside");
    add("aa/layer.tar", LAYERS[0]);
    add("cc/layer.tar", LAYERS[1]);
    let config = config("amd64").to_string();
    let name = format!("{}.json", digest(config.as_bytes()).hex());
    add(&name, config.as_bytes());
    let manifest = json!([{"Config": name, "RepoTags": tags, "Layers": ["aa/layer.tar", "bb/layer.tar"]}]);
    add("manifest.json", manifest.to_string().as_bytes());
    let mut link = ::tar::Header::new_ustar();
    link.set_entry_type(::tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "bb/layer.tar", "../cc/layer.tar").unwrap();
    tar.finish().unwrap();
    path
}

fn read(source: &Source, image: &Image, i: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.open_layer(&image.layers[i]).unwrap().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn suite(source: &Source) -> Image {
    let image = source.images(None).unwrap().remove(0);
    assert_eq!(image.platform.as_ref().unwrap().to_string(), "linux/amd64");
    assert_eq!(image.config.value()["x"], 1);
    assert_eq!(image.layers.len(), LAYERS.len());
    for (i, (layer, content)) in image.layers.iter().zip(LAYERS).enumerate() {
        assert_eq!(read(source, &image, i).unwrap(), content);
        assert_eq!(layer.diff_id, Some(DiffId::from_bytes(*digest(content).as_bytes())));
        let stored = source.layer_bytes(layer).unwrap().unwrap();
        let mut bytes = vec![0; usize::try_from(stored.size()).unwrap()];
        stored.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, content);
    }
    let other = source.images(Some(&"linux/s390x".parse().unwrap())).unwrap_err().to_string();
    assert!(other.contains("linux/s390x") && other.contains("found linux/amd64"), "{other}");
    assert!(source.take_notes().is_empty());
    image
}

#[test]
fn reads_every_kind() {
    let layout = good();
    let archive = layout.archive();
    for reference in [format!("oci-archive:{}", archive.display()), format!("oci-archive:{}:v1", archive.display())] {
        suite(&open(&reference));
    }
    let image = suite(&layout.open(""));
    assert_eq!(image.layers[0].compression, Compression::None);
    assert_eq!(image.manifest.annotation("a"), Some("b"));
    suite(&layout.open(":v1"));
    let docker = docker_archive(layout.dir.path(), &["docker.io/library/x:latest"]);
    for tag in ["", ":x", ":docker.io/library/x:latest"] {
        let image = suite(&open(&format!("docker-archive:{}{tag}", docker.display())));
        assert_eq!(image.layers[0].compression, Compression::None);
    }
}

#[test]
fn says_which_tags_there_are() {
    let layout = good();
    let docker = docker_archive(layout.dir.path(), &["v1"]);
    let sources = [
        layout.open(":v2"),
        open(&format!("oci-archive:{}:v2", layout.archive().display())),
        open(&format!("docker-archive:{}:v2", docker.display())),
    ];
    for source in sources {
        let error = source.images(None).unwrap_err();
        assert!(matches!(&error, SourceError::NoTag { tag, available, .. } if tag == "v2" && available == &["v1"]));
    }
    let (a, b) = (layout.image(&config("amd64"), PLAIN), layout.image(&config("arm64"), PLAIN));
    layout.index(&[tagged(a, "a"), tagged(b, "b")]);
    let error = layout.images("", None).unwrap_err().to_string();
    assert!(error.contains("name one of a, b"), "{error}");
    assert_eq!(layout.images(":b", None).unwrap().len(), 1);
}

#[test]
fn gives_an_image_for_each_platform() {
    let layout = Layout::new();
    let (a, b) = (layout.image(&config("amd64"), PLAIN), layout.image(&config("arm64"), PLAIN));
    let attestation = on(layout.blob(MANIFEST, b"{}"), "unknown", "unknown");
    let artifact = layout.blob("application/x", b"what");
    let entries = [on(a, "linux", "amd64"), on(b.clone(), "linux", "arm64"), attestation, artifact];
    let inner = json!({"schemaVersion": 2, "manifests": entries, "annotations": {"k": "v"}});
    let inner = layout.blob(INDEX, inner.to_string().as_bytes());
    let outer = json!({"schemaVersion": 2, "manifests": [inner]});
    layout.index(&[tagged(layout.blob(INDEX, outer.to_string().as_bytes()), "all")]);
    let source = layout.open(":all");
    let images = source.images(None).unwrap();
    let platforms: Vec<_> = images.iter().map(|image| image.platform.as_ref().unwrap().to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(images[0].index.as_ref().unwrap().manifests().count(), 4);
    assert_eq!(source.take_notes().len(), 2);
    // The other platform's blobs need not be there.
    fs::remove_file(layout.blob_path(b["digest"].as_str().unwrap().parse().unwrap())).unwrap();
    assert_eq!(layout.images("", Some("linux/amd64")).unwrap().len(), 1);
    let error = layout.images("", Some("linux/arm64/v8")).unwrap_err().to_string();
    assert!(error.contains("found linux/amd64; the index names linux/arm64, but the blobs are not there"), "{error}");
    let error = layout.images("", Some("linux/arm")).unwrap_err().to_string();
    assert!(error.contains("found linux/amd64; the index names linux/arm64, but the blobs are not there"), "{error}");
}

/// Only who asks for such an image is told that this tool cannot read it.
#[test]
fn equal_entries_lead_to_one_image() {
    let layout = Layout::new();
    let image = layout.image(&config("amd64"), PLAIN);
    // For two platforms it is an image of each.
    let both = vec![image.clone(), image.clone(), on(image.clone(), "linux", "amd64"), on(image, "linux", "arm64")];
    let mut inner = both;
    for _ in 0..3 {
        let twice = [inner.clone(), inner].concat();
        let index = json!({"schemaVersion": 2, "manifests": twice});
        inner = vec![layout.blob(INDEX, index.to_string().as_bytes())];
    }
    layout.index(&[tagged(inner.remove(0), "v1")]);
    let images = layout.images(":v1", None).unwrap();
    let platforms: Vec<_> = images.iter().map(|image| image.platform.as_ref().unwrap().to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/amd64", "linux/arm64"]);
}

#[test]
fn an_entry_that_cannot_be_read_stands_in_nobodys_way() {
    let layout = Layout::new();
    let sha512 = || json!({"mediaType": MANIFEST, "digest": format!("sha512:{}", "0".repeat(128)), "size": 3});
    let a = layout.image(&config("amd64"), PLAIN);
    layout.index(&[tagged(sha512(), "new"), tagged(a.clone(), "v1")]);
    assert_eq!(layout.images(":v1", None).unwrap().len(), 1);
    let error = layout.images(":new", None).unwrap_err().to_string();
    assert!(error.contains("index.json: manifests[0].digest") && error.contains("sha512"), "{error}");
    let inner = json!({"manifests": [on(a, "linux", "amd64"), on(sha512(), "linux", "arm64")]});
    layout.index(&[tagged(layout.blob(INDEX, inner.to_string().as_bytes()), "all")]);
    assert_eq!(layout.images(":all", Some("linux/amd64")).unwrap().len(), 1);
    assert!(layout.images(":all", None).unwrap_err().to_string().contains("manifests[1].digest"));
}

#[test]
fn finds_damaged_blobs() {
    let layout = good();
    let blob = layout.blob_path(digest(LAYERS[1]));
    let source = layout.open("");
    let image = source.images(None).unwrap().remove(0);
    for (bytes, is_right) in [
        (&b"sec"[..], (|e| matches!(e, BlobError::Short { expected: 6, found: 3 })) as fn(&BlobError) -> bool),
        (b"seconds", |e| matches!(e, BlobError::Long { expected: 6 })),
        (b"zecond", |e| matches!(e, BlobError::Digest { .. })),
    ] {
        fs::write(&blob, bytes).unwrap();
        let error = read(&source, &image, 1).unwrap_err();
        let error = BlobError::of(&error).unwrap();
        assert!(is_right(error), "{error}");
    }
    fs::write(&blob, b"sec").unwrap();
    let error = source.file(&image.layers[1].place).unwrap_err().to_string();
    assert!(error.ends_with(&format!("layer {}: the blob is too short: expected 6 bytes, found 3", digest(LAYERS[1]))));
    fs::remove_file(&blob).unwrap();
    assert!(matches!(source.open_layer(&image.layers[1]), Err(SourceError::Blob { source: BlobError::Missing, .. })));
    fs::create_dir(&blob).unwrap();
    assert!(matches!(source.open_layer(&image.layers[1]), Err(SourceError::Blob { source: BlobError::NoFile, .. })));
    let mut manifest = fs::OpenOptions::new().append(true).open(layout.blob_path(image.manifest_digest.unwrap()));
    manifest.as_mut().unwrap().write_all(b" ").unwrap();
    assert!(matches!(source.images(None), Err(SourceError::Blob { source: BlobError::Long { .. }, .. })));
}

#[test]
fn refuses_images_that_cannot_be_laid_out() {
    let layout = Layout::new();
    for (media_type, why) in [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "not distributable"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted"),
    ] {
        layout.index(&[layout.image(&config("amd64"), media_type)]);
        let error = layout.images("", None).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(&digest(LAYERS[0]).hex()), "{error}");
    }
    let mut few = config("amd64");
    few["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
    layout.index(&[layout.image(&few, PLAIN)]);
    let error = layout.images("", None).unwrap_err().to_string();
    assert!(error.contains("layers (2), found 1"), "{error}");
    let mut huge = layout.image(&config("amd64"), PLAIN);
    huge["size"] = json!(5 << 20);
    layout.index(&[huge]);
    assert!(matches!(layout.images("", None), Err(SourceError::TooLarge { .. })));
    layout.index(&[]);
    assert!(matches!(layout.images("", None), Err(SourceError::NoImage { .. })));
}

#[test]
fn names_the_right_transport() {
    let layout = good();
    let dir = layout.path("").display().to_string();
    let archive = layout.archive().display().to_string();
    let docker = docker_archive(layout.dir.path(), &[]).display().to_string();
    let empty = layout.dir.path().display().to_string();
    let gzip = layout.dir.path().join("x.tar.gz");
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&gzip).unwrap(), flate2::Compression::fast());
    io::copy(&mut fs::File::open(&docker).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap();
    let gzip = gzip.display().to_string();
    for (wrong, right) in [
        (format!("oci:{archive}"), format!("oci-archive:{archive}")),
        (format!("oci:{docker}"), format!("docker-archive:{docker}")),
        (format!("oci:{empty}"), format!("dir:{empty}")),
        (format!("oci-archive:{dir}"), format!("oci:{dir}")),
        (format!("oci-archive:{docker}"), format!("docker-archive:{docker}")),
        (format!("oci-archive:{gzip}"), format!("docker-archive:{gzip}")),
        (format!("docker-archive:{archive}"), format!("oci-archive:{archive}")),
        (format!("dir:{dir}"), format!("oci:{dir}")),
        (format!("dir:{gzip}"), format!("docker-archive:{gzip}")),
    ] {
        let error = opened(&wrong).unwrap_err().to_string();
        assert!(error.ends_with(&format!(" (perhaps {right} was meant)")), "{error}");
        opened(&right).unwrap();
    }
    assert!(open_error("oci:/does/not/exist").contains("/does/not/exist"));
}

#[test]
fn what_a_failed_copy_leaves_is_no_root_file_system() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
    let error = open_error(&format!("oci:{}", dir.path().display()));
    assert!(
        error.contains("it holds no image: a copy into it seems to have failed") && !error.contains("dir:"),
        "{error}"
    );
}

#[test]
fn finds_a_cut_archive() {
    let layout = good();
    let docker = docker_archive(layout.dir.path(), &[]);
    let reference = format!("docker-archive:{}", docker.display());
    let bytes = fs::read(&docker).unwrap();
    for len in (0..bytes.len()).step_by(256) {
        fs::write(&docker, &bytes[..len]).unwrap();
        // Whatever is found missing, nothing panics, and what is whole reads whole.
        let Ok(source) = Source::open(&reference.parse().unwrap()) else { continue };
        let Ok(images) = source.images(None) else { continue };
        assert_eq!(read(&source, &images[0], 1).unwrap(), LAYERS[1]);
    }
}
