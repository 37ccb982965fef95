//! What an update costs.

use std::fmt::Write as _;

use crate::diff::{Diff, Outcome};
use crate::order::changes::{Changes, Counts, Removed};
use crate::order::cost::{Client, Pull};
use crate::report::cost::{ANY_STORE_MEANS, ONCE, failures, parts, rows, sent, state, stores, upstream};
use crate::report::facts::{REMOVED, readable, who_takes};
use crate::report::names::{NO_PACKAGE, printable};
use crate::report::table::{Align, Table};
use crate::report::units::{count, percent, plural, size};

use super::{MOST, WIDTH, bold, fill, heading, more, name};

/// Columns for the clients of a row.
const CLIENTS: usize = 18;

pub fn diff(outcome: &Outcome) -> String {
    let diffs: Vec<String> = outcome.diffs.iter().map(|diff| diff_text(outcome, diff)).collect();
    diffs.join("\n")
}

/// Says which pull costs more than the limit of so many bytes.
pub fn over(diff: &Diff, pull: &Pull, limit: u64) -> String {
    // Rounded alike, they would say that nothing is wrong.
    let told = |bytes: u64| match size(limit) == size(pull.blob_bytes()) {
        true => plural(bytes, "byte", "bytes"),
        false => size(bytes),
    };
    let (limit, found) = match pull.failure() {
        Some((layer, why)) => (size(limit), format!("a pull that fails at layer {layer}: {why}")),
        None => (told(limit), told(pull.blob_bytes())),
    };
    let client = match pull.client {
        Client::Plain => "a plain client".to_owned(),
        Client::PlainGzip => "a plain client that takes gzip images".to_owned(),
        Client::Docker => "docker with a graph driver".to_owned(),
        client => format!("{} on {}", client.name(), pull.registry.name()),
    };
    format!("expected at most {limit} for {client} that has {}, found {found}", printable(&diff.old))
}

/// Says that a limit for a plain client is none for docker.
pub fn docker_over(pull: &Pull, limit: u64) -> String {
    format!(
        "the limit of {} holds for a plain client; docker with a graph driver pulls {} (--client docker checks it)",
        size(limit),
        size(pull.blob_bytes())
    )
}

fn diff_text(outcome: &Outcome, diff: &Diff) -> String {
    let from = "an update from ";
    let old = name(&diff.old, WIDTH - from.len());
    let mut out = format!("{}\n{from}{old}\n", bold(&name(&outcome.new, WIDTH)));
    out.push_str(&heading(outcome.platform.as_ref(), None));
    let _ = write!(out, "\n{}\n{}\n{}", summary(diff), pulls(outcome, diff), plain(diff));
    if !diff.changes.owners.is_empty() {
        let _ = write!(out, "\n{}", owners(diff));
    }
    if !diff.changes.files.is_empty() {
        let _ = write!(out, "\n{}", files(&diff.changes));
    }
    if !diff.changes.removed.is_empty() {
        let _ = write!(out, "\n{}", removed(outcome, &diff.changes));
    }
    out
}

fn summary(diff: &Diff) -> String {
    let changes = &diff.changes;
    let files = plural(changes.changed_files(), "file", "files");
    let (pulled, avoidable) = (changes.parts.bytes(), changes.parts.avoidable());
    let share = if pulled == 0 { 0.0 } else { avoidable as f64 / pulled as f64 };
    let of_all =
        format!("{} of the {} of layers that a plain client pulls ({})", size(avoidable), size(pulled), percent(share));
    let avoidable = match diff.is_first && avoidable > 0 {
        true => fill(&format!("Pulled again, {of_all}, {ONCE}.")),
        false => format!("Avoidable: {of_all}.\n"),
    };
    format!(
        "New to clients: {files}, {} compressed.\n{avoidable}{}",
        size(changes.changed_bytes),
        entries(&changes.counts),
    )
}

