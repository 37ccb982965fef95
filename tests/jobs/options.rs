//! What the options of rechunk do to an image, read without restrata's own readers.

use std::fs;

use restrata::degraded::Code;
use restrata::error::Error;
use restrata::oci::Reference;
use restrata::order::cost::{Client, Pull};
use restrata::order::layers::{Mtime, Prune, Share};
use restrata::order::{Reason, State};
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request, plan, rechunk};
use restrata::tar::EntryKind::{Dir, HardLink};
use restrata::tar::{TarPath, Time};
use restrata::verify::{Ignore, verify};
use serde_json::Value;
use tempfile::TempDir;

use super::image::{Entry, entry, file, link, noise, options, plain};

struct Bench {
    dir: TempDir,
}

/// A layer as it stands in a manifest, and its tar.
type Layer = (Value, Vec<u8>);

impl Bench {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn image(&self, tag: &str, entries: &[Entry]) -> String {
        plain(self.dir.path(), tag, &[entries.to_vec()])
    }

    fn dest(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.dir.path().join("out").display())
    }

    fn request(&self, new: &str, tag: &str) -> Request {
        Request::new(reference(new), reference(&self.dest(tag)), options())
    }

    fn run(&self, new: &str, tag: &str, change: impl FnOnce(&mut Request)) -> Result<Outcome, Error> {
        let mut request = self.request(new, tag);
        change(&mut request);
        rechunk(&request, &Progress::new())
    }

    /// Manifest, config and layers.
    fn read(&self, outcome: &Outcome) -> (Value, Value, Vec<Layer>) {
        let blob =
            |digest: &str| fs::read(self.dir.path().join("out/blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
        let json = |digest: &str| serde_json::from_slice::<Value>(&blob(digest)).unwrap();
        let manifest = json(&outcome.digest.to_string());
        let config = json(manifest["config"]["digest"].as_str().unwrap());
        let layers = manifest["layers"].as_array().unwrap().iter().map(|layer| {
            let bytes = blob(layer["digest"].as_str().unwrap());
            (layer.clone(), zstd::decode_all(bytes.as_slice()).unwrap())
        });
        (manifest.clone(), config, layers.collect())
    }

    fn names(&self, outcome: &Outcome) -> Vec<String> {
        self.read(outcome).2.iter().flat_map(|(_, tar)| names(tar)).collect()
    }
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn path(text: &str) -> TarPath {
    TarPath::new(text.as_bytes()).unwrap()
}

fn names(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

fn is_in(tar: &[u8], needle: &[u8]) -> bool {
    tar.windows(needle.len()).any(|window| window == needle)
}

fn states(outcome: &Outcome) -> Vec<(State, Reason)> {
    outcome.images[0].layers.iter().map(|layer| (layer.planned.state, layer.planned.reason)).collect()
}

/// Files that hardly change beside some that do.
fn version(extra: &[Entry]) -> Vec<Entry> {
    [&[entry("etc/", Dir), file("data", &noise(400_000))], extra].concat()
}

#[test]
fn a_dry_run_says_what_a_run_does_and_touches_nothing() {
    let bench = Bench::new();
    let old = bench.image("old", &version(&[file("etc/a", b"1"), file("etc/b", &noise(5000))]));
    let new = bench.image("new", &version(&[file("etc/a", b"2")]));
    let first = plan(&bench.request(&old, "v1"), &Progress::new()).unwrap();
    assert!(!bench.dir.path().join("out").exists());
    assert_eq!(first.images[0].layers.len(), 1);
    bench.run(&old, "v1", |_| {}).unwrap();
    let before = fs::read_dir(bench.dir.path().join("out/blobs/sha256")).unwrap().count();
    let index = fs::read(bench.dir.path().join("out/index.json")).unwrap();

    let mut request = bench.request(&new, "v2");
    request.previous.push(reference(&bench.dest("v1")));
    let planned = plan(&request, &Progress::new()).unwrap();
    assert_eq!(fs::read_dir(bench.dir.path().join("out/blobs/sha256")).unwrap().count(), before);
    assert_eq!(fs::read_dir(bench.dir.path().join("out")).unwrap().count(), 3);
    assert!(fs::read(bench.dir.path().join("out/index.json")).unwrap() == index);
    let outcome = rechunk(&request, &Progress::new()).unwrap();
    let written = outcome.images[0].layers.iter().map(|layer| format!("{:?}", layer.planned));
    assert!(written.eq(planned.images[0].layers.iter().map(|layer| format!("{layer:?}"))));
    assert_eq!(planned.images[0].layers[0].kept().unwrap().digest, outcome.images[0].layers[0].digest);
    let (planned, real) = (&planned.images[0].pulls, &outcome.images[0].pulls);
    assert!(!real.is_empty() && planned.len() == real.len());
    for (planned, real) in planned.iter().zip(real) {
        let kind = |pull: &Pull| (pull.from.clone(), pull.client, pull.registry, pull.outcome, pull.cost.requests);
        assert_eq!(kind(planned), kind(real));
        // The config's history is not forecast, and indexes are by the rule of thumb.
        assert!(
            planned.blob_bytes().abs_diff(real.blob_bytes()) < 1000 + real.blob_bytes() / 100,
            "{planned:?}\n{real:?}"
        );
    }

    // It fails where the run would.
    request.dest = reference(&format!("oci:{}", bench.dir.path().join("out").display()));
    assert_eq!(
        plan(&request, &Progress::new()).unwrap_err().to_string(),
        rechunk(&request, &Progress::new()).unwrap_err().to_string()
    );
}

#[test]
fn purged_content_is_in_no_layer() {
    let bench = Bench::new();
    let secret = b"a secret that was published";
    let old = [file("etc/key", secret), link("etc/link", HardLink, "etc/key"), file("etc/copy", secret)];
    let old = bench.image("old", &version(&old));
    let new = bench.image("new", &version(&[]));
    bench.run(&old, "v1", |_| {}).unwrap();
    let previous = reference(&bench.dest("v1"));
    let holds = |outcome: &Outcome| bench.read(outcome).2.iter().any(|(_, tar)| is_in(tar, secret));
    let hidden = bench.run(&new, "v2", |request| request.previous.push(previous.clone())).unwrap();
    assert!(holds(&hidden), "hidden only: {:?}", states(&hidden));
    for purge in ["etc/key", "/etc/link", "etc"] {
        let purged = bench.run(&new, "v3", |request| {
            request.previous.push(previous.clone());
            request.layers.purge.push(path(purge));
        });
        let purged = purged.unwrap();
        assert!(!holds(&purged), "{purge}: {:?}", states(&purged));
        assert!(states(&purged).contains(&(State::Cleaned, Reason::Purge)), "{:?}", states(&purged));
    }
    // Whichever name the base's layer has first, the one that was asked for is told.
    for purge in ["/etc/key", "/etc/link", "/etc/copy"] {
        let base = bench.run(&new, "v4", |request| {
            (request.base, request.layers.purge) = (Some(previous.clone()), vec![path(purge)]);
        });
        let (error, says) = (base.unwrap_err(), format!("{purge} is to be purged, and the base image"));
        assert!(error.exit_code() == 1 && error.to_string().starts_with(&says), "{error}");
    }
}

#[test]
fn purged_content_that_the_image_shows_is_told() {
    let bench = Bench::new();
    let old = [file("etc/key", b"key"), file("etc/same", b"same"), file("etc/gone", b"gone"), file("lib", b"lib")];
    let old = bench.image("old", &version(&old));
    let new = [file("etc/same", b"same"), file("opt/key", b"key"), file("opt/z", b"key"), file("lib", b"lib")];
    let new = bench.image("new", &version(&new));
    bench.run(&old, "v1", |_| {}).unwrap();
    let notes = |purge: &str| {
        let outcome = bench.run(&new, "v2", |request| {
            request.previous.push(reference(&bench.dest("v1")));
            request.layers.purge.push(path(purge));
        });
        outcome.unwrap().notes
    };
    let moved = "/etc/key: to be purged, but its content stays, since the image shows it at /opt/key";
    assert_eq!(notes("etc/key"), [moved]);
    // A file that did not change is no former content of the directory.
    let purged = "no layer of the previous image stays, so that clients that reuse whole layers pull this one like a new \
                  image: they hold content that is to be purged";
    assert_eq!(notes("etc"), [moved, purged]);
    assert_eq!(notes("lib"), ["/lib: to be purged, but its content stays, since the image still has it there"]);
    assert_eq!(notes("etc/gone"), [purged]);
}

#[test]
fn pruned_paths_are_left_out() {
    let bench = Bench::new();
    let entries = version(&[
        entry("var/", Dir),
        entry("var/log/", Dir),
        file("var/log/x", b"x"),
        link("y", HardLink, "var/log/x"),
    ]);
    let new = bench.image("new", &entries);
    let run = |text: &str, keep_dir| {
        let prune = Prune { path: path(text), keep_dir };
        let outcome = bench.run(&new, "v1", |request| request.layers.prune.push(prune)).unwrap();
        let mut names = bench.names(&outcome);
        names.sort();
        names.dedup();
        (names, outcome.notes)
    };
    assert_eq!(run("var", true).0, ["data", "etc/", "var/", "y"]);
    assert_eq!(run("var/log", false).0, ["data", "etc/", "var/", "y"]);
    assert_eq!(run("var", false).0, ["data", "etc/", "y"]);
    let (names, notes) = run("vra", false);
    assert_eq!(
        (names.len(), notes.as_slice()),
        (6, ["/vra: to be pruned, but the image has nothing there; check the path".to_owned()].as_slice())
    );
    let (names, notes) = run("data", true);
    assert!(names.contains(&"data".to_owned()));
    assert_eq!(notes, ["/data/: to be pruned, but it is no directory, and stays: without the slash it is left out"]);
}

/// What an upper layer hides is not there, and neither is what is pruned.
#[test]
fn options_are_held_against_what_is_shown() {
    let bench = Bench::new();
    let lower = vec![entry("d/", Dir), file("d/gone", b"1"), file("d/x", b"2"), entry("e/", Dir), file("e/y", b"3")];
    let upper = vec![file("d/.wh.gone", b""), file(".wh.e", b"")];
    let new = plain(bench.dir.path(), "new", &[lower, upper]);
    let notes = |prunes: &[&str], own: &[&str]| {
        let prunes = prunes.iter().map(|text| Prune { path: path(text), keep_dir: false });
        let outcome = bench.run(&new, "v1", |request| {
            request.layers.prune = prunes.collect();
            request.layers.own_layers = own.iter().map(|text| path(text)).collect();
        });
        let degraded = outcome.unwrap().degraded.into_iter();
        degraded.map(|it| (it.code, it.message)).collect::<Vec<_>>()
    };
    let told = |text: &str| vec![(restrata::degraded::Code::PathUnmatched, text.to_owned())];
    assert_eq!(notes(&["d"], &[]), []);
    assert_eq!(notes(&[], &["d"]), []);
    for gone in ["d/gone", "e", "e/y"] {
        let pruned = told(&format!("/{gone}: to be pruned, but the image has nothing there; check the path"));
        assert_eq!(notes(&[gone], &[]), pruned);
        let own = format!("/{gone}: to have a layer of its own, but the image has nothing there; check the path");
        assert_eq!(notes(&[], &[gone]), told(&own));
    }
    let both = told("/d: to have a layer of its own, but --prune leaves out all that is there");
    assert_eq!(notes(&["d"], &["d"]), both);
    assert_eq!(notes(&["d/x"], &["d"]), []);
}

/// By what clients unpack, not by compressed bytes.
#[test]
fn layers_are_cut_at_a_size() {
    let bench = Bench::new();
    let parts = |tail: u64| -> Vec<Entry> {
        let file = |n: u64| file(&format!("f{n}"), &vec![n as u8; 300_000]);
        (0..6).map(file).chain([file(tail)]).collect()
    };
    let (old, new) = (bench.image("old", &parts(7)), bench.image("new", &parts(8)));
    let run = |image: &str, dest: &str, previous: Option<&str>, limits: (usize, Option<u64>)| {
        let outcome = bench.run(image, dest, |request| {
            request.previous = previous.map(|name| reference(&bench.dest(name))).into_iter().collect();
            (request.layers.max_layers, request.layers.max_layer_size) = limits;
            request.layers.max_waste = Share(10_000);
        });
        let outcome = outcome.unwrap();
        let digests: Vec<_> = outcome.images[0].layers.iter().map(|layer| layer.digest).collect();
        let codes: Vec<Code> = outcome.degraded.iter().map(|it| it.code).collect();
        let is_told = |note: &String| !note.starts_with("no previous image is given");
        (digests, outcome.notes.into_iter().filter(is_told).collect::<Vec<_>>(), codes)
    };
    let whole = run(&old, "whole", None, (64, None));
    assert_eq!((whole.0.len(), whole.1.as_slice()), (1, [].as_slice()));
    assert_eq!(run(&old, "much", None, (64, Some(2_100_000))), whole);
    let (cut, notes, _) = run(&old, "cut", None, (64, Some(1_000_000)));
    assert_eq!((cut.len(), notes.as_slice()), (3, [].as_slice()));
    // What is there stays, be it cut or larger than what new layers may be. The third layer has nothing left.
    let (update, ..) = run(&new, "update", Some("cut"), (64, Some(1_000_000)));
    assert_eq!((&update[..2], update.len()), (&cut[..2], 3));
    let (update, notes, _) = run(&new, "later", Some("whole"), (64, Some(1_000_000)));
    assert_eq!((&update[..1], update.len(), notes.as_slice()), (&whole.0[..], 2, [].as_slice()));
    // A file is not cut, and the number of layers goes first.
    let (alone, notes, codes) = run(&old, "alone", None, (64, Some(200_000)));
    assert_eq!((alone.len(), notes.len(), codes.as_slice()), (7, 7, [].as_slice()));
    let told = "/f0: this file alone unpacks to 300 kB, more than --max-layer-size 200 kB; it has a layer of its own";
    assert!(notes.iter().any(|note| note == told), "{notes:?}");
    let (few, notes, codes) = run(&old, "few", None, (2, Some(1_000_000)));
    assert_eq!((few.len(), codes.as_slice()), (2, [Code::LayerTooLarge].as_slice()));
    let told = "1 new layer is above --max-layer-size 1.00 MB, since --max-layers 2 allows no more layers: the largest \
                unpacks to 1.20 MB; raise one of the two";
    assert_eq!(notes, [told]);
}

#[test]
fn a_base_stays_at_the_bottom() {
    let bench = Bench::new();
    let base = plain(
        bench.dir.path(),
        "base",
        &[vec![file("data", &noise(400_000))], vec![file("lib", b"1"), file("old", b"o")]],
    );
    let new = bench.image("new", &[file("data", &noise(400_000)), file("lib", b"2"), file("app", b"a")]);
    let run = |new: &str, most| {
        bench.run(new, "v1", |request| {
            request.base = Some(reference(&base));
            request.layers.max_layers = most;
        })
    };
    let outcome = run(&new, 3).unwrap();
    assert_eq!(states(&outcome)[..2], [(State::Kept, Reason::Base); 2]);
    let index: Value = serde_json::from_slice(&fs::read(bench.dir.path().join("plain/index.json")).unwrap()).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let manifest = fs::read(bench.dir.path().join("plain/blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    for (layer, base) in outcome.images[0].layers.iter().zip(manifest["layers"].as_array().unwrap()) {
        assert_eq!(layer.digest.to_string(), base["digest"].as_str().unwrap());
    }
    let same = verify(&reference(&new), &reference(&bench.dest("v1")), None, &[], options(), &Progress::new()).unwrap();
    assert!(same.is_same(), "{same:?}");
    assert_eq!(states(&run(&base, 3).unwrap()), [(State::Kept, Reason::Base); 2]);
    assert!(outcome.notes.is_empty(), "{:?}", outcome.notes);
    let other = run(&bench.image("other", &[file("app", b"b")]), 3).unwrap();
    assert!(other.notes.iter().any(|note| note.contains("shows less than half of it")), "{:?}", other.notes);
    let error = run(&new, 2).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("at least 3 layers to be allowed, its 2 and one above, found 2"), "{error}");
}

#[test]
fn waste_is_within_its_budget() {
    let bench = Bench::new();
    let old = bench.image("old", &version(&[file("etc/a", b"1")]));
    let new = bench.image("new", &version(&[file("etc/a", b"2")]));
    bench.run(&old, "v1", |_| {}).unwrap();
    let run = |waste| {
        let outcome = bench.run(&new, "v2", |request| {
            request.previous.push(reference(&bench.dest("v1")));
            request.layers.max_waste = Share(waste);
        });
        states(&outcome.unwrap())
    };
    assert_eq!(run(1000), [(State::Kept, Reason::Live), (State::Fresh, Reason::NotShown)]);
    assert!(!run(0).contains(&(State::Kept, Reason::Live)));
}

#[test]
fn times_follow_the_policy() {
    let bench = Bench::new();
    let old = bench.image("old", &version(&[]));
    let mut entries = version(&[]);
    entries.iter_mut().for_each(|entry| entry.0.mtime.secs += 1000);
    let new = bench.image("new", &entries);
    bench.run(&old, "v1", |_| {}).unwrap();
    let run = |mtime| {
        bench
            .run(&new, "v2", |request| {
                request.previous.push(reference(&bench.dest("v1")));
                request.layers.mtime = mtime;
            })
            .unwrap()
    };
    let compare = |ignore: &[Ignore]| {
        verify(&reference(&new), &reference(&bench.dest("v2")), None, ignore, options(), &Progress::new()).unwrap()
    };
    assert_eq!(states(&run(Mtime::Previous)), [(State::Kept, Reason::Live)]);
    assert!(compare(&[]).only_times_differ() && compare(&[Ignore::Mtime]).is_same());
    run(Mtime::Keep);
    assert!(compare(&[]).is_same() && !compare(&[]).only_times_differ());
    let outcome = run(Mtime::Clamp(Time { secs: 1_000_000_000, nanos: 0 }));
    for (_, tar) in bench.read(&outcome).2 {
        let mut archive = tar::Archive::new(tar.as_slice());
        assert!(archive.entries().unwrap().all(|entry| entry.unwrap().header().mtime().unwrap() == 1_000_000_000));
    }
}

#[test]
fn canonical_order_is_path_order() {
    let bench = Bench::new();
    let entries =
        vec![file("z", b"z"), link("a", HardLink, "z"), entry("d/", Dir), file("d-", b"1"), file("d/x", b"2")];
    let new = bench.image("new", &entries);
    let outcome = bench.run(&new, "v1", |request| request.layers.canonical = true).unwrap();
    assert_eq!(bench.names(&outcome), ["a", "d/", "d/x", "d-", "z"]);
}

#[test]
fn labels_and_annotations_are_edited() {
    let bench = Bench::new();
    let new = bench.image("new", &version(&[]));
    let pair = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
    let outcome = bench.run(&new, "v1", |request| {
        request.labels = vec![pair("a", Some("1")), pair("b", Some("2")), pair("a", None), pair("none", None)];
        request.annotations = vec![("k".to_owned(), "v".to_owned())];
    });
    let (manifest, config, _) = bench.read(&outcome.unwrap());
    assert_eq!(config["config"]["Labels"], serde_json::json!({"b": "2"}));
    assert_eq!(manifest["annotations"], serde_json::json!({"k": "v"}));
}

#[test]
fn layers_say_what_they_are() {
    const LAYER: &str = "io.github.restrata.layer";
    const OWNERS: &str = "io.github.restrata.owners";
    let bench = Bench::new();
    let module = |name: &str, content: &[u8]| file(&format!("usr/node_modules/{name}/index.js"), content);
    let manifest = |name: &str| file(&format!("usr/node_modules/{name}/package.json"), b"{}");
    let old = bench.image("old", &version(&[manifest("left"), module("left", &noise(90_000))]));
    let both = [manifest("left"), module("left", &noise(90_000)), manifest("right"), module("right", b"r")];
    let new = bench.image("new", &version(&both));
    let first = bench.run(&old, "v1", |_| {}).unwrap();
    let marks = |outcome: &Outcome| -> Vec<(String, Value)> {
        let mark = |(layer, _): Layer| {
            let annotations = &layer["annotations"];
            (annotations[LAYER].as_str().unwrap().to_owned(), annotations[OWNERS].clone())
        };
        bench.read(outcome).2.into_iter().map(mark).collect()
    };
    let before = marks(&first);
    assert!(before.contains(&("fresh".to_owned(), "npm:usr/node_modules/left".into())), "{before:?}");
    let update = bench.run(&new, "v2", |request| request.previous.push(reference(&bench.dest("v1")))).unwrap();
    let after = marks(&update);
    for ((_, owners), (state, kept)) in before.iter().zip(&after) {
        assert_eq!((state.as_str(), kept), ("kept", owners));
    }
    assert_eq!(after.last(), Some(&("fresh".to_owned(), "npm:usr/node_modules/right".into())));
}

/// As ostree's tools write them: the tree's files are links to the commit's objects.
#[test]
fn an_ostree_commit_becomes_a_plain_image_on_demand() {
    let bench = Bench::new();
    let object = "sysroot/ostree/repo/objects/3f/9a.file";
    let dirs = ["sysroot/", "sysroot/ostree/", "sysroot/ostree/repo/", "sysroot/ostree/repo/objects/"];
    let mut entries: Vec<Entry> = dirs.iter().map(|dir| entry(dir, Dir)).collect();
    entries.extend([file(object, &noise(3000)), entry("usr/", Dir), link("usr/tool", HardLink, object)]);
    let new = bench.image("new", &entries);
    let error = bench.run(&new, "v1", |_| {}).unwrap_err();
    assert!(
        error.exit_code() == 1 && error.to_string().contains("(objects in /sysroot/ostree/repo/objects)"),
        "{error}"
    );

    let labels = ["ostree.commit", "ostree.final-diffid"];
    // The same with labels: whatever is first seen of the commit is told.
    let prune = || Prune { path: path("sysroot"), keep_dir: true };
    let mut layered = bench.request(&new, "labelled");
    layered.layers.prune.push(prune());
    layered.labels = labels.map(|label| (label.to_owned(), Some("x".to_owned()))).to_vec();
    let error = rechunk(&layered, &Progress::new()).unwrap_err();
    assert!(error.to_string().contains("(the label ostree.commit)"), "{error}");
    assert!(!bench.dir.path().join("out").exists());

    layered.labels.extend(labels.map(|label| (label.to_owned(), None)));
    let outcome = rechunk(&layered, &Progress::new()).unwrap();
    assert_eq!(bench.names(&outcome), ["sysroot/", "usr/", "usr/tool"]);
    let (_, config, layers) = bench.read(&outcome);
    assert_eq!(config["config"]["Labels"], serde_json::json!({}));
    assert!(is_in(&layers[0].1, &noise(3000)));
}

#[test]
fn a_base_layer_that_stands_twice_stays_twice() {
    let bench = Bench::new();
    let (a, b) = (vec![file("a", b"1")], vec![file("a", b"2"), file("b", b"3")]);
    let base = plain(bench.dir.path(), "base", &[a.clone(), b.clone(), a.clone()]);
    let new = plain(bench.dir.path(), "new", &[a.clone(), b, a, vec![file("c", b"4")]]);
    let outcome = bench.run(&new, "v1", |request| request.base = Some(reference(&base))).unwrap();
    let states: Vec<State> = outcome.images[0].layers.iter().map(|layer| layer.planned.state).collect();
    assert_eq!(states, [State::Kept, State::Kept, State::Kept, State::Fresh]);
    assert_eq!(outcome.images[0].layers[0].digest, outcome.images[0].layers[2].digest);
    let out = reference(&bench.dest("v1"));
    assert!(verify(&reference(&new), &out, None, &[], options(), &Progress::new()).unwrap().is_same());
}

#[test]
fn a_purge_that_finds_nothing_says_so() {
    let bench = Bench::new();
    let image = bench.image("new", &[file("a", b"1")]);
    let outcome = bench.run(&image, "v1", |request| request.layers.purge = vec![path("no/where")]).unwrap();
    assert!(outcome.notes.iter().any(|note| note.contains("/no/where: to be purged")), "{:?}", outcome.notes);
}

/// Eight of 60 files change, each in a layer with others: with little waste allowed, those travel again.
#[test]
fn a_setting_that_costs_clearly_less_is_hinted_at() {
    let bench = Bench::new();
    let files = |changed: usize| {
        let content = |n: usize| if n % 8 == 1 && n / 8 < changed { noise(101_000 + n) } else { noise(100_000 + n) };
        (0..60).map(|n| file(&format!("d/f{n:02}"), &content(n))).collect::<Vec<_>>()
    };
    let (v1, v2) = (bench.image("v1", &files(0)), bench.image("v2", &files(8)));
    bench.run(&v1, "one", |_| {}).unwrap();
    let two = |share: u32| {
        let change = |request: &mut Request| {
            request.previous = vec![reference(&bench.dest("one"))];
            request.layers.max_waste = Share(share);
        };
        bench.run(&v2, "two", change).unwrap()
    };
    let plain = |outcome: &Outcome| {
        let mut pulls = outcome.images[0].pulls.iter();
        pulls.find(|pull| pull.from.is_some() && pull.client == Client::Plain).unwrap().blob_bytes()
    };
    let outcome = two(100);
    let hint = outcome.images[0].hint.clone().expect("a hint");
    assert_eq!(hint.max_waste, Share(3000));
    assert!(hint.then.plain * 10 < hint.now.plain * 7, "{hint:?}");
    let is_near = |real: u64, forecast: u64| real.abs_diff(forecast) * 50 < real;
    assert!(is_near(plain(&outcome), hint.now.plain), "{hint:?}");
    let kept = two(3000);
    assert_eq!(kept.images[0].hint, None);
    assert!(is_near(plain(&kept), hint.then.plain), "{hint:?}");
}
