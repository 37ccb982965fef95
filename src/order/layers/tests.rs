//! One test for each decision.

mod based;
mod budget;
mod cut;
mod debris;
mod hidden;
mod old;
mod own;
mod pieces;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::digest::FileDigest;
use crate::order::cost::{PullIndex, PullLayer};
use crate::order::forecast::{items, numbered, pull_layer};
use crate::order::{Content, Entry, LayerPlan, OverlayMark, Role, State, Traits, Written};
use crate::tar::EntryKind::{self, Dir, HardLink, Regular};
use crate::tar::Time;

fn path(name: &str) -> TarPath {
    TarPath::new(name.as_bytes()).unwrap()
}

fn entry(name: &str, kind: EntryKind, content: Option<Content>) -> Entry {
    let (traits, mtime) = (Traits::from_digest([0; 32]), Time::default());
    Entry {
        path: path(name),
        kind,
        target: None,
        content,
        traits,
        mtime,
        overlay: OverlayMark::None,
        is_setgid: false,
        is_program: false,
    }
}

/// A file with that content, of that many compressed bytes.
pub(super) fn file(name: &str, content: u8, stored: u64) -> Entry {
    let digest = FileDigest::from_bytes([content; 32]);
    entry(name, Regular, Some(Content { digest, size: stored * 2, stored, compiled_from: None }))
}

fn link(name: &str, target: &str) -> Entry {
    Entry { target: Some(path(target)), ..entry(name, HardLink, None) }
}

fn at(secs: i64, entry: Entry) -> Entry {
    Entry { mtime: Time { secs, nanos: 0 }, ..entry }
}

/// Segments have digests of their own.
pub(super) fn segment(entries: &[Entry]) -> Segment {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let stored: u64 = entries.iter().filter_map(|entry| entry.content).map(|content| content.stored).sum();
    let pull = pull_layer(numbered(COUNT.fetch_add(1, Ordering::Relaxed)), &items(entries));
    let pull = Arc::new(PullLayer { size: stored + 100, ..pull });
    Segment { entries: Arc::new(entries.to_vec()), pull, is_base: false, is_broken: false, is_shared: false }
}

fn base(entries: &[Entry]) -> Segment {
    Segment { is_base: true, ..segment(entries) }
}

fn planned_with(new: &[Entry], labels: &[Label], segments: &[Segment], options: &Options) -> Result<Plan, PlanError> {
    let pulls = pulls(segments);
    let old = Old::new(segments, vec![&pulls]).unwrap();
    plan(Given { layers: &[new], labels: &Labels(&[labels.to_vec()]), old: &old, options, agreed: Agreed::default() })
}

/// As clients see segments.
fn pulls(segments: &[Segment]) -> Vec<Arc<PullLayer>> {
    segments.iter().map(|segment| Arc::clone(&segment.pull)).collect()
}

fn planned(new: &[Entry], segments: &[Segment], options: &Options) -> Plan {
    planned_with(new, &vec![Label::default(); new.len()], segments, options).unwrap()
}

/// Every layer as its state, the segments in it and what is written.
fn shape(new: &[Entry], plan: &Plan) -> Vec<String> {
    let name = |written: &Written| match written {
        Written::Entry { at, role: Role::LinkTo(_), .. } => format!("{}~", new[at.1 as usize].path),
        Written::Entry { at, .. } => new[at.1 as usize].path.to_string(),
        Written::Implied { path, mtime, .. } => format!("{path}({})", { mtime.secs }),
        Written::Whiteout(path) => path.to_string(),
    };
    let layer = |layer: &LayerPlan| {
        let names: Vec<String> = layer.entries.iter().map(name).collect();
        format!("{} {:?} {}", layer.state.name(), layer.segments, names.join(" ")).trim_end().to_owned()
    };
    plan.layers.iter().map(layer).collect()
}

fn shape_of(new: &[Entry], segments: &[Segment], options: &Options) -> Vec<String> {
    shape(new, &planned(new, segments, options))
}

/// No waste is too much.
fn lax() -> Options {
    Options { max_waste: Share(10_000), ..Options::default() }
}

fn waste(hundredths: u32) -> Options {
    Options { max_waste: Share(hundredths), ..Options::default() }
}

#[test]
fn an_unchanged_layer_stays() {
    let all = [file("a", 1, 10), file("b", 2, 10)];
    assert_eq!(shape_of(&all, &[segment(&all)], &waste(0)), ["kept [0]"]);
}

#[test]
fn links_that_were_split_are_written_again_except_for_the_ones_left() {
    let old = [file("a", 1, 10), link("b", "a"), file("k", 9, 90)];
    let new = [file("a", 1, 10), file("b", 1, 10), file("k", 9, 90)];
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["kept [0]", "fresh [] /b"]);
}

