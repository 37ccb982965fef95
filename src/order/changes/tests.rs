use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::digest::FileDigest;
use crate::order::{Content, OverlayMark, Traits};
use crate::tar::{EntryKind, Time};

/// Path, content, compressed bytes (0: a directory), mode, time.
type Spec<'a> = (&'a str, u8, u64, u8, i64);

#[derive(Debug)]
struct Layer {
    digest: u8,
    diff_id: u8,
    size: u64,
    index: u64,
    entries: Vec<Entry>,
}

fn entry(&(name, content, stored, mode, secs): &Spec<'_>) -> Entry {
    let digest = FileDigest::from_bytes([content; 32]);
    let content = Content { digest, size: stored * 3, stored, compiled_from: None };
    Entry {
        path: TarPath::new(name.as_bytes()).unwrap(),
        kind: if stored == 0 { EntryKind::Dir } else { EntryKind::Regular },
        target: None,
        content: (stored > 0).then_some(content),
        traits: Traits::from_digest([mode; 32]),
        mtime: Time { secs, nanos: 0 },
        overlay: OverlayMark::None,
        is_setgid: false,
        is_program: false,
    }
}

fn layer(digest: u8, size: u64, index: u64, entries: &[Spec<'_>]) -> Layer {
    Layer { digest, diff_id: digest, size, index, entries: entries.iter().map(entry).collect() }
}

impl Layer {
    fn side(&self) -> Side<'_> {
        let (digest, diff_id) = (BlobDigest::from_bytes([self.digest; 32]), DiffId::from_bytes([self.diff_id; 32]));
        Side { digest, diff_id, size: self.size, index_bytes: self.index, entries: &self.entries }
    }
}

/// Owners go by the first letter of the path; whatever starts with an x is nobody's.
fn compared(old: &[Layer], new: &[Layer]) -> Changes {
    let (old, new): (Vec<_>, Vec<_>) = (old.iter().map(Layer::side).collect(), new.iter().map(Layer::side).collect());
    changes(&old, &new, |path| {
        path.as_bytes().first().filter(|letter| **letter != b'x').map(|letter| u32::from(*letter))
    })
}

#[test]
fn each_byte_of_a_layer_is_told_once() {
    let old =
        [layer(1, 900, 0, &[("d", 0, 0, 1, 1), ("d/a", 1, 100, 1, 1), ("d/b", 2, 200, 1, 1), ("d/c", 3, 300, 1, 1)])];
    let new = [layer(
        2,
        2000,
        150,
        &[
            ("d", 0, 0, 1, 2),
            ("d/a", 1, 101, 1, 1),
            ("d/b", 2, 202, 1, 9),
            ("d/c", 3, 303, 2, 1),
            ("d/e", 3, 33, 1, 1),
            ("n", 4, 400, 1, 1),
            ("x", 4, 404, 1, 1),
        ],
    )];
    let found = compared(&old, &new);
    let parts = Parts {
        new: 400,
        repeated: 404,
        hidden: 0,
        same: Same { unchanged: 101, times: 202, other: 336 },
        recompressed: 0,
        index: 150,
        rest: 2000 - 150 - 400 - 404 - 101 - 202 - 336,
    };
    assert_eq!((found.parts, found.changed_bytes, found.parts.bytes()), (parts, 400, 2000));
    assert_eq!(found.layers, [Some(parts)]);
    let counts = Counts { added: 3, removed: 0, changed: 0, metadata: 1, times: 2, same: 1 };
    assert_eq!(found.counts, counts);
    let share = |owner: Option<char>, changed_files, changed_bytes, avoidable_bytes| OwnerShare {
        owner: owner.map(u32::from),
        changed_files,
        changed_bytes,
        avoidable_bytes,
    };
    assert_eq!(found.owners, [share(None, 0, 0, 404), share(Some('d'), 0, 0, 639), share(Some('n'), 1, 400, 0)]);
    let files: Vec<_> =
        found.files.iter().map(|file| (file.path.to_string(), file.state, file.changed_bytes)).collect();
    assert_eq!(files, [("/n".to_owned(), FileState::Added, 400)]);
}

