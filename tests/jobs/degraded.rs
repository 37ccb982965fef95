//! Images that cost clients more than they should, and what `strict` makes of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use restrata::degraded::Code;
use restrata::error::Error;
use restrata::oci::Platform;
use restrata::order::layers::Mtime;
use restrata::progress::Progress;
use restrata::rechunk::{Request, plan, rechunk};
use restrata::tar::TarPath;
use tempfile::TempDir;

use super::image::{Entry, file, noise, options, plain, platforms};

fn request(dir: &Path, new: &str, tag: &str) -> Request {
    let dest = format!("oci:{}:{tag}", dir.join("out").display());
    Request::new(new.parse().unwrap(), dest.parse().unwrap(), options())
}

/// The first version, laid out, is the previous image of the request; its blobs are in `out`.
fn update(dir: &Path, old: &[Entry], new: &[Entry]) -> Request {
    let first = request(dir, &plain(dir, "old", &[old.to_vec()]), "v1");
    rechunk(&first, &Progress::new()).unwrap();
    let new = plain(dir, "new", &[new.to_vec()]);
    Request { previous: vec![first.dest], ..request(dir, &new, "v2") }
}

fn small() -> Vec<Entry> {
    vec![file("data", &noise(300_000)), file("text", b"text")]
}

fn blobs(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir.join("out/blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Changes a byte of each blob that is larger, or smaller, than a kilobyte.
fn damage(dir: &Path, is_large: bool) {
    for path in blobs(dir) {
        let mut bytes = fs::read(&path).unwrap();
        if (bytes.len() > 100_000) == is_large {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    }
}

/// Every path below, and its content.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => found.extend(tree(&entry).into_iter().chain([(entry, Vec::new())])),
            false => drop(found.insert(entry.clone(), fs::read(entry).unwrap())),
        }
    }
    found
}

/// Sees that a plan, a run that is strict and one that is not say the same; the strict one leaves nothing.
fn codes(dir: &Path, request: Request) -> Vec<Code> {
    let found = |degraded: &[restrata::degraded::Degraded]| degraded.iter().map(|it| it.code).collect::<Vec<_>>();
    let before = tree(dir);
    let planned = plan(&request, &Progress::new()).unwrap();
    let strict = Request { strict: true, ..request.clone() };
    let refused = rechunk(&strict, &Progress::new());
    assert!(tree(dir) == before || refused.is_ok(), "something was left");
    let outcome = rechunk(&request, &Progress::new()).unwrap();
    match &refused {
        Err(error @ Error::Strict { degraded }) => {
            assert_eq!((error.exit_code(), degraded), (3, &outcome.degraded));
            assert!(error.to_string().contains(&outcome.degraded[0].message), "{error}");
        }
        other => assert!(other.is_ok() && outcome.degraded.is_empty(), "{other:?}"),
    }
    let mut predicted = found(&outcome.degraded);
    predicted.retain(|code| *code != Code::LayerWithoutIndex);
    assert_eq!(found(&planned.degraded), predicted);
    assert!(outcome.degraded.iter().all(|it| outcome.notes.contains(&it.message)), "{:?}", outcome.notes);
    found(&outcome.degraded)
}

#[test]
fn a_good_update_is_not_degraded() {
    let dir = TempDir::new().unwrap();
    let mut new = small();
    new.push(file("more", b"more"));
    assert_eq!(codes(dir.path(), update(dir.path(), &small(), &new)), []);
}

#[test]
fn a_previous_image_that_is_damaged() {
    for (is_large, expected) in
        [(true, &[Code::LayerDamaged, Code::NoLayerKept][..]), (false, &[Code::PreviousDamaged][..])]
    {
        let dir = TempDir::new().unwrap();
        let request = update(dir.path(), &small(), &small());
        damage(dir.path(), is_large);
        let copy = dir.path().join("copy");
        fs::rename(dir.path().join("out"), &copy).unwrap();
        let previous = vec![format!("oci:{}:v1", copy.display()).parse().unwrap()];
        assert_eq!(codes(dir.path(), Request { previous, ..request }), expected);
    }
}

#[test]
fn a_previous_layer_that_clients_cannot_extract() {
    let dir = TempDir::new().unwrap();
    let broken = [vec![file("data", &noise(300_000))], vec![file("a", b"a"), file("a/b", b"b")]];
    let previous = vec![plain(dir.path(), "old", &broken).parse().unwrap()];
    let new = plain(dir.path(), "new", &[vec![file("data", &noise(300_000)), file("c", b"c")]]);
    let request = Request { previous, keep_foreign: true, ..request(dir.path(), &new, "v2") };
    assert_eq!(codes(dir.path(), request), [Code::LayerBroken]);
}

#[test]
fn a_previous_image_of_which_nothing_is_of_use() {
    let dir = TempDir::new().unwrap();
    let images = ["linux/s390x", "linux/riscv64"].map(|name| (name.parse::<Platform>().unwrap(), small()));
    let layers = images.each_ref().map(|(_, entries)| [entries.clone()]);
    let of = |at: usize| (images[at].0.clone(), layers[at].as_slice());
    let previous = vec![platforms(dir.path(), "old", &[of(0), of(1)]).parse().unwrap()];
    let new = plain(dir.path(), "new", &[small()]);
    assert_eq!(codes(dir.path(), Request { previous, ..request(dir.path(), &new, "v2") }), [Code::NoPrevious]);
}

