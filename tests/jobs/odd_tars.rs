//! Tars that say odd things, read as clients read them. What is right here was seen with podman 5.4 and 5.8
//! (`tests/harness/odd-tars.sh`).

use std::fs;
use std::path::Path;

use restrata::check::check;
use restrata::order::State;
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request, rechunk};
use restrata::tar::EntryKind::{Dir, HardLink, Regular, Symlink};
use restrata::tar::Xattr;
use restrata::verify::verify;
use tempfile::TempDir;

use super::image::{Entry, Parts, chunked, entry, file, link, noise, options, plain, tar};
use super::runs::{dest, run};

fn differences(a: &str, b: &str) -> Vec<String> {
    let verdict = verify(&a.parse().unwrap(), &b.parse().unwrap(), None, &[], options(), &Progress::new()).unwrap();
    verdict.differences.into_iter().map(|d| format!("{} {} {} {}", d.path, d.what, d.a, d.b)).collect()
}

/// Problems and remarks.
fn checked(reference: &str) -> (Vec<String>, Vec<String>) {
    let report = check(&reference.parse().unwrap(), None, options(), &Progress::new()).unwrap();
    let layers = || report.images.iter().flat_map(|image| &image.layers);
    let problems = layers().flat_map(|layer| layer.problems.clone()).chain(report.problems.clone());
    (problems.collect(), layers().flat_map(|layer| layer.remarks.iter().map(ToString::to_string)).collect())
}

fn with(mut entry: Entry, mode: i64, uid: i64, time: i64, xattrs: &[(&str, &str)]) -> Entry {
    (entry.0.mode, entry.0.uid, entry.0.mtime.secs) = (mode, uid, time);
    entry.0.xattrs =
        xattrs.iter().map(|(name, value)| Xattr { name: (*name).into(), value: (*value).into() }).collect();
    entry
}

/// A layer, and the one that says plainly what clients show of it.
fn same(name: &str, odd: &[Entry], shown: &[Entry]) {
    let dir = TempDir::new().unwrap();
    let (odd, shown) = (plain(dir.path(), "odd", &[odd.to_vec()]), plain(dir.path(), "shown", &[shown.to_vec()]));
    assert_eq!(differences(&odd, &shown), [""; 0], "{name}");
    let outcome = run(&dir, &odd, "out", |_| {});
    assert_eq!(differences(&shown, &dest(&dir, "out")), [""; 0], "{name}, rechunked");
    assert_eq!(checked(&dest(&dir, "out")).0, [""; 0], "{name}");
    assert_eq!(outcome.notes.len(), 1, "{name}: {:?}", outcome.notes);
    // Its layers stay where the plain image comes next.
    let next = run(&dir, &shown, "next", |request| request.previous = vec![dest(&dir, "out").parse().unwrap()]);
    assert!(next.images[0].layers.iter().all(|layer| layer.planned.state == State::Kept), "{name}");
}

const CAP: (&str, &str) = ("security.capability", "\u{1}\0\0\u{2}x");

#[test]
fn a_file_is_what_its_last_link_says() {
    let f = |mode, uid, time, xattrs: &[_]| with(file("f", b"content"), mode, uid, time, xattrs);
    let l =
        |name: &str, to: &str, mode, uid, time, xattrs: &[_]| with(link(name, HardLink, to), mode, uid, time, xattrs);
    let all = |mode, uid, time, xattrs: &[_]| vec![f(mode, uid, time, xattrs), l("l", "f", mode, uid, time, xattrs)];
    same("mode", &[f(0o644, 0, 9, &[]), l("l", "f", 0o4755, 5, 10, &[])], &all(0o4755, 5, 10, &[]));
    let chain = [f(0o644, 0, 9, &[]), l("l", "f", 0o4755, 5, 10, &[]), l("m", "l", 0o600, 7, 11, &[])];
    same("chain", &chain, &[all(0o600, 7, 11, &[]), vec![l("m", "f", 0o600, 7, 11, &[])]].concat());
    // A client that takes such a layer makes the links last.
    same("later", &[l("l", "f", 0o4755, 5, 10, &[]), f(0o644, 0, 9, &[])], &all(0o4755, 5, 10, &[]));
    // The link is gone, what it said of the file is not.
    let dead = [f(0o644, 0, 9, &[]), l("l", "f", 0o4755, 5, 10, &[]), file("l", b"other")];
    same("dead", &dead, &[f(0o4755, 5, 10, &[]), file("l", b"other")]);
    let (a, b) = ([CAP, ("user.a", "1"), ("user.b", "2")], [("user.b", "3"), ("user.c", "4")]);
    let union = [CAP, ("user.a", "1"), ("user.b", "3"), ("user.c", "4")];
    same("xattrs", &[f(0o644, 0, 9, &a), l("l", "f", 0o644, 0, 9, &b)], &all(0o644, 0, 9, &union));
    // The kernel takes a capability away with the owner.
    same("capability", &[f(0o644, 0, 9, &a), l("l", "f", 0o644, 5, 9, &b)], &all(0o644, 5, 9, &union[1..]));
    let s = |name: &str, kind, to: &str, mode, uid, time| with(link(name, kind, to), mode, uid, time, &[]);
    same(
        "symlink",
        &[s("s", Symlink, "x", 0o777, 0, 9), s("l", HardLink, "s", 0o4755, 5, 10)],
        &[s("s", Symlink, "x", 0o777, 5, 9), s("l", HardLink, "s", 0o777, 5, 9)],
    );
    let fifo = |mode, uid, time| with(entry("p", restrata::tar::EntryKind::Fifo), mode, uid, time, &[]);
    same(
        "fifo",
        &[fifo(0o600, 0, 9), l("l", "p", 0o755, 5, 10, &[])],
        &[fifo(0o755, 5, 10), l("l", "p", 0o755, 5, 10, &[])],
    );
}

