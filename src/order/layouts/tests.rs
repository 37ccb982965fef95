use std::collections::HashMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::order::cost::{Client, Instances, PullOutcome, RegistryProfile};
use crate::order::tree::merge;
use crate::order::{OverlayMark, Traits};
use crate::tar::{EntryKind, TarPath, Time};

const PLAIN: View = View { client: Client::Plain, registry: RegistryProfile::MultiRange };
const PODMAN: View = View { client: Client::Podman, registry: RegistryProfile::MultiRange };

/// Path, content, compressed bytes (0: a directory).
type Spec<'a> = (&'a str, u8, u64);

fn entry(&(name, content, stored): &Spec<'_>) -> Entry {
    let digest = FileDigest::from_bytes([content; 32]);
    Entry {
        path: TarPath::new(name.as_bytes()).unwrap(),
        kind: if stored == 0 { EntryKind::Dir } else { EntryKind::Regular },
        target: None,
        content: (stored > 0).then_some(Content { digest, size: stored * 3, stored, compiled_from: None }),
        traits: Traits::from_digest([1; 32]),
        mtime: Time::default(),
        overlay: OverlayMark::None,
        is_setgid: false,
        is_program: false,
    }
}

/// `a` needs `b`, `b` and `d` need `c`, and `c` needs itself.
const NEEDS: &[(u32, u32)] =
    &[(b'a' as u32, b'b' as u32), (b'b' as u32, b'c' as u32), (b'd' as u32, b'c' as u32), (b'c' as u32, b'c' as u32)];

/// The versions' layers. Owners go by the first letter of the path; whatever starts with an x is nobody's.
fn sequence(layout: Layout, versions: &[Vec<Vec<Entry>>]) -> Vec<Vec<Arc<PullLayer>>> {
    let mut sequence = Sequence::new(layout);
    let owner = |entry: &Entry| entry.path.as_bytes().first().filter(|letter| **letter != b'x').copied();
    let label = |entry: &Entry| Label { owner: owner(entry).map(u32::from), ..Label::default() };
    let names: Vec<String> = (0..=255_u8).map(|letter| char::from(letter).to_string()).collect();
    let layers = |version: &Vec<Vec<Entry>>| {
        let layers: Vec<&[Entry]> = version.iter().map(Vec::as_slice).collect();
        let labels: Vec<Vec<Label>> = version.iter().map(|layer| layer.iter().map(label).collect()).collect();
        let owners = Owners { names: &names, needs: NEEDS };
        sequence.layers(Version { layers: &layers, labels: &labels, owners }).unwrap()
    };
    versions.iter().map(layers).collect()
}

