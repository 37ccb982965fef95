//! Small stacks by hand, and random ones against a model that unpacks path by path.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::digest::FileDigest;
use crate::order::tree::tests::entry;
use crate::order::tree::{Shown, merge};
use crate::order::{Content, Entry, Traits, broken_entry};
use crate::tar::EntryKind::{Dir, HardLink, Regular, Symlink};
use crate::tar::{EntryKind, TarPath};

fn path(name: &str) -> TarPath {
    TarPath::new(name.as_bytes()).unwrap()
}

/// A file of this content.
fn file(name: &str, content: u8) -> Entry {
    let digest = FileDigest::from_bytes([content; 32]);
    let content = Content { digest, size: 1, stored: 1, compiled_from: None };
    Entry { content: Some(content), ..entry(name, Regular, "") }
}

/// A directory of this mode, or a symbolic link with this text.
fn bare(name: &str, kind: EntryKind, look: u8) -> Entry {
    Entry { traits: Traits::from_digest([look; 32]), ..entry(name, kind, "") }
}

fn link(name: &str, target: &str) -> Entry {
    entry(name, HardLink, target)
}

type Images = Vec<Vec<Vec<Entry>>>;

/// Lays images, each of some layers, over each other.
fn laid(images: &Images, rules: &[&str], units: &[Unit]) -> Laid {
    let layers: Vec<&[Entry]> = images.iter().flatten().map(Vec::as_slice).collect();
    let mut next = 0;
    let inputs: Vec<Vec<usize>> = images
        .iter()
        .map(|image| {
            next += image.len();
            (next - image.len()..next).collect()
        })
        .collect();
    let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let given = Given { layers: &layers, inputs: &inputs };
    lay(given, &Rules::new(&rules).unwrap(), units.iter().copied().collect())
}

/// "/a@0 /b@1": whose each path is, without the root.
fn whose(laid: &Laid) -> String {
    let seats = laid.tree.iter().filter(|(path, _)| !path.is_root());
    seats.map(|(path, seat)| format!("{path}@{}", seat.input)).collect::<Vec<_>>().join(" ")
}

fn names() -> Vec<String> {
    ["A", "B", "C"].map(str::to_owned).to_vec()
}

#[test]
fn a_whiteout_hides_only_what_its_own_image_has() {
    let base = || vec![file("a", 1), file("b", 1), file("d/x", 1)];
    let removes = vec![base(), vec![file(".wh.a", 0), file("d/.wh..wh..opq", 0), file("d/y", 1)]];
    let images = vec![vec![base()], removes];
    assert_eq!(whose(&laid(&images, &[], &[])), "/a@0 /b@1 /d@0 /d/x@0 /d/y@1");
}

#[test]
fn directories_keep_what_is_in_them_and_take_the_later_look() {
    let images = vec![
        vec![vec![bare("d", Dir, 1), file("d/x", 1), file("e/x", 1)]],
        vec![vec![bare("d", Dir, 2), file("d/y", 1), bare("e", Dir, 1)]],
        // No entry names the directories.
        vec![vec![file("d/z", 1), file("e/z", 1)]],
    ];
    let plain = laid(&images, &[], &[]);
    assert_eq!(whose(&plain), "/d@1 /d/x@0 /d/y@1 /d/z@2 /e@1 /e/x@0 /e/z@2");
    assert_eq!((plain.conflicts.count(Kind::Metadata, Choice::Last), plain.conflicts.notes(&names()).len()), (1, 1));
    assert_eq!(whose(&laid(&images, &["/d=first"], &[])), "/d@0 /d/x@0 /d/y@1 /d/z@2 /e@1 /e/x@0 /e/z@2");
}

