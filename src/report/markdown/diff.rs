//! What an update costs.

use std::fmt::Write as _;

use crate::diff::{Diff, Outcome};
use crate::order::changes::{Changes, FileShare, Removed};
use crate::order::cost::{Client, RegistryProfile};

use super::{MOST, cell, code, fitting, notes, packages};
use crate::report::cost::{
    ANY_STORE_MEANS, ONCE, failures, parts, rows, sent, state, stores, upstream, without_layers,
};
use crate::report::facts::{REMOVED, readable, who_takes};
use crate::report::names::NO_PACKAGE;
use crate::report::units::{count, percent, plural, size};

/// Owners that have a row.
const OWNERS: usize = 10;
/// Files in the part that is folded.
const FILES: usize = 50;
/// What the line takes that says what is left out.
const LEFT_OUT: usize = 100;

/// The first update in full, and of the others what they cost, as many as have room.
pub fn diff(outcome: &Outcome) -> String {
    let notes = notes(&outcome.notes);
    let mut out = String::new();
    for (at, diff) in outcome.diffs.iter().enumerate() {
        let mut part = one(outcome, diff);
        if at == 0 {
            part.push_str(&tables(outcome, diff));
        } else {
            out.push_str("\n---\n\n");
        }
        if out.len() + part.len() + notes.len() + LEFT_OUT > MOST {
            let left = (outcome.diffs.len() - at) as u64;
            let _ = writeln!(out, "Left out, for want of room: {}.", plural(left, "more update", "more updates"));
            break;
        }
        out.push_str(&part);
    }
    out + &notes
}

fn one(outcome: &Outcome, diff: &Diff) -> String {
    let mut out = format!("### {}\n\n", headline(outcome, diff));
    let platform = outcome.platform.as_ref().map(|platform| format!(", {}", code(&platform.to_string())));
    let _ = writeln!(out, "{} from {}{}\n", code(&outcome.new), code(&diff.old), platform.unwrap_or_default());
    out.push_str(&pulls(outcome, diff));
    let _ = write!(out, "\n{}", plain(diff));
    out
}

/// Packages and files.
fn tables(outcome: &Outcome, diff: &Diff) -> String {
    let mut out = String::new();
    if outcome.diffs.len() > 1 {
        out.push_str("\nPackages and files are told of this update alone; JSON has those of the others.\n");
    }
    if !diff.changes.owners.is_empty() {
        let _ = write!(out, "\n{}", owners(diff));
    }
    if !diff.changes.files.is_empty() {
        let _ = write!(out, "\n{}", files(diff));
    }
    if !diff.changes.removed.is_empty() {
        let _ = write!(out, "\n{}", removed(outcome, &diff.changes));
    }
    out
}

fn headline(outcome: &Outcome, diff: &Diff) -> String {
    let (changes, parts) = (&diff.changes, &diff.changes.parts);
    if let Some(told) = without_layers(diff) {
        return told;
    }
    let registries = [RegistryProfile::MultiRange, RegistryProfile::Bridge];
    let podman = registries.into_iter().filter_map(|registry| diff.pull(Client::Podman, registry));
    let podman = podman.filter(|pull| outcome.choice.shows(pull)).find(|pull| pull.failure().is_none());
    let plain = diff.pull(Client::Plain, RegistryProfile::MultiRange).map_or(parts.bytes(), |pull| pull.blob_bytes());
    let (changed, plain) = (size(changes.changed_bytes), size(plain));
    let costs = match changed == plain {
        true => "as much".to_owned(),
        false => plain.clone(),
    };
    let podman = match podman.map(|pull| size(pull.blob_bytes())) {
        None => String::new(),
        Some(podman) if podman == plain => ", with or without partial pulls".to_owned(),
        Some(podman) => format!(", podman with partial pulls {podman}"),
    };
    format!("This update changes {changed} and costs {costs}{podman}")
}