#[test]
fn links_that_were_joined_are_written_together() {
    let old = [file("a", 1, 10), file("b", 1, 10), file("k", 9, 90)];
    let new = [file("a", 1, 10), link("b", "a"), file("k", 9, 90)];
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["kept [0]", "fresh [] /a /b~"]);
}

#[test]
fn a_new_time_alone_is_no_change() {
    let (old, new) = ([at(5, file("a", 1, 10))], [at(9, file("a", 1, 10))]);
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["kept [0]"]);
    let keep = Options { mtime: Mtime::Keep, ..lax() };
    assert_eq!(shape_of(&new, &[segment(&old)], &keep), ["fresh [] /a"]);
    let clamp = Options { mtime: Mtime::Clamp(Time { secs: 5, nanos: 0 }), ..lax() };
    assert_eq!(shape_of(&new, &[segment(&old)], &clamp), ["kept [0]"]);
}

#[test]
fn a_python_source_keeps_the_time_that_its_byte_code_records() {
    let code = |time| {
        let mut code = file("m.pyc", 7, 10);
        code.content = code.content.map(|content| Content { compiled_from: Some(time), ..content });
        code
    };
    let old = [at(5, file("m.py", 1, 10)), file("k", 9, 90), code(5)];
    let new = |time| [at(9, file("m.py", 1, 10)), file("k", 9, 90), code(time)];
    assert_eq!(shape_of(&new(9), &[segment(&old)], &lax()), ["kept [0]", "fresh [] /m.py"]);
    assert_eq!(shape_of(&new(5), &[segment(&old)], &lax()), ["kept [0]"]);
    // Byte-code under several names comes from a source beside each of them.
    let old = [file("k", 9, 90), at(5, file("z.py", 1, 10)), code(5), link("z.pyc", "m.pyc")];
    let new = [file("k", 9, 90), at(9, file("z.py", 1, 10)), code(9), link("z.pyc", "m.pyc")];
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["kept [0]", "fresh [] /z.py"]);
}

#[test]
fn the_segment_with_most_dead_bytes_for_a_live_one_is_cleaned() {
    let some = segment(&[file("a", 1, 30), file("b", 2, 70)]);
    let most = segment(&[file("c", 3, 60), file("d", 4, 40)]);
    let rest = segment(&[file("k", 9, 900)]);
    let new = [file("b", 2, 70), file("d", 4, 40), file("k", 9, 900)];
    let found = shape_of(&new, &[some, most, rest], &waste(500));
    assert_eq!(found, ["kept [0]", "cleaned [1] /d", "kept [2]", "fresh [] /.wh.a"]);
}

#[test]
fn a_segment_of_which_all_is_dead_goes() {
    let new = [file("k", 9, 900)];
    let segments = [segment(&[file("a", 1, 10)]), segment(&new)];
    let plan = planned(&new, &segments, &waste(0));
    assert_eq!((shape(&new, &plan), plan.dropped), (vec!["kept [1]".to_owned()], vec![0]));
    // While there is room for it, what stands on it need not move.
    let plan = planned(&new, &segments, &lax());
    assert_eq!(plan.layers[0].reason, Reason::StoodOn);
    let plan = planned(&new, &segments, &Options { max_layers: 1, ..lax() });
    assert_eq!(plan.dropped, [0]);
    // Nothing stands on it.
    let plan = planned(&new, &[segment(&new), segment(&[file("a", 1, 10)])], &lax());
    assert_eq!((shape(&new, &plan), plan.dropped), (vec!["kept [0]".to_owned()], vec![1]));
}

#[test]
fn a_large_segment_with_waste_is_laid_out_anew() {
    let old = segment(&[file("a", 1, 500), file("b", 2, 500)]);
    let new = [file("a", 1, 500)];
    let plan = planned(&new, &[old], &waste(0));
    assert_eq!((shape(&new, &plan), plan.dropped), (vec!["fresh [] /a".to_owned()], vec![0]));
}

#[test]
fn a_merge_for_the_limit_keeps_what_changes_always_apart() {
    let hot = Label { change: Change::Always, ..Label::default() };
    let old = [segment(&[file("a", 1, 50)]), segment(&[file("b", 2, 50)]), segment(&[file("h", 3, 1)])];
    let new = [file("a", 1, 50), file("b", 2, 50), file("h", 3, 1)];
    let labels = [Label::default(), Label::default(), hot];
    let plan = planned_with(&new, &labels, &old, &Options { max_layers: 2, ..lax() }).unwrap();
    assert_eq!(shape(&new, &plan), ["merged [0, 1] /a /b", "kept [2]"]);
}

