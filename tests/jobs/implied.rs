//! Directories without an entry: only the names below tell of them.

use restrata::order::{Reason, State};
use restrata::progress::Progress;
use restrata::rechunk::Outcome;
use restrata::tar::EntryKind::{Dir, HardLink};
use restrata::verify::{Difference, verify};
use tempfile::TempDir;

use super::image::{Entry, entry, file, link, noise, options, plain};
use super::runs::{dest, run};

fn differences(a: &str, b: &str) -> Vec<Difference> {
    verify(&a.parse().unwrap(), &b.parse().unwrap(), None, &[], options(), &Progress::new()).unwrap().differences
}

fn states(outcome: &Outcome) -> Vec<(State, Reason)> {
    outcome.images[0].layers.iter().map(|layer| (layer.planned.state, layer.planned.reason)).collect()
}

/// An update of an image with entries for its directories by one without.
fn update(dirs: &[Entry]) -> Vec<(State, Reason)> {
    let dir = TempDir::new().unwrap();
    let files = [file("etc/a", b"1"), file("etc/b", &noise(5000)), file("data", &noise(400_000))];
    let old = plain(dir.path(), "old", &[[dirs, &files].concat()]);
    let new = plain(dir.path(), "new", &[files.to_vec()]);
    run(&dir, &old, "v1", |_| {});
    let outcome = run(&dir, &new, "v2", |request| request.previous.push(dest(&dir, "v1").parse().unwrap()));
    assert_eq!(differences(&new, &dest(&dir, "v2")), []);
    // No layer was re-laid, so there is nothing to tell.
    assert_eq!(outcome.notes, [""; 0]);
    states(&outcome)
}

#[test]
fn a_layer_stays_that_says_what_clients_make_of_them() {
    assert_eq!(update(&[entry("./", Dir), entry("etc/", Dir)]), [(State::Kept, Reason::Live)]);
}

#[test]
fn an_entry_goes_on_top_of_one_that_says_something_else() {
    for name in ["./", "etc/"] {
        let mut other = entry(name, Dir);
        other.0.mode = 0o700;
        assert_eq!(update(&[other]), [(State::Kept, Reason::Live), (State::Fresh, Reason::NotShown)], "{name}");
    }
}

#[test]
fn one_of_the_base_goes_with_its_files() {
    let dir = TempDir::new().unwrap();
    let base = plain(dir.path(), "base", &[vec![file("opt/app/a", b"1"), file("data", &noise(9000))]]);
    let new = plain(dir.path(), "new", &[vec![file("data", &noise(9000))]]);
    let outcome = run(&dir, &new, "v1", |request| request.base = Some(base.parse().unwrap()));
    assert_eq!(states(&outcome), [(State::Kept, Reason::Base), (State::Fresh, Reason::NotShown)]);
    assert_eq!(differences(&new, &dest(&dir, "v1")), []);
}

#[test]
fn one_of_the_base_may_have_had_an_entry() {
    let dir = TempDir::new().unwrap();
    let mut private = entry("opt/", Dir);
    private.0.mode = 0o700;
    let base = plain(dir.path(), "base", &[vec![private, file("opt/a", b"1")]]);
    let new = plain(dir.path(), "new", &[vec![file("opt/a", b"1")]]);
    let outcome = run(&dir, &new, "v1", |request| request.base = Some(base.parse().unwrap()));
    assert_eq!(states(&outcome), [(State::Kept, Reason::Base), (State::Fresh, Reason::NotShown)]);
    assert_eq!(differences(&new, &dest(&dir, "v1")), []);
}

#[test]
fn one_that_lost_its_files_is_written() {
    let dir = TempDir::new().unwrap();
    let new = plain(dir.path(), "new", &[vec![file("d/e/a", b"1"), file("k", b"2")], vec![file("d/e/.wh.a", b"")]]);
    run(&dir, &new, "v1", |_| {});
    assert_eq!(differences(&new, &dest(&dir, "v1")), []);
    let none = plain(dir.path(), "none", &[vec![file("k", b"2")]]);
    let found = differences(&new, &none).into_iter().map(|found| format!("{} {}", found.path, found.what));
    assert_eq!(found.collect::<Vec<_>>(), ["/d only in A", "/d/e only in A"]);
}

#[test]
fn they_are_compared_as_clients_make_them() {
    let dir = TempDir::new().unwrap();
    let implied = plain(dir.path(), "a", &[vec![file("d/f", b"1")]]);
    let with = |tag: &str, mode, uid| {
        let mut own = entry("d/", Dir);
        (own.0.mode, own.0.uid) = (mode, uid);
        let explicit = plain(dir.path(), tag, &[vec![own, file("d/f", b"1")]]);
        let found = differences(&implied, &explicit).into_iter();
        found.map(|d| format!("{} {} {} {}", d.path, d.what, d.a, d.b)).collect::<Vec<_>>()
    };
    assert_eq!(with("b", 0o755, 0), [""; 0]);
    assert_eq!(with("c", 0o700, 7), ["/d mode 0755 0700", "/d uid 0 7"]);
    let file_there = plain(dir.path(), "f", &[vec![file("d", b"1")]]);
    assert_eq!(differences(&implied, &file_there)[0].what, "type");
}

