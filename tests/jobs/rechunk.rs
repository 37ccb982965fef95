//! What rechunk refuses, and what it says.

use std::path::Path;

use restrata::codec::Sha256Stream;
use restrata::degraded::Code;
use restrata::digest::FileDigest;
use restrata::error::Error;
use restrata::oci::Reference;
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request, rechunk};
use restrata::tar::EntryKind::{Dir, HardLink, Symlink};
use restrata::verify::verify;
use tempfile::TempDir;

use super::image::{Parts, chunked, entry, file, link, noise, options, plain, platforms};

fn run(dir: &Path, new: &str, previous: &[&str]) -> Result<Outcome, Error> {
    let dest = format!("oci:{}", dir.join("out").display());
    let request = Request {
        previous: previous.iter().map(|reference| reference.parse().unwrap()).collect(),
        ..Request::new(new.parse().unwrap(), dest.parse().unwrap(), options())
    };
    rechunk(&request, &Progress::new())
}

#[test]
fn what_clients_cannot_extract_is_refused() {
    let good = vec![file("f", b"x")];
    for (broken, says) in [
        (vec![file("a", b"1"), link("a", HardLink, "a")], "entry /a: expected a hard link to another entry"),
        (vec![link("a", HardLink, "no/where")], "found nothing at /no/where"),
        (vec![file("a", b"1"), entry("a/b", Dir)], "entry /a/b: expected a directory at /a"),
        (vec![file("d/a", b"1"), link("l", Symlink, "e"), file("l/a", b"2")], "at /l, found a symbolic link"),
    ] {
        let dir = TempDir::new().unwrap();
        let error = run(dir.path(), &plain(dir.path(), "t", &[good.clone(), broken]), &[]).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(says) && message.contains(": layer sha256:"), "{message}");
        assert_eq!(error.exit_code(), 1);
        assert!(!dir.path().join("out").exists());
    }
    let dir = TempDir::new().unwrap();
    let cross = [good, vec![link("a", HardLink, "f")]];
    assert_eq!(run(dir.path(), &plain(dir.path(), "t", &cross), &[]).unwrap().images.len(), 1);
}

#[test]
fn a_previous_image_of_another_platform_is_no_previous_one() {
    let layers = [vec![file("f", b"x")]];
    let dir = TempDir::new().unwrap();
    let new = platforms(dir.path(), "new", &[("linux/amd64".parse().unwrap(), &layers)]);
    for (platform, is_told) in [("linux/arm64", true), ("linux/amd64", false)] {
        let old = platforms(dir.path(), "old", &[(platform.parse().unwrap(), &layers)]);
        let old = chunked(dir.path(), &old, IndexPlace::End);
        let Outcome { notes, degraded, .. } = run(dir.path(), &new, &[&old]).unwrap();
        let note =
            format!("{old}: expected an image for linux/amd64, found one for {platform}, so it is not compared with");
        assert_eq!(notes.first(), is_told.then_some(&note));
        assert_eq!(
            degraded.iter().map(|it| it.code).collect::<Vec<_>>(),
            if is_told { vec![Code::NoPrevious] } else { Vec::new() }
        );
    }
}

/// podman can't mount an image without layers, so one with an empty layer keeps one. An image that really has none has
/// nothing that could be reused, and nothing is wrong with that.
#[test]
fn images_without_files() {
    let dir = TempDir::new().unwrap();
    for (layers, expected) in [(vec![], 0), (vec![vec![]], 1), (vec![vec![entry("d", Dir)]], 1)] {
        let new = plain(dir.path(), "new", &layers);
        for previous in [vec![], vec![vec![]]] {
            let old = plain(dir.path(), "old", &previous);
            let Outcome { images, degraded, .. } = run(dir.path(), &new, &[&old]).unwrap();
            assert_eq!(images[0].layers.len(), expected);
            assert!(degraded.is_empty() || !previous.is_empty(), "{degraded:?}");
            let made = run(dir.path(), &new, &[&format!("oci:{}", dir.path().join("out").display())]).unwrap();
            assert!(made.degraded.is_empty(), "{:?}", made.degraded);
        }
    }
}

#[test]
fn a_damaged_layer_is_named_once() {
    let dir = TempDir::new().unwrap();
    let reference = plain(dir.path(), "t", &[vec![file("f", &noise(2000))]]);
    let blobs = dir.path().join("plain/blobs/sha256");
    let biggest =
        std::fs::read_dir(&blobs).unwrap().map(|blob| blob.unwrap()).max_by_key(|blob| blob.metadata().unwrap().len());
    let layer = biggest.unwrap().path();
    let digest = layer.file_name().unwrap().to_str().unwrap().to_owned();
    let mut bytes = std::fs::read(&layer).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&layer, &bytes).unwrap();
    let corrupt = run(dir.path(), &reference, &[]).unwrap_err().to_string();
    std::fs::remove_file(&layer).unwrap();
    let missing = run(dir.path(), &reference, &[]).unwrap_err().to_string();
    for (message, says) in [(corrupt, "the blob is corrupt: its content has"), (missing, "the blob is missing")] {
        assert!(message.starts_with(&format!("{reference}: layer sha256:{digest}: {says}")), "{message}");
        assert_eq!(message.matches(&digest).count(), 1, "{message}");
    }
}

/// Its digests and DiffID are right, but its TOC says something else than its tar: what it seems to show is not there.
#[test]
fn a_previous_layer_whose_toc_lies_is_not_used() {
    let digest = |content: &[u8]| FileDigest::from_bytes(Sha256Stream::of(content)).to_string();
    let (old, new) = (noise(30_000), noise(30_001)[1..].to_vec());
    let lies = [
        (digest(&old), digest(&new)),
        ("\"etc/b\"".to_owned(), "\"etc/c\"".to_owned()),
        ("\"mode\":493".to_owned(), "\"mode\":492".to_owned()),
    ];
    for (truth, lie) in lies {
        let dir = TempDir::new().unwrap();
        let image = |tag: &str, content: &[u8]| {
            let entries = vec![entry("etc/", Dir), file("etc/a", content), file("etc/b", &noise(1000))];
            plain(&dir.path().join(tag), tag, &[entries])
        };
        ["v1", "v2"].iter().for_each(|tag| std::fs::create_dir(dir.path().join(tag)).unwrap());
        let (v1, v2) = (image("v1", &old), image("v2", &new));
        let mut parts = Parts::read(&chunked(dir.path(), &v1, IndexPlace::End));
        parts.reindex(|toc, _| {
            assert!(toc.contains(&truth));
            *toc = toc.replacen(&truth, &lie, 1);
        });
        let liar = parts.write(&dir.path().join("liar"));
        let outcome = run(dir.path(), &v2, &[&liar]).unwrap();
        assert!(
            outcome.notes.iter().any(|note| note.contains(": layer 0 (") && note.contains(") is not used: ")),
            "{truth}: {:?}",
            outcome.notes
        );
        let out: Reference = format!("oci:{}", dir.path().join("out").display()).parse().unwrap();
        let verdict = verify(&v2.parse().unwrap(), &out, None, &[], options(), &Progress::new()).unwrap();
        assert!(verdict.is_same(), "{truth}: {:?}", verdict.differences);
    }
}
