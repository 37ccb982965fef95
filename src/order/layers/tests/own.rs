//! Layers that were asked for.

use super::*;

fn own(paths: &[&str]) -> Options {
    Options { own_layers: paths.iter().map(|name| path(name)).collect(), ..lax() }
}

#[test]
fn a_path_has_a_layer_of_its_own() {
    let new = [file("app/a", 1, 10), file("app/b", 2, 10), file("model", 3, 10), file("usr/x", 4, 10)];
    assert_eq!(
        shape_of(&new, &[], &own(&["app", "model"])),
        ["fresh [] /usr/x", "fresh [] /app/a /app/b", "fresh [] /model"]
    );
    // The longest path counts, and so does any name of a file.
    let new = [file("app/a", 1, 10), file("app/b/c", 2, 10), link("m", "app/a"), file("z", 4, 10)];
    assert_eq!(shape_of(&new, &[], &own(&["app", "app/b"])).len(), 3);
    assert_eq!(shape_of(&new, &[], &own(&["m"])), ["fresh [] /app/b/c /z", "fresh [] /app/a /m~"]);
}

#[test]
fn and_so_has_what_changes_there() {
    let old = [file("app/a", 1, 10), file("app/b", 2, 10), file("x", 4, 1000)];
    let new = [file("app/a", 9, 10), file("app/b", 2, 10), file("x", 4, 1000), file("y", 8, 10)];
    assert_eq!(shape_of(&new, &[segment(&old)], &own(&["app"])), ["kept [0]", "fresh [] /y", "fresh [] /app/a"]);
}

#[test]
fn they_are_merged_last() {
    let app = [segment(&[file("app/a", 1, 10)]), segment(&[file("app/b", 2, 10)])];
    let rest = [segment(&[file("x", 4, 1000)]), segment(&[file("y", 8, 900)])];
    let log: Vec<Segment> = app.into_iter().chain(rest).collect();
    let new = [file("app/a", 1, 10), file("app/b", 2, 10), file("x", 4, 1000), file("y", 8, 900)];
    let options = |max_layers| Options { max_layers, ..own(&["app"]) };
    assert_eq!(shape_of(&new, &log, &options(3)), ["kept [0]", "kept [1]", "merged [2, 3] /x /y"]);
    assert_eq!(shape_of(&new, &log, &Options { max_layers: 3, ..lax() })[0], "merged [0, 1] /app/a /app/b");
    assert_eq!(shape_of(&new, &log, &options(2)).len(), 2);
}

/// A static binary is made as a whole: beside others, each build would leave waste there.
#[test]
fn a_program_without_an_owner_stands_apart() {
    let program = |entry: Entry| Entry { is_program: true, ..entry };
    let new = [
        file("a", 1, 2 << 20),
        program(file("bin/large", 2, 1 << 20)),
        program(file("bin/owned", 3, 1 << 20)),
        program(file("bin/small", 4, (1 << 20) - 1)),
        file("data", 5, 2 << 20),
    ];
    let owned = Label { owner: Some(0), ..Label::default() };
    let labels = [Label::default(), Label::default(), owned, Label::default(), Label::default()];
    let plan = planned_with(&new, &labels, &[], &lax()).unwrap();
    let shape = shape(&new, &plan);
    // The small one is one of the others, in path order; larger owners stand above them.
    let expected = ["/a", "/bin/small", "/data", "/bin/large", "/bin/owned"];
    assert_eq!(shape, expected.map(|name| format!("fresh [] {name}")));
}
