//! Families over versions, as a run plans them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::digest::BlobDigest;
use crate::order::cost::PullLayer;
use crate::order::layers::tests::{file, segment};
use crate::order::layers::{Agreed, Given, Label, Labels, Old, Options, Share, Standing, plan};
use crate::order::tree::{WHITEOUT, merge};
use crate::order::{LayerPlan, State};

/// Paths with their contents and compressed bytes.
type Tree = BTreeMap<String, (u8, u64)>;

/// The published layers of each member, bottom first.
type Published = Vec<Vec<Segment>>;

fn entries_of(tree: &Tree) -> Vec<Entry> {
    tree.iter().map(|(name, &(content, stored))| file(name, content, stored)).collect()
}

fn pulls(segments: &[Segment]) -> Vec<Arc<PullLayer>> {
    segments.iter().map(|segment| Arc::clone(&segment.pull)).collect()
}

/// What a member can build on: its own layers, and those of others and `offers` that it lacks.
fn log(own: &[Segment], others: &Published, offers: &[Segment]) -> Vec<Segment> {
    let mut log: Vec<Segment> = own.iter().map(|own| Segment { is_shared: false, ..own.clone() }).collect();
    for other in others.iter().flatten().chain(offers) {
        if log.iter().all(|known| known.pull.digest != other.pull.digest) {
            log.push(Segment { is_shared: true, ..other.clone() });
        }
    }
    log
}

/// A version of every member; `None` for one that is not there. Returns what is published then, and the plans.
fn version(members: &[Option<Tree>], before: &Published, options: &Options) -> (Published, Vec<Plan>) {
    let trees: Vec<Vec<Entry>> = members.iter().map(|tree| tree.as_ref().map(entries_of).unwrap_or_default()).collect();
    let there = || (0..members.len()).filter(|&member| members[member].is_some());
    let given = |member: usize,
                 offers: &[Segment],
                 agreed: &dyn Fn(&[Segment]) -> Vec<Standing>,
                 sets,
                 work: &mut dyn FnMut(Given<'_>)| {
        let log = log(&before[member], before, offers);
        let have = pulls(&before[member]);
        let old = Old::new(&log, if have.is_empty() { vec![] } else { vec![&have] }).unwrap();
        let labels = vec![vec![Label::default(); trees[member].len()]];
        let standing = agreed(&log);
        let agreed = Agreed { member, standing: &standing, sets };
        let layers: &[&[Entry]] = &[&trees[member]];
        work(Given { layers, labels: &Labels(&labels), old: &old, options, agreed });
    };
    let mut usages = Usages::default();
    there().for_each(|member| given(member, &[], &|_| Vec::new(), None, &mut |given| usages.add(given).unwrap()));
    let standings = usages.settle(options);
    let numbers: Vec<usize> = there().collect();
    let number = |member: usize| numbers.iter().position(|other| *other == member).unwrap();
    let told = |member: usize| {
        let standings = &standings;
        move |log: &[Segment]| log.iter().map(|it| standings.of(number(member), it.pull.digest)).collect::<Vec<_>>()
    };
    let mut surveyed = Surveyed::default();
    there().for_each(|member| given(member, &[], &told(member), None, &mut |given| surveyed.add(given).unwrap()));
    let sets = surveyed.sets(options.max_layers);
    let (mut offers, mut published, mut plans) = (Vec::new(), vec![Vec::new(); members.len()], Vec::new());
    for member in there() {
        let told = |log: &[Segment]| {
            let is_offer = |it: &Segment| before.iter().flatten().all(|old| old.pull.digest != it.pull.digest);
            let standing = |it: &Segment| match is_offer(it) {
                true => Standing::Stays,
                false => standings.of(number(member), it.pull.digest),
            };
            log.iter().map(standing).collect()
        };
        let mut more = Vec::new();
        given(member, &offers, &told, Some(&sets), &mut |given| {
            let plan = plan(given).unwrap();
            let new: Vec<(usize, Segment)> = offered(&plan, given.layers, given.old.segments())
                .into_iter()
                // Each has a digest of its own.
                .map(|(number, it)| (number, Segment { is_shared: true, ..segment(&it.entries) }))
                .collect();
            let layer = |(number, layer): (usize, &LayerPlan)| match (layer.state, layer.segments.as_slice()) {
                (State::Kept, [kept]) => given.old.segments()[*kept].clone(),
                _ => match new.iter().find(|(at, _)| *at == number) {
                    Some((_, segment)) => segment.clone(),
                    None => segment(&entries(layer, given.layers)),
                },
            };
            published[member] = plan.layers.iter().enumerate().map(layer).collect();
            more.extend(new.into_iter().map(|(_, segment)| segment));
            plans.push(plan);
        });
        offers.append(&mut more);
    }
    (published, plans)
}

