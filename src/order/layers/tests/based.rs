//! A base that was renewed, against an image that stands on the one before.

use super::*;

#[test]
fn what_hides_more_of_the_base_than_it_has_goes() {
    let renewed = base(&[file("a", 1, 100), file("b", 2, 10)]);
    let (former, app) = ([file("a", 3, 100), file("b", 2, 10), file("c", 4, 50)], [file("x", 5, 30)]);
    let new = [file("a", 1, 100), file("b", 2, 10), file("c", 4, 50), file("x", 5, 30)];
    let log = [renewed, segment(&former), segment(&app)];
    assert_eq!(shape_of(&new, &log, &lax()), ["kept [0]", "kept [2]", "fresh [] /c"]);
}

#[test]
fn what_has_more_than_it_hides_stays() {
    let renewed = base(&[file("a", 1, 10), file("b", 2, 10)]);
    let former = [file("a", 3, 10), file("b", 2, 10), file("c", 4, 50)];
    let new = [file("a", 1, 10), file("b", 2, 10), file("c", 4, 50)];
    assert_eq!(shape_of(&new, &[renewed, segment(&former)], &lax()), ["kept [0]", "kept [1]", "fresh [] /a"]);
}

/// One that hid the base's file may have been hidden by another one that did.
#[test]
fn all_that_hides_the_base_goes() {
    let renewed = base(&[file("a", 1, 100)]);
    let log = [renewed, segment(&[file("a", 3, 100), file("c", 4, 5)]), segment(&[file("a", 6, 100), file("d", 7, 5)])];
    let new = [file("a", 1, 100), file("c", 4, 5), file("d", 7, 5)];
    assert_eq!(shape_of(&new, &log, &lax()), ["kept [0]", "fresh [] /c /d"]);
}

#[test]
fn what_the_base_shows_as_it_came_keeps_its_time() {
    let renewed = base(&[at(2, file("a", 1, 100))]);
    let former = [at(1, file("a", 1, 100)), at(1, file("b", 2, 10))];
    let new = [at(2, file("a", 1, 100)), at(2, file("b", 2, 10))];
    let plan = planned(&new, &[renewed, segment(&former)], &lax());
    assert_eq!(shape(&new, &plan), ["kept [0]", "fresh [] /b"]);
    let Written::Entry { mtime, .. } = plan.layers[1].entries[0] else { panic!() };
    assert_eq!(mtime, Some(Time { secs: 1, nanos: 0 }));
}
