//! What is written again, and how finely it is split for that.

use super::*;

/// The segments' states where older images have all of them, newest first, or those from there on alone.
fn states_for(new: &[Entry], segments: &[Segment], older: &[usize]) -> Vec<State> {
    let pulls = pulls(segments);
    let have: Vec<&[Arc<PullLayer>]> = older.iter().map(|&first| &pulls[first..]).collect();
    let labels = vec![vec![Label::default(); new.len()]];
    let old = Old::new(segments, have).unwrap();
    let plan = plan(Given {
        layers: &[new],
        labels: &Labels(&labels),
        old: &old,
        options: &Options::default(),
        agreed: Agreed::default(),
    });
    plan.unwrap().layers.iter().map(|layer| layer.state).collect()
}

#[test]
fn what_the_budget_has_room_for_stays_after_all() {
    let small = segment(&[file("small", 1, 10_000), file("old/small", 2, 9_000)]);
    let large = segment(&[file("large", 3, 50_000), file("old/large", 4, 45_000)]);
    let rest = segment(&[file("rest", 5, 300_000)]);
    let new = [file("small", 1, 10_000), file("large", 3, 50_000), file("rest", 5, 300_000)];
    // The first one by its ratio was not enough, and the second one is without it.
    assert_eq!(states_for(&new, &[small, large, rest], &[0]), [State::Kept, State::Cleaned, State::Kept, State::Fresh]);
}

#[test]
fn a_layer_that_older_images_lack_is_cheap_to_clean() {
    let late = segment(&[file("late", 1, 12_000), file("old/late", 2, 10_000)]);
    let early = segment(&[file("early", 3, 10_000), file("old/early", 4, 10_000)]);
    let rest = segment(&[file("rest", 5, 148_000)]);
    let new = [file("late", 1, 12_000), file("early", 3, 10_000), file("rest", 5, 148_000)];
    let segments = [late, early, rest];
    let cleaned = |older: &[usize]| states_for(&new, &segments, older).iter().position(|it| *it == State::Cleaned);
    assert_eq!(cleaned(&[0]), Some(1));
    assert_eq!(cleaned(&[0, 1]), Some(0));
}

#[test]
fn what_nobody_owns_is_cut_into_parts() {
    let names: Vec<String> = (0..40).map(|n| format!("d/{n:02}")).collect();
    let new: Vec<Entry> = (0..).zip(&names).map(|(n, name)| file(name, n, 100 << 10)).collect();
    let plan = planned(&new, &[], &Options::default());
    // Three files are the least that makes a layer; neighbours stand together.
    assert_eq!(plan.layers.iter().map(|layer| layer.live).max(), Some(300 << 10));
    assert!(shape(&new, &plan)[0].ends_with("/d/00 /d/01 /d/02"));
    assert_eq!(planned(&new[..5], &[], &Options::default()).layers.len(), 1);
}

#[test]
fn a_renewed_base_takes_the_place_of_the_one_before() {
    let new = [file("base", 1, 1000), file("changed", 2, 10), file("app", 3, 500)];
    let fresh = base(&[file("base", 1, 1000), file("changed", 2, 10)]);
    let old = segment(&[file("base", 1, 1000), file("changed", 9, 10)]);
    let app = segment(&[file("app", 3, 500)]);
    assert_eq!(shape_of(&new, &[fresh, old, app], &Options::default()), ["kept [0]", "kept [2]"]);
}

/// A merge drops the bytes around the content of two layers, and then what is dead in a third one is too much. Plans that
/// take back what was cleaned must not take this back.
#[test]
fn what_a_merge_makes_too_much_is_cleaned() {
    let of_size = |size: u64, entries: &[Entry]| {
        let segment = segment(entries);
        Segment { pull: Arc::new(PullLayer { size, ..PullLayer::clone(&segment.pull) }), ..segment }
    };
    let segments = [
        of_size(10_240, &[file("a", 1, 9_000), file("dead", 2, 1_090)]),
        of_size(250, &[file("b", 3, 100)]),
        of_size(250, &[file("c", 4, 100)]),
    ];
    let new = [file("a", 1, 9_000), file("b", 3, 100), file("c", 4, 100), file("new", 5, 250)];
    for clients in ["plain=1,podman=1", "plain=1,docker=1"] {
        let options = Options { max_layers: 4, clients: clients.parse().unwrap(), ..waste(1_000) };
        assert_eq!(planned(&new, &segments, &options).layers[0].state, State::Kept, "{clients}");
        let merged = planned(&new, &segments, &Options { max_layers: 3, ..options });
        assert_eq!(merged.layers.iter().map(|layer| layer.dead).sum::<u64>(), 0, "{clients}: {merged:#?}");
    }
}