fn shown(layers: &[Segment]) -> Tree {
    let layers: Vec<&[Entry]> = layers.iter().map(|layer| layer.entries.as_slice()).collect();
    let shown = merge(&layers).into_iter().filter_map(|(path, shown)| {
        let (layer, entry) = shown.entry()?.inode;
        let content = layers[layer as usize][entry as usize].content?;
        Some((path.to_string().trim_start_matches('/').to_owned(), (content.digest.as_bytes()[0], content.stored)))
    });
    shown.collect()
}

fn is_whiteout(entry: &Entry) -> bool {
    entry.path.file_name().starts_with(WHITEOUT)
}

/// Bytes of content in layers, each layer once.
fn stored<'a>(layers: impl Iterator<Item = &'a Segment>) -> u64 {
    let mut seen: Vec<BlobDigest> = Vec::new();
    let mut sum = 0;
    for layer in layers {
        if !seen.contains(&layer.pull.digest) {
            seen.push(layer.pull.digest);
            sum += layer.entries.iter().filter_map(|entry| entry.content).map(|content| content.stored).sum::<u64>();
        }
    }
    sum
}

fn tree(files: &[(&str, u8, u64)]) -> Tree {
    files.iter().map(|&(name, content, stored)| (name.to_owned(), (content, stored))).collect()
}

const MB: u64 = 1 << 20;

#[test]
fn what_all_have_is_written_once() {
    let members = [
        Some(tree(&[("all", 1, 9 * MB), ("two", 2, 5 * MB), ("a", 3, MB)])),
        Some(tree(&[("all", 1, 9 * MB), ("two", 2, 5 * MB)])),
        Some(tree(&[("all", 1, 9 * MB), ("c", 4, MB)])),
    ];
    let (published, _) = version(&members, &vec![Vec::new(); 3], &Options::default());
    assert_eq!(stored(published.iter().flatten()), 16 * MB);
    for (layers, tree) in published.iter().zip(&members) {
        assert_eq!(Some(shown(layers)), *tree);
    }
    assert_eq!(published[1].len(), 2);
}

#[test]
fn an_update_of_what_all_have_is_written_once() {
    let all = |content| ("all", content, 5 * MB);
    let first = [Some(tree(&[all(1), ("a", 3, 90 * MB)])), Some(tree(&[all(1), ("b", 4, 90 * MB)]))];
    let second = [Some(tree(&[all(2), ("a", 3, 90 * MB)])), Some(tree(&[all(2), ("b", 4, 90 * MB)]))];
    let (one, _) = version(&first, &vec![Vec::new(); 2], &Options::default());
    let (two, _) = version(&second, &one, &Options::default());
    assert_eq!(stored(one.iter().chain(&two).flatten()) - stored(one.iter().flatten()), 5 * MB);
    assert_eq!(shown(&two[0]), second[0].clone().unwrap());
    assert_eq!(shown(&two[1]), second[1].clone().unwrap());
}

