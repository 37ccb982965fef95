//! What builders leave behind for their mounts.

use restrata::oci::Reference;
use restrata::order::layers::{Mtime, Prune};
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request, rechunk};
use restrata::tar::EntryKind::{Dir, HardLink, Symlink};
use restrata::tar::{TarPath, Time};
use restrata::verify::{Ignore, verify};
use tempfile::TempDir;

use super::image::{Entry, entry, file, link, noise, options, plain};

const DATA: usize = 400_000;

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// As runtimes make what they mount a file over.
fn stub(name: &str, mode: i64, secs: i64) -> Entry {
    let (mut header, content) = file(name, b"");
    header.mode = mode;
    header.mtime = Time { secs, nanos: 0 };
    (header, content)
}

fn left_behind(secs: i64) -> Vec<Entry> {
    vec![
        stub(".dockerenv", 0o755, secs),
        stub("etc/hostname", 0o700, secs),
        stub("etc/hosts", 0o755, secs),
        stub("run/.containerenv", 0o700, secs),
    ]
}

fn image(dir: &TempDir, tag: &str, extra: &[Entry]) -> String {
    let base = [entry("etc/", Dir), entry("run/", Dir), file("data", &noise(DATA))];
    plain(dir.path(), tag, &[[&base, extra].concat()])
}

/// The outcome, and where the image is.
fn run(dir: &TempDir, new: &str, previous: Option<&str>, change: impl FnOnce(&mut Request)) -> (Outcome, String) {
    let dest = format!("oci:{}:{}", dir.path().join("out").display(), new.rsplit(':').next().unwrap());
    let mut request = Request::new(reference(new), reference(&dest), options());
    request.previous.extend(previous.map(reference));
    change(&mut request);
    (rechunk(&request, &Progress::new()).unwrap(), dest)
}

/// What differs, by path.
fn differences(a: &str, b: &str, ignore: &[Ignore]) -> Vec<String> {
    let verdict = verify(&reference(a), &reference(b), None, ignore, options(), &Progress::new()).unwrap();
    verdict.differences.into_iter().map(|found| format!("{} {}", found.path, found.what)).collect()
}

#[test]
fn what_builders_made_and_nothing_else_is_left_out() {
    let dir = TempDir::new().unwrap();
    let debris = [left_behind(1), vec![entry("run/secrets/", Dir)]].concat();
    let stays = [
        entry("dev/", Dir),
        stub("dev/console", 0o600, 1),
        link("etc/resolv.conf", Symlink, "../run/resolv.conf"),
        entry("opt/", Dir),
        stub("opt/hosts", 0o755, 1),
        entry("proc/", Dir),
    ];
    let new = image(&dir, "new", &[debris, stays.to_vec()].concat());
    let (outcome, dest) = run(&dir, &new, None, |request| request.prune_debris = true);
    assert_eq!(
        outcome.notes,
        [
            "--prune-debris left out what builders leave behind: /.dockerenv, /etc/hostname, /etc/hosts, /run/.containerenv, /run/secrets"
        ]
    );
    let gone = ["/.dockerenv", "/etc/hostname", "/etc/hosts", "/run/.containerenv", "/run/secrets"];
    assert_eq!(differences(&new, &dest, &[]), gone.map(|path| format!("{path} only in A")));
    assert_eq!(differences(&new, &dest, &[Ignore::Debris]), [""; 0]);
    // Without the option nothing goes, and nothing is said.
    let (outcome, dest) = run(&dir, &new, None, |_| {});
    assert_eq!((outcome.notes.as_slice(), differences(&new, &dest, &[])), ([].as_slice(), Vec::new()));
}

#[test]
fn what_somebody_wrote_stays() {
    let dir = TempDir::new().unwrap();
    let mut with_content = file("etc/hosts", b"127.0.0.1 localhost\n");
    with_content.0.mode = 0o755;
    let written = [
        stub("etc/hostname", 0o644, 1),
        with_content,
        stub("run/.containerenv", 0o600, 1),
        entry("run/secrets/", Dir),
        file("run/secrets/key", b"key"),
        stub("opt", 0o755, 1_700_000_000),
        link(".dockerenv", HardLink, "opt"),
    ];
    let new = image(&dir, "new", &written);
    let (outcome, dest) = run(&dir, &new, None, |request| request.prune_debris = true);
    assert_eq!(outcome.notes, ["--prune-debris: the image has nothing that builders leave behind"]);
    assert_eq!(differences(&new, &dest, &[]), [""; 0]);
    // verify does not forgive these either.
    let without = image(&dir, "without", &[]);
    let lost = differences(&new, &without, &[Ignore::Debris]);
    assert_eq!(lost.iter().filter(|lost| lost.contains("only in A")).count(), written.len());
}

