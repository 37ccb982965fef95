use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::digest::DiffId;
use crate::tar::{EntryKind, Header, encode};
use crate::toc::{Crc64, TarSplitWriter};

/// A store with one image of two layers, and what podman says of it.
struct Store {
    dir: TempDir,
    tars: Vec<Vec<u8>>,
    inspected: serde_json::Value,
}

/// Files of a layer: where its tar puts them, where they are, and their content.
type Files<'a> = &'a [(&'a str, &'a str, &'a [u8])];

impl Store {
    fn new(layers: &[Files<'_>]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut tars = Vec::new();
        for (number, files) in layers.iter().enumerate() {
            tars.push(Self::layer(dir.path(), number, files));
        }
        let diff_ids: Vec<String> =
            tars.iter().map(|tar| DiffId::from_bytes(Sha256Stream::of(tar)).to_string()).collect();
        let config =
            json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = config.to_string();
        let digest = BlobDigest::from_bytes(Sha256Stream::of(config.as_bytes()));
        let images = dir.path().join("overlay-images").join(digest.hex());
        fs::create_dir_all(&images).unwrap();
        fs::write(images.join(format!("={}", BASE64_STANDARD.encode(digest.to_string()))), config).unwrap();
        let diff = |number: usize| dir.path().join(format!("overlay/l{number}/diff")).display().to_string();
        let lower: Vec<String> = (0..layers.len() - 1).rev().map(diff).collect();
        let data = json!({"UpperDir": diff(layers.len() - 1), "LowerDir": lower.join(":")});
        let inspected = json!([{"Id": digest.hex(), "GraphDriver": {"Name": "overlay", "Data": data},
            "RootFS": {"Type": "layers", "Layers": diff_ids}}]);
        Self { dir, tars, inspected }
    }

    fn layer(root: &Path, number: usize, files: Files<'_>) -> Vec<u8> {
        let diff = root.join(format!("overlay/l{number}/diff"));
        fs::create_dir_all(diff.join("usr/lib")).unwrap();
        symlink("/usr/lib", diff.join("lib")).unwrap();
        let (mut tar, mut split, mut lines) = (Vec::new(), TarSplitWriter::new(), Vec::new());
        let mut raw = Vec::new();
        for (name, place, content) in files {
            let mut header = Header::new(*name, EntryKind::Regular);
            header.size = content.len() as u64;
            raw.extend(encode(&header));
            split.segment(&raw, &mut lines);
            tar.append(&mut raw);
            let mut crc = Crc64::new();
            crc.update(content);
            let crc = (!content.is_empty()).then(|| crc.finish());
            split.file(name.as_bytes(), content.len() as u64, crc, &mut lines);
            tar.extend_from_slice(content);
            raw.resize((512 - content.len() % 512) % 512, 0);
            fs::write(diff.join(place), content).unwrap();
        }
        raw.resize(raw.len() + 1024, 0);
        split.segment(&raw, &mut lines);
        tar.append(&mut raw);
        fs::create_dir_all(root.join("overlay-layers")).unwrap();
        let file = File::create(root.join(format!("overlay-layers/l{number}.tar-split.gz"))).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gzip.write_all(&lines).unwrap();
        gzip.finish().unwrap();
        tar
    }

    fn open(&self) -> Option<Stored> {
        Stored::open(self.inspected.to_string().as_bytes(), &Progress::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn two() -> Store {
    let long = vec![7; 200_000];
    Store::new(&[
        &[("a", "a", b"one"), ("empty", "empty", b""), ("./lib/b", "usr/lib/b", &long)],
        &[("/c", "c", b"absolute"), (".wh.a", ".wh.a", b"")],
    ])
}

#[test]
fn tars_are_put_together() {
    let store = two();
    let stored = store.open().unwrap();
    let reference: Reference = "containers-storage:x".parse().unwrap();
    let images = stored.images(&reference, None).unwrap();
    assert_eq!((images.len(), images[0].layers.len()), (1, 2));
    for (at, tar) in store.tars.iter().enumerate() {
        let layer = stored.layer(at).unwrap();
        let (mut whole, mut part) = (Vec::new(), [0; 700]);
        layer.tar().unwrap().read_to_end(&mut whole).unwrap();
        assert!(whole == *tar && layer.size() == tar.len() as u64);
        layer.read_exact_at(&mut part, 300).unwrap();
        assert_eq!(part, tar[300..1000]);
        assert!(layer.read_exact_at(&mut part, tar.len() as u64 - 1).is_err());
        let found = images[0].layers[at].diff_id;
        assert_eq!(found, Some(DiffId::from_bytes(Sha256Stream::of(tar))));
    }
    assert!(stored.layer(2).is_err());
}

#[test]
fn what_is_not_as_expected_is_skopeos() {
    type Change = fn(&mut Store);
    let changes: [(&str, Change); 12] = [
        ("driver", |store| store.inspected[0]["GraphDriver"]["Name"] = "vfs".into()),
        ("id", |store| store.inspected[0]["Id"] = "ab".repeat(32).into()),
        ("lower", |store| store.inspected[0]["GraphDriver"]["Data"]["LowerDir"] = "".into()),
        ("place", |store| store.inspected[0]["GraphDriver"]["Data"]["UpperDir"] = "/etc".into()),
        ("two", |store| store.inspected = json!([store.inspected[0], store.inspected[0]])),
        ("composefs", |store| fs::create_dir(store.path("overlay/l0/composefs-data")).unwrap()),
        ("no tar-split", |store| fs::remove_file(store.path("overlay-layers/l1.tar-split.gz")).unwrap()),
        ("no gzip", |store| fs::write(store.path("overlay-layers/l1.tar-split.gz"), "{").unwrap()),
        ("no file", |store| fs::remove_file(store.path("overlay/l0/diff/a")).unwrap()),
        ("longer", |store| fs::write(store.path("overlay/l0/diff/a"), "longer").unwrap()),
        ("directory", |store| {
            fs::remove_file(store.path("overlay/l0/diff/a")).unwrap();
            fs::create_dir(store.path("overlay/l0/diff/a")).unwrap();
        }),
        ("link", |store| {
            // It leads out of the layer.
            fs::write(store.path("secret"), "one").unwrap();
            fs::remove_file(store.path("overlay/l0/diff/a")).unwrap();
            symlink(store.path("secret"), store.path("overlay/l0/diff/a")).unwrap();
        }),
    ];
    for (name, change) in changes {
        let mut store = two();
        change(&mut store);
        assert!(store.open().is_none(), "{name}");
    }
    // No name leads out of the layer.
    let outside = Store::new(&[&[("../../../secret", "a", b"one")]]);
    fs::write(outside.path("secret"), "one").unwrap();
    assert!(outside.open().is_none());
}

#[test]
fn a_file_that_changes_is_an_error() {
    let store = two();
    let stored = store.open().unwrap();
    fs::write(store.path("overlay/l1/diff/c"), "short").unwrap();
    let error = stored.layer(1).unwrap().tar().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "/c in podman's store: expected a file of 8 bytes, found something else");
}

#[test]
fn names_are_skopeos() {
    let id = "0a".repeat(32);
    for (name, full) in [
        ("app", Some("docker.io/library/app:latest")),
        ("localhost/app:v1", Some("localhost/app:v1")),
        (id.as_str(), Some(id.as_str())),
        ("[overlay@/a]app", None),
        ("app@0123", None),
        ("--help", None),
    ] {
        assert_eq!(full_name(name).as_deref(), full, "{name}");
    }
}