#[test]
fn a_directory_and_a_file_exclude_each_other() {
    let images = vec![
        vec![vec![bare("p", Dir, 1), file("p/x", 1), file("p/y", 1), file("p-", 1)]],
        vec![vec![bare("p", Symlink, 2), file("q", 1)]],
        vec![vec![bare("p", Dir, 1), file("p/z", 1)]],
    ];
    let refused = laid(&images[..2].to_vec(), &[], &[]).conflicts.error(&names()).unwrap();
    assert!(refused.starts_with("1 path is a directory in one input only: /p (A, then B);"), "{refused}");
    let last = laid(&images[..2].to_vec(), &["/p=last"], &[]);
    assert_eq!((whose(&last).as_str(), last.conflicts.error(&names())), ("/p@1 /p-@0 /q@1", None));
    let notes = last.conflicts.notes(&names());
    assert!(notes[1].starts_with("2 paths are left out"), "{notes:?}");
    assert_eq!(whose(&laid(&images[..2].to_vec(), &["/p=first"], &[])), "/p@0 /p/x@0 /p/y@0 /p-@0 /q@1");
    assert_eq!(whose(&laid(&images[1..].to_vec(), &["first"], &[])), "/p@0 /q@0");
    assert_eq!(whose(&laid(&images, &["last"], &[])), "/p@2 /p/z@2 /p-@0 /q@1");
}

#[test]
fn names_of_one_file_stay_together_in_their_image() {
    let both = || vec![file("f", 1), link("g", "f")];
    let images: [Vec<Vec<Entry>>; 3] = [vec![both()], vec![vec![file("f", 2)]], vec![vec![file("g", 1)]]];
    let seats = |count: usize| {
        let tree = laid(&images[..count].to_vec(), &[], &[]).tree;
        let inode = |seat: &Seat| match seat.what {
            Standing::Entry { inode, .. } => (seat.input, inode),
            Standing::Implied(_) => unreachable!(),
        };
        tree.iter().skip(1).map(|(_, seat)| inode(seat)).collect::<Vec<_>>()
    };
    assert_eq!(seats(1), [(0, (0, 0)), (0, (0, 0))]);
    assert_eq!(seats(2), [(1, (1, 0)), (0, (0, 0))]);
    assert_eq!(seats(3), [(1, (1, 0)), (2, (2, 0))]);
}

#[test]
fn what_differs_is_told_by_kind_and_counted() {
    let of = |content: u8| {
        let mut all: Vec<Entry> = (0..9).map(|n| file(&format!("data/{n}"), content)).collect();
        for name in ["etc/ld.so.cache", "etc/passwd", "same", "var/lib/dpkg/status", "var/lib/rpm/rpmdb.sqlite"] {
            all.push(file(name, if name == "same" { 7 } else { content }));
        }
        all.push(Entry { traits: Traits::from_digest([content; 32]), ..file("mode", 7) });
        vec![all]
    };
    let images = vec![of(1), of(2), of(3)];
    let laid = laid(&images, &[], &[]);
    let count = |kind, choice| laid.conflicts.count(kind, choice);
    assert_eq!(count(Kind::Database, Choice::Error), 2);
    assert_eq!((count(Kind::Content, Choice::Last), count(Kind::Metadata, Choice::Last)), (9, 1));
    assert_eq!((count(Kind::Accounts, Choice::Last), count(Kind::LinkerCache, Choice::Last)), (1, 1));
    let notes = laid.conflicts.notes(&names()).join("\n");
    let expected = "9 files have another content, and the later one is taken: /data/0 (A, then B), /data/1 (A, then B), \
                    /data/2 (A, then B), /data/3 (A, then B), /data/4 (A, then B) and 4 more";
    assert!(notes.contains(expected), "{notes}");
    let error = laid.conflicts.error(&names()).unwrap();
    assert!(error.starts_with("2 package databases differ: /var/lib/dpkg/status (A, then B), /var/lib/rpm"), "{error}");
    // One image twice differs in nothing.
    let same = laid_same();
    assert!(same.conflicts.error(&names()).is_none() && same.conflicts.notes(&names()).is_empty());
}

fn laid_same() -> Laid {
    let one = || vec![vec![file("var/lib/dpkg/status", 1), file("etc/passwd", 1), bare("d", Dir, 3)]];
    laid(&vec![one(), one()], &[], &[])
}

#[test]
fn what_is_united_is_remembered_in_order() {
    let of = |content| vec![vec![file("var/lib/dpkg/status", content), file("etc/group", content)]];
    let images = vec![of(1), of(2), of(1), of(3)];
    let laid = laid(&images, &[], &[Unit::Dpkg]);
    let inputs = |name: &str| laid.versions[&path(name)].iter().map(|seat| seat.input).collect::<Vec<_>>();
    assert_eq!((inputs("var/lib/dpkg/status"), laid.versions.len()), (vec![0, 1, 3], 1));
    assert!(laid.conflicts.error(&names()).is_none());
}