/// A directory whose contents are pruned is an empty one, in the output and where it is compared.
#[test]
fn a_directory_that_pruning_empties_is_left_out() {
    let dir = TempDir::new().unwrap();
    let secrets = [entry("run/secrets/", Dir), entry("run/secrets/rhsm/", Dir), file("run/secrets/rhsm/key", b"key")];
    let new = image(&dir, "new", &secrets);
    let prune = Prune { path: TarPath::new(b"run/secrets/rhsm").unwrap(), keep_dir: false };
    let (outcome, dest) = run(&dir, &new, None, |request| {
        request.layers.prune.push(prune.clone());
        request.prune_debris = true;
    });
    assert_eq!(outcome.notes, ["--prune-debris left out what builders leave behind: /run/secrets"]);
    let gone = ["/run/secrets", "/run/secrets/rhsm", "/run/secrets/rhsm/key"];
    assert_eq!(differences(&new, &dest, &[]), gone.map(|path| format!("{path} only in A")));
    assert_eq!(differences(&new, &dest, &[Ignore::Pruned(prune), Ignore::Debris]), [""; 0]);
    assert_eq!(differences(&new, &dest, &[Ignore::Debris]), gone.map(|path| format!("{path} only in A")));
}

/// The notes of an update from an image that has `old` to one that has `new`.
fn update(old: &[Entry], new: &[Entry], change: impl Fn(&mut Request)) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let (_, previous) = run(&dir, &image(&dir, "old", old), None, |_| {});
    let (outcome, _) = run(&dir, &image(&dir, "new", new), Some(&previous), change);
    outcome.notes
}

/// There is one note, which names these paths.
fn told(names: &str, more: &str, notes: &[String]) {
    let start = format!("what builders leave behind changed in this update ({names}): it costs each client about ");
    let [note] = notes else { panic!("{notes:?}") };
    assert!(note.starts_with(&start) && note.ends_with(&format!("{more}; --prune-debris leaves it out")), "{note}");
}

#[test]
fn debris_that_changes_an_update_is_told() {
    let all = "/.dockerenv, /etc/hostname, /etc/hosts, /run/.containerenv";
    let keep = |request: &mut Request| request.layers.mtime = Mtime::Keep;
    let (first, second) = (left_behind(1), left_behind(2));
    // Nothing but debris: a layer that would not be there else.
    told(all, " kB, and one more layer", &update(&[], &first, |_| {}));
    told(all, " kB, and one more layer", &update(&first, &[], |_| {}));
    told(all, " kB, and one more layer", &update(&first, &second, keep));
    // Other content has a layer anyway.
    let changed = [second.clone(), vec![file("etc/app", &noise(9000))]].concat();
    told(all, " B", &update(&first, &changed, keep));
    // One of them, since another builder made it.
    let other = [vec![stub(".dockerenv", 0o700, 1)], first[1..].to_vec()].concat();
    told("/.dockerenv", " kB, and one more layer", &update(&first, &other, |_| {}));
}

#[test]
fn what_costs_nothing_is_not_told() {
    let (first, second) = (left_behind(1), left_behind(2));
    let none: [String; 0] = [];
    // Times alone, which are taken from the previous image.
    assert_eq!(update(&first, &second, |_| {}), none);
    assert_eq!(update(&first, &[first.clone(), vec![file("etc/app", b"app")]].concat(), |_| {}), none);
    // A file with content is no debris.
    let own = [file("etc/hosts", b"127.0.0.1 localhost\n")];
    assert_eq!(update(&own, &[], |_| {}), none);
    assert_eq!(update(&[], &own, |_| {}), none);
    // Nor does it tell of what was asked for.
    let notes = update(&first, &second, |request| request.prune_debris = true);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("--prune-debris left out"), "{notes:?}");
}
