//! A good image is clean, and each lie is named.

use restrata::check::{CheckedLayer, check};
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::tar::EntryKind::{Dir, HardLink, Symlink};
use restrata::toc::TOC_DIGEST;
use tempfile::TempDir;

use super::image::{Entry, Parts, chunked, entry, file, link, options, plain, sample};

const TOC_POSITION: &str = "io.github.containers.zstd-chunked.manifest-position";

fn checked(reference: &str) -> CheckedLayer {
    let report = check(&reference.parse().unwrap(), None, options(), &Progress::new()).unwrap();
    assert_eq!(report.is_clean(), report.images[0].layers[0].problems.is_empty());
    report.images.into_iter().next().unwrap().layers.remove(0)
}

fn parts(dir: &TempDir, index: IndexPlace) -> Parts {
    Parts::read(&chunked(dir.path(), &plain(dir.path(), "a", &[sample()]), index))
}

/// Changes an image and expects each of the sentences among its problems, and a problem at all.
fn expect(index: IndexPlace, change: impl FnOnce(&mut Parts), sentences: &[&str]) {
    let dir = TempDir::new().unwrap();
    let mut parts = parts(&dir, index);
    change(&mut parts);
    let layer = checked(&parts.write(&dir.path().join("changed")));
    for sentence in sentences {
        assert!(layer.problems.iter().any(|p| p.contains(sentence)), "{sentence}: {:#?}", layer.problems);
    }
    assert_eq!(layer.problems.is_empty(), sentences.is_empty(), "{:#?}", layer.problems);
}

fn first(change: impl FnOnce(&mut Parts), sentences: &[&str]) {
    expect(IndexPlace::First, change, sentences);
}

/// Changes TOC (and tar-split), with everything that points at them made right.
fn index(change: impl Fn(&mut String, &mut String), sentences: &[&str]) {
    expect(IndexPlace::End, |parts| parts.reindex(&change), sentences);
}

fn replace(text: &mut String, from: &str, to: &str) {
    let at = text.find(from).unwrap_or_else(|| panic!("{from} in {text}"));
    text.replace_range(at..at + from.len(), to);
}

/// The number behind `key` in the row of `name`, changed.
fn number(text: &mut String, name: &str, key: &str, change: impl Fn(u64) -> u64) {
    let row = text.find(&format!("\"name\":\"{name}\"")).unwrap();
    let at = row + text[row..].find(key).unwrap() + key.len();
    let len = text[at..].find(|c: char| !c.is_ascii_digit()).unwrap();
    let new = change(text[at..at + len].parse().unwrap());
    text.replace_range(at..at + len, &new.to_string());
}

#[test]
fn good_images_are_clean() {
    let dir = TempDir::new().unwrap();
    let plain = plain(dir.path(), "a", &[sample()]);
    for (place, kind) in [(IndexPlace::First, "index first"), (IndexPlace::End, "index last")] {
        let layer = checked(&chunked(dir.path(), &plain, place));
        assert!(layer.problems.is_empty() && layer.remarks.is_empty(), "{layer:#?}");
        assert!(layer.kind.ends_with(kind) && layer.entries == 14 && layer.frames > 8, "{layer:#?}");
    }
    let layer = checked(&plain);
    assert!(layer.kind == "tar" && layer.problems.is_empty() && layer.entries == 14, "{layer:#?}");
    index(|_, _| {}, &[]);
}

#[test]
fn damaged_bytes_are_named() {
    let at_toc = |parts: &mut Parts| parts.index().positions.toc.start() as usize + 20;
    first(
        |parts| {
            let at = at_toc(parts);
            parts.blob[at] ^= 1
        },
        &["the TOC at byte", "the annotation says"],
    );
    let at_split = |parts: &mut Parts| parts.index().positions.tar_split.start() as usize + 20;
    first(
        |parts| {
            let at = at_split(parts);
            parts.blob[at] ^= 1
        },
        &["the tar-split at byte", "the TOC says"],
    );
    // The noise of usr/bin/tool stands in a raw block: only checksum and digests can tell.
    first(
        |parts| {
            let at = parts.index().positions.tar_split.end() as usize + 1500;
            parts.blob[at] ^= 1
        },
        &["does not decode", "entry \""],
    );
    first(|parts| parts.blob.truncate(parts.blob.len() - 80), &["cut short"]);
    first(|parts| parts.blob.extend_from_slice(b"rest"), &["expected a frame"]);
}