/// What stands at a path of the model.
#[derive(Debug, Clone, PartialEq)]
enum Stands {
    Implied,
    /// Of this input: the numbers of its layer and entry, and whether it is a directory.
    Is(usize, (u32, u32), bool),
}

/// Unpacks one image after the other, path by path.
fn naive(images: &Images, first: bool) -> BTreeMap<TarPath, Stands> {
    let mut tree: BTreeMap<TarPath, Stands> = BTreeMap::new();
    let is_dir = |stands: &Stands| matches!(stands, Stands::Implied | Stands::Is(_, _, true));
    for (input, image) in images.iter().enumerate() {
        let layers: Vec<&[Entry]> = image.iter().map(Vec::as_slice).collect();
        // The image alone, so that its own names do not stand in its way.
        let own = merge(&layers);
        let before = tree.clone();
        for (path, shown) in own {
            let new = match shown {
                Shown::Implied(_) => Stands::Implied,
                Shown::Entry(node) => Stands::Is(input, node.inode, node.is_dir),
            };
            let is_blocked = |at: &TarPath| before.get(at).is_some_and(|old| first && !is_dir(old));
            let mut above = path.parent();
            let mut blocked = false;
            while let Some(dir) = above {
                blocked |= is_blocked(&dir);
                above = dir.parent();
            }
            if blocked {
                continue;
            }
            match before.get(&path) {
                Some(old) if is_dir(old) && new == Stands::Implied => {}
                Some(Stands::Is(..)) if first => {}
                Some(Stands::Implied) if first && !is_dir(&new) => {}
                _ => {
                    if !is_dir(&new) {
                        tree.retain(|other, _| !other.is_below(&path));
                    }
                    tree.insert(path, new);
                }
            }
        }
    }
    tree
}

fn stands(laid: &Laid, images: &Images) -> BTreeMap<TarPath, Stands> {
    let mut offset = 0;
    let starts: Vec<u32> = images
        .iter()
        .map(|image| {
            offset += image.len() as u32;
            offset - image.len() as u32
        })
        .collect();
    let of = |seat: &Seat| match seat.what {
        Standing::Implied(_) => Stands::Implied,
        Standing::Entry { inode: (layer, at), is_dir, .. } => {
            Stands::Is(seat.input as usize, (layer - starts[seat.input as usize], at), is_dir)
        }
    };
    laid.tree.iter().map(|(path, seat)| (path.clone(), of(seat))).collect()
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let name = "[abc](/[abc]){0,2}";
    prop_oneof![
        4 => (name, 0_u8..3).prop_map(|(name, content)| file(&name, content)),
        3 => (name, 0_u8..3).prop_map(|(name, look)| bare(&name, Dir, look)),
        1 => (name, 0_u8..3).prop_map(|(name, look)| bare(&name, Symlink, look)),
        1 => (name, name).prop_map(|(name, target)| link(&name, &target)),
        1 => (select(vec!["", "a/", "b/"]), select(vec!["a", "b", ".wh..opq"]))
            .prop_map(|(dir, name)| file(&format!("{dir}.wh.{name}"), 0)),
    ]
}

/// Without what no client can extract, which is refused before.
fn extractable(image: Vec<Vec<Entry>>) -> Vec<Vec<Entry>> {
    let mut layers: Vec<Vec<Entry>> = Vec::new();
    for layer in image {
        layers.push(Vec::new());
        let at = layers.len() - 1;
        for entry in layer {
            layers[at].push(entry);
            if broken_entry(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>()).is_some() {
                layers[at].pop();
            }
        }
    }
    layers
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stack_is_what_one_gets_by_unpacking_in_order(
        images in vec(vec(vec(any_entry(), 0..12), 1..3), 1..5),
        first in any::<bool>(),
    ) {
        let images: Images = images.into_iter().map(extractable).collect();
        let laid = laid(&images, &[if first { "first" } else { "last" }], &[]);
        prop_assert!(laid.tree.is_sorted_by(|(a, _), (b, _)| a < b));
        prop_assert_eq!(stands(&laid, &images), naive(&images, first));
    }
}
