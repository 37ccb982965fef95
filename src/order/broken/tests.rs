//! What clients do with such entries, one test for each kind.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::order::tree::tests::entry;
use crate::tar::EntryKind;

type Spec = (&'static str, EntryKind, &'static str);

fn found(layers: &[&[Spec]]) -> String {
    let entries = |layer: &&[Spec]| layer.iter().map(|(path, kind, target)| entry(path, *kind, target)).collect();
    let entries: Vec<Vec<Entry>> = layers.iter().map(entries).collect();
    let entries: Vec<&[Entry]> = entries.iter().map(Vec::as_slice).collect();
    broken_entry(&entries).map_or_else(String::new, |(layer, broken)| format!("{layer}: {broken}"))
}

use EntryKind::{Dir, HardLink as Link, Regular as File, Symlink};

#[test]
fn a_directory_gives_way_after_another_one_did() {
    let entries: &[Spec] =
        &[("d/f", File, ""), ("b/a", File, ""), ("b", File, ""), ("d", File, ""), ("d", Dir, ""), ("d/f/a", File, "")];
    assert_eq!(found(&[entries]), "");
}

/// A look at all entries for each one took a minute for ten times as many.
#[test]
fn directories_give_way_by_the_thousand() {
    let dirs = (0..10_000).flat_map(|n| [format!("d/{n}/x"), format!("d/{n}")]);
    let entries: Vec<Entry> = dirs.map(|path| entry(&path, File, "")).collect();
    assert_eq!(broken_entry(&[&entries]), None);
    let again = entry("d/7/y", File, "");
    let entries = [entries, vec![again]].concat();
    assert!(matches!(broken_entry(&[&entries]), Some((0, BrokenEntry::BelowFile { .. }))));
}

#[test]
fn a_directory_gives_way_by_the_thousand() {
    let below = (0..100_000).map(|n| entry(&format!("d/{n}/x"), File, ""));
    let again = (0..100_000).flat_map(|_| [entry("d", Symlink, ""), entry("d", Dir, ""), entry("d/y", File, "")]);
    let entries: Vec<Entry> = below.chain(again).collect();
    assert_eq!(broken_entry(&[&entries]), None);
    let entries = [entries, vec![entry("d/y/z", File, "")]].concat();
    assert!(matches!(broken_entry(&[&entries]), Some((0, BrokenEntry::BelowFile { .. }))));
}