/// One layer a version.
fn versions(specs: &[&[Spec<'_>]]) -> Vec<Vec<Vec<Entry>>> {
    specs.iter().map(|spec| vec![spec.iter().map(entry).collect()]).collect()
}

/// Contents of each layer, by their numbers.
fn contents(layers: &[Arc<PullLayer>]) -> Vec<Vec<u8>> {
    let files = |layer: &Arc<PullLayer>| {
        let index = layer.index.as_ref().unwrap();
        index.files.iter().map(|file| file.digest.as_bytes()[0]).collect()
    };
    layers.iter().map(files).collect()
}

const MIB: u64 = 1 << 20;

#[test]
fn owners_and_big_files_have_layers() {
    let version: &[Spec<'_>] =
        &[("a", 0, 0), ("a/1", 1, 9000), ("b", 2, 500), ("x1", 3, 2 * MIB), ("x2", 4, 10), ("x3", 5, MIB - 1)];
    let layers = &sequence(Layout::Owners, &versions(&[version]))[0];
    assert_eq!(contents(layers), [vec![3], vec![1], vec![2], vec![4, 5]]);
    assert_eq!(contents(&sequence(Layout::OneLayer, &versions(&[version]))[0]), [vec![1, 2, 3, 4, 5]]);
}

#[test]
fn popular_owners_stand_lowest() {
    let version: &[Spec<'_>] =
        &[("a", 1, 9000), ("b", 2, 500), ("c", 3, 10), ("d", 4, 20), ("e", 5, 30), ("x1", 6, 2 * MIB), ("x2", 7, 10)];
    for layout in [Layout::Nixpkgs, Layout::Nix2container] {
        let layers = &sequence(layout, &versions(&[version]))[0];
        // Ties go by name; what nobody owns is one.
        assert_eq!(contents(layers), [vec![3], vec![2], vec![1], vec![4], vec![5], vec![6, 7]], "{layout:?}");
    }
}

#[test]
fn unpopular_owners_share_a_layer() {
    let names: Vec<String> = ('0'..='x').map(|letter| format!("{letter}/f")).collect();
    let specs: Vec<Spec<'_>> = (0..).zip(&names).map(|(n, name)| (name.as_str(), n, 1000 + u64::from(n))).collect();
    let layers = contents(&sequence(Layout::Nixpkgs, &versions(&[&specs]))[0]);
    assert_eq!((layers.len(), layers[62].len(), layers[63].len()), (64, 72 - 62, 1));
    let c = b'c' - b'0';
    assert_eq!((layers[0].as_slice(), layers[1].as_slice()), ([c].as_slice(), [c - 1].as_slice()));
}

#[test]
fn there_are_64_layers_at_most() {
    let names: Vec<String> = ('0'..'x').map(|letter| format!("{letter}/f")).collect();
    let specs: Vec<Spec<'_>> = (0..).zip(&names).map(|(n, name)| (name.as_str(), n, 1000 + u64::from(n))).collect();
    let layers = &sequence(Layout::Owners, &versions(&[&specs]))[0];
    // The smallest share the last one.
    assert_eq!((specs.len(), layers.len(), contents(layers)[63].len()), (72, 64, 72 - 63));
    assert_eq!(contents(layers)[0], [71]);
}

#[test]
fn equal_layers_are_known_again() {
    let old: &[Spec<'_>] = &[("a", 0, 0), ("a/1", 1, 100), ("b", 2, 500), ("x", 3, 10)];
    let new: &[Spec<'_>] = &[("a", 0, 0), ("a/1", 1, 999), ("b", 4, 500), ("x", 3, 10)];
    for (layout, kept) in [(Layout::OneLayer, 0), (Layout::Owners, 2), (Layout::Nixpkgs, 2), (Layout::Nix2container, 2)]
    {
        let mut images = versions(&[old, new]);
        // Who rebuilds an image stamps everything anew.
        images[1][0].iter_mut().for_each(|entry| entry.mtime.secs += 1);
        let found = sequence(layout, &images);
        let same = found[1].iter().filter(|layer| found[0].iter().any(|old| old.digest == layer.digest)).count();
        assert_eq!(same, kept, "{layout:?}");
        let size = |layers: &[Arc<PullLayer>]| layers.iter().map(|layer| layer.size).sum::<u64>();
        // What did not change has the size that was seen first.
        assert_eq!(size(&found[0]), size(&found[1]), "{layout:?}");
    }
}

#[test]
fn a_mode_or_a_name_makes_another_layer() {
    let old = versions(&[&[("b", 2, 500)]]);
    let mut mode = old.clone();
    mode[0][0][0].traits = Traits::from_digest([2; 32]);
    for other in [versions(&[&[("c", 2, 500)]]), mode] {
        let found = sequence(Layout::OneLayer, &[old[0].clone(), other[0].clone()]);
        assert_ne!(found[0][0].digest, found[1][0].digest);
    }
}

#[test]
fn links_carry_their_content_once() {
    let mut version = versions(&[&[("a", 1, 500), ("b", 2, 100)]]);
    let target = Some(TarPath::new(b"b").unwrap());
    let link = Entry { kind: EntryKind::HardLink, target, content: None, ..entry(&("c", 0, 0)) };
    version[0][0].push(link);
    for layout in Layout::ALL {
        let layers = &sequence(layout, &version)[0];
        let mut all: Vec<u8> = contents(layers).concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2], "{layout:?}");
    }
}

#[test]
fn a_planned_update_is_what_changed() {
    let old: &[Spec<'_>] = &[("a/1", 1, 5 * MIB), ("b/1", 2, 5 * MIB), ("c/1", 3, 5 * MIB)];
    let new: &[Spec<'_>] = &[("a/1", 1, 5 * MIB), ("b/1", 4, 3 * MIB), ("c/1", 3, 5 * MIB)];
    let cost = |layout| {
        let mut tally = Tally::default();
        let mut costs = sequence(layout, &versions(&[old, new]))
            .into_iter()
            .map(|it| tally.add(Instances::alone(it), 7, &[PLAIN, PODMAN]));
        let ((first, stored), (update, added)) = (costs.next().unwrap(), costs.next().unwrap());
        assert_eq!((first[0].blob_bytes - 7, first[0].outcome), (stored, PullOutcome::Whole));
        assert!((15 * MIB..16 * MIB).contains(&stored), "{stored}");
        (update[0].blob_bytes, update[1].blob_bytes, added)
    };
    let is_about = |bytes, mib| (mib * MIB..mib * MIB + 20_000).contains(&bytes);
    let (plain, podman, added) = cost(Layout::OneLayer);
    assert!(is_about(plain, 13) && is_about(podman, 3) && is_about(added, 13), "{plain} {podman} {added}");
    for layout in [Layout::Owners, Layout::Nixpkgs, Layout::Nix2container, Layout::Planned] {
        let (plain, podman, added) = cost(layout);
        assert!(is_about(plain, 3) && is_about(podman, 3) && is_about(added, 3), "{layout:?} {plain} {podman} {added}");
    }
}

fn image() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    const NAMES: [&str; 6] = ["a", "b", "c", "d/x", "d/y", "x"];
    let file = (0_usize..6, 0_u8..8, 1_u64..50);
    vec(vec(file, 0..6), 1..4).prop_map(|layers| {
        let layer = |files: Vec<(usize, u8, u64)>| {
            let files: HashMap<usize, (u8, u64)> = files.into_iter().map(|(at, n, stored)| (at, (n, stored))).collect();
            files.into_iter().map(|(at, (n, stored))| entry(&(NAMES[at], n, stored))).collect()
        };
        layers.into_iter().map(layer).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Every layout holds what the image shows, and a blob is as long as what stands in it.
    #[test]
    fn nothing_is_lost(images in vec(image(), 1..4)) {
        for layout in Layout::ALL {
            for (layers, image) in sequence(layout, &images).iter().zip(&images) {
                let entries: Vec<&[Entry]> = image.iter().map(Vec::as_slice).collect();
                let held: Vec<u8> = contents(layers).concat();
                let shown: Vec<u8> = merge(&entries)
                    .into_iter()
                    .filter_map(|(_, shown)| shown.entry())
                    .map(|node| entries[node.inode.0 as usize][node.inode.1 as usize].content.unwrap())
                    .map(|content| content.digest.as_bytes()[0])
                    .collect();
                prop_assert!(shown.iter().all(|content| held.contains(content)), "{layout:?}");
                prop_assert!(layout == Layout::Planned || held.len() == shown.len(), "{layout:?}");
                for layer in layers {
                    let index = layer.index.as_ref().unwrap();
                    let spans: Vec<_> = [index.toc, index.tar_split].into_iter().chain(index.files.iter().map(|file| file.span)).collect();
                    prop_assert!(spans.windows(2).all(|pair| pair[0].end() <= pair[1].start()));
                    prop_assert!(spans.last().unwrap().end() <= layer.size);
                }
            }
        }
    }
}
