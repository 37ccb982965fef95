//! Previous images that can be used in part.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use restrata::cache::Cache;
use restrata::check::check;
use restrata::codec::{Level, Sha256Stream};
use restrata::degraded::{Code, Degraded};
use restrata::digest::BlobDigest;
use restrata::error::Error;
use restrata::oci::Reference;
use restrata::order::Reason;
use restrata::order::cost::Client;
use restrata::order::layers::Mtime;
use restrata::progress::Progress;
use restrata::rechunk::{Effort, Outcome, Request, rechunk};
use restrata::tar::EntryKind::{HardLink, Symlink};
use restrata::tar::TarPath;
use restrata::verify::verify;
use serde_json::Value;
use tempfile::TempDir;

use super::image::{Entry, file, link, noise, options, plain};

/// An image of two layers: one for `data`, and one above it for `text`.
struct Bench {
    dir: TempDir,
    new: String,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: TempDir::new().unwrap(), new: String::new() };
        let first = bench.image("a", &[file("data", &noise(300_000))]);
        let second = bench.image("b", &[file("data", &noise(300_000)), file("text", &text())]);
        let high = |request: &mut Request| request.effort = Effort::Fixed(Level::new(19).unwrap());
        bench.run(&first, "old", "v1", high).unwrap();
        let old = bench.layout("old").1;
        let two = bench.run(&second, "old", "v1", |request| {
            high(request);
            request.previous.push(old);
        });
        assert_eq!(two.unwrap().images[0].layers.len(), 2);
        let mut changed = file("text", &text());
        changed.0.mode = 0o600;
        let new = bench.image("c", &[file("data", &noise(300_000)), changed]);
        Self { new, ..bench }
    }

    fn image(&self, tag: &str, entries: &[Entry]) -> String {
        plain(self.dir.path(), tag, &[entries.to_vec()])
    }

    fn layout(&self, name: &str) -> (PathBuf, Reference) {
        let dir = self.dir.path().join(name);
        let reference = format!("oci:{}:v1", dir.display()).parse().unwrap();
        (dir, reference)
    }

    fn run(&self, new: &str, to: &str, tag: &str, change: impl FnOnce(&mut Request)) -> Result<Outcome, Error> {
        let dest = format!("oci:{}:{tag}", self.layout(to).0.display());
        let mut request = Request::new(new.parse().unwrap(), dest.parse().unwrap(), options());
        request.effort = Effort::Fixed(Level::new(1).unwrap());
        change(&mut request);
        rechunk(&request, &Progress::new())
    }

    /// Lays the new image out against the old one, and sees that it is the same.
    fn update(&self) -> Outcome {
        let outcome = self.run(&self.new, "out", "v2", |request| request.previous.push(self.layout("old").1)).unwrap();
        let out = format!("oci:{}:v2", self.layout("out").0.display()).parse().unwrap();
        let verdict = verify(&self.new.parse().unwrap(), &out, None, &[], options(), &Progress::new()).unwrap();
        assert!(verdict.is_same(), "{:?}", verdict.differences);
        outcome
    }

    /// True when the output copied the frame of `text`.
    fn is_copied(&self, text: &Path, outcome: &Outcome) -> bool {
        let frame = fs::read(text).unwrap();
        let frame = &frame[frame.len() / 2..][..64];
        let out = outcome.images[0].layers.iter().map(|layer| blob(&self.layout("out").0, &layer.digest.to_string()));
        out.map(|path| fs::read(path).unwrap()).any(|blob| blob.windows(64).any(|window| window == frame))
    }
}

/// Letters without an order that compress to about 40 kB.
fn text() -> Vec<u8> {
    noise(90_000).iter().map(|byte| b'a' + byte % 11).collect()
}

fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs/sha256").join(&digest["sha256:".len()..])
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn put(layout: &Path, bytes: &[u8]) -> Value {
    let digest = BlobDigest::from_bytes(Sha256Stream::of(bytes)).to_string();
    fs::write(blob(layout, &digest), bytes).unwrap();
    digest.into()
}