/// containerd makes such links; podman and docker stop there.
#[test]
fn a_link_to_a_lower_layer_says_what_the_file_is() {
    let dir = TempDir::new().unwrap();
    let l = |name: &str, mode, time| with(link(name, HardLink, "f"), mode, 5, time, &[]);
    let f = |mode, time| with(file("f", b"f"), mode, 5, time, &[]);
    let below = vec![f(0o644, 9), l("a", 0o644, 9)];
    let odd = plain(dir.path(), "odd", &[below, vec![l("z", 0o4755, 10)], vec![l("b", 0o600, 11)]]);
    let all = vec![f(0o600, 11), l("a", 0o600, 11), l("b", 0o600, 11), l("z", 0o600, 11)];
    let shown = plain(dir.path(), "shown", &[all]);
    assert_eq!(differences(&odd, &shown), [""; 0]);
    run(&dir, &odd, "out", |_| {});
    assert_eq!(differences(&odd, &dest(&dir, "out")), [""; 0]);
    assert!(read_out(&dir, "out").iter().all(|(_, mode)| mode & 0o7777 == 0o600), "{:?}", read_out(&dir, "out"));
}

#[test]
fn an_update_of_a_links_header_alone_is_one() {
    let dir = TempDir::new().unwrap();
    let layer = |mode| vec![file("f", &noise(9000)), with(link("l", HardLink, "f"), mode, 0, 1_700_000_000, &[])];
    let old = plain(dir.path(), "old", &[layer(0o755)]);
    let new = plain(dir.path(), "new", &[layer(0o4755)]);
    assert_eq!(differences(&old, &new), ["/f mode 0755 4755", "/l mode 0755 4755"]);
    run(&dir, &old, "v1", |_| {});
    run(&dir, &new, "v2", |request| request.previous.push(dest(&dir, "v1").parse().unwrap()));
    assert_eq!(differences(&new, &dest(&dir, "v2")), [""; 0]);
    // Each header of the file says so.
    let out = read_out(&dir, "v2");
    assert!(out.iter().all(|(_, mode)| mode & 0o7777 == 0o4755) && out.len() == 2, "{out:?}");
}

