//! Layers with what overlayfs takes for its own: attributes, and devices 0:0.

use restrata::check::check;
use restrata::order::{Reason, State};
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request};
use restrata::tar::EntryKind::{Char, Dir};
use restrata::tar::Xattr;
use restrata::verify::verify;
use tempfile::TempDir;

use super::image::{Entry, entry, file, noise, options, plain};
use super::runs;

const KINDS: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];

fn with(name: &str, value: &str, (mut header, content): Entry) -> Entry {
    header.xattrs.push(Xattr { name: name.into(), value: value.into() });
    (header, content)
}

/// A character device 0:0.
fn device(name: &str) -> Entry {
    entry(name, Char)
}

fn run(dir: &TempDir, new: &str, tag: &str, change: impl FnOnce(&mut Request)) -> (String, Outcome) {
    let (dest, outcome) = (runs::dest(dir, tag), runs::run(dir, new, tag, change));
    assert!(check(&dest.parse().unwrap(), None, options(), &Progress::new()).unwrap().is_clean());
    (dest, outcome)
}

/// "/path what" of each difference.
fn differences(a: &str, b: &str) -> Vec<String> {
    let verdict = verify(&a.parse().unwrap(), &b.parse().unwrap(), None, &[], options(), &Progress::new()).unwrap();
    verdict.differences.into_iter().map(|found| format!("{} {}", found.path, found.what)).collect()
}

fn states(outcome: &Outcome) -> Vec<(State, Reason)> {
    outcome.images[0].layers.iter().map(|layer| (layer.planned.state, layer.planned.reason)).collect()
}

/// The tars of an output's layers.
fn tars(dir: &TempDir, outcome: &Outcome) -> Vec<Vec<u8>> {
    let blob = |digest: restrata::digest::BlobDigest| dir.path().join("out/blobs/sha256").join(digest.hex());
    let layers = outcome.images[0].layers.iter();
    layers.map(|layer| zstd::stream::decode_all(std::fs::File::open(blob(layer.digest)).unwrap()).unwrap()).collect()
}

fn assert_none_written(dir: &TempDir, outcome: &Outcome) {
    for tar in tars(dir, outcome) {
        assert!(!tar.windows(9).any(|bytes| bytes == b".overlay."));
    }
}

/// A tree of one layer, every directory opaque as a builder left it.
fn tree(kind: &str, more: &[Entry]) -> Vec<Entry> {
    let mut entries = vec![entry("opt/", Dir), with(kind, "y", entry("opt/app/", Dir))];
    for sub in 0..6 {
        entries.push(with(kind, "y", entry(&format!("opt/app/d{sub}/"), Dir)));
        entries.extend((0..4).map(|n| file(&format!("opt/app/d{sub}/f{n}"), &noise(40_000 + sub * 10 + n))));
    }
    [entries, more.to_vec()].concat()
}

#[test]
fn an_opaque_directory_that_is_split_hides_nothing() {
    for kind in KINDS {
        let dir = TempDir::new().unwrap();
        let plain = |tag: &str, more: &[Entry]| plain(dir.path(), tag, &[tree(kind, more)]);
        let (old, new) = (plain("v1", &[]), plain("v2", &[file("opt/app/d3/new", &noise(50_000))]));
        let (one, outcome) = run(&dir, &old, "v1", |_| {});
        assert_none_written(&dir, &outcome);
        let is_told = |text: &String| {
            text.starts_with("layer 0: 7 directories have trusted.overlay.opaque or user.overlay.opaque: ")
                && text.ends_with(" (/opt/app, /opt/app/d0, /opt/app/d1, ..)")
        };
        assert!(outcome.notes.iter().any(is_told), "{:?}", outcome.notes);
        assert_eq!(differences(&old, &one), [""; 0]);
        let (two, outcome) = run(&dir, &new, "v2", |request| request.previous.push(one.parse().unwrap()));
        assert_none_written(&dir, &outcome);
        assert_eq!(states(&outcome)[0], (State::Kept, Reason::Live));
        assert_eq!(differences(&new, &two), [""; 0]);
    }
}

/// Notes of the same kind are one line, in `check` as well.
#[test]
fn layers_of_which_the_same_is_said_are_one_note() {
    let dir = TempDir::new().unwrap();
    let layer = |n: u32| vec![with(KINDS[0], "y", entry(&format!("d{n}/"), Dir)), file(&format!("d{n}/f"), b"1")];
    let image = plain(dir.path(), "v1", &(0..25).map(layer).collect::<Vec<_>>());
    let (_, outcome) = run(&dir, &image, "out", |_| {});
    let told: Vec<&String> = outcome.notes.iter().filter(|note| note.contains("overlay.opaque")).collect();
    assert!(told.len() == 1 && told[0].starts_with("in 25 layers: 25 directories have "), "{told:?}");
    assert!(told[0].ends_with(" (layer 0: /d0)"), "{told:?}");
    let report = check(&image.parse().unwrap(), None, options(), &Progress::new()).unwrap();
    let text = restrata::report::text::check(&report, restrata::report::text::Listing::Short);
    let remarks = text.lines().filter(|line| line.starts_with("remark: "));
    assert!(
        remarks.clone().all(|line| line.starts_with("remark: in 25 layers: 25 ")) && remarks.count() == 2,
        "{text}"
    );
}