fn entries(counts: &Counts) -> String {
    let Counts { added, removed, changed, metadata, times, same } = *counts;
    let told = [(added, "added"), (removed, "removed"), (changed, "changed"), (same, "same")];
    let told = told.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(n)));
    let told: Vec<String> = told.collect();
    let mut out = match told.is_empty() {
        true => "Paths: none added, removed, changed or the same.\n".to_owned(),
        false => fill(&format!("Paths: {}.", told.join(", "))),
    };
    for (n, what) in [(metadata, "mode, owner or xattrs"), (times, "time")] {
        if n > 0 {
            let _ = writeln!(out, "Paths of which only the {what} changed: {}.", count(n));
        }
    }
    out
}

fn pulls(outcome: &Outcome, diff: &Diff) -> String {
    let mut table = Table::new([
        ("client", Align::Left),
        ("pulled", Align::Right),
        ("requests", Align::Right),
        ("ranges", Align::Right),
        ("registries", Align::Left),
    ]);
    let rows = rows(diff, &outcome.choice);
    let failures: String = failures(&rows).iter().map(|failure| fill(&failure.to_string())).collect();
    let sent: String = sent(&rows).iter().map(|sent| fill(&format!("{sent}."))).collect();
    let upstream: String = upstream(&rows).iter().map(|upstream| fill(&format!("{upstream}."))).collect();
    let any_store = rows.iter().any(|row| row.is_for_any_store()).then(|| fill(ANY_STORE_MEANS));
    for row in rows {
        let client = row.client();
        // Names that would take the registries' room go below each other.
        let (first, others) = match client.len() > CLIENTS {
            true => client.split_once(' ').unwrap_or((&client, "")),
            false => (client.as_str(), ""),
        };
        table.row([first.to_owned(), row.pulled(), row.requests(), row.ranges(), row.registries]);
        for name in others.split(' ').filter(|name| !name.is_empty()) {
            table.row([name.to_owned(), String::new(), String::new(), String::new(), String::new()]);
        }
    }
    let stores: String = stores(diff).iter().map(|told| fill(told)).collect();
    let whose = who_takes(diff.old_gzip.is_some(), outcome.new_gzip.is_some()).map(fill);
    let above = table.render() + &any_store.unwrap_or_default() + &whose.unwrap_or_default();
    above + &sent + &upstream + &failures + &stores
}

/// What a plain client's bytes are.
fn plain(diff: &Diff) -> String {
    let mut table = Table::new([("bytes", Align::Right), ("of what a plain client pulls", Align::Left)]);
    parts(diff).for_each(|part| table.row([size(part.bytes), part.what]));
    table.row([size(diff.changes.parts.bytes()), "layers in all, without the config".to_owned()]);
    table.render()
}

fn owners(diff: &Diff) -> String {
    let mut table = Table::new([
        ("new", Align::Right),
        ("avoidable", Align::Right),
        ("new files", Align::Right),
        ("owner", Align::Left),
    ]);
    let all = &diff.changes.owners;
    for share in all.iter().take(MOST) {
        let name = diff.owner_name(share.owner).map_or(NO_PACKAGE.to_owned(), printable);
        table.row([size(share.changed_bytes), size(share.avoidable_bytes), count(share.changed_files), name]);
    }
    table.render() + &more(all.len())
}

fn files(changes: &Changes) -> String {
    let mut table = Table::new([
        ("new", Align::Right),
        ("content", Align::Right),
        ("state", Align::Left),
        ("biggest new files", Align::Left),
    ]);
    for file in changes.files.iter().take(MOST) {
        let path = printable(&file.path.to_string());
        table.row([size(file.changed_bytes), size(file.size), state(file.state).to_owned(), path]);
    }
    table.render() + &more(changes.files.len())
}

fn removed(outcome: &Outcome, changes: &Changes) -> String {
    let mut table = Table::new([("still readable in", Align::Left), ("removed paths", Align::Left)]);
    for Removed { path, layer } in changes.removed.iter().take(REMOVED) {
        let layer = layer.and_then(|layer| outcome.layers.get(layer)).map(|layer| layer.digest.short());
        table.row([layer.unwrap_or_default(), printable(&path.to_string())]);
    }
    let more = match changes.counts.removed.saturating_sub(REMOVED as u64) {
        0 => String::new(),
        left => format!("and {} more\n", count(left)),
    };
    table.render() + &more + &readable(changes.readable).map(|told| fill(&told)).unwrap_or_default()
}