/// Names and modes of the top layer's TOC.
fn read_out(dir: &TempDir, tag: &str) -> Vec<(String, u64)> {
    let out = dir.path().join("out");
    let json = |digest: &str| -> serde_json::Value {
        let bytes = fs::read(out.join("blobs/sha256").join(&digest[7..])).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let index: serde_json::Value = serde_json::from_slice(&fs::read(out.join("index.json")).unwrap()).unwrap();
    let is_tag = |m: &&serde_json::Value| m["annotations"]["org.opencontainers.image.ref.name"] == tag;
    let entry = index["manifests"].as_array().unwrap().iter().find(is_tag).unwrap();
    let layer = json(entry["digest"].as_str().unwrap())["layers"].as_array().unwrap().last().unwrap().clone();
    let blob = fs::read(out.join("blobs/sha256").join(&layer["digest"].as_str().unwrap()[7..])).unwrap();
    let key = "io.github.containers.zstd-chunked.manifest-position";
    let at: Vec<usize> =
        layer["annotations"][key].as_str().unwrap().split(':').map(|number| number.parse().unwrap()).collect();
    let toc: serde_json::Value = serde_json::from_slice(&zstd::decode_all(&blob[at[0]..][..at[1]]).unwrap()).unwrap();
    let row = |row: &serde_json::Value| (row["name"].as_str().unwrap().to_owned(), row["mode"].as_u64().unwrap());
    toc["entries"].as_array().unwrap().iter().map(row).collect()
}

/// A layer of another tool whose headers disagree stays when clients show it as the new image is.
#[test]
fn kept_layers_are_compared_as_clients_show_them() {
    let dir = TempDir::new().unwrap();
    let (f, l) = (file("f", &noise(9000)), with(link("l", HardLink, "f"), 0o4755, 5, 10, &[]));
    let foreign = plain(dir.path(), "foreign", &[vec![f.clone(), l.clone()]]);
    let shown = |mode| vec![with(f.clone(), mode, 5, 10, &[]), with(l.clone(), mode, 5, 10, &[])];
    let keep = |tag: &str, new: &str| {
        let outcome = run(&dir, new, tag, |request| {
            (request.previous, request.keep_foreign) = (vec![foreign.parse().unwrap()], true);
        });
        assert_eq!(differences(new, &dest(&dir, tag)), [""; 0]);
        outcome.images[0].layers.iter().map(|layer| layer.planned.state).collect::<Vec<_>>()
    };
    assert_eq!(keep("same", &plain(dir.path(), "same", &[shown(0o4755)])), [State::Kept]);
    assert_eq!(keep("other", &plain(dir.path(), "other", &[shown(0o755)])), [State::Fresh]);
}

/// The same of a TOC: both headers of a file are in it, and in the tar-split.
#[test]
fn a_toc_is_read_as_clients_show_it() {
    let dir = TempDir::new().unwrap();
    let layer = |time| {
        vec![with(file("f", &noise(9000)), 0o755, 5, time, &[]), with(link("l", HardLink, "f"), 0o755, 5, time, &[])]
    };
    let image = plain(dir.path(), "t", &[layer(10)]);
    let mut parts = Parts::read(&chunked(dir.path(), &image, restrata::pack::IndexPlace::End));
    // The link comes last.
    parts.reindex(|toc, _| {
        let at = toc.rfind("1970-01-01T00:00:10Z").unwrap();
        toc.replace_range(at..at + 20, "1970-01-01T00:00:11Z");
    });
    let odd = parts.write(&dir.path().join("odd"));
    let (problems, remarks) = checked(&odd);
    assert!(problems.iter().any(|problem| problem.contains("mtime")), "the tar says something else: {problems:?}");
    assert!(
        remarks.iter().any(|remark| remark.contains("1 file has hard links that say other metadata")),
        "{remarks:?}"
    );
}

const LIB: [(&str, restrata::tar::EntryKind, &str); 3] =
    [("usr/", Dir, ""), ("usr/lib/", Dir, ""), ("lib", Symlink, "usr/lib")];

fn lib() -> Vec<Entry> {
    LIB.iter().map(|&(name, kind, to)| link(name, kind, to)).collect()
}

#[test]
fn what_stands_below_a_link_goes_where_it_leads() {
    let above = |more: &[Entry]| [lib(), more.to_vec()].concat();
    same("file", &above(&[file("lib/x", b"x")]), &above(&[file("usr/lib/x", b"x")]));
    same("implied", &above(&[file("lib/sub/x", b"x")]), &above(&[file("usr/lib/sub/x", b"x")]));
    same("dir", &above(&[entry("lib/d/", Dir)]), &above(&[entry("usr/lib/d/", Dir)]));
    let both = [file("usr/lib/z", b"old"), file("lib/z", b"new")];
    same("last wins", &above(&both), &above(&[file("usr/lib/z", b"new")]));
    let hard = |name: &str, to: &str| link(name, HardLink, to);
    same(
        "hard links",
        &above(&[file("lib/z", b"z"), hard("h", "lib/z"), hard("lib/g", "h")]),
        &above(&[file("usr/lib/z", b"z"), hard("h", "usr/lib/z"), hard("usr/lib/g", "h")]),
    );
    let root = [link("r", Symlink, "../../.."), file("r/x", b"x")];
    same("out of the root", &root, &[link("r", Symlink, "../../.."), file("x", b"x")]);
    // The link gives way to a directory.
    let replaced = [file("lib/w", b"w"), entry("lib/", Dir), file("lib/x", b"x")];
    same(
        "replaced",
        &above(&replaced),
        &[entry("usr/", Dir), entry("usr/lib/", Dir), file("usr/lib/w", b"w"), entry("lib/", Dir), file("lib/x", b"x")],
    );
}

#[test]
fn whiteouts_below_a_link_hide_where_it_leads() {
    let dir = TempDir::new().unwrap();
    let base = vec![entry("usr/", Dir), entry("usr/lib/", Dir), file("usr/lib/x", b"x"), file("usr/lib/y", b"y")];
    let odd = plain(dir.path(), "odd", &[base.clone(), [lib(), vec![entry("lib/.wh.x", Regular)]].concat()]);
    let shown = plain(dir.path(), "shown", &[base, [lib(), vec![entry("usr/lib/.wh.x", Regular)]].concat()]);
    assert_eq!(differences(&odd, &shown), [""; 0]);
    run(&dir, &odd, "out", |_| {});
    assert_eq!(differences(&shown, &dest(&dir, "out")), [""; 0]);
}

#[test]
fn a_link_that_leads_to_no_directory_of_the_layer_is_an_error() {
    let fails = |layers: &[Vec<Entry>]| {
        let dir = TempDir::new().unwrap();
        let odd = plain(dir.path(), "odd", layers);
        let request = Request::new(odd.parse().unwrap(), dest(&dir, "out").parse().unwrap(), options());
        let error = rechunk(&request, &Progress::new()).unwrap_err().to_string();
        assert!(checked(&odd).0.iter().any(|problem| error.ends_with(problem)), "{error}");
        error
    };
    let s = |to: &str| link("lib", Symlink, to);
    for text in ["/etc", "usr/lib", "lib", "f", "../.."] {
        let to = if text == "../.." { "../../nowhere" } else { text };
        let error = fails(&[vec![file("f", b"1"), s(to), file("lib/x", b"x")]]);
        assert!(
            error.contains("entry /lib/x: expected a directory at /lib, found a symbolic link that leads to no"),
            "{error}"
        );
    }
    // A lower layer's directory is not there while this one is unpacked.
    fails(&[vec![entry("usr/lib/", Dir)], vec![s("usr/lib"), file("lib/x", b"x")]]);
    // Nor is one that comes later.
    fails(&[vec![s("usr/lib"), file("lib/x", b"x"), entry("usr/lib/", Dir)]]);
}

#[test]
fn a_check_remarks_what_clients_take() {
    let dir = TempDir::new().unwrap();
    let layer = [lib(), vec![file("lib/x", b"x"), file("lib/y", b"y"), file("f", b"1")]].concat();
    let layer = [layer, vec![with(link("l", HardLink, "f"), 0o4755, 0, 1, &[])]].concat();
    let (problems, remarks) = checked(&plain(dir.path(), "odd", &[layer]));
    assert_eq!(problems, [""; 0]);
    assert!(remarks[0].starts_with("2 entries have names that lead through a symbolic link"), "{remarks:?}");
    assert!(remarks[0].contains("(/lib/x, /lib/y)"), "{remarks:?}");
    assert!(
        remarks[1].starts_with("1 file has hard links that say other metadata") && remarks[1].ends_with("(/f)"),
        "{remarks:?}"
    );
}

/// One layer of these bytes.
fn raw(dir: &Path, tar: Vec<u8>) -> String {
    let mut parts = Parts::read(&plain(dir, "template", &[vec![file("t", b"t")]]));
    parts.blob = tar;
    let digest = restrata::digest::DiffId::from_bytes(restrata::codec::Sha256Stream::of(&parts.blob));
    *parts.diff_id() = serde_json::Value::from(digest.to_string());
    parts.write(&dir.join("raw"))
}

#[test]
fn an_end_without_padding_is_one() {
    let whole = tar(&[entry("d/", Dir), file("d/f", &noise(5000))]);
    let shown = vec![entry("d/", Dir), file("d/f", &noise(5000))];
    for len in [1024 + 5000, 1024 + 5060, 1024 + 5120, 1024 + 5632] {
        let dir = TempDir::new().unwrap();
        let cut = raw(dir.path(), whole[..len].to_vec());
        let plain = plain(dir.path(), "shown", std::slice::from_ref(&shown));
        assert_eq!(differences(&cut, &plain), [""; 0], "{len}");
        assert_eq!(checked(&cut), (vec![], vec![]), "{len}");
        run(&dir, &cut, "out", |_| {});
        assert_eq!(differences(&plain, &dest(&dir, "out")), [""; 0], "{len}");
        // As a layer that stays.
        let kept = run(&dir, &plain, "kept", |request| {
            (request.previous, request.keep_foreign) = (vec![cut.parse().unwrap()], true);
        });
        assert_eq!(kept.images[0].layers[0].planned.state, State::Kept, "{len}");
        assert_eq!(differences(&plain, &dest(&dir, "kept")), [""; 0], "{len}");
    }
    let dir = TempDir::new().unwrap();
    let problems = |len: usize| checked(&raw(dir.path(), whole[..len].to_vec())).0.join("; ");
    assert_eq!(problems(1024 + 4999), "entry \"d/f\": the archive ends inside its content");
    assert_eq!(problems(1024 + 5120 + 100), "the tar ends inside a block");
}

#[test]
fn an_unindexed_layer_stays_whatever_the_level() {
    let dir = TempDir::new().unwrap();
    let mut odd = file("odd", &noise(200_000));
    odd.0.name = b"odd-\xff".to_vec();
    let image = plain(dir.path(), "a", &[vec![odd.clone(), file("b", &noise(300_000))]]);
    let first = run(&dir, &image, "v1", |_| {});
    let previous = |request: &mut Request| request.previous = vec![dest(&dir, "v1").parse().unwrap()];
    let again = run(&dir, &image, "v2", previous);
    assert_eq!(again.digest, first.digest);
    let states = |outcome: &Outcome| outcome.images[0].layers.iter().map(|it| it.planned.state).collect::<Vec<_>>();
    assert_eq!(states(&again), [State::Kept; 2]);
    assert!(!again.notes.iter().any(|note| note.contains("no TOC")), "{:?}", again.notes);
    // One whose content changed does not.
    odd.1[0] ^= 1;
    let new = plain(dir.path(), "b", &[vec![odd, file("b", &noise(300_000))]]);
    assert_eq!(states(&run(&dir, &new, "v3", previous)).iter().filter(|state| **state == State::Kept).count(), 1);
    assert_eq!(differences(&new, &dest(&dir, "v3")), [""; 0]);
}

/// Anyone can write the annotation. A layer that an index can hold gets one.
#[test]
fn the_annotation_alone_keeps_no_layer() {
    let dir = TempDir::new().unwrap();
    let image = plain(dir.path(), "a", &[vec![file("a", &noise(200_000))]]);
    let mut parts = Parts::read(&image);
    *parts.layer() = {
        let mut layer = parts.layer().clone();
        layer["annotations"] = serde_json::json!({"io.github.restrata.layer": "fresh"});
        layer
    };
    let marked = parts.write(&dir.path().join("marked"));
    let outcome = run(&dir, &image, "v1", |request| request.previous = vec![marked.parse().unwrap()]);
    assert_eq!(outcome.images[0].layers[0].planned.state, State::Fresh);
    assert!(outcome.images[0].layers[0].toc.is_some());
}

#[test]
fn what_is_worth_a_note() {
    let notes = |layer: Vec<Entry>| {
        let dir = TempDir::new().unwrap();
        let image = plain(dir.path(), "a", &[layer]);
        run(&dir, &image, "out", |_| {}).notes.join("; ")
    };
    let landmarks =
        notes(vec![file(".no.prefetch.landmark", b"\x0f"), file("stargz.index.json", b"{}"), file("a", b"")]);
    assert!(
        landmarks.contains("eStargz's own files are in it: ")
            && landmarks.ends_with(" (/.no.prefetch.landmark, /stargz.index.json)"),
        "{landmarks}"
    );
    assert_eq!(notes(vec![file("d/.prefetch.landmark", b"\x0f")]), "");
    let links = |count: usize| {
        let links = (0..count).map(|n| link(&format!("l{n}"), HardLink, "f"));
        let dir = TempDir::new().unwrap();
        // A check reads alone.
        checked(&plain(dir.path(), "a", &[[file("f", b"1")].into_iter().chain(links).collect()])).1.join("; ")
    };
    let many = links(65_000);
    assert!(many.contains("1 file has more than the 65,000 names that ext4 allows"), "{many}");
    assert!(many.ends_with("(up to 65,001 names: /f)"), "{many}");
    assert_eq!(links(64_999), "");
}