#[test]
fn what_clients_cannot_extract_does_not_stay() {
    let broken = |entries: &[Entry]| Segment { is_broken: true, ..segment(entries) };
    let (below, above) = ([file("a", 1, 10)], [file("b", 2, 10)]);
    let plan = planned(&[below.clone(), above.clone()].concat(), &[broken(&below), segment(&above)], &lax());
    assert_eq!((plan.layers[0].state, plan.layers[0].reason), (State::Cleaned, Reason::Broken));
    let plan = planned(&above, &[broken(&below), segment(&above)], &lax());
    assert_eq!((shape(&above, &plan), plan.dropped), (vec!["kept [1]".to_owned()], vec![0]));
}

#[test]
fn odd_entries_stand_apart() {
    let odd = Label { odd: true, ..Label::default() };
    let new = [file("a", 1, 10), file("o", 2, 10), file("z", 3, 10)];
    let plan = planned_with(&new, &[Label::default(), odd, Label::default()], &[], &lax()).unwrap();
    assert_eq!(shape(&new, &plan), ["fresh [] /a /z", "fresh [] /o"]);
}

#[test]
fn odd_entries_stand_apart_in_spite_of_the_limit() {
    let (plain, odd) = (Label::default(), Label { odd: true, ..Label::default() });
    let hot = Label { change: Change::Always, ..Label::default() };
    let two = Options { max_layers: 2, ..lax() };
    let new = [file("a", 1, 10), file("h", 2, 10), file("o", 3, 10)];
    let plan = planned_with(&new, &[plain, hot, odd], &[], &two).unwrap();
    assert_eq!(shape(&new, &plan), ["fresh [] /o", "fresh [] /a /h"]);
    let new = [file("a", 1, 1), file("b", 2, 50), file("o", 3, 50)];
    let old = [segment(&new[1..2]), segment(&new[2..]), segment(&new[..1])];
    let plan = planned_with(&new, &[plain, plain, odd], &old, &two).unwrap();
    assert_eq!(shape(&new, &plan), ["kept [1]", "merged [0, 2] /b /a"]);
}

#[test]
fn a_file_with_one_odd_path_is_odd() {
    let odd = Label { odd: true, ..Label::default() };
    let new = [file("a", 1, 10), link("o", "a"), file("z", 3, 10)];
    let plan = planned_with(&new, &[Label::default(), odd, Label::default()], &[], &lax()).unwrap();
    assert_eq!(shape(&new, &plan), ["fresh [] /z", "fresh [] /a /o~"]);
}

#[test]
fn canonical_entries_stand_in_path_order_with_the_content_first() {
    let new = [file("b", 1, 10), link("a", "b"), entry("z", Dir, None), file("c", 2, 10)];
    let plan = |canonical| shape_of(&new, &[], &Options { canonical, ..lax() });
    assert_eq!(plan(false), ["fresh [] /z /b /c /a~"]);
    assert_eq!(plan(true), ["fresh [] /a /b~ /c /z"]);
}

/// Other than clients make it when there is no entry.
fn private(entry: Entry) -> Entry {
    Entry { traits: Traits::from_digest([7; 32]), ..entry }
}

#[test]
fn a_directory_without_an_entry_is_shown_by_one_that_says_the_same() {
    let old = [at(5, entry("", Dir, None)), at(6, entry("d", Dir, None)), file("d/a", 1, 10), file("d/b", 2, 10)];
    let new = [file("d/a", 1, 10), file("d/c", 3, 10)];
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["kept [0]", "fresh [] /(5) /d(6) /d/.wh.b /d/c"]);
    assert_eq!(shape_of(&old[2..], &[segment(&old)], &waste(0)), ["kept [0]"]);
    let clamp = |secs| Options { mtime: Mtime::Clamp(Time { secs, nanos: 0 }), ..lax() };
    assert_eq!(shape_of(&old[2..], &[segment(&old)], &clamp(6)), ["kept [0]"]);
    assert_eq!(shape_of(&old[2..], &[segment(&old)], &clamp(5)), ["kept [0]", "fresh [] /(5) /d(5)"]);
    let keep = Options { mtime: Mtime::Keep, ..lax() };
    assert_eq!(shape_of(&old[2..], &[segment(&old)], &keep), ["kept [0]"]);
    let older = [entry("", Dir, None), entry("d", Dir, None), at(-5, file("d/a", 1, 10))];
    assert_eq!(shape_of(&older[2..], &[segment(&older)], &clamp(-5)), ["kept [0]", "fresh [] /(-5) /d(-5)"]);
}