/// A whiteout hides a file of a layer that stays, and its content stays readable.
#[test]
fn removed_paths_are_readable_where_their_layer_stays() {
    let kept =
        || layer(1, 900, 0, &[("d", 0, 0, 1, 1), ("d/a", 1, 100, 1, 1), ("d/key", 2, 200, 1, 1), ("m", 3, 300, 1, 1)]);
    let gone = layer(2, 400, 0, &[("b", 4, 100, 1, 1)]);
    // The content of "m" is shown under another name.
    let new = |first: Layer| {
        [
            first,
            layer(
                3,
                400,
                0,
                &[("n", 3, 300, 1, 1), ("d", 0, 0, 1, 1), ("d/.wh.key", 0, 0, 1, 1), (".wh.m", 0, 0, 1, 1)],
            ),
        ]
    };
    let found = compared(&[kept(), gone], &new(kept()));
    let told = |found: &Changes| -> Vec<_> {
        found.removed.iter().map(|removed| (removed.path.to_string(), removed.layer)).collect()
    };
    let expected = [("/d/key", Some(0)), ("/b", None), ("/m", None)].map(|(path, layer)| (path.to_owned(), layer));
    assert_eq!((told(&found).as_slice(), found.readable, found.counts.removed), (expected.as_slice(), 1, 3));
    let rewritten = compared(&[kept()], &new(layer(4, 900, 0, &[("d", 0, 0, 1, 1)])));
    assert!(
        rewritten.readable == 0 && rewritten.removed.iter().all(|removed| removed.layer.is_none()),
        "{rewritten:?}"
    );
    let names: Vec<String> = (0..REMOVED + 9).map(|n| format!("f{n}")).collect();
    let many: Vec<Spec<'_>> = names.iter().map(|name| (name.as_str(), 1, 1, 1, 1)).collect();
    let found = compared(&[layer(1, 900, 0, &many)], &[]);
    assert_eq!((found.removed.len(), found.counts.removed), (REMOVED, REMOVED as u64 + 9));
}