/// The rule in its plain words: a client stops below what is no directory when it comes to it.
fn naive(entries: &[Entry]) -> Option<(TarPath, EntryKind)> {
    let mut kinds: Vec<(&TarPath, EntryKind)> = Vec::new();
    for entry in entries {
        let is_wall = |(path, kind): &&(&TarPath, EntryKind)| entry.path.is_below(path) && *kind != Dir;
        if let Some((_, wall)) = kinds.iter().find(is_wall) {
            return Some((entry.path.clone(), *wall));
        }
        let gives_way = entry.kind != Dir;
        kinds.retain(|(path, _)| **path != entry.path && !(gives_way && path.is_below(&entry.path)));
        kinds.push((&entry.path, entry.kind));
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stands_below_a_file_is_found_where_a_client_stops(
        entries in proptest::collection::vec(("[ab](/[ab]){0,3}", select(vec![File, Dir, Dir, Symlink])), 0..24)
    ) {
        let entries: Vec<Entry> = entries.iter().map(|(path, kind)| entry(path, *kind, "")).collect();
        let found = below_file(&entries).map(|broken| match broken {
            BrokenEntry::BelowFile { path, .. } => (path, File),
            BrokenEntry::BelowLink { path, .. } => (path, Symlink),
            other => panic!("{other}"),
        });
        prop_assert_eq!(found, naive(&entries));
    }
}

#[test]
fn links_that_lead_nowhere() {
    assert!(found(&[&[("a", Link, "./a")]]).contains("entry /a: expected a hard link to another"));
    assert!(found(&[&[("a", File, ""), ("a", Link, "a")]]).contains("entry /a: "));
    assert!(found(&[&[("a", Link, "b"), ("b", Link, "c"), ("c", Link, "b")]]).contains("back to itself"));
    assert!(found(&[&[], &[("a", Link, "b"), ("b", Link, "c")]]).starts_with("1: entry /a: expected the target"));
    assert!(found(&[&[("d", Dir, ""), ("a", Link, "d")]]).contains("found a directory at /d"));
    // Where the symbolic link leads is not asked: the file has a name of its own.
    let usr: &[Spec] = &[("bin", Symlink, ""), ("usr/bin/x", File, "")];
    assert!(found(&[usr, &[("y", Link, "bin/x")]]).ends_with("/bin/x, which leads through the symbolic link /bin"));
    assert!(
        found(&[&[usr, &[("y", Link, "bin/x")]].concat()]).starts_with("0: entry /y: expected a hard link to a file")
    );
    // Whiteouts are no files, and hide what is below them for links, too.
    assert!(found(&[&[("c/.wh.c", File, ""), ("d", Link, "c/.wh.c")]]).ends_with("found nothing at /c/.wh.c"));
    assert!(found(&[&[("c", File, "")], &[("d", Link, "c"), (".wh.c", File, "")]]).ends_with("found nothing at /c"));
    assert!(found(&[&[("c", File, "")], &[("d", Link, "c"), ("c/a", File, "")]]).ends_with("found a directory at /c"));
    // What a lower layer hides is not there.
    let base: &[Spec] = &[("f", File, "")];
    assert!(found(&[base, &[(".wh.f", File, "")], &[("a", Link, "f")]]).starts_with("2: "));
}

#[test]
fn a_layer_alone_has_the_targets_of_its_links() {
    let alone = |entries: &[Spec]| {
        let entries: Vec<Entry> = entries.iter().map(|(path, kind, target)| entry(path, *kind, target)).collect();
        broken_alone(&entries).map_or_else(String::new, |broken| broken.to_string())
    };
    assert_eq!(alone(&[("f", File, ""), ("a", Link, "f"), ("d/.wh.g", File, "")]), "");
    assert!(alone(&[("a", Link, "f")]).contains("entry /a: expected the target of the hard link in the same layer"));
    assert!(alone(&[("a", File, ""), ("a/b", File, "")]).contains("expected a directory at /a"));
}

#[test]
fn links_that_clients_take() {
    let chain: &[Spec] = &[("a", Link, "b"), ("b", Link, "f"), ("f", File, ""), ("c", Link, "b")];
    let replaced: &[Spec] = &[("f", File, ""), ("a", Link, "f"), ("f", Link, "a"), ("b", Link, "x"), ("b", File, "")];
    let aufs: &[Spec] = &[(".wh.a", Link, ".wh..wh.aufs")];
    for layer in [chain, replaced, aufs] {
        assert_eq!(found(&[layer]), "");
    }
    assert_eq!(found(&[&[("f", File, "")], &[("a", Link, "f")]]), "");
}

#[test]
fn entries_below_what_is_no_directory() {
    let below = |layer: &[Spec]| found(&[layer]);
    assert!(below(&[("a", File, ""), ("a/b", File, "")]).contains("entry /a/b: expected a directory at /a"));
    assert!(below(&[("a", File, ""), ("a/b/c/d", Dir, "")]).contains("at /a,"));
    assert!(below(&[("f", File, ""), ("a", Link, "f"), ("a/b", File, "")]).contains("at /a,"));
    assert!(below(&[("a/b", File, ""), ("a", File, ""), ("a/c", File, "")]).contains("/a/c"));
    assert!(below(&[("a/b/c", File, ""), ("a", File, ""), ("a", Dir, ""), ("a/b/c", File, "")]).is_empty());
    assert!(below(&[("a/b", File, ""), ("a", File, ""), ("a", Dir, ""), ("a/b/c", File, "")]).is_empty());
    assert!(below(&[("a", File, ""), ("a", Dir, ""), ("a/b", File, "")]).is_empty());
    assert!(
        below(&[("a", Symlink, ""), ("a/b", File, "")]).contains("entry /a/b: expected a directory at /a, found a sy")
    );
    assert!(below(&[("a", Symlink, ""), ("a/.wh.b", File, "")]).contains("found a symbolic link"));
    assert!(below(&[("a/b", File, ""), ("a", Symlink, ""), ("a/b/c", File, "")]).contains("/a/b/c: expected a dir"));
    assert!(below(&[("a", Symlink, ""), ("a", Dir, ""), ("a/b", File, "")]).is_empty());
    assert!(below(&[("a/b", File, ""), ("a", Symlink, "")]).is_empty());
    assert!(below(&[("d/x", File, ""), ("d", File, "")]).is_empty());
    // In a lower layer the directory takes its place.
    assert_eq!(found(&[&[("a", File, "")], &[("a/b", File, "")]]), "");
    assert_eq!(found(&[&[("a", Symlink, "")], &[("a/b", File, "")]]), "");
}

#[test]
fn names_that_no_layer_can_hide() {
    let found = |path: &'static str| found(&[&[(path, File, "")]]);
    assert_eq!(
        found("d/.wh."),
        "0: entry /d/.wh.: expected the name of what is to be hidden behind \".wh.\", found none"
    );
    assert!(
        found(".wh.c/b").ends_with("expected a directory that a layer can have, found /.wh.c, the name of a whiteout")
    );
    assert!(found("a/.wh.b/c/.wh.d").contains("found /a/.wh.b,"));
    assert!(found("a/.wh..wh.b/c").contains("found /a/.wh..wh.b,"));
    for fine in [".wh.c", "d/.wh..wh..opq", ".wh..wh.plnk/.wh.c/d", "a.wh.b/c", ".wh..wh.aufs", "d/.wh..a"] {
        assert_eq!(found(fine), "", "{fine}");
    }
    let long = |len: usize| "n".repeat(len);
    let of_entry = |path: String| broken_entry(&[&[entry(&path, File, "")]]).map(|(_, broken)| broken.to_string());
    assert_eq!(of_entry(format!("{}/{}", long(255), long(255))), None);
    assert_eq!(of_entry(format!(".wh.{}", long(255))), None);
    for path in [long(256), format!("{}/a", long(256)), format!(".wh.{}", long(256))] {
        assert!(
            of_entry(path).is_some_and(
                |text| text.ends_with("at most 255 bytes, since no client can make a longer one, found 256")
            )
        );
    }
}
