use std::fmt::Write as _;

use crate::digest::FileDigest;
use crate::report::names::printable;
use crate::report::units::{count, plural};
use crate::verify::{Difference, Verdict};

use super::{LISTED, Listing, green, red};

/// A line for each difference, then the answer. The short list leaves out times: rechunk changes those of most entries.
pub fn verify(verdict: &Verdict, listing: Listing) -> String {
    let entries = plural(verdict.entries, "entry", "entries");
    if verdict.is_same() {
        return format!("{}: {entries}\n", green("the same"));
    }
    let all = &verdict.differences;
    let listed: Vec<&Difference> = match listing {
        Listing::All => all.iter().collect(),
        Listing::Short => all.iter().filter(|found| !found.is_time()).take(LISTED).collect(),
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
    let (a, b) = match what.as_str() {
        CONTENT => (short_content(&found.a), short_content(&found.b)),
        _ => (printable(&found.a), printable(&found.b)),
    };
    // One side has nothing to compare with: what the other has says it all.
    match what.contains("only in") || what.starts_with(TWIN) {
        true if found.a == ABSENT => format!("{platform}{path}: {what}: {b}"),
        true => format!("{platform}{path}: {what}: {a}"),
        false => format!("{platform}{path}: {what} {a} != {b}"),
    }
}

/// How [`crate::verify`] calls an image that is no twin.
const TWIN: &str = "gzip twin of";

/// The word of [`crate::verify`] for what ends with a digest, which JSON has whole.
const CONTENT: &str = "content";

/// `6 bytes, sha256:5891b5b522d5`
fn short_content(content: &str) -> String {
    let digest = content.rsplit_once(' ').and_then(|(size, digest)| Some((size, digest.parse::<FileDigest>().ok()?)));
    digest.map_or_else(|| printable(content), |(size, digest)| format!("{} sha256:{}", printable(size), digest.short()))
}

/// The word of [`crate::verify`] for a side without the entry.
const ABSENT: &str = "absent";
