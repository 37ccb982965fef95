//! What is cleaned where docker's clients count.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn with(clients: &str, hundredths: u32) -> Options {
    Options { clients: clients.parse().unwrap(), ..waste(hundredths) }
}

const PLAIN: &str = "plain=1,podman=1";
const DOCKER: &str = "plain=1,podman=1,docker=1";

/// A small layer far below, a large one on top; in both as much is dead, and one of them has to be cleaned.
fn low_and_high() -> (Vec<Segment>, [Entry; 3]) {
    let low = segment(&[file("low", 1, 10_000), file("old/low", 2, 15_000)]);
    let middle = segment(&[file("middle", 3, 200_000)]);
    let high = segment(&[file("high", 4, 30_000), file("old/high", 5, 15_000)]);
    (vec![low, middle, high], [file("low", 1, 10_000), file("middle", 3, 200_000), file("high", 4, 30_000)])
}

fn states(new: &[Entry], segments: &[Segment], options: &Options) -> Vec<&'static str> {
    planned(new, segments, options).layers.iter().map(|layer| layer.state.name()).collect()
}

#[test]
fn what_is_cleaned_stands_high() {
    let (segments, new) = low_and_high();
    assert_eq!(states(&new, &segments, &with(PLAIN, 1000))[..3], ["cleaned", "kept", "kept"]);
    assert_eq!(states(&new, &segments, &with(DOCKER, 1000))[..3], ["kept", "kept", "cleaned"]);
    // Few of its clients are not worth it.
    assert_eq!(states(&new, &segments, &with("plain=1,docker=0.01", 1000))[..3], ["cleaned", "kept", "kept"]);
}

#[test]
fn within_the_budget_nothing_is_cleaned() {
    let (segments, new) = low_and_high();
    assert_eq!(states(&new, &segments, &with(DOCKER, 1200))[..3], ["kept", "kept", "kept"]);
}

#[test]
fn a_low_cut_cleans_all_above_it() {
    // The budget has no room for the lowest layer's waste, so that all above comes anyway.
    let low = segment(&[file("low", 1, 10_000), file("old/low", 2, 60_000)]);
    let high = segment(&[file("high", 3, 30_000), file("old/high", 4, 15_000)]);
    let rest = segment(&[file("rest", 5, 200_000)]);
    let new = [file("low", 1, 10_000), file("high", 3, 30_000), file("rest", 5, 200_000)];
    let segments = [low, high, rest];
    assert_eq!(states(&new, &segments, &with(PLAIN, 1000))[..3], ["cleaned", "kept", "kept"]);
    assert_eq!(states(&new, &segments, &with("docker=1", 1000))[..3], ["cleaned", "cleaned", "kept"]);
}

#[test]
fn what_others_stand_on_stays() {
    let dead = segment(&[file("dead", 1, 5_000)]);
    let live = segment(&[file("live", 2, 1_000)]);
    let new = [file("live", 2, 1_000)];
    let segments = [dead, live];
    assert_eq!(planned(&new, &segments, &with(PLAIN, 10_000)).dropped, [0]);
    assert!(planned(&new, &segments, &with(DOCKER, 10_000)).dropped.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Waste is within its budget, every file is shown once, and the same input gives the same plan.
    #[test]
    fn the_budget_holds(
        layers in vec(vec((0_u8..40, 1_u64..60_000), 1..8), 1..8),
        stays in vec(proptest::bool::ANY, 40),
        hundredths in 1_u32..6000,
        docker in 1_u32..3,
    ) {
        let mut new: std::collections::BTreeMap<String, Entry> = std::collections::BTreeMap::new();
        let mut segments = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let of_layer: std::collections::BTreeMap<u8, u64> = layer.iter().copied().collect();
            let file = |(&name, &stored): (&u8, &u64)| file(&format!("{name:02}"), name ^ (number as u8).wrapping_mul(41), stored);
            let entries: Vec<Entry> = of_layer.iter().map(file).collect();
            new.extend(entries.iter().map(|entry| (entry.path.to_string(), entry.clone())));
            segments.push(segment(&entries));
        }
        let new: Vec<Entry> = new.into_values().zip(&stays).filter(|(_, stays)| **stays).map(|(entry, _)| entry).collect();
        let options = with(&format!("plain=1,docker={docker}"), hundredths);
        let plan = planned(&new, &segments, &options);
        prop_assert_eq!(&plan, &planned(&new, &segments, &options));
        let kept = |layer: &LayerPlan| layer.state == State::Kept;
        let dead: u64 = plan.layers.iter().map(|layer| layer.dead).sum();
        let size = |layer: &LayerPlan| if kept(layer) { segments[layer.segments[0]].pull.size } else { layer.live };
        let size: u64 = plan.layers.iter().map(size).sum();
        prop_assert!(u128::from(dead) * 10_000 <= u128::from(size) * u128::from(hundredths), "{dead} of {size}");
        let live: u64 = plan.layers.iter().map(|layer| layer.live).sum();
        let shown: u64 = new.iter().filter_map(|entry| entry.content).map(|content| content.stored).sum();
        prop_assert_eq!(live, shown);
    }
}
