use std::fmt::Write as _;

use crate::prune::Pruned;
use crate::report::units::{plural, size};

use super::{MOST, bold, fill, more};

/// What is not needed, the biggest first, then the sum.
pub fn prune(pruned: &Pruned) -> String {
    let mut out = String::new();
    let mut unneeded = pruned.unneeded.clone();
    unneeded.sort_by_key(|(digest, bytes)| (std::cmp::Reverse(*bytes), *digest));
    for (digest, bytes) in unneeded.iter().take(MOST) {
        let _ = writeln!(out, "{}  {:>7}", digest.short(), size(*bytes));
    }
    out += &more(unneeded.len());
    let blobs = |(count, bytes): (u64, u64)| format!("{} ({})", plural(count, "blob", "blobs"), size(bytes));
    let sum = blobs((pruned.unneeded.len() as u64, pruned.unneeded_bytes()));
    let (done, note) = match (pruned.is_done, unneeded.is_empty() && pruned.leftovers.0 == 0) {
        (_, true) => ("nothing to remove".to_owned(), ""),
        (true, false) => (format!("removed {sum}"), ""),
        (false, false) => (format!("{sum} are not needed"), "nothing is removed yet; --force removes them\n"),
    };
    let _ = write!(out, "{}", fill(&format!("{}: {} stay", bold(&done), blobs(pruned.needed))));
    if pruned.leftovers.0 > 0 {
        let (count, bytes) = pruned.leftovers;
        out += &fill(&format!("{} of killed runs ({})", plural(count, "directory", "directories"), size(bytes)));
    }
    out + note
}
