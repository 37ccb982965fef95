use std::fmt::Write as _;

use crate::cache::{Contents, Stock};
use crate::report::units::{count, plural, size};

use super::super::names::printable;
use super::super::times::utc;
use super::{bold, fill};

/// How much of each kind there is, and when it was used.
pub fn cache(contents: &Contents) -> String {
    let Contents { dir, proofs, indexes, .. } = contents;
    let mut out = String::new();
    let dir = printable(&dir.to_string_lossy());
    let is_empty = proofs.count + indexes.count == 0;
    let sum = |stock: &Stock, one, many| format!("{} ({})", plural(stock.count, one, many), size(stock.bytes));
    match (contents.is_cleared, is_empty) {
        (true, true) => out += &fill(&format!("{}: {dir}", bold("nothing to remove"))),
        (true, false) => {
            let (proofs, indexes) = (sum(proofs, "proof", "proofs"), sum(indexes, "index", "indexes"));
            out += &fill(&format!("{} {proofs} and {indexes}: {dir}", bold("removed")));
        }
        (false, true) => out += &fill(&format!("{}: {dir}", bold("empty"))),
        (false, false) => {
            let _ = writeln!(out, "{}", bold(&dir));
            let _ = writeln!(out, "  {:<9} {:>9}  {:>8}  {:<10}  newest use", "", "number", "size", "oldest use");
            for (name, stock) in [("proofs", proofs), ("indexes", indexes)] {
                let (first, last) = stock.used.map_or(Default::default(), |(first, last)| (day(first), day(last)));
                let (count, size) = (count(stock.count), size(stock.bytes));
                let line = format!("  {name:<9} {count:>9}  {size:>8}  {first:<10}  {last}");
                let _ = writeln!(out, "{}", line.trim_end());
            }
            out += &fill(&format!(
                "Indexes have at most {}; those that were not used for the longest time go first. --clear removes all.",
                size(contents.most)
            ));
        }
    }
    if contents.others > 0 {
        let others = plural(contents.others, "other file or directory", "other files and directories");
        out += &fill(&format!("{others} there: not restrata's, and never removed."));
    }
    out
}

fn day(time: std::time::SystemTime) -> String {
    utc(time).chars().take(10).collect()
}
