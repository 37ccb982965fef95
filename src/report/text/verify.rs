use std::fmt::Write as _;

use crate::report::names::printable;
use crate::report::units::plural;
use crate::verify::{Difference, Verdict};

use super::{green, red};

/// A line for each difference, then the answer.
pub fn verify(verdict: &Verdict) -> String {
    let entries = plural(verdict.entries, "entry", "entries");
    if verdict.is_same() {
        return format!("{}: {entries}\n", green("the same"));
    }
    let mut out = String::new();
    for found in &verdict.differences {
        let _ = writeln!(out, "{}", difference(found));
    }
    let differences = plural(verdict.differences.len() as u64, "difference", "differences");
    let _ = writeln!(out, "{}: {differences} in {entries}", red("not the same"));
    if verdict.only_times_differ() {
        out.push_str(
            "All of them are times, which rechunk takes from the previous image:\n--ignore mtime leaves them out.\n",
        );
    }
    out
}

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
