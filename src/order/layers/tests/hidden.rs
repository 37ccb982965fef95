//! What old layers show too much.

use super::*;

#[test]
fn only_the_highest_path_is_hidden() {
    let old = [entry("d", Dir, None), file("d/x", 1, 1), file("d/y", 2, 1), file("k", 9, 90)];
    let new = [file("k", 9, 90), file("n", 3, 1)];
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["kept [0]", "fresh [] /.wh.d /n"]);
}

#[test]
fn whiteouts_get_a_layer_when_nothing_else_is_written() {
    let old = [file("d", 1, 1), file("k", 9, 90)];
    assert_eq!(shape_of(&old[1..], &[segment(&old)], &lax()), ["kept [0]", "fresh [] /.wh.d"]);
}

#[test]
fn no_layer_is_left_for_whiteouts_that_are_not_needed() {
    let long = "n".repeat(252);
    let old = [segment(&[file("a", 1, 10), file("gone", 2, 1), file(&long, 3, 1)]), segment(&[file("k", 9, 90)])];
    let new = [file("a", 1, 10), file("k", 9, 90)];
    assert_eq!(shape_of(&new, &old, &lax()), ["cleaned [0] /a", "kept [1]"]);
}

#[test]
fn what_the_base_shows_and_nothing_can_hide_is_an_error() {
    let long = "n".repeat(252);
    let (old, new) = ([file(&long, 1, 1), file("k", 9, 90)], [file("k", 9, 90)]);
    let error = planned_with(&new, &[Label::default()], &[base(&old)], &lax()).unwrap_err();
    assert_eq!(error, PlanError::Base { path: path(&long) });
    let plan = planned(&new, &[segment(&old)], &lax());
    assert_eq!((shape(&new, &plan), plan.layers[0].reason), (vec!["cleaned [0] /k".to_owned()], Reason::CannotHide));
}

#[test]
fn a_path_in_many_segments_that_nothing_can_hide() {
    let long = entry(&"n".repeat(252), Dir, None);
    let old: Vec<Segment> = (0..20).map(|n| segment(&[long.clone(), file(&format!("f{n}"), n + 1, 10)])).collect();
    let new = [file("k", 99, 900), file("f3", 4, 10)];
    let plan = planned(&new, &old, &lax());
    assert_eq!(shape(&new, &plan).last().unwrap(), "fresh [] /k");
    assert_eq!(plan.dropped.len() + plan.layers.len(), 21);
}

/// `.wh.` before it would make a name of AUFS's own, which hides nothing.
#[test]
fn a_name_like_a_whiteouts_can_not_be_hidden() {
    let new = [file("d/k", 1, 90)];
    let nameless = [file("d/k", 1, 90), file("d/.wh.", 2, 6)];
    assert_eq!(shape_of(&new, &[segment(&nameless)], &lax()), ["cleaned [0] /d/k"]);
    let below = [file("d/k", 1, 90), file(".wh.c/b", 2, 6)];
    assert_eq!(shape_of(&new, &[segment(&below)], &lax()), ["cleaned [0] /d/k"]);
    let error = planned_with(&new, &[Label::default()], &[base(&below)], &lax()).unwrap_err();
    assert_eq!(error, PlanError::Base { path: path(".wh.c") });
}

#[test]
fn a_layer_of_whiteouts_alone_stays_the_next_time() {
    let (old, new) = ([file("a", 1, 10), file("gone", 2, 1)], [file("a", 1, 10)]);
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["kept [0]", "fresh [] /.wh.gone"]);
    let log = [segment(&old), segment(&[file(".wh.gone", 3, 0)])];
    assert_eq!(shape_of(&new, &log, &lax()), ["kept [0]", "kept [1]"]);
}

/// restrata itself would refuse to read a layer with such a whiteout.
#[test]
fn a_whiteout_is_no_longer_than_a_path_may_be() {
    let dirs = ("d".repeat(99) + "/").repeat(40);
    let kept = file(&format!("{dirs}k"), 9, 90);
    let first_layer = |len: usize| {
        let gone = file(&format!("{dirs}{}", "n".repeat(len)), 1, 1);
        shape_of(std::slice::from_ref(&kept), &[segment(&[kept.clone(), gone])], &lax())[0].clone()
    };
    assert!(first_layer(91).starts_with("cleaned [0]"), "{}", first_layer(91));
    assert_eq!(first_layer(90), "kept [0]");
}
