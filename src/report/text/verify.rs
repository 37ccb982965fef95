use std::fmt::Write as _;

use crate::report::units::{plural, printable};
use crate::verify::{Difference, Verdict};

use super::{green, red};

/// A line for each difference, then the answer.
pub fn verify(verdict: &Verdict) -> String {
    let entries = plural(verdict.entries, "entry", "entries");
    if verdict.differences.is_empty() {
        return format!("{}: {entries}\n", green("the same"));
    }
    let mut out = String::new();
    for found in &verdict.differences {
        let _ = writeln!(out, "{}", difference(found));
    }
    let differences = plural(verdict.differences.len() as u64, "difference", "differences");
    let _ = writeln!(out, "{}: {differences} in {entries}", red("not the same"));
    out
}

fn difference(found: &Difference) -> String {
    let (path, what) = (printable(&found.path), printable(&found.what));
    match (found.a.as_str(), found.b.as_str()) {
        ("", "") => format!("{path}: {what}"),
        (a, b) => format!("{path}: {what} {} != {}", side(a), side(b)),
    }
}

fn side(text: &str) -> String {
    if text.is_empty() { "(none)".to_owned() } else { printable(text) }
}
