//! What a destination holds before, after and without a commit.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Sink, SinkError};
use crate::bytes::FileBytes;
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::oci::{Descriptor, Index};
use crate::progress::Progress;
use crate::span::Span;
use crate::watch::Watched;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn create(transport: &str, path: &Path, tag: &str) -> Result<Sink, SinkError> {
    Sink::create(&format!("{transport}:{}{tag}", path.display()).parse().unwrap(), &Progress::new())
}

fn put(sink: &Sink, text: &str) -> Descriptor {
    let (digest, size) = sink.put_bytes(text.as_bytes()).unwrap();
    Descriptor::new(MANIFEST, digest, size)
}

fn read_index(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap()
}

/// Every path below `dir` with its content.
fn snapshot(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.push((path.display().to_string(), Vec::new()));
            found.extend(snapshot(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn makes_a_layout_at_the_commit() {
    let tmp = TempDir::new().unwrap();
    let dir = tmp.path().join("out");
    let sink = create("oci", &dir, ":v1").unwrap();
    let mut blob = sink.blob().unwrap();
    blob.write_all(b"hello ").unwrap();
    blob.write_all(&[b'x'; 600_000]).unwrap();
    let (digest, size) = blob.finish().unwrap();
    assert_eq!(size, 600_006);
    assert!(sink.has(digest) && !dir.exists());
    let manifest = put(&sink, "{}");
    assert_eq!(sink.commit(vec![manifest.clone()], None, &Progress::new()).unwrap(), manifest.digest);
    assert_eq!(names(tmp.path()), ["out"]);
    assert_eq!(names(&dir), ["blobs", "index.json", "oci-layout"]);
    let entry = &read_index(&dir)["manifests"][0];
    assert_eq!(entry["digest"], manifest.digest.to_string());
    assert_eq!(entry["annotations"], json!({"org.opencontainers.image.ref.name": "v1"}));
    let blob = dir.join("blobs/sha256").join(digest.hex());
    assert_eq!(BlobDigest::from_bytes(Sha256Stream::of(&fs::read(&blob).unwrap())), digest);
    // As any other new file here, not as a temporary file.
    fs::write(tmp.path().join("plain"), b"").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&blob), mode(&tmp.path().join("plain")));
    assert_eq!(mode(&dir), mode(&dir.join("blobs")));
}

#[test]
fn leaves_nothing_without_a_commit() {
    let tmp = TempDir::new().unwrap();
    for transport in ["oci", "oci-archive"] {
        let sink = create(transport, &tmp.path().join("out"), ":v1").unwrap();
        put(&sink, "{}");
        let mut open = sink.blob().unwrap();
        open.write_all(b"half").unwrap();
        drop(sink);
        drop(open);
        assert!(names(tmp.path()).is_empty());
    }
    let dir = tmp.path().join("old");
    let sink = create("oci", &dir, ":v1").unwrap();
    let manifest = put(&sink, "{}");
    sink.commit(vec![manifest], None, &Progress::new()).unwrap();
    let before = snapshot(&dir);
    let sink = create("oci", &dir, ":v2").unwrap();
    put(&sink, "{\"a\":1}");
    drop(sink);
    assert_eq!(snapshot(&dir), before);
    // A commit that fails half-way takes its blobs back.
    let sink = create("oci", &dir, ":v2").unwrap();
    let manifest = put(&sink, "{\"b\":1}");
    fs::write(dir.join("index.json"), b"broken meanwhile").unwrap();
    assert!(matches!(sink.commit(vec![manifest], None, &Progress::new()), Err(SinkError::Oci { .. })));
    assert_eq!(names(&dir.join("blobs/sha256")).len(), 1);
    assert_eq!(names(&dir), ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn adds_and_replaces_tags_only() {
    let tmp = TempDir::new().unwrap();
    let dir = tmp.path().join("out");
    let commit = |tag: &str, text: &str| {
        let sink = create("oci", &dir, tag).unwrap();
        let manifest = put(&sink, text);
        sink.commit(vec![manifest], None, &Progress::new()).unwrap()
    };
    commit(":a", "{\"a\":1}");
    let mut index = read_index(&dir);
    index["annotations"] = json!({"keep": "me"});
    index["manifests"][0]["future"] = json!([1]);
    index["manifests"].as_array_mut().unwrap().push(json!({"size": 1.50, "digest": "sha512:00"}));
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    commit(":b", "{\"b\":1}");
    let last = commit(":b", "{\"b\":2}");
    let after = read_index(&dir);
    assert_eq!(after["annotations"], index["annotations"]);
    for kept in 0..2 {
        assert_eq!(after["manifests"][kept].to_string(), index["manifests"][kept].to_string());
    }
    assert_eq!(after["manifests"].as_array().unwrap().len(), 3);
    assert_eq!(after["manifests"][2]["digest"], last.to_string());
    let error = create("oci", &dir, "").unwrap_err().to_string();
    assert!(error.contains("tags a, b"), "{error}");
}

#[test]
fn replaces_an_untagged_image() {
    let tmp = TempDir::new().unwrap();
    for text in ["{\"a\":1}", "{\"a\":2}"] {
        // The second time an empty directory would do as well.
        let sink = create("oci", tmp.path(), "").unwrap();
        let manifest = put(&sink, text);
        sink.commit(vec![manifest.clone()], None, &Progress::new()).unwrap();
        let index = read_index(tmp.path());
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(index["manifests"][0]["digest"], manifest.digest.to_string());
    }
}

#[test]
fn refuses_other_destinations() {
    let tmp = TempDir::new().unwrap();
    fs::write(tmp.path().join("file"), b"").unwrap();
    let error = |transport: &str, path: &Path| create(transport, path, "").unwrap_err().to_string();
    assert!(error("oci", tmp.path()).contains("other content (\"file\")"));
    assert!(error("oci", &tmp.path().join("file")).contains("found a file"));
    let missing = tmp.path().join("no");
    let says = format!("can't be made: there is no directory {}", missing.display());
    assert!(error("oci", &missing.join("where")).ends_with(&says));
    assert!(error("oci-archive", tmp.path()).contains("found a directory"));
    assert!(error("oci-archive", Path::new("/dev/null")).contains("device"));
    assert!(error("dir", tmp.path()).contains("oci-archive:FILE"));
    assert_eq!(names(tmp.path()), ["file"]);
}

#[test]
fn gives_several_images_an_index() {
    let tmp = TempDir::new().unwrap();
    let dir = tmp.path().join("out");
    let sink = create("oci", &dir, ":all").unwrap();
    let mut images = vec![put(&sink, "{\"a\":1}"), put(&sink, "{\"a\":2}")];
    images[0].set_annotation("org.opencontainers.image.ref.name", "old");
    images[1].set_annotation("kept", "yes");
    let list = json!({"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "manifests": [],
        "schemaVersion": 2, "annotations": {"k": "v"}});
    let index = Index::parse(list.to_string().as_bytes(), "list").unwrap();
    let digest = sink.commit(images, Some(&index), &Progress::new()).unwrap();
    assert_eq!(read_index(&dir)["manifests"][0]["digest"], digest.to_string());
    let blob: Value = serde_json::from_slice(&fs::read(dir.join("blobs/sha256").join(digest.hex())).unwrap()).unwrap();
    assert_eq!(blob["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(blob["annotations"], json!({"k": "v"}));
    assert!(blob["manifests"][0].get("annotations").is_none());
    assert_eq!(blob["manifests"][1]["annotations"], json!({"kept": "yes"}));
}

#[test]
fn writes_the_same_archive_each_time() {
    let tmp = TempDir::new().unwrap();
    let path = tmp.path().join("out.tar");
    let mut archives = Vec::new();
    for order in [["{\"a\":1}", "{\"b\":22}"], ["{\"b\":22}", "{\"a\":1}"]] {
        let sink = create("oci-archive", &path, ":v1").unwrap();
        let blobs = order.map(|text| put(&sink, text));
        let manifest = blobs.into_iter().min_by_key(|blob| blob.size).unwrap();
        sink.commit(vec![manifest], None, &Progress::new()).unwrap();
        archives.push(fs::read(&path).unwrap());
        assert_eq!(names(tmp.path()), ["out.tar"]);
    }
    assert_eq!(archives[0], archives[1]);
    let mut archive = ::tar::Archive::new(archives[0].as_slice());
    let entries = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    assert_eq!(entries.filter(|name| name.starts_with("blobs/sha256/") && name.len() > 20).count(), 2);
}

#[test]
fn checks_what_it_is_told() {
    let tmp = TempDir::new().unwrap();
    let sink = create("oci", &tmp.path().join("out"), "").unwrap();
    let digest = BlobDigest::from_bytes(Sha256Stream::of(b"345"));
    let mut raw = sink.raw_blob().unwrap();
    raw.write_all(b"345").unwrap();
    assert!(matches!(raw.finish_as(digest, 4), Err(SinkError::Size { expected: 4, found: 3, .. })));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789").unwrap();
    let copy = |start, len| {
        let from = Watched::new(FileBytes::new(file.try_clone().unwrap(), Span::new(start, len).unwrap())).unwrap();
        sink.copy_sound_blob(&from, digest)
    };
    assert!(matches!(copy(8, 3), Err(SinkError::ShortCopy { expected: 3, found: 2 })));
    assert!(!sink.has(digest));
    copy(3, 3).unwrap();
    assert!(sink.has(digest));
    assert!(matches!(sink.commit(Vec::new(), None, &Progress::new()), Err(SinkError::NoImages { .. })));
    let sink = create("oci", &tmp.path().join("out"), "").unwrap();
    let absent = Descriptor::new(MANIFEST, digest, 3);
    assert!(matches!(sink.commit(vec![absent], None, &Progress::new()), Err(SinkError::NoManifest { .. })));
    assert!(names(tmp.path()).is_empty());
}

#[test]
fn a_blob_of_the_layout_itself_is_not_copied() {
    let tmp = TempDir::new().unwrap();
    let dir = tmp.path().join("out");
    let blob = |sink: &Sink| sink.put_bytes(b"345").unwrap().0;
    let sink = create("oci", &dir, ":a").unwrap();
    let digest = blob(&sink);
    sink.commit(vec![Descriptor::new(MANIFEST, digest, 3)], None, &Progress::new()).unwrap();
    let own = fs::File::open(dir.join("blobs/sha256").join(digest.hex())).unwrap();
    let sink = create("oci", &dir, ":b").unwrap();
    let own = Watched::new(FileBytes::new(own, Span::new(0, 3).unwrap())).unwrap();
    sink.copy_sound_blob(&own, digest).unwrap();
    let staged = fs::read_dir(&dir).unwrap().filter(|entry| {
        let stage = entry.as_ref().unwrap().path().join("blobs/sha256").join(digest.hex());
        stage.parent() != Some(&dir.join("blobs/sha256")) && stage.exists()
    });
    assert_eq!(staged.count(), 0);
    sink.commit(vec![Descriptor::new(MANIFEST, digest, 3)], None, &Progress::new()).unwrap();
}

/// What was proven is what is copied, or nothing is.
#[test]
fn a_blob_that_is_written_to_while_it_is_copied_is_not_taken() {
    let tmp = TempDir::new().unwrap();
    let digest = BlobDigest::from_bytes(Sha256Stream::of(b"345"));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"0123456789").unwrap();
    let watched = || Watched::new(FileBytes::new(file.reopen().unwrap(), Span::new(3, 3).unwrap())).unwrap();
    let write = |bytes: &[u8]| file.as_file().write_all_at(bytes, 4).unwrap();
    let sink = create("oci", &tmp.path().join("out"), "").unwrap();
    let from = watched();
    let changed = sink.copy_watched(&from, digest, || write(b"x"));
    assert!(matches!(changed, Err(SinkError::Unsteady(_))) && !sink.has(digest));
    // Changed before, and back again while it was copied.
    write(b"4");
    let from = watched();
    write(b"x");
    let copies = std::cell::Cell::new(0);
    sink.copy_watched(&from, digest, || {
        if copies.replace(copies.get() + 1) == 0 {
            write(b"4");
        }
    })
    .unwrap();
    assert_eq!((copies.get(), fs::read(sink.stage.blob_path(digest)).unwrap().as_slice()), (2, &b"345"[..]));
    // Written to all the time.
    let sink = create("oci", &tmp.path().join("other"), "").unwrap();
    let changed = sink.copy_watched(&watched(), digest, || write(b"4"));
    assert!(matches!(changed, Err(SinkError::Unsteady(_))) && !sink.has(digest));
}

#[test]
fn takes_blobs_from_several_threads() {
    let tmp = TempDir::new().unwrap();
    let dir = tmp.path().join("out");
    let sink = create("oci", &dir, "").unwrap();
    std::thread::scope(|scope| {
        for i in 0..4_u8 {
            let sink = &sink;
            scope.spawn(move || {
                for j in 0..8_u8 {
                    let mut blob = sink.blob().unwrap();
                    // Every thread also writes what another one does.
                    blob.write_all(&[i / 2, j]).unwrap();
                    blob.finish().unwrap();
                }
            });
        }
    });
    let manifest = put(&sink, "{}");
    sink.commit(vec![manifest], None, &Progress::new()).unwrap();
    assert_eq!(names(&dir.join("blobs/sha256")).len(), 17);
}