fn manifest(layout: &Path) -> Value {
    let index = read(&layout.join("index.json"));
    read(&blob(layout, index["manifests"][0]["digest"].as_str().unwrap()))
}

/// The blob of a layer.
fn layer(layout: &Path, number: usize) -> PathBuf {
    blob(layout, manifest(layout)["layers"][number]["digest"].as_str().unwrap())
}

/// Changes a byte of the layer's content, and makes every digest above it right again.
fn lie(layout: &Path, number: usize) {
    let mut index = read(&layout.join("index.json"));
    let mut manifest = manifest(layout);
    let mut bytes = fs::read(layer(layout, number)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    manifest["layers"][number]["digest"] = put(layout, &bytes);
    index["manifests"][0]["digest"] = put(layout, manifest.to_string().as_bytes());
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn frames_of_a_sound_layer_are_copied_beside_a_lying_one() {
    let bench = Bench::new();
    let old = bench.layout("old").0;
    lie(&old, 0);
    let outcome = bench.update();
    assert!(
        outcome.notes.iter().any(|note| note.contains(": layer 0 (") && note.contains(") is not used: ")),
        "{:?}",
        outcome.notes
    );
    assert!(bench.is_copied(&layer(&old, 1), &outcome));
}

#[test]
fn no_frame_of_a_lying_layer_is_copied() {
    let bench = Bench::new();
    let old = bench.layout("old").0;
    let truth = layer(&old, 1);
    assert!(bench.is_copied(&truth, &bench.update()));
    lie(&old, 1);
    let outcome = bench.update();
    assert!(
        outcome.notes.iter().any(|note| note.contains(": layer 1 (") && note.contains(") is not used: ")),
        "{:?}",
        outcome.notes
    );
    assert!(!bench.is_copied(&truth, &outcome) && !bench.is_copied(&layer(&old, 1), &outcome));
}

fn cut_short(blob: &Path) {
    let bytes = fs::read(blob).unwrap();
    fs::write(blob, &bytes[..bytes.len() - 100]).unwrap();
}

#[test]
fn a_layer_that_is_cut_short_is_noted() {
    let bench = Bench::new();
    let old = bench.layout("old").0;
    cut_short(&layer(&old, 0));
    for keep_foreign in [false, true] {
        let previous = bench.layout("old").1;
        let outcome = bench.run(&bench.new, "out", "v2", |request| {
            request.previous.push(previous);
            request.keep_foreign = keep_foreign;
        });
        let notes = outcome.unwrap().notes;
        let bytes = fs::metadata(layer(&old, 0)).unwrap().len();
        let told = told(
            &bench.layout("old").1,
            &layer(&old, 0),
            bytes + 100,
            &format!(
                "the blob is too short: expected {} bytes, found {}",
                restrata::report::count(bytes + 100),
                restrata::report::count(bytes)
            ),
        );
        assert_eq!(notes.iter().filter(|note| **note == told).count(), 1, "{told}: {notes:?}");
    }
    assert!(bench.is_copied(&layer(&old, 1), &bench.update()));
    let base = bench.run(&bench.new, "out", "v3", |request| request.base = Some(bench.layout("old").1)).unwrap_err();
    assert!(base.to_string().contains("the blob is too short"), "{base}");
}

#[test]
fn a_layer_that_is_gone_is_noted() {
    let bench = Bench::new();
    let (old, reference) = bench.layout("old");
    let gone = layer(&old, 0);
    let bytes = fs::metadata(&gone).unwrap().len();
    fs::remove_file(&gone).unwrap();
    let outcome = bench.update();
    let told = told(&reference, &gone, bytes, "the blob is missing");
    assert_eq!(outcome.degraded[0], Degraded { code: Code::LayerDamaged, message: told });
    assert!(bench.is_copied(&layer(&old, 1), &outcome));
    let base = bench.run(&bench.new, "out", "v3", |request| request.base = Some(reference)).unwrap_err();
    assert!(base.exit_code() == 1 && base.to_string().contains("the blob is missing"), "{base}");
}

/// Whatever stands in place of its blob is no worse than nothing.
#[test]
fn a_layer_that_is_no_file_is_noted() {
    let replace: [fn(&Path); 4] = [
        |blob| fs::create_dir(blob).unwrap(),
        |blob| std::os::unix::fs::symlink("/", blob).unwrap(),
        |blob| std::os::unix::fs::symlink(blob, blob).unwrap(),
        |blob| assert!(std::process::Command::new("mkfifo").arg(blob).status().unwrap().success()),
    ];
    for replace in replace {
        let bench = Bench::new();
        let (old, reference) = bench.layout("old");
        let odd = layer(&old, 0);
        let bytes = fs::metadata(&odd).unwrap().len();
        fs::remove_file(&odd).unwrap();
        replace(&odd);
        let fault = "expected the blob, found a directory or something else that is no file";
        let outcome = bench.update();
        let told = told(&reference, &odd, bytes, fault);
        assert_eq!(outcome.degraded[0], Degraded { code: Code::LayerDamaged, message: told });
        assert!(bench.is_copied(&layer(&old, 1), &outcome));
    }
}

/// What is said of layer 0.
fn told(reference: &Reference, blob: &Path, bytes: u64, fault: &str) -> String {
    let bytes = restrata::report::size(bytes);
    let digest = &blob.file_name().unwrap().to_str().unwrap()[..12];
    format!(
        "{reference}: layer 0 ({digest}) is not used: {fault}; it is written anew, so clients pull its {bytes} again; \
          copy the image again (--preserve-digests)"
    )
}

#[test]
fn a_manifest_or_config_that_is_gone_is_an_error() {
    for is_config in [false, true] {
        let bench = Bench::new();
        let (old, reference) = bench.layout("old");
        let digest = read(&old.join("index.json"))["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let config = manifest(&old)["config"]["digest"].as_str().unwrap().to_owned();
        fs::remove_file(blob(&old, if is_config { &config } else { &digest })).unwrap();
        let error = bench.run(&bench.new, "out", "v2", |request| request.previous.push(reference)).unwrap_err();
        assert!(error.exit_code() == 1 && error.to_string().contains("the blob is missing"), "{error}");
    }
}

#[test]
fn a_damaged_manifest_is_noted() {
    let bench = Bench::new();
    let old = bench.layout("old").0;
    let digest = read(&old.join("index.json"))["manifests"][0]["digest"].as_str().unwrap().to_owned();
    cut_short(&blob(&old, &digest));
    let notes = bench.update().notes;
    assert!(notes.iter().any(|note| note.contains("not compared with, since it is damaged: ")), "{notes:?}");
}

/// What leads to the manifest, too.
#[test]
fn a_damaged_layout_is_noted() {
    for name in ["oci-layout", "index.json"] {
        let bench = Bench::new();
        let (layout, reference) = bench.layout("old");
        let good = fs::read(layout.join(name)).unwrap();
        fs::write(layout.join(name), &good[1..]).unwrap();
        let notes = bench.update().notes;
        let note = format!("{reference}: not compared with, since it is damaged: ");
        assert!(notes.len() == 1 && notes[0].starts_with(&note) && notes[0].contains(name), "{notes:?}");
        let base = bench.run(&bench.new, "out", "v3", |request| request.base = Some(reference)).unwrap_err();
        assert!(base.exit_code() == 1 && base.to_string().starts_with("--base: "), "{base}");
    }
}

#[test]
fn one_that_is_not_there_is_an_error_with_the_option() {
    let bench = Bench::new();
    let missing = |name: &str| -> Reference {
        name.replace("OUT", &bench.layout("old").0.display().to_string()).parse().unwrap()
    };
    for name in ["oci:/nowhere:v1", "oci:OUT:v9"] {
        let previous = bench.run(&bench.new, "out", "v2", |request| request.previous.push(missing(name))).unwrap_err();
        assert!(previous.exit_code() == 2 && previous.to_string().starts_with("--previous: "), "{previous}");
        let base = bench.run(&bench.new, "out", "v2", |request| request.base = Some(missing(name))).unwrap_err();
        assert!(base.exit_code() == 2 && base.to_string().starts_with("--base: "), "{base}");
    }
}

/// What `docker save` writes.
fn docker_archive(dir: &Path, entries: &[Entry]) -> String {
    let layer = super::image::tar(entries);
    let diff_id = BlobDigest::from_bytes(Sha256Stream::of(&layer)).to_string();
    let config = serde_json::json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
    let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": ["app:v1"], "Layers": ["layer.tar"]}]);
    let members = [
        ("config.json", config.to_string().as_bytes()),
        ("manifest.json", manifest.to_string().as_bytes()),
        ("layer.tar", &layer),
    ]
    .map(|(name, bytes)| file(name, bytes));
    let path = dir.join("saved.tar");
    fs::write(&path, super::image::tar(&members)).unwrap();
    format!("docker-archive:{}", path.display())
}

#[test]
fn the_hint_to_keep_layers_is_given_where_they_could_stay() {
    let bench = Bench::new();
    let entries = [file("data", &noise(300_000))];
    let (saved, foreign) = (docker_archive(bench.dir.path(), &entries), bench.image("foreign", &entries));
    let note = |new: &str, previous: &str, keep_foreign| {
        let outcome = bench.run(new, "out", "v2", |request| {
            request.previous.push(previous.parse().unwrap());
            request.keep_foreign = keep_foreign;
        });
        let mut notes = outcome.unwrap().notes;
        notes.retain(|note| note.contains("have no TOC") || note.contains("can stay;"));
        let [note] = &notes[..] else { panic!("{notes:?}") };
        note.rsplit_once("; ").unwrap().1.to_owned()
    };
    let copy = "name the published image: docker://HOST/REPO:TAG";
    assert_eq!([note(&bench.new, &saved, false), note(&bench.new, &saved, true)], [copy; 2]);
    let anew = "they are written anew, and clients pull all of this image (--keep-foreign keeps them)";
    assert_eq!(note(&saved, &foreign, false), anew);
    assert_eq!(note(&saved, &foreign, true), "they stay where the image still shows enough of them");
    // The base's own layers stay whatever is said.
    let based = |tag: &str, previous: Option<Reference>| {
        let outcome = bench.run(&foreign, "based", tag, |request| {
            request.base = Some(foreign.parse().unwrap());
            request.previous.extend(previous);
        });
        outcome.unwrap().notes
    };
    based("v1", None);
    assert_eq!(based("v2", Some(bench.layout("based").1)), [""; 0]);
}

#[test]
fn a_foreign_layer_that_is_damaged_is_noted() {
    let bench = Bench::new();
    let old = bench.image("foreign", &[file("data", &noise(300_000))]);
    let layout = bench.dir.path().join("plain");
    let foreign = read(&layout.join("index.json"))["manifests"].as_array().unwrap().last().unwrap().clone();
    let manifest = read(&blob(&layout, foreign["digest"].as_str().unwrap()));
    let path = blob(&layout, manifest["layers"][0]["digest"].as_str().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let new = bench.image("d", &[file("data", b"new")]);
    let outcome = bench.run(&new, "out", "v2", |request| {
        request.previous.push(old.parse().unwrap());
        request.keep_foreign = true;
    });
    let notes = outcome.unwrap().notes;
    assert!(
        notes.iter().any(|note| note.contains(": layer 0 (") && note.contains(") is not used: the blob is corrupt")),
        "{notes:?}"
    );
}

/// Layers of other tools, under digests that are right.
#[test]
fn a_layer_that_clients_cannot_extract_does_not_stay() {
    let bench = Bench::new();
    let data = || file("data", &noise(300_000));
    let new = bench.image("d", &[data(), file("a", b"a"), file("text", &text())]);
    for (broken, says) in [
        (vec![file("a", b"a"), file("a/b", b"b"), file("text", &text())], "entry /a/b: expected a directory at /a"),
        (
            vec![link("l", Symlink, "d"), file("l/a", b"b"), file("text", &text())],
            "entry /l/a: expected a directory at /l",
        ),
        (vec![link("z", HardLink, "data"), file("text", &text())], "entry /z: expected the target of the hard link in"),
    ] {
        let old = plain(bench.dir.path(), "foreign", &[vec![data()], broken]);
        let run = |change: &dyn Fn(&mut Request)| {
            bench.run(&new, "out", "v2", |request| {
                change(request);
                request.keep_foreign = true;
            })
        };
        let outcome = run(&|request| request.previous.push(old.parse().unwrap())).unwrap();
        let states: Vec<_> = outcome.images[0].layers.iter().map(|layer| layer.planned.reason).collect();
        assert_eq!(states[..2], [Reason::Live, Reason::Broken], "{says}");
        let (layer, note) = (format!("{old}: layer 1 ("), format!(") does not stay as it is: {says}"));
        let is_told = |found: &String| found.starts_with(&layer) && found.contains(&note);
        assert!(outcome.notes.iter().any(is_told), "{:?}", outcome.notes);
        let out = bench.layout("out").0;
        let out = format!("oci:{}:v2", out.display()).parse().unwrap();
        assert!(verify(&new.parse().unwrap(), &out, None, &[], options(), &Progress::new()).unwrap().is_same());
        assert!(check(&out, None, options(), &Progress::new()).unwrap().is_clean());
    }
    let old = plain(bench.dir.path(), "base", &[vec![data()], vec![file("a", b"a"), file("a/b", b"b")]]);
    let error = bench.run(&new, "out", "v3", |request| request.base = Some(old.parse().unwrap())).unwrap_err();
    assert!(error.to_string().contains("base image") && error.to_string().contains("layer 1: entry /a/b"), "{error}");
}

/// Frames are copied from older images, too, whose layers nobody else reads.
#[test]
fn a_lying_layer_of_an_older_image_is_noted() {
    let bench = Bench::new();
    let newest = bench.image("e", &[file("data", &noise(300_000))]);
    bench.run(&newest, "newest", "v1", |_| {}).unwrap();
    let old = bench.layout("old").0;
    let run = || {
        let outcome = bench.run(&bench.new, "out", "v2", |request| {
            request.previous = vec![bench.layout("newest").1, bench.layout("old").1];
        });
        outcome.unwrap()
    };
    assert!(bench.is_copied(&layer(&old, 1), &run()));
    lie(&old, 1);
    let outcome = run();
    assert!(!bench.is_copied(&layer(&old, 1), &outcome));
    let note = "layer 1 is not used: it holds other content than its TOC says";
    assert!(outcome.notes.iter().any(|found| found.ends_with(note)), "{:?}", outcome.notes);
}

#[test]
fn when_no_layer_stays_the_cause_is_told() {
    let bench = Bench::new();
    let none = |new: &str, change: &dyn Fn(&mut Request)| {
        let outcome = bench.run(new, "out", "v2", |request| {
            request.previous.push(bench.layout("old").1);
            change(request);
        });
        let mut notes = outcome.unwrap().notes;
        notes.retain(|note| note.starts_with("no layer of the previous image stays"));
        notes.into_iter().map(|note| note.rsplit_once(": ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(none(&bench.new, &|_| {}), [""; 0]);
    let one = none(&bench.new, &|request| request.layers.max_layers = 1);
    assert_eq!(one, ["to keep to --max-layers 1 they are merged"]);
    let gone = bench.image("gone", &[file("data", &noise(300_000))]);
    let purge = |request: &mut Request| request.layers.purge.push(TarPath::new(b"text").unwrap());
    assert_eq!(none(&gone, &purge), [""; 0]);
    let other = bench.image("other", &[file("data", b"other")]);
    assert_eq!(none(&other, &|_| {}), ["it has no content in common with this image"]);
    let moved = bench.image("moved", &[file("moved", &noise(300_000))]);
    assert_eq!(
        none(&moved, &|_| {}),
        ["more than --max-waste of their bytes are dead entries, which NEW does not have"]
    );
    let mut later = [file("data", &noise(300_000)), file("text", &text())];
    later.iter_mut().for_each(|entry| entry.0.mtime.secs += 60);
    let later = bench.image("later", &later);
    assert_eq!(none(&later, &|_| {}), [""; 0]);
    let causes = none(&later, &|request| request.layers.mtime = Mtime::Keep);
    assert!(causes[0].starts_with("most of its content is theirs, but its times are not"), "{causes:?}");
}

#[test]
fn the_same_previous_image_counts_once() {
    let bench = Bench::new();
    let old = bench.layout("old").0;
    let mut index = read(&old.join("index.json"));
    let mut again = index["manifests"][0].clone();
    again["annotations"]["org.opencontainers.image.ref.name"] = "again".into();
    index["manifests"].as_array_mut().unwrap().push(again);
    fs::write(old.join("index.json"), index.to_string()).unwrap();
    let root = bench.dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let names = [
        bench.layout("old").1.to_string(),
        format!("oci:{}:again", old.display()),
        format!("dir:{}", root.display()),
        format!("dir:{}/../root", root.display()),
    ];
    let outcome = bench.run(&bench.new, "out", "v2", |request| {
        request.previous = names.iter().map(|name| name.parse().unwrap()).collect();
    });
    let outcome = outcome.unwrap();
    let plain = outcome.images[0].pulls.iter().filter(|pull| pull.client == Client::Plain);
    let froms: Vec<&str> = plain.filter_map(|pull| pull.from.as_deref()).collect();
    assert_eq!(froms, [&names[0], &names[2]]);
    let note = format!("{}: the same image as {}, so it counts once", names[1], names[0]);
    assert!(outcome.notes.contains(&note), "{:?}", outcome.notes);
}

/// What was proven is what is copied, whatever happens to the file meanwhile.
#[test]
fn a_blob_that_changes_during_the_run_never_reaches_the_output() {
    let bench = Bench::new();
    let old = bench.layout("old").0;
    let cache = Cache::at(bench.dir.path().join("cache"));
    let blobs = [layer(&old, 0), layer(&old, 1)];
    let mut written = 0;
    for round in 0..12 {
        let is_done = AtomicBool::new(false);
        let flip = |path: &Path| {
            let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
            let middle = file.metadata().unwrap().len() / 2;
            let mut byte = [0];
            file.read_exact_at(&mut byte, middle).unwrap();
            file.write_all_at(&[byte[0] ^ 1], middle).unwrap();
        };
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                // Sooner or later in the run, once or back again.
                std::thread::sleep(Duration::from_millis(15 * round));
                for _ in 0..=round % 2 {
                    blobs.iter().for_each(|path| flip(path));
                    std::thread::sleep(Duration::from_millis(3));
                }
                is_done.store(true, Ordering::Relaxed);
            });
            bench.run(&bench.new, "out", &format!("r{round}"), |request| {
                request.previous.push(bench.layout("old").1);
                request.resources.cache = cache.clone();
            })
        });
        assert!(is_done.into_inner());
        if round % 2 == 0 {
            blobs.iter().for_each(|path| flip(path));
        }
        let Ok(outcome) = outcome else { continue };
        written += 1;
        for layer in &outcome.images[0].layers {
            let bytes = fs::read(blob(&bench.layout("out").0, &layer.digest.to_string())).unwrap();
            assert_eq!(BlobDigest::from_bytes(Sha256Stream::of(&bytes)), layer.digest, "round {round}");
        }
        let out: Reference = format!("oci:{}:r{round}", bench.layout("out").0.display()).parse().unwrap();
        let verdict = verify(&bench.new.parse().unwrap(), &out, None, &[], options(), &Progress::new()).unwrap();
        assert!(verdict.is_same(), "{:?}", verdict.differences);
        assert!(check(&out, None, options(), &Progress::new()).unwrap().is_clean());
    }
    assert!(written > 0);
}