#[test]
fn who_joins_takes_what_others_have() {
    let one = [Some(tree(&[("all", 1, 9 * MB), ("a", 3, MB)])), None];
    let (before, _) = version(&one, &vec![Vec::new(); 2], &Options::default());
    let two = [one[0].clone(), Some(tree(&[("all", 1, 9 * MB), ("b", 5, MB)]))];
    let (after, _) = version(&two, &before, &Options::default());
    assert_eq!(stored(after.iter().flatten()), 11 * MB);
}

/// A layer is cleaned for nobody or for all.
#[test]
fn what_one_cleans_goes_for_all() {
    let common = |n: u8| (0..8).map(move |k| (format!("c{k}"), (if k < n { 100 + k } else { k }, MB)));
    let member = |n, own: u8| Some(common(n).chain([(format!("own{own}"), (200 + own, 4 * MB))]).collect::<Tree>());
    let (before, _) = version(&[member(0, 0), member(0, 1)], &vec![Vec::new(); 2], &Options::default());
    let (after, _) = version(&[member(3, 0), member(3, 1)], &before, &Options::default());
    // A tenth of what each has may be dead.
    assert!(stored(after.iter().flatten()) * 10 <= 16 * MB * 11);
}

fn trees() -> impl Strategy<Value = Tree> {
    btree_map("[a-d](/[a-c]){0,1}", (0_u8..5, prop_oneof![Just(1_u64), Just(70 << 10), Just(3 << 20)]), 0..9)
        .prop_map(sound)
}

/// No file is a directory as well, and what is equal has one size.
fn sound(mut tree: Tree) -> Tree {
    let names: Vec<String> = tree.keys().cloned().collect();
    tree.retain(|name, _| !names.iter().any(|other| other.starts_with(&format!("{name}/"))));
    tree.values_mut()
        .for_each(|(content, stored)| *stored = [1, 70 << 10, 3 << 20, 5, 99][usize::from(*content)].max(*stored % 2));
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    /// Members join, leave and change as they like.
    #[test]
    fn every_member_is_as_it_must_be(
        versions in vec(vec(proptest::option::weighted(0.8, trees()), 3), 1..5),
        max_layers in 3_usize..12,
        waste in prop_oneof![Just(0_u32), Just(1000), Just(4000), Just(10_000)],
    ) {
        let options = Options { max_layers, max_waste: Share(waste), ..Options::default() };
        let mut before: Published = vec![Vec::new(); 3];
        for members in versions {
            let (after, plans) = version(&members, &before, &options);
            for ((layers, tree), plan) in after.iter().zip(&members).filter(|(_, tree)| tree.is_some()).zip(&plans) {
                prop_assert_eq!(Some(&shown(layers)), tree.as_ref());
                prop_assert!(layers.len() <= max_layers, "{} layers", layers.len());
                let (dead, all) = (plan.layers.iter().map(|layer| layer.dead).sum::<u64>(), stored(layers.iter()));
                prop_assert!(dead * 10_000 <= (all + 100 * layers.len() as u64) * u64::from(waste), "{dead} of {all} dead");
            }
            // What one hides is nobody else's.
            let (again, _) = version(&members, &before, &options);
            let sizes = |published: &Published| -> Vec<Vec<usize>> {
                published.iter().map(|layers| layers.iter().map(|layer| layer.entries.len()).collect()).collect()
            };
            prop_assert_eq!(sizes(&again), sizes(&after));
            for (n, layers) in after.iter().enumerate() {
                let others: Vec<&Segment> = after.iter().enumerate().filter(|(m, _)| *m != n).flat_map(|(_, it)| it).collect();
                let is_common = |layer: &&Segment| others.iter().any(|other| other.pull.digest == layer.pull.digest);
                let is_new = |layer: &&Segment| before.iter().flatten().all(|old| old.pull.digest != layer.pull.digest);
                let hides = layers.iter().filter(is_common).filter(is_new).any(|layer| layer.entries.iter().any(is_whiteout));
                prop_assert!(!hides, "a common layer hides something");
            }
            before = members.iter().zip(before).zip(after).map(|((tree, old), new)| if tree.is_some() { new } else { old }).collect();
        }
    }
}
