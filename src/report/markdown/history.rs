//! What a sequence of versions cost.

use std::fmt::Write as _;

use crate::history::{Outcome, Version};
use crate::report::names::NO_PACKAGE;
use crate::report::units::{count, plural, size};
use crate::report::versions::{image, layout, names, pulled, updates, view};

use super::{cell, code, fitting, notes, packages};

/// Owners that have a row.
const OWNERS: usize = 20;

pub fn history(outcome: &Outcome) -> String {
    let mut out = format!("### {}\n\n", headline(outcome));
    for number in 0..outcome.views.len() {
        let _ = writeln!(out, "{}\n", layouts(outcome, number));
    }
    out.push_str(&versions(outcome));
    if !outcome.owners.is_empty() {
        let _ = write!(out, "\n{}", owners(outcome));
    }
    out + &notes(&outcome.notes)
}

fn headline(outcome: &Outcome) -> String {
    let number = outcome.versions.len().saturating_sub(1) as u64;
    format!("{} changed {}", plural(number, "update", "updates"), size(outcome.changed_bytes()))
}

fn layouts(outcome: &Outcome, number: usize) -> String {
    let mut out = format!(
        "| {} | layers | first pull | all updates | of changed | in registry |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
        view(outcome.views[number])
    );
    for history in &outcome.layouts {
        let (bytes, times) = updates(history, number, outcome.changed_bytes());
        let layers = history.versions.last().map_or(0, |version| version.layers as u64);
        let first = history.first_pull(number).map_or(String::new(), pulled);
        let (name, stored) = (layout(history), size(history.stored_bytes()));
        let _ = writeln!(out, "| {name} | {} | {first} | {bytes} | {times} | {stored} |", count(layers));
    }
    out.trim_end().to_owned()
}

/// Each version, with what its update costs. Where not all have room the newest ones are told.
fn versions(outcome: &Outcome) -> String {
    let (common, names) = names(&outcome.versions);
    let views: String = outcome.views.iter().map(|it| format!(" {} |", view(*it))).collect();
    let mut out = if common.is_empty() { String::new() } else { format!("Versions of {}:\n\n", code(image(&common))) };
    let _ = writeln!(out, "| version | layers | size | new in registry | changed content |{views}");
    let _ = writeln!(out, "| --- | ---: | ---: | ---: | ---: |{}", " ---: |".repeat(outcome.views.len()));
    let row = |(version, name): (&Version, &String)| {
        let (layers, bytes, added) = (count(version.layers as u64), size(version.size), size(version.added_bytes));
        let changed = version.changed_bytes.map_or("-".to_owned(), size);
        let cells = version.updates.last().unwrap_or(&version.first_pull);
        let cells: String = cells.iter().map(|cell| format!(" {} |", pulled(cell))).collect();
        format!("| {} | {layers} | {bytes} | {added} | {changed} |{cells}\n", cell(name))
    };
    let rows = fitting(outcome.versions.iter().zip(&names).rev().map(row));
    out.extend(rows.iter().rev().map(String::as_str));
    if let left @ 1.. = (names.len() - rows.len()) as u64 {
        let _ = writeln!(out, "\nLeft out, for want of room: {}.", plural(left, "older version", "older versions"));
    }
    out
}

fn owners(outcome: &Outcome) -> String {
    let all = &outcome.owners;
    let number = outcome.versions.len().saturating_sub(1);
    let owned = all.iter().map(|owner| owner.owner.is_some());
    let summary = packages(owned.clone(), "package that changed", "packages that changed").unwrap_or_default();
    let mut out = format!("<details>\n<summary>{summary}</summary>\n\n");
    out.push_str("| package | updates | changed | new files |\n| --- | ---: | ---: | ---: |\n");
    for owner in all.iter().take(OWNERS) {
        let name = owner.owner.as_deref().map_or_else(|| format!("*{NO_PACKAGE}*"), cell);
        let (changed, files) = (size(owner.changed_bytes), count(owner.changed_files));
        let _ = writeln!(out, "| {name} | {} of {number} | {changed} | {files} |", owner.updates);
    }
    if let Some(others) = packages(owned.skip(OWNERS), "other package", "other packages") {
        let _ = writeln!(out, "\nand {others}.");
    }
    out.push_str("\n</details>\n");
    out
}