fn pulls(outcome: &Outcome, diff: &Diff) -> String {
    let mut out = "| client | registry | pulled | requests | ranges |\n| --- | --- | ---: | ---: | ---: |\n".to_owned();
    let rows = rows(diff, &outcome.choice);
    for row in &rows {
        let (client, pulled, requests, ranges) = (row.client(), row.pulled(), row.requests(), row.ranges());
        let _ = writeln!(out, "| {client} | {} | {pulled} | {requests} | {ranges} |", row.registries);
    }
    let failures = failures(&rows);
    if rows.iter().any(|row| row.is_for_any_store()) {
        let _ = writeln!(out, "\n{ANY_STORE_MEANS}");
    }
    let whose = who_takes(diff.old_gzip.is_some(), outcome.new_gzip.is_some());
    out.extend(whose.map(|whose| format!("\n{whose}\n")));
    let told = [sent(&rows), upstream(&rows), stores(diff)].concat();
    if !told.is_empty() || !failures.is_empty() {
        out.push('\n');
    }
    for told in told {
        let _ = writeln!(out, "- {told}");
    }
    for failure in failures {
        let _ = writeln!(out, "- {failure}");
    }
    out
}

/// What a plain client's bytes are.
fn plain(diff: &Diff) -> String {
    let parts_of = &diff.changes.parts;
    if parts_of.bytes() == 0 {
        return "A plain client pulls no layer.\n".to_owned();
    }
    let share = parts_of.avoidable() as f64 / parts_of.bytes() as f64;
    let avoidable = format!("{} ({})", size(parts_of.avoidable()), percent(share));
    let avoidable = match diff.is_first && parts_of.avoidable() > 0 {
        true => format!("clients pull {avoidable} again, {ONCE}"),
        false => format!("**{avoidable} could be avoided**"),
    };
    let mut out = format!(
        "Of the {} of layers that a plain client pulls, {avoidable}. What they are made of:\n\n",
        size(parts_of.bytes()),
    );
    for part in parts(diff) {
        let _ = writeln!(out, "- {}: {}", size(part.bytes), part.what);
    }
    out
}

fn owners(diff: &Diff) -> String {
    let all = &diff.changes.owners;
    let mut out = "| package | new | avoidable | new files |\n| --- | ---: | ---: | ---: |\n".to_owned();
    for share in all.iter().take(OWNERS) {
        let name = diff.owner_name(share.owner).map_or_else(|| format!("*{NO_PACKAGE}*"), cell);
        let (new, avoidable) = (size(share.changed_bytes), size(share.avoidable_bytes));
        let _ = writeln!(out, "| {name} | {new} | {avoidable} | {} |", count(share.changed_files));
    }
    let others = all.iter().skip(OWNERS).map(|share| share.owner.is_some());
    if let Some(others) = packages(others, "other package", "other packages") {
        let _ = writeln!(out, "\nand {others}.");
    }
    out
}

fn files(diff: &Diff) -> String {
    let all = &diff.changes.files;
    let mut out = format!("<details>\n<summary>{}</summary>\n\n", plural(all.len() as u64, "new file", "new files"));
    out.push_str("| file | state | new | package |\n| --- | --- | ---: | --- |\n");
    let row = |file: &FileShare| {
        let (path, new) = (cell(&file.path.to_string()), size(file.changed_bytes));
        let owner = diff.owner_name(file.owner).map_or(String::new(), cell);
        format!("| {path} | {} | {new} | {owner} |\n", state(file.state))
    };
    let rows = fitting(all.iter().take(FILES).map(row));
    out.push_str(&rows.concat());
    if all.len() > rows.len() {
        let _ = writeln!(out, "\nand {}.", plural((all.len() - rows.len()) as u64, "smaller one", "smaller ones"));
    }
    out.push_str("\n</details>\n");
    out
}

fn removed(outcome: &Outcome, changes: &Changes) -> String {
    let mut out = format!("{}:\n\n", plural(changes.counts.removed, "removed path", "removed paths"));
    for Removed { path, layer } in changes.removed.iter().take(REMOVED) {
        let layer = layer.and_then(|layer| outcome.layers.get(layer));
        let layer = layer.map(|layer| format!(", still readable in layer `{}`", layer.digest.short()));
        let _ = writeln!(out, "- {}{}", code(&path.to_string()), layer.unwrap_or_default());
    }
    let left = changes.counts.removed.saturating_sub(REMOVED as u64);
    if left > 0 {
        let _ = writeln!(out, "- and {} more", count(left));
    }
    if let Some(told) = readable(changes.readable) {
        let _ = writeln!(out, "\n{}", told.replace("rechunk --purge PATH", "`rechunk --purge PATH`"));
    }
    out
}