#[test]
fn layers_that_clients_have_cost_nothing() {
    let files: &[Spec<'_>] = &[("a", 1, 100, 1, 1), ("b", 2, 100, 1, 1)];
    let old = [layer(1, 300, 20, files)];
    assert_eq!(compared(&old, &[layer(1, 300, 20, files)]).layers, [None]);
    let again = Layer { diff_id: 1, ..layer(2, 250, 10, files) };
    let found = compared(&old, &[again]);
    assert_eq!(found.parts, Parts { recompressed: 250, ..Parts::default() });
    assert_eq!((found.owners.len(), found.owners[0].avoidable_bytes, found.files.len()), (2, 100, 0));
}

#[test]
fn what_older_layers_hide_is_known_and_what_new_ones_hide_is_told() {
    let old = [layer(1, 100, 0, &[("a", 1, 100, 1, 1)]), layer(2, 100, 0, &[("a", 2, 100, 1, 1)])];
    let new = [layer(3, 300, 0, &[("a", 1, 90, 1, 1), ("b", 5, 200, 1, 1)]), layer(4, 70, 0, &[("b", 6, 60, 1, 1)])];
    let found = compared(&old, &new);
    assert_eq!((found.parts.same.other, found.changed_bytes, found.parts.hidden), (90, 60, 200));
    let states: Vec<_> = found.files.iter().map(|file| (file.layer, file.state)).collect();
    assert_eq!(states, [(0, FileState::Hidden), (1, FileState::Added)]);
    assert_eq!((found.counts.changed, found.counts.added), (1, 1));
}

#[test]
fn links_and_devices_change_as_a_whole() {
    let link = |mode| Entry { kind: EntryKind::Symlink, ..entry(&("l", 0, 0, mode, 1)) };
    let with = |entry| Layer { entries: vec![entry], ..layer(1, 10, 0, &[]) };
    let found = compared(&[with(link(1))], &[Layer { digest: 2, diff_id: 2, ..with(link(2)) }]);
    assert_eq!((found.counts.changed, found.parts.rest), (1, 10));
}

#[test]
fn a_toc_that_promises_too_much_does_not_overflow() {
    let found =
        compared(&[], &[layer(1, 100, 400, &[("a", 1, 70, 1, 1)]), layer(2, 100, 40, &[("b", 2, u64::MAX / 3, 1, 1)])]);
    assert_eq!((found.parts.bytes(), found.changed_bytes), (200, 60));
}

/// As [`Spec`], with the number of a path.
type File = (usize, u8, u64, u8, i64);

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let file = (0_usize..6, 0_u8..8, 0_u64..50, 0_u8..2, 0_i64..2);
    let one = (0_u8..6, 0_u8..4, 0_u64..400, 0_u64..40, vec(file, 0..8));
    const NAMES: [&str; 6] = ["a", "b", "c", "d/x", "d/y", "x"];
    let built = |(digest, diff_id, more, index, files): (u8, u8, u64, u64, Vec<File>)| {
        let files: Vec<Spec<'_>> =
            files.into_iter().map(|(at, content, n, mode, time)| (NAMES[at], content, n + 1, mode, time)).collect();
        let stored: u64 = files.iter().map(|file| file.2).sum();
        Layer { diff_id, ..layer(digest, stored + index + more, index, &files) }
    };
    vec(one.prop_map(built), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_numbers_add_up(old in layers(), new in layers()) {
        let found = compared(&old, &new);
        let is_there = |layer: &&Layer| old.iter().any(|other| other.digest == layer.digest);
        let plain: u64 = new.iter().filter(|layer| !is_there(layer)).map(|layer| layer.size).sum();
        prop_assert_eq!(found.parts.bytes(), plain);
        for (layer, parts) in new.iter().zip(&found.layers) {
            prop_assert_eq!(parts.map(|parts| parts.bytes()), (!is_there(&layer)).then_some(layer.size));
        }
        let (hidden, shown): (Vec<_>, Vec<_>) = found.files.iter().partition(|file| file.state == FileState::Hidden);
        let bytes = |files: &[&FileShare]| files.iter().map(|file| file.changed_bytes).sum::<u64>();
        prop_assert_eq!((found.changed_bytes, found.parts.hidden), (bytes(&shown), bytes(&hidden)));
        prop_assert_eq!(found.changed_bytes, found.owners.iter().map(|share| share.changed_bytes).sum::<u64>());
        prop_assert_eq!(shown.len() as u64, found.owners.iter().map(|share| share.changed_files).sum::<u64>());
        let known = |digest| old.iter().flat_map(|layer| &layer.entries).any(|entry| entry.content.is_some_and(|it| it.digest == digest));
        let mut fresh: Vec<FileDigest> = new.iter().filter(|layer| !is_there(layer) && !old.iter().any(|other| other.diff_id == layer.diff_id))
            .flat_map(|layer| &layer.entries).filter_map(|entry| Some(entry.content?.digest)).filter(|digest| !known(*digest)).collect();
        fresh.sort_unstable_by_key(|digest| *digest.as_bytes());
        fresh.dedup();
        // What is hidden may be shown elsewhere, and counts each time.
        prop_assert!((shown.len()..=found.files.len()).contains(&fresh.len()));
        prop_assert!(!hidden.is_empty() || shown.len() == fresh.len());
    }
}

#[test]
fn what_stores_do_with_layers() {
    let files: [Spec<'_>; 2] = [("d/a", 1, 100, 1, 1), ("d/b", 2, 200, 1, 1)];
    let of = |digest, size| layer(digest, size, 0, &files);
    let told = |old: &[Layer], new: &[Layer]| compared(old, new).stores;
    // Each layer unpacks to 900 bytes.
    let old = [of(1, 310), of(2, 320), of(3, 330)];
    assert_eq!(told(&old, &old), Stores::default());
    // On top: nothing moves.
    let top = Stores { largest: Some((3, 340)), new_disk_bytes: 900, ..Stores::default() };
    assert_eq!(told(&old, &[of(1, 310), of(2, 320), of(3, 330), of(4, 340)]), top);
    // The lowest one is written again.
    let low = Stores { largest: Some((0, 350)), moved: vec![1, 2], moved_bytes: 650, moved_disk_bytes: 1_800, ..top };
    assert_eq!(told(&old, &[of(5, 350), of(2, 320), of(3, 330)]), low);
    // What goes moves all above it, too. The first of the largest is named, and a blob that stands twice is pulled once.
    let gone = Stores { largest: None, moved: vec![0], moved_bytes: 330, moved_disk_bytes: 900, ..Stores::default() };
    assert_eq!(told(&old, &[of(3, 330)]), gone);
    let twice = Stores { largest: Some((0, 340)), new_disk_bytes: 1_800, ..Stores::default() };
    assert_eq!(told(&[], &[of(4, 340), of(4, 340)]), twice);
    assert_eq!(told(&old, &[]), Stores::default());
}