#[test]
fn a_directory_without_an_entry_gets_one_where_another_is_shown() {
    let old =
        [private(entry("", Dir, None)), private(entry("d", Dir, None)), file("d/a", 1, 10), entry("e", Dir, None)];
    let new = [file("d/a", 1, 10), file("e/f", 2, 10)];
    let found = ["kept [0]", "fresh [] /(0) /d(0) /e(0) /e/f"];
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), found);
    assert_eq!(
        planned_with(&new, &[Label::default(); 2], &[base(&old)], &lax()).map(|plan| shape(&new, &plan)),
        Ok(found.map(str::to_owned).to_vec())
    );
    // The next time it is there.
    let above = [entry("", Dir, None), entry("d", Dir, None), entry("e", Dir, None), file("e/f", 2, 10)];
    assert_eq!(shape_of(&new, &[segment(&old), segment(&above)], &lax()), ["kept [0]", "kept [1]"]);
    // A file gives way to what is below it.
    let (old, new) = ([file("d", 3, 10), file("k", 9, 90)], [file("d/a", 1, 10), file("k", 9, 90)]);
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["kept [0]", "fresh [] /d/a"]);
}

#[test]
fn an_empty_directory_without_an_entry_stays() {
    let emptied = |segments: &[Segment]| {
        let (below, above) = ([file("d/a", 1, 10), file("k", 9, 90)], [file("d/.wh.a", 0, 0)]);
        let labels = [vec![Label::default(); 2], vec![Label::default()]];
        let pulls = pulls(segments);
        let old = Old::new(segments, vec![&pulls]).unwrap();
        let plan = plan(Given {
            layers: &[&below, &above],
            labels: &Labels(&labels),
            old: &old,
            options: &lax(),
            agreed: Agreed::default(),
        });
        let plan = plan.unwrap();
        shape(&below, &plan)
    };
    assert_eq!(emptied(&[]), ["fresh [] /d(0) /k"]);
    let old = [at(3, entry("d", Dir, None)), file("k", 9, 90)];
    assert_eq!(emptied(&[segment(&old)]), ["kept [0]"]);
    assert_eq!(emptied(&[segment(&old[1..])]), ["kept [0]", "fresh [] /d(0)"]);
    assert_eq!(emptied(&[segment(&[file("d/a", 1, 10), file("k", 9, 90)])]), ["kept [0]", "fresh [] /d/.wh.a"]);
    // What is pruned leaves its directory.
    let options = Options { prune: vec![Prune { path: path("d/a"), keep_dir: false }], ..lax() };
    assert_eq!(shape_of(&[file("d/a", 1, 10), file("k", 9, 90)], &[], &options), ["fresh [] /d(0) /k"]);
}

#[test]
fn a_directory_without_an_entry_goes_with_its_files() {
    let (old, new) = ([file("d/e/a", 1, 10), file("k", 9, 90)], [file("k", 9, 90)]);
    let hidden = vec!["kept [0]".to_owned(), "fresh [] /.wh.d".to_owned()];
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), hidden);
    assert_eq!(
        planned_with(&new, &[Label::default()], &[base(&old)], &lax()).map(|plan| shape(&new, &plan)),
        Ok(hidden)
    );
    // A layer that hides something in it has it, too.
    let segments = [base(&old), segment(&[file("d/.wh.e", 0, 0), file("l", 3, 90)])];
    let new = [file("k", 9, 90), file("l", 3, 90)];
    let plan = planned_with(&new, &[Label::default(); 2], &segments, &lax()).unwrap();
    assert_eq!(shape(&new, &plan), ["kept [0]", "kept [1]", "fresh [] /.wh.d"]);
}

#[test]
fn a_directory_without_an_entry_that_nothing_can_hide() {
    let long = format!("{}/a", "n".repeat(252));
    let (old, new) = ([file(&long, 1, 1), file("k", 9, 90)], [file("k", 9, 90)]);
    assert_eq!(shape_of(&new, &[segment(&old)], &lax()), ["cleaned [0] /k"]);
    let error = planned_with(&new, &[Label::default()], &[base(&old)], &lax()).unwrap_err();
    assert_eq!(error, PlanError::Base { path: path(&"n".repeat(252)) });
}

/// More of them than there are rounds of mending.
#[test]
fn a_dead_segment_that_holds_purged_content_leaves_no_empty_layer() {
    let (old, kept) = (segment(&[file("a", 1, 10)]), segment(&[file("k", 9, 900)]));
    let options = Options { purge: vec![path("a")], ..lax() };
    let new = [file("k", 9, 900)];
    let plan = planned(&new, &[old, kept], &options);
    assert_eq!((shape(&new, &plan), plan.dropped), (vec!["kept [1]".to_owned()], vec![0]));
}