#[test]
fn a_blob_that_is_not_the_manifests_is_named() {
    let dir = TempDir::new().unwrap();
    let reference = parts(&dir, IndexPlace::First).write(&dir.path().join("changed"));
    let digest = checked(&reference).digest;
    let blob = dir.path().join("changed/blobs/sha256").join(digest.hex());
    let good = std::fs::read(&blob).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    for (bytes, sentence) in [(&bad[..], "the blob is corrupt"), (&good[..900], "too short"), (b"", "too short")] {
        std::fs::write(&blob, bytes).unwrap();
        let problems = checked(&reference).problems;
        assert!(problems.iter().any(|p| p.contains(sentence)), "{sentence}: {problems:#?}");
    }
    std::fs::remove_file(&blob).unwrap();
    assert!(checked(&reference).problems[0].contains("missing"));
}

#[test]
fn wrong_annotations_are_named() {
    let positions = |parts: &mut Parts, change: fn(&mut [u64; 4])| {
        let text = parts.annotation(TOC_POSITION).as_str().unwrap().to_owned();
        let mut numbers = [0; 4];
        numbers.iter_mut().zip(text.split(':')).for_each(|(number, text)| *number = text.parse().unwrap());
        change(&mut numbers);
        *parts.annotation(TOC_POSITION) = numbers.map(|n| n.to_string()).join(":").into();
    };
    first(|parts| positions(parts, |n| n[1] -= 1), &["its skippable frame holds", "the footer at byte"]);
    first(|parts| positions(parts, |n| n[0] = 8), &["in no skippable frame"]);
    first(|parts| positions(parts, |n| n[0] = 1 << 40), &["but the blob has"]);
    first(|parts| positions(parts, |n| n[2] += 1), &["bytes of content", "the footer"]);
    first(|parts| positions(parts, |n| n[3] = 2), &["kind 2"]);
    let estargz = "containerd.io/snapshot/stargz/toc.digest";
    first(|parts| *parts.annotation(estargz) = "sha256:00".into(), &["expected one of them"]);
    first(
        |parts| parts.layer()["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into(),
        &["expected zstd"],
    );
    let zero = format!("sha256:{}", "0".repeat(64));
    first(|parts| *parts.diff_id() = zero.as_str().into(), &["DiffID: the config has", "the tar rebuilt from"]);
}

#[test]
fn positions_without_a_checksum_are_named() {
    let forget = |parts: &mut Parts| {
        parts.layer()["annotations"].as_object_mut().unwrap().shift_remove(TOC_DIGEST);
    };
    first(forget, &["expected io.github.containers.zstd-chunked.manifest-checksum beside"]);
}

#[test]
fn a_toc_that_lies_is_named() {
    let tool = "usr/bin/tool";
    index(|toc, _| number(toc, tool, "\"mode\":", |n| n ^ 0o22), &["\"usr/bin/tool\": mode: the TOC has 0o"]);
    index(|toc, _| number(toc, tool, "\"size\":", |n| n + 1), &["size: the TOC has 3001", "bytes of content"]);
    index(|toc, _| number(toc, tool, "\"offset\":", |n| n + 1), &["no frame starts there"]);
    index(|toc, _| number(toc, tool, "\"endOffset\":", |n| n - 1), &["no frame ends there"]);
    index(|toc, _| number(toc, "dev/null", "\"devMinor\":", |n| n + 1), &["device minor"]);
    index(|toc, _| number(toc, "usr/bin/sym", "\"modtime\":\"", |n| n + 1), &["mtime"]);
    index(|toc, _| replace(toc, "AQAAAv8=", "AQAAAgA="), &["different values"]);
    index(|toc, _| replace(toc, "\"linkName\":\"tool\"", "\"linkName\":\"wool\""), &["link: the TOC has"]);
    index(|toc, _| replace(toc, "usr/share/pipe", "usr/share/pine"), &["not in the TOC", "not in the tar-split"]);
    index(|toc, _| replace(toc, "usr/share/pipe", "usr/share/empty"), &["a second entry"]);
    let digest = |toc: &mut String, _: &mut String| {
        let at = toc.find("\"digest\":\"sha256:").unwrap() + 17;
        toc.replace_range(at..at + 4, if &toc[at..at + 4] == "0000" { "1111" } else { "0000" });
    };
    index(digest, &["the TOC has the digest"]);
    index(|toc, _| toc.push('x'), &["JSON"]);
}

#[test]
fn a_tar_split_that_lies_is_named() {
    let crc = |_: &mut String, split: &mut String| {
        let line = split.find("\"name\":\"usr/bin/tool\"").unwrap();
        let at = line + split[line..].find("\"payload\":\"").unwrap() + 11;
        split.replace_range(at..at + 2, if &split[at..at + 2] == "AA" { "BB" } else { "AA" });
    };
    index(crc, &["CRC-64"]);
    index(
        |_, split| replace(split, "\"size\":3000", "\"size\":3001"),
        &["the file line for \"usr/bin/tool\" of 3,001"],
    );
    index(|_, split| split.truncate(split.len() - 10), &["tar-split"]);
    let padding = |_: &mut String, split: &mut String| {
        // The padding behind a file, at the next segment's start: no header, but a part of the tar.
        let line = split.find("\"name\":\"usr/bin/tool\"").unwrap();
        let at = line + split[line..].find("\"type\":2,\"payload\":\"AAAA").unwrap() + 20;
        split.replace_range(at..at + 4, "AAAB");
    };
    index(padding, &["the tar rebuilt"]);
    let header = |_: &mut String, split: &mut String| replace(split, "\"payload\":\"", "\"payload\":\"AAAA");
    index(header, &["what follows can't be told"]);
}

#[test]
fn layers_without_a_toc_are_read() {
    let dir = TempDir::new().unwrap();
    let zero = format!("sha256:{}", "0".repeat(64));
    let mut wrong = Parts::read(&plain(dir.path(), "a", &[vec![file("f", b"x")]]));
    *wrong.diff_id() = zero.into();
    assert!(checked(&wrong.write(&dir.path().join("wrong"))).problems[0].contains("DiffID"));
    let mut gzip = Parts::read(&plain(dir.path(), "a", &[vec![file("f", b"x")]]));
    gzip.blob = b"\x1f\x8b\x08no gzip".to_vec();
    let layer = checked(&gzip.write(&dir.path().join("gzip")));
    assert!(layer.kind == "gzip" && layer.problems.len() == 1, "{layer:#?}");
}

#[test]
fn what_clients_cannot_extract_is_named() {
    let dir = TempDir::new().unwrap();
    let good = vec![file("f", b"x"), link("g", HardLink, "f")];
    let layers = |layers: &[Vec<Entry>]| {
        let reference = plain(dir.path(), "a", layers);
        let report = check(&reference.parse().unwrap(), None, options(), &Progress::new()).unwrap();
        let layers = &report.images[0].layers;
        layers.iter().map(|layer| layer.problems.join("; ")).collect::<Vec<_>>()
    };
    let itself = layers(&[good.clone(), vec![link("a", HardLink, "a")]]);
    assert_eq!(itself, ["", "entry /a: expected a hard link to another entry, found one that leads back to itself"]);
    let below = layers(&[vec![file("a", b"1"), entry("a/b", Dir)], good.clone()]);
    assert!(below[0].starts_with("entry /a/b: expected a directory at /a") && below[1].is_empty(), "{below:?}");
    let through = layers(&[good.clone(), vec![file("d/a", b"1"), link("l", Symlink, "e"), file("l/a", b"2")]]);
    assert!(through[1].starts_with("entry /l/a: expected a directory at /l, found a symbolic link"), "{through:?}");
    // Its target is in the layer below.
    assert_eq!(layers(&[good, vec![link("a", HardLink, "f")]]), ["", ""]);
    let tool = "\"linkName\":\"usr/bin/tool\"";
    index(|toc, _| replace(toc, tool, "\"linkName\":\"usr/bin/alias\""), &["found one that leads back to itself"]);
}