/// Clients skip what AUFS keeps for itself, so that no directory there needs an entry.
#[test]
fn a_layer_with_bookkeeping_of_aufs_stays() {
    let dir = TempDir::new().unwrap();
    let (plnk, inode) = (entry(".wh..wh.plnk", Dir), file(".wh..wh.plnk/5", &noise(90_000)));
    let layers = [vec![file("data", &noise(300_000))], vec![plnk, inode, link("a", HardLink, ".wh..wh.plnk/5")]];
    let image = plain(dir.path(), "aufs", &layers);
    let same = |outcome: Outcome, tag: &str| {
        assert_eq!(differences(&image, &dest(&dir, tag)), []);
        states(&outcome)
    };
    let kept = run(&dir, &image, "kept", |request| {
        (request.previous, request.keep_foreign) = (vec![image.parse().unwrap()], true);
    });
    assert_eq!(same(kept, "kept"), [(State::Kept, Reason::Live); 2]);
    let base = run(&dir, &image, "base", |request| request.base = Some(image.parse().unwrap()));
    assert_eq!(same(base, "base"), [(State::Kept, Reason::Base); 2]);
    same(run(&dir, &image, "new", |_| {}), "new");
}

fn private(name: &str, mode: i64, owner: i64) -> Entry {
    let (mut header, content) = entry(name, Dir);
    (header.mode, header.uid, header.gid) = (mode, owner, owner);
    (header, content)
}

/// podman 5.4 and 5.8 showed exactly this of such layers.
fn made_anew() -> [Vec<Entry>; 2] {
    let base = vec![
        private("tmp/", 0o1777, 0),
        entry("home/", Dir),
        private("home/u/", 0o750, 1000),
        private("root/", 0o700, 0),
        file("root/k", &noise(20_000)),
    ];
    [base, vec![file("tmp/x", b"1"), file("home/u/f", b"2")]]
}

#[test]
fn one_that_an_upper_layer_implies_loses_its_mode_and_owner() {
    let dir = TempDir::new().unwrap();
    let new = plain(dir.path(), "new", &made_anew());
    let shown = vec![
        private("tmp/", 0o755, 0),
        entry("home/", Dir),
        private("home/u/", 0o755, 0),
        private("root/", 0o700, 0),
        file("root/k", &noise(20_000)),
        file("tmp/x", b"1"),
        file("home/u/f", b"2"),
    ];
    let truth = plain(dir.path(), "truth", &[shown]);
    assert_eq!(differences(&truth, &new), []);
    let squashed = plain(dir.path(), "squashed", &[made_anew().concat()]);
    let found = differences(&squashed, &new).into_iter();
    assert_eq!(
        found.map(|d| format!("{} {} {} {}", d.path, d.what, d.a, d.b)).collect::<Vec<_>>(),
        ["/home/u mode 0750 0755", "/home/u uid 1000 0", "/home/u gid 1000 0", "/tmp mode 1777 0755"]
    );
    let outcome = run(&dir, &new, "v1", |_| {});
    assert_eq!(differences(&truth, &dest(&dir, "v1")), []);
    let note =
        "2 directories (/home/u (0750, owner 1000:1000), /tmp (1777, owner 0:0)): an upper layer has something there";
    assert!(outcome.notes[0].starts_with(note) && outcome.notes.len() == 1, "{:?}", outcome.notes);
}

/// Over layers that say how the directories were, the result says how they are.
#[test]
fn one_that_an_upper_layer_implies_is_written_over_a_kept_entry() {
    let dir = TempDir::new().unwrap();
    let [base, upper] = made_anew();
    let (old, new) = (plain(dir.path(), "old", std::slice::from_ref(&base)), plain(dir.path(), "new", &[base, upper]));
    run(&dir, &old, "v1", |_| {});
    let update = |tag: &str, previous: &str| {
        run(&dir, &new, tag, |request| request.previous.push(dest(&dir, previous).parse().unwrap()))
    };
    let outcome = update("v2", "v1");
    assert_eq!(states(&outcome)[0], (State::Kept, Reason::Live));
    assert_eq!(differences(&new, &dest(&dir, "v2")), []);
    let again = update("v3", "v2");
    assert_eq!(again.digest, outcome.digest);
}

/// A layer that implies it may stay where it is.
#[test]
fn one_that_a_kept_layer_implies_needs_no_entry() {
    let dir = TempDir::new().unwrap();
    let new = plain(dir.path(), "new", &made_anew());
    let outcome = run(&dir, &new, "v1", |request| {
        (request.previous, request.keep_foreign) = (vec![new.parse().unwrap()], true);
    });
    assert_eq!(states(&outcome), [(State::Kept, Reason::Live); 2]);
    assert_eq!(differences(&new, &dest(&dir, "v1")), []);
    let outcome = run(&dir, &new, "v2", |request| request.base = Some(new.parse().unwrap()));
    assert_eq!(states(&outcome), [(State::Kept, Reason::Base); 2]);
    assert_eq!(differences(&new, &dest(&dir, "v2")), []);
}

/// The specification hides the file; clients that mount layers show it.
#[test]
fn a_directory_behind_its_whiteout_is_told() {
    let dir = TempDir::new().unwrap();
    let base = vec![entry("d/", Dir), file("d/low", b"1")];
    let upper = vec![file(".wh.d", b""), entry("d/", Dir), file("d/up", b"2")];
    let new = plain(dir.path(), "new", &[base.clone(), upper]);
    let outcome = run(&dir, &new, "v1", |_| {});
    assert!(outcome.notes[0].starts_with("1 directory (/d): a layer has a whiteout"), "{:?}", outcome.notes);
    let truth = plain(dir.path(), "truth", &[vec![entry("d/", Dir), file("d/low", b"1"), file("d/up", b"2")]]);
    assert_eq!(differences(&truth, &dest(&dir, "v1")), []);

    let root =
        plain(dir.path(), "root", &[base, vec![file(".wh..wh..opq", b""), file("d/up", b"2"), entry("d/", Dir)]]);
    let outcome = run(&dir, &root, "v2", |_| {});
    assert!(outcome.notes[0].starts_with("/: a layer makes the root opaque."), "{:?}", outcome.notes);
    assert_eq!(differences(&truth, &dest(&dir, "v2")), []);
}
