//! What builders leave behind.

use super::*;
use crate::order::debris::{debris, without_debris};

/// As runtimes make what they mount a file over.
fn stub(name: &str) -> Entry {
    Entry { is_program: true, ..entry(name, Regular, None) }
}

fn dir(name: &str) -> Entry {
    entry(name, Dir, None)
}

fn found(layers: &[&[Entry]]) -> Vec<String> {
    debris(layers, |_| false).iter().map(TarPath::to_string).collect()
}

#[test]
fn a_file_is_debris_by_its_name_and_its_mode_and_without_content() {
    let all = [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"];
    assert_eq!(found(&[&all.map(stub)]), all.map(|name| format!("/{name}")));
    for stays in [
        entry("etc/hosts", Regular, None),
        Entry { is_program: true, ..file("etc/hosts", 1, 1) },
        dir("etc/hosts"),
        entry("etc/hosts", EntryKind::Symlink, None),
        entry("dev/console", EntryKind::Char, None),
        link("etc/hosts", "a"),
        stub("etc/hosts.bak"),
        stub("opt/etc/hosts"),
        stub("hosts"),
        dir("run"),
        dir("proc"),
        dir("dev"),
        entry("run/secrets", Regular, None),
    ] {
        assert_eq!(found(&[std::slice::from_ref(&stays)]), [""; 0], "{stays:?}");
    }
}

#[test]
fn what_is_shown_counts() {
    let (secrets, key) = (dir("run/secrets"), file("run/secrets/key", 1, 1));
    assert_eq!(found(&[std::slice::from_ref(&secrets)]), ["/run/secrets"]);
    assert_eq!(found(&[&[secrets.clone(), key.clone()]]), [""; 0]);
    assert_eq!(found(&[&[secrets.clone(), key], &[entry("run/secrets/.wh.key", Regular, None)]]), ["/run/secrets"]);
    let hosts = file("etc/hosts", 1, 1);
    assert_eq!(found(&[std::slice::from_ref(&hosts), &[stub("etc/hosts")]]), ["/etc/hosts"]);
    assert_eq!(found(&[&[stub("etc/hosts")], &[hosts]]), [""; 0]);
}

/// What is pruned does not keep a directory from being empty, and is not told twice.
#[test]
fn what_is_left_without_the_pruned_counts() {
    let layer = [dir("run/secrets"), dir("run/secrets/rhsm"), file("run/secrets/rhsm/key", 1, 1), stub("etc/hosts")];
    let without = |name: &str, keep_dir| {
        let prune = Prune { path: path(name), keep_dir };
        let found = debris(&[&layer], |path| prune.takes(path));
        found.iter().map(TarPath::to_string).collect::<Vec<_>>()
    };
    assert_eq!(without("run/secrets/rhsm", false), ["/etc/hosts", "/run/secrets"]);
    assert_eq!(without("run/secrets/rhsm", true), ["/etc/hosts"]);
    assert_eq!(without("etc", false), [""; 0]);
}

/// Of an update: the paths, the layers that go with them, and those that are left.
fn told(old: &[Entry], new: &[Entry], options: &Options) -> Option<(String, usize, usize)> {
    let segments = [segment(old)];
    let pulls = pulls(&segments);
    let old = Old::new(&segments, vec![&pulls]).unwrap();
    let labels = [vec![Label::default(); new.len()]];
    let given = Given { layers: &[new], labels: &Labels(&labels), old: &old, options, agreed: Agreed::default() };
    let without = without_debris(&plan(given).unwrap(), given)?;
    let paths: Vec<String> = without.paths.iter().map(TarPath::to_string).collect();
    Some((paths.join(" "), without.layers, without.plan.layers.len()))
}

#[test]
fn an_update_is_told_what_debris_changes_in_it() {
    let (etc, kept, changed) = (dir("etc"), file("kept", 9, 90), file("app", 1, 10));
    let with = [etc.clone(), stub("etc/hosts"), kept.clone()];
    let without = [etc.clone(), kept.clone()];
    let one = |paths: &str, gone, left| Some((paths.to_owned(), gone, left));
    assert_eq!(told(&without, &with, &lax()), one("/etc/hosts", 1, 1));
    assert_eq!(told(&with, &without, &lax()), one("/etc/hosts", 1, 1));
    // Gone with its directory.
    assert_eq!(told(&with, std::slice::from_ref(&kept), &lax()), one("/etc/hosts", 1, 1));
    let with_more = [etc.clone(), stub("etc/hosts"), file("etc/passwd", 2, 1), kept.clone()];
    assert_eq!(told(&with_more, std::slice::from_ref(&kept), &lax()), None);
    // Something else has a layer anyway.
    assert_eq!(told(&without, &[&with[..], std::slice::from_ref(&changed)].concat(), &lax()), one("/etc/hosts", 0, 2));
    assert_eq!(told(&with, &[&with[..], &[changed]].concat(), &lax()), None);
    // A time counts where it is kept.
    let later = [etc.clone(), at(7, stub("etc/hosts")), kept.clone()];
    assert_eq!(told(&with, &later, &lax()), None);
    assert_eq!(told(&with, &later, &Options { mtime: Mtime::Keep, ..lax() }), one("/etc/hosts", 1, 1));
    // What is pruned goes because somebody wants it to.
    let prune = vec![Prune { path: path("etc/hosts"), keep_dir: false }];
    assert_eq!(told(&with, &with, &Options { prune, ..lax() }), None);
    let secrets = [dir("run/secrets"), file("run/secrets/rhsm", 1, 1), kept.clone()];
    let prune = vec![Prune { path: path("run/secrets/rhsm"), keep_dir: false }];
    let pruned = Options { prune, ..lax() };
    assert_eq!(told(std::slice::from_ref(&kept), &secrets, &pruned), one("/run/secrets", 1, 1));
    assert_eq!(told(std::slice::from_ref(&kept), &secrets, &lax()), None);
    // A file that somebody wrote is none of it.
    assert_eq!(told(&[etc.clone(), file("etc/hosts", 1, 1), kept.clone()], &without, &lax()), None);
    assert_eq!(told(&without, &[etc, file("etc/hosts", 1, 1), kept], &lax()), None);
}

#[test]
fn a_first_layout_is_told_nothing() {
    let new = [stub("etc/hosts")];
    let old = Old::default();
    let options = lax();
    let given = Given {
        layers: &[&new],
        labels: &Labels(&[vec![Label::default()]]),
        old: &old,
        options: &options,
        agreed: Agreed::default(),
    };
    assert_eq!(without_debris(&plan(given).unwrap(), given), None);
}
