//! Layers that would be too large. A file unpacks to twice its compressed bytes here.

use super::*;

fn at_most(bytes: u64) -> Options {
    Options { max_layer_size: Some(bytes), ..lax() }
}

fn shape_with(new: &[Entry], owners: &[Option<u32>], segments: &[Segment], options: &Options) -> Vec<String> {
    let labels: Vec<Label> = owners.iter().map(|&owner| Label { owner, ..Label::default() }).collect();
    shape(new, &planned_with(new, &labels, segments, options).unwrap())
}

#[test]
fn files_of_nobody_are_cut_in_path_order() {
    let new = [file("a", 1, 10), file("b", 2, 10), file("c", 3, 10), file("d", 4, 10)];
    assert_eq!(shape_of(&new, &[], &at_most(80)), ["fresh [] /a /b /c /d"]);
    assert_eq!(shape_of(&new, &[], &at_most(79)), ["fresh [] /a /b", "fresh [] /c /d"]);
    assert_eq!(shape_of(&new, &[], &at_most(20)).len(), 4);
    assert_eq!(shape_of(&new, &[], &lax()), ["fresh [] /a /b /c /d"]);
}

#[test]
fn pieces_are_of_about_the_same_size() {
    let new: Vec<Entry> = (0..7).map(|n| file(&format!("f{n}"), n, 10)).collect();
    let pieces = shape_of(&new, &[], &at_most(120));
    assert_eq!(pieces, ["fresh [] /f0 /f1 /f2 /f3", "fresh [] /f4 /f5 /f6"]);
}

#[test]
fn a_file_that_is_larger_stands_alone() {
    let new = [file("a", 1, 10), file("b", 2, 500), file("c", 3, 10)];
    assert_eq!(shape_of(&new, &[], &at_most(100)), ["fresh [] /a /c", "fresh [] /b"]);
    assert_eq!(shape_of(&new[1..2], &[], &at_most(100)), ["fresh [] /b"]);
}

#[test]
fn what_a_package_has_stays_together() {
    let new = [file("a/p", 1, 10), file("a/q", 2, 10), file("b/p", 3, 10), file("b/q", 4, 10)];
    let owners = [Some(0), Some(1), Some(0), Some(1)];
    assert_eq!(shape_with(&new, &owners, &[], &at_most(60)), ["fresh [] /a/p /b/p", "fresh [] /a/q /b/q"]);
    // Of one that is too large itself, files are cut.
    let one = [Some(0); 4];
    assert_eq!(shape_with(&new, &one, &[], &at_most(60)), ["fresh [] /a/p /a/q", "fresh [] /b/p /b/q"]);
}

#[test]
fn what_stays_is_not_cut() {
    let old = [file("a", 1, 100), file("b", 2, 100)];
    let new = [file("a", 1, 100), file("b", 2, 100), file("c", 3, 10), file("d", 4, 10)];
    assert_eq!(shape_of(&new, &[segment(&old)], &at_most(20)), ["kept [0]", "fresh [] /c", "fresh [] /d"]);
}

#[test]
fn what_would_be_cleaned_is_cut() {
    let old = [file("a", 1, 10), file("b", 2, 10), file("dead", 9, 100)];
    let big = [file("big", 5, 1000)];
    let new = [file("a", 1, 10), file("b", 2, 10), file("big", 5, 1000)];
    let segments = [segment(&old), segment(&big)];
    assert_eq!(shape_of(&new, &segments, &waste(0)), ["cleaned [0] /a /b", "kept [1]"]);
    let options = Options { max_layer_size: Some(20), ..waste(0) };
    assert_eq!(shape_of(&new, &segments, &options), ["kept [1]", "fresh [] /a", "fresh [] /b"]);
}

#[test]
fn merges_keep_to_it_while_they_can() {
    let log: Vec<Segment> =
        (0..4).map(|n| segment(&[file(&format!("f{n}"), n, [10, 10, 30, 30][n as usize])])).collect();
    let new: Vec<Entry> = log.iter().flat_map(|segment| segment.entries.to_vec()).chain([file("new", 9, 25)]).collect();
    let options = |max_layers, size| Options { max_layers, max_layer_size: size, ..lax() };
    assert_eq!(shape_of(&new, &log, &options(4, None)).last().unwrap(), "merged [1] /new /f1");
    let fits = shape_of(&new, &log, &options(4, Some(60)));
    assert_eq!(fits[0], "merged [0, 1] /f0 /f1");
    assert_eq!(fits.len(), 4);
    // No two fit: the number of layers goes first.
    assert_eq!(shape_of(&new, &log, &options(4, Some(1))).len(), 4);
}

#[test]
fn there_are_no_more_pieces_than_layers() {
    let new: Vec<Entry> = (0..64).map(|n| file(&format!("f{n:02}"), n, 10)).collect();
    let options = Options { max_layers: 8, ..at_most(20) };
    let pieces = shape_of(&new, &[], &options);
    assert_eq!(pieces.len(), 8);
    assert!(pieces.iter().all(|piece| piece.matches('/').count() == 8), "{pieces:?}");
}
