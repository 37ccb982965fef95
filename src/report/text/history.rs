//! What a sequence of versions cost.

use std::fmt::Write as _;

use crate::history::{Outcome, Version};
use crate::order::cost::PullOutcome;
use crate::report::names::NO_PACKAGE;
use crate::report::names::{end_of, printable, shortened};
use crate::report::table::{Align, Table};
use crate::report::units::{count, plural, size};
use crate::report::versions::{image, layout, names, pulled, updates, view};

use super::{MOST, WIDTH, bold, heading, more};

/// So many versions behind are told of.
const BEHIND: [&str; 5] = ["1 behind", "2 behind", "3 behind", "4 behind", "5 behind"];

/// Columns for a version's name.
const NAME: usize = 18;

pub fn history(outcome: &Outcome) -> String {
    let (common, names) = names(&outcome.versions);
    // What differs stands at a name's end.
    let names: Vec<String> = names.iter().map(|name| end_of(name, NAME)).collect();
    let mut out = heading(outcome.platform.as_ref(), None);
    if !common.is_empty() {
        let of = "versions of ";
        let _ = writeln!(out, "{of}{}", shortened(image(&common), WIDTH - of.len()));
    }
    let _ = write!(out, "\n{}{}\n{}", summary(outcome), stands(outcome), versions(outcome, &names));
    for number in 0..outcome.views.len() {
        let _ = write!(out, "\n{}\n{}", pulls(outcome, &names, number), layouts(outcome, number));
    }
    if !outcome.owners.is_empty() {
        let _ = write!(out, "\n{}", owners(outcome));
    }
    out
}

fn summary(outcome: &Outcome) -> String {
    let changes = outcome.versions.len().saturating_sub(1) as u64;
    let stored = outcome.layouts.first().map_or(0, |published| published.stored_bytes());
    format!(
        "{} changed {} of compressed content.\nA registry stores {} of layers for all {}.\n",
        plural(changes, "update", "updates"),
        size(outcome.changed_bytes()),
        size(stored),
        plural(outcome.versions.len() as u64, "version", "versions"),
    )
}

/// How many times what changed each client pulls, of the images as they are.
fn stands(outcome: &Outcome) -> String {
    let mut out = String::new();
    let Some(published) = outcome.layouts.first().filter(|_| outcome.changed_bytes() > 0) else { return out };
    for (number, it) in outcome.views.iter().enumerate() {
        if published.updates(number).all(|cell| cell.outcome != PullOutcome::Failed) {
            let (_, times) = updates(published, number, outcome.changed_bytes());
            let _ = writeln!(out, "Updates pull {times} what changed: {}.", view(*it));
        }
    }
    out
}

fn versions(outcome: &Outcome, names: &[String]) -> String {
    let mut table = Table::new([
        ("version", Align::Left),
        ("layers", Align::Right),
        ("size", Align::Right),
        ("new in registry", Align::Right),
        ("changed content", Align::Right),
    ]);
    for (version, name) in outcome.versions.iter().zip(names) {
        let changed = version.changed_bytes.map_or("-".to_owned(), size);
        let layers = count(version.layers as u64);
        table.row([name.clone(), layers, size(version.size), size(version.added_bytes), changed]);
    }
    table.render()
}

/// What a pull of each version costs clients with an earlier one.
fn pulls(outcome: &Outcome, names: &[String], number: usize) -> String {
    let behind = BEHIND.map(|head| (head, Align::Right));
    let [one, two, three, four, five] = behind;
    let mut table = Table::new([("version", Align::Left), ("first pull", Align::Right), one, two, three, four, five]);
    let cell = |version: &Version, behind: usize| {
        let from = version.updates.len().checked_sub(behind);
        from.map_or(String::new(), |from| pulled(&version.updates[from][number]))
    };
    // Columns without a cell are left out: nobody is two behind when there are two versions.
    for (version, name) in outcome.versions.iter().zip(names) {
        let first = pulled(&version.first_pull[number]);
        let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|behind| cell(version, behind));
        table.row([name.clone(), first, one, two, three, four, five]);
    }
    format!("{}\n\n{}", bold(&view(outcome.views[number])), table.render())
}

fn layouts(outcome: &Outcome, number: usize) -> String {
    let mut table = Table::new([
        ("layout", Align::Left),
        ("layers", Align::Right),
        ("first pull", Align::Right),
        ("all updates", Align::Right),
        ("of changed", Align::Right),
        ("in registry", Align::Right),
    ]);
    for history in &outcome.layouts {
        let (bytes, times) = updates(history, number, outcome.changed_bytes());
        let layers = history.versions.last().map_or(0, |version| version.layers as u64);
        let first = history.first_pull(number).map_or(String::new(), pulled);
        table.row([layout(history).to_owned(), count(layers), first, bytes, times, size(history.stored_bytes())]);
    }
    table.render()
}

fn owners(outcome: &Outcome) -> String {
    let changes = outcome.versions.len().saturating_sub(1);
    let mut table = Table::new([
        ("changed", Align::Right),
        ("new files", Align::Right),
        ("updates", Align::Right),
        ("owner", Align::Left),
    ]);
    for owner in outcome.owners.iter().take(MOST) {
        let name = owner.owner.as_deref().map_or(NO_PACKAGE.to_owned(), printable);
        let updates = format!("{} of {changes}", owner.updates);
        table.row([size(owner.changed_bytes), count(owner.changed_files), updates, name]);
    }
    table.render() + &more(outcome.owners.len())
}
