//! Directories without an entry below one with the setgid bit: the kernel hands the bit on to what a client makes there.

use restrata::order::{Reason, State};
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request, rechunk};
use restrata::tar::EntryKind::Dir;
use restrata::tar::Time;
use restrata::verify::verify;
use tempfile::TempDir;

use super::image::{Entry, entry, file, noise, options, plain};

const FRESH: (State, Reason) = (State::Fresh, Reason::NotShown);
const BASE: (State, Reason) = (State::Kept, Reason::Base);
const LIVE: (State, Reason) = (State::Kept, Reason::Live);

/// With the time that restrata gives a directory of which no entry tells.
fn dir_of(name: &str, mode: i64) -> Entry {
    let (mut header, content) = entry(name, Dir);
    (header.mode, header.mtime) = (mode, Time::default());
    (header, content)
}

fn setgid(name: &str) -> Entry {
    dir_of(name, 0o2775)
}

/// Two images with `s` as a setgid directory. In the first one its `d`, made in it, has the bit; in the second one `d` was
/// there before.
fn behind() -> Vec<Entry> {
    vec![setgid("s/"), file("s/d/f", &noise(9000))]
}

fn before() -> Vec<Entry> {
    vec![file("s/d/f", &noise(9000)), setgid("s/")]
}

struct Images(TempDir);

impl Images {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn plain(&self, tag: &str, layers: &[Vec<Entry>]) -> String {
        plain(self.0.path(), tag, layers)
    }

    /// With an entry for `d`.
    fn truth(&self, mode: i64) -> String {
        self.plain(&format!("{mode:o}"), &[vec![setgid("s/"), dir_of("s/d/", mode), file("s/d/f", &noise(9000))]])
    }

    fn dest(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.0.path().join("out").display())
    }

    fn run(&self, new: &str, tag: &str, change: impl FnOnce(&mut Request)) -> Outcome {
        let mut request = Request::new(new.parse().unwrap(), self.dest(tag).parse().unwrap(), options());
        change(&mut request);
        rechunk(&request, &Progress::new()).unwrap()
    }

    fn differences(&self, a: &str, b: &str) -> Vec<String> {
        let verdict = verify(&a.parse().unwrap(), &b.parse().unwrap(), None, &[], options(), &Progress::new()).unwrap();
        verdict.differences.iter().map(|d| format!("{} {} {} {}", d.path, d.what, d.a, d.b)).collect()
    }
}

fn states(outcome: &Outcome) -> Vec<(State, Reason)> {
    outcome.images[0].layers.iter().map(|layer| (layer.planned.state, layer.planned.reason)).collect()
}

#[test]
fn verify_sees_the_bit_and_the_result_has_it() {
    let images = Images::new();
    let (with, without) = (images.truth(0o2755), images.truth(0o755));
    for (tag, layer, truth, other) in [("behind", behind(), &with, &without), ("before", before(), &without, &with)] {
        let new = images.plain(tag, &[layer]);
        let outcome = images.run(&new, tag, |_| {});
        for image in [&new, &images.dest(tag)] {
            assert_eq!(images.differences(truth, image), [""; 0], "{image}");
            assert_eq!(images.differences(other, image).len(), 1, "{image}");
        }
        let note = "1 directory (/s/d): no entry names it, and the directory above has the setgid bit.";
        let is_told = outcome.notes.iter().any(|told| told.starts_with(note));
        let other = outcome
            .notes
            .iter()
            .find(|told| !told.starts_with(note) && !told.starts_with("no previous image is given"));
        assert_eq!((is_told, other), (tag == "behind", None));
    }
    assert_eq!(images.differences(&with, &without), ["/s/d mode 2755 0755"]);
}

/// A layer that is written has one directory in another one that the input has in two layers.
#[test]
fn what_is_written_hands_no_bit_on() {
    let images = Images::new();
    let new = images.plain("new", &[vec![file("s/d/f", &noise(9000))], vec![setgid("s/")]]);
    images.run(&new, "v1", |_| {});
    assert_eq!(images.differences(&images.truth(0o755), &images.dest("v1")), [""; 0]);
    // An upper layer that implies `s` takes the bit away, and `d` keeps its own.
    let new = images.plain("new", &[behind(), vec![file("s/g", b"1"), file("s/e/g", b"1")]]);
    images.run(&new, "v2", |_| {});
    let shown = [
        vec![dir_of("s/", 0o755), dir_of("s/d/", 0o2755), file("s/d/f", &noise(9000))],
        vec![dir_of("s/e/", 0o755), file("s/g", b"1"), file("s/e/g", b"1")],
    ];
    let truth = images.plain("truth", &[shown.concat()]);
    assert_eq!(images.differences(&truth, &images.dest("v2")), [""; 0]);
    assert_eq!(images.differences(&truth, &new), [""; 0]);
}

