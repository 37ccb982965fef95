use std::fmt::Write as _;

use crate::report::names::printable;
use crate::report::units::{count, plural};
use crate::verify::{Difference, Verdict};

use super::{green, red};

/// Differences that are listed unless all are asked for.
const MOST: usize = 20;

/// How many differences are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Some, without times: rechunk changes those of most entries.
    Short,
    All,
}

/// A line for each difference, then the answer.
pub fn verify(verdict: &Verdict, listing: Listing) -> String {
    let entries = plural(verdict.entries, "entry", "entries");
    if verdict.is_same() {
        return format!("{}: {entries}\n", green("the same"));
    }
    let all = &verdict.differences;
    let listed: Vec<&Difference> = match listing {
        Listing::All => all.iter().collect(),
        Listing::Short => all.iter().filter(|found| !found.is_time()).take(MOST).collect(),
    };
    let mut out = String::new();
    for found in &listed {
        let _ = writeln!(out, "{}", difference(found));
    }
    let times = all.iter().filter(|found| found.is_time()).count();
    let left_out = all.len() - listed.len();
    if left_out > 0 && !verdict.only_times_differ() {
        let (left_out, times) = (count(left_out as u64), count(times as u64));
        let _ = writeln!(out, "and {left_out} more, {times} of them times (--all lists them)");
    }
    let differences = plural(all.len() as u64, "difference", "differences");
    let _ = writeln!(out, "{}: {differences} in {entries}", red("not the same"));
    if verdict.only_times_differ() {
        out.push_str(ONLY_TIMES);
    }
    out
}

const ONLY_TIMES: &str = "Only times differ. rechunk gives unchanged entries the times of the previous image.
--ignore mtime ignores them; --all lists them.
";

fn difference(found: &Difference) -> String {
    let (path, what) = (printable(&found.path), printable(&found.what));
    let platform = found.platform.as_ref().map(|platform| format!("{platform}: ")).unwrap_or_default();
    let (a, b) = (printable(&found.a), printable(&found.b));
    // One side has nothing to compare with: what the other has says it all.
    match what.contains("only in") {
        true if found.a == ABSENT => format!("{platform}{path}: {what}: {b}"),
        true => format!("{platform}{path}: {what}: {a}"),
        false => format!("{platform}{path}: {what} {a} != {b}"),
    }
}

/// The word of [`crate::verify`] for a side without the entry.
const ABSENT: &str = "absent";