#[test]
fn previous_layers_without_a_toc() {
    let dir = TempDir::new().unwrap();
    let previous = vec![plain(dir.path(), "old", &[small()]).parse().unwrap()];
    let new = plain(dir.path(), "new", &[small()]);
    let request = Request { previous, ..request(dir.path(), &new, "v2") };
    assert_eq!(codes(dir.path(), request.clone()), [Code::LayerWithoutToc]);
    assert_eq!(codes(dir.path(), Request { keep_foreign: true, ..request }), []);
}

#[test]
fn a_previous_image_of_something_else() {
    let dir = TempDir::new().unwrap();
    assert_eq!(codes(dir.path(), update(dir.path(), &small(), &[file("data", b"other")])), [Code::NoLayerKept]);
    // What is to be purged costs what it must.
    let purge = vec![TarPath::new(b"text").unwrap()];
    let mut request = update(dir.path(), &small(), &[file("data", &noise(300_000))]);
    request.layers.purge = purge;
    assert_eq!(codes(dir.path(), request), []);
}

#[test]
fn times_that_make_all_files_new() {
    let later = |mut entries: Vec<Entry>| {
        entries.iter_mut().for_each(|entry| entry.0.mtime.secs += 60);
        entries
    };
    let dir = TempDir::new().unwrap();
    for (mtime, expected) in [(Mtime::Keep, &[Code::TimesChanged][..]), (Mtime::Previous, &[])] {
        let mut request = update(dir.path(), &small(), &later(small()));
        request.layers.mtime = mtime;
        assert_eq!(codes(dir.path(), request), expected);
    }
    // A layer that stays does not hide it.
    let many = |from: usize| (from..from + 20).map(|n| file(&format!("file-{n}"), &[n as u8])).collect::<Vec<_>>();
    let big = || file("big", &noise(3_000_000));
    let old: Vec<Entry> = many(0).into_iter().chain([big()]).collect();
    let new: Vec<Entry> = later(many(0)).into_iter().chain([big()]).collect();
    let mut request = update(dir.path(), &old, &new);
    request.layers.mtime = Mtime::Keep;
    assert_eq!(codes(dir.path(), request), [Code::TimesChanged]);
    // Files that changed themselves are no loss.
    let mut request = update(dir.path(), &old, &later(many(100)).into_iter().chain([big()]).collect::<Vec<_>>());
    request.layers.mtime = Mtime::Keep;
    assert_eq!(codes(dir.path(), request), []);
}

#[test]
fn a_base_that_is_hardly_shown() {
    let dir = TempDir::new().unwrap();
    let mut request = update(dir.path(), &small(), &[file("text", b"text")]);
    request.base = request.previous.pop();
    assert_eq!(codes(dir.path(), request), [Code::BaseHidden]);
}

#[test]
fn owners_that_are_not_known() {
    let dir = TempDir::new().unwrap();
    let run = |entries: &[Entry]| {
        let new = plain(dir.path(), "new", &[entries.to_vec()]);
        codes(dir.path(), request(dir.path(), &new, "v1"))
    };
    assert_eq!(run(&[file("var/lib/dpkg/status", b"\0")]), [Code::OwnersUnread]);
    let mut many: Vec<Entry> = (0..1_000).map(|n| file(&format!("srv/{n}"), b"x")).collect();
    assert_eq!(run(&many), [Code::OwnersNotFound]);
    assert_eq!(run(&many[1..]), []);
    many.push(file("var/lib/dpkg/info/a.list", b"/srv/1\n"));
    assert_eq!(run(&many), []);
}

#[test]
fn a_layer_that_no_index_can_hold() {
    let dir = TempDir::new().unwrap();
    let mut odd = file("odd", b"odd");
    odd.0.name = b"\xff".to_vec();
    let new = plain(dir.path(), "new", &[vec![odd]]);
    assert_eq!(codes(dir.path(), request(dir.path(), &new, "v1")), [Code::LayerWithoutIndex]);
}

/// Platforms differ in what they have.
#[test]
fn a_path_that_one_platform_has_is_not_mistyped() {
    let dir = TempDir::new().unwrap();
    let names = ["linux/amd64", "linux/arm64"].map(|name| name.parse::<Platform>().unwrap());
    let one = [small()];
    let other = [small().into_iter().chain([file("lib64", b"x")]).collect::<Vec<_>>()];
    let new = platforms(dir.path(), "new", &[(names[0].clone(), &other), (names[1].clone(), &one)]);
    let mut asked = request(dir.path(), &new, "v1");
    asked.layers.own_layers = vec![TarPath::new(b"lib64").unwrap()];
    assert_eq!(codes(dir.path(), asked.clone()), []);
    asked.layers.own_layers.push(TarPath::new(b"lib65").unwrap());
    assert_eq!(codes(dir.path(), asked), [Code::PathUnmatched]);
}