#[test]
fn a_kept_layer_that_hands_it_on_is_put_right() {
    let images = Images::new();
    let (with, without) = (images.plain("with", &[behind()]), images.plain("without", &[before()]));
    for (tag, old, new, truth) in
        [("a", &with, &without, images.truth(0o755)), ("b", &without, &with, images.truth(0o2755))]
    {
        let outcome = images.run(new, tag, |request| request.base = Some(old.parse().unwrap()));
        assert_eq!(states(&outcome), [BASE, FRESH]);
        assert_eq!(images.differences(&truth, &images.dest(tag)), [""; 0]);
        let outcome = images.run(new, "kept", |request| {
            (request.previous, request.keep_foreign) = (vec![old.parse().unwrap()], true);
        });
        assert_eq!(states(&outcome), [LIVE, FRESH]);
        assert_eq!(images.differences(&truth, &images.dest("kept")), [""; 0]);
        // What was put right stays.
        let again = images.run(new, "again", |request| {
            (request.previous, request.keep_foreign) = (vec![images.dest("kept").parse().unwrap()], true);
        });
        assert_eq!((states(&again), again.digest), (vec![LIVE; 2], outcome.digest));
    }
}

#[test]
fn a_kept_layer_that_hands_it_on_as_the_image_does_needs_no_entry() {
    let images = Images::new();
    for (tag, layer) in [("behind", behind()), ("before", before())] {
        let new = images.plain(tag, std::slice::from_ref(&layer));
        let outcome = images.run(&new, tag, |request| request.base = Some(new.parse().unwrap()));
        assert_eq!(states(&outcome), [BASE]);
        // A file that comes into it brings the directory along as it is.
        let more = images.plain("more", &[[layer, vec![file("s/d/g", b"1")]].concat()]);
        let outcome = images.run(&more, "more", |request| request.base = Some(new.parse().unwrap()));
        assert_eq!(states(&outcome), [BASE, FRESH]);
        assert_eq!(images.differences(&more, &images.dest("more")), [""; 0]);
        let flat = images.run(&more, "flat", |_| {});
        assert_eq!(states(&flat), [FRESH]);
        assert_eq!(images.differences(&images.dest("flat"), &images.dest("more")), [""; 0]);
    }
}

/// Layers with a TOC are read by that alone. Another tool's TOC can imply directories as well.
#[test]
fn a_toc_tells_of_it() {
    let images = Images::new();
    let new = images.plain("new", &[behind()]);
    let first = images.run(&new, "v1", |_| {});
    let again = images.run(&new, "v2", |request| request.previous.push(images.dest("v1").parse().unwrap()));
    assert_eq!((states(&again), again.digest), (vec![LIVE], first.digest));
    let other = images.plain("other", &[before()]);
    let outcome = images.run(&other, "v3", |request| request.previous.push(images.dest("v1").parse().unwrap()));
    assert_eq!(states(&outcome), [LIVE, FRESH]);
    assert_eq!(images.differences(&images.truth(0o755), &images.dest("v3")), [""; 0]);
}

/// podman takes what `/` says of the root, and nothing of what `./` says.
#[test]
fn the_root_hands_it_on_if_its_name_is_a_slash() {
    let images = Images::new();
    for (name, mode) in [("/", 0o2755), ("./", 0o755)] {
        let root = setgid(name);
        let new = images.plain("root", &[vec![root.clone(), file("d/f", b"1")], vec![file("e/f", b"1")]]);
        let shown = vec![root, dir_of("d/", mode), file("d/f", b"1"), dir_of("e/", 0o755), file("e/f", b"1")];
        let truth = images.plain("shown", &[shown]);
        images.run(&new, "v1", |_| {});
        assert_eq!(images.differences(&truth, &new), [""; 0], "{name}");
        assert_eq!(images.differences(&truth, &images.dest("v1")), [""; 0], "{name}");
    }
}