/// What was written before this was known: the same entry in two layers.
#[test]
fn verify_sees_what_an_opaque_directory_hides() {
    for kind in KINDS {
        let dir = TempDir::new().unwrap();
        let opaque = || with(kind, "y", entry("d/", Dir));
        let one = plain(dir.path(), "one", &[vec![opaque(), file("d/a", b"1"), file("d/b", b"2")]]);
        let two = plain(dir.path(), "two", &[vec![opaque(), file("d/a", b"1")], vec![opaque(), file("d/b", b"2")]]);
        assert_eq!(differences(&one, &two), ["/d/a only in A"], "{kind}");
        let bare = plain(dir.path(), "bare", &[vec![entry("d/", Dir), file("d/b", b"2")]]);
        assert_eq!(differences(&bare, &two), [""; 0], "{kind}");
    }
}

#[test]
fn verify_sees_what_a_device_hides() {
    let dir = TempDir::new().unwrap();
    let base = vec![entry("a/", Dir), file("a/f", b"1"), file("a/g", b"2")];
    let gone = plain(dir.path(), "gone", &[base.clone(), vec![entry("a/", Dir), device("a/f")]]);
    let there = plain(dir.path(), "there", &[base]);
    assert_eq!(differences(&there, &gone), ["/a/f only in A"]);
    let report = check(&gone.parse().unwrap(), None, options(), &Progress::new()).unwrap();
    let remarks = &report.images[0].layers[1].remarks;
    assert!(
        report.is_clean()
            && remarks.iter().any(|remark| remark.to_string().starts_with("1 entry has something that overlayfs")),
        "{remarks:?}"
    );
    let (result, outcome) = run(&dir, &gone, "gone", |_| {});
    assert_eq!(differences(&gone, &result), [""; 0]);
    assert_eq!(differences(&there, &result), ["/a/f only in A"]);
    assert!(outcome.notes.iter().any(|note| note.starts_with("1 path (/a/f): what lower layers have there")));
}

/// The order of the layers changes what such a layer hides.
#[test]
fn a_layer_with_them_does_not_stay() {
    let dir = TempDir::new().unwrap();
    let big = file("big", &noise(300_000));
    let cases = [
        with(KINDS[0], "y", entry("d/", Dir)),
        with(KINDS[1], "y", entry("d/", Dir)),
        with("trusted.overlay.redirect", "/x", entry("d/", Dir)),
        device("gone"),
    ];
    for (number, odd) in cases.into_iter().enumerate() {
        let image =
            plain(dir.path(), &format!("in{number}"), &[vec![big.clone()], vec![odd, file("d/f", &noise(90_000))]]);
        let keep = |request: &mut Request| {
            (request.previous, request.keep_foreign) = (vec![image.parse().unwrap()], true);
        };
        let (result, outcome) = run(&dir, &image, &format!("out{number}"), keep);
        assert_eq!(states(&outcome), [(State::Kept, Reason::Live), (State::Cleaned, Reason::Broken)], "case {number}");
        let is_told = |note: &String| {
            note.contains(": layer 1 (") && note.contains(") does not stay as it is: ") && note.contains("overlayfs")
        };
        assert!(outcome.notes.iter().any(is_told), "{:?}", outcome.notes);
        assert_eq!(differences(&image, &result), [""; 0]);
    }
}

/// It is where it was, and shows what it showed.
#[test]
fn a_base_with_them_stays() {
    let dir = TempDir::new().unwrap();
    let base = vec![
        vec![entry("d/", Dir), file("d/low", b"1"), file("k", b"2")],
        vec![with(KINDS[0], "y", entry("d/", Dir)), file("d/up", b"3"), device("k")],
    ];
    let new = plain(dir.path(), "new", &[base.clone(), vec![vec![entry("d/", Dir), file("d/new", b"4")]]].concat());
    let base = plain(dir.path(), "base", &base);
    let (result, outcome) = run(&dir, &new, "v1", |request| request.base = Some(base.parse().unwrap()));
    assert_eq!(states(&outcome)[..2], [(State::Kept, Reason::Base); 2]);
    assert!(outcome.notes.iter().any(|note| note.contains("layer 1 stays as it is, though /d has")));
    assert_eq!(differences(&new, &result), [""; 0]);
    let truth = plain(dir.path(), "truth", &[vec![entry("d/", Dir), file("d/up", b"3"), file("d/new", b"4")]]);
    assert_eq!(differences(&truth, &result), [""; 0]);
}

/// A user.* xattr is one that any owner of a file can set.
#[test]
fn a_storage_of_images_in_a_tree_is_told() {
    let dir = TempDir::new().unwrap();
    let (root, opaque) = (dir.path().join("root"), dir.path().join("root/storage/l1/diff/etc"));
    std::fs::create_dir_all(&opaque).unwrap();
    std::fs::write(opaque.join("f"), "1").unwrap();
    if rustix::fs::setxattr(&opaque, KINDS[1], b"y", rustix::fs::XattrFlags::empty()).is_err() {
        // This file system has no such xattrs.
        return;
    }
    let tree = format!("dir:{}", root.display());
    let (result, outcome) = run(&dir, &tree, "v1", |_| {});
    assert_none_written(&dir, &outcome);
    assert_eq!(differences(&tree, &result), [""; 0]);
    let is_told = |note: &String| note.starts_with("/storage/l1/diff/etc: if this is a layer in a storage of images");
    assert!(outcome.notes.iter().any(is_told), "{:?}", outcome.notes);
}
