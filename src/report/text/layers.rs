//! What the tables of the main job and of its plan share.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt::Write as _;

use crate::order::{Reason, State};
use crate::rechunk::{Hint, OldBlob, PlannedLayer};
use crate::report::facts::{CHANGES_ALWAYS, Waste, why};
use crate::report::names::{columns, no_package};
use crate::report::units::{count, percent, plural, size};

use super::{Listing, fill, name};

/// Layers of a first layout up to this many have a row each; of more, so many of the largest.
const FEW: usize = 15;
const LARGEST: usize = 12;

/// Columns that a line of owners takes at most, and one of them.
const OWNERS: usize = 76;
const OWNER: usize = 60;

/// A row of the table, which is about one layer or about several.
pub(super) struct Row<'a, T> {
    /// At least one.
    pub layers: Vec<&'a T>,
    /// The smaller ones of a first layout.
    is_rest: bool,
}

impl<'a, T> Row<'a, T> {
    fn one(layer: &'a T) -> Self {
        Self { layers: vec![layer], is_rest: false }
    }

    /// `one` is the name of a layer.
    pub fn name(&self, one: impl Fn(&T) -> String) -> String {
        let number = self.layers.len() as u64;
        match self.layers.as_slice() {
            [layer] => one(layer),
            _ if self.is_rest => plural(number, "more layer", "more layers"),
            _ => plural(number, "layer", "layers"),
        }
    }

    /// What all of them are, if that is the same.
    pub fn common(&self, of: impl Fn(&T) -> &'static str) -> &'static str {
        let mut all = self.layers.iter().map(|layer| of(layer));
        let first = all.next().unwrap_or_default();
        if all.all(|other| other == first) { first } else { "" }
    }
}

/// Layers by rows. Those that are kept need nobody's attention: they share a row. In an update, each other one has its own; of
/// a first layout the largest ones.
pub(super) fn rows<'a, T>(
    layers: &'a [T],
    listing: Listing,
    planned: impl Fn(&T) -> &PlannedLayer,
    size: impl Fn(&T) -> u64,
) -> Vec<Row<'a, T>> {
    if listing == Listing::All {
        return layers.iter().map(Row::one).collect();
    }
    let mut rows = Vec::new();
    for reason in [Reason::Base, Reason::Live, Reason::StoodOn, Reason::Shared] {
        let is_alike = |layer: &&T| planned(layer).state == State::Kept && planned(layer).reason == reason;
        let kept: Vec<&T> = layers.iter().filter(is_alike).collect();
        if !kept.is_empty() {
            rows.push(Row { layers: kept, is_rest: false });
        }
    }
    let others: Vec<&T> = layers.iter().filter(|layer| planned(layer).state != State::Kept).collect();
    let is_update = layers.iter().any(|layer| matches!(planned(layer).reason, Reason::Live | Reason::StoodOn));
    let mut by_size: Vec<usize> = (0..others.len()).collect();
    if !is_update && others.len() > FEW {
        by_size.sort_by_key(|&at| Reverse(size(others[at])));
        by_size.truncate(LARGEST);
    }
    let shown: HashSet<usize> = by_size.into_iter().collect();
    let (largest, rest): (Vec<_>, Vec<_>) = others.into_iter().enumerate().partition(|(at, _)| shown.contains(at));
    rows.extend(largest.into_iter().map(|(_, layer)| Row::one(layer)));
    if !rest.is_empty() {
        rows.push(Row { layers: rest.into_iter().map(|(_, layer)| layer).collect(), is_rest: true });
    }
    rows
}

/// Of the layers that the new image has, how many are old ones as they were.
pub(super) fn kept(kept: u64, all: usize) -> String {
    format!("Layers kept: {} of the {} in the new image.", count(kept), count(all as u64))
}

/// What the words in the column of states mean, as far as they stand there.
pub(super) fn legend<'a>(layers: impl IntoIterator<Item = &'a PlannedLayer>) -> String {
    let layers: Vec<&PlannedLayer> = layers.into_iter().collect();
    let meanings = [
        (State::Kept.name(), "clients have this layer"),
        (Reason::Shared.name(), "another image has this layer, too"),
        (State::Cleaned.name(), "a previous layer, rewritten without its dead entries"),
        (State::Merged.name(), "several layers joined"),
        (State::Fresh.name(), "new files"),
    ];
    let is_there = |word: &str| layers.iter().any(|layer| layer.word() == word);
    let told = meanings.into_iter().filter(|(word, _)| is_there(word));
    let mut out: String = told.map(|(word, meaning)| format!("{word}: {meaning}\n")).collect();
    if is_there(State::Cleaned.name()) || layers.iter().any(|layer| layer.dead_bytes > 0) {
        out.push_str("dead entry: one that the new image does not have, or that a layer above hides\n");
    }
    out
}

/// What the column of new content counts. Layers that were not read are not compared.
pub(super) const fn new_content(unread: u64) -> &'static str {
    match unread {
        0 => "new content: what clients lack of it, compressed, each content once\n",
        _ => "new content: what no index of the previous image names, compressed, each once\n",
    }
}

/// A table whose rows of one layer are followed by a line with the layer's owners.
pub(super) fn with_owners<T>(table: &str, rows: &[Row<'_, T>], planned: impl Fn(&T) -> &PlannedLayer) -> String {
    let mut lines = table.lines();
    let mut out = lines.next().map(|head| format!("{head}\n")).unwrap_or_default();
    let about = |row: &Row<'_, T>| match row.layers.as_slice() {
        [one] if planned(one).changes_always => Some(CHANGES_ALWAYS.to_owned()),
        [one] => owners(planned(one)),
        _ => row.is_rest.then(|| "--all lists them".to_owned()),
    };
    for (line, about) in lines.zip(rows.iter().map(about).chain(std::iter::repeat_with(|| None))) {
        let _ = writeln!(out, "{line}");
        out.extend(about.map(|about| format!("  {about}\n")));
    }
    out
}

/// A line for each way in which old layers change.
pub(super) fn changes(layers: &[&PlannedLayer], dropped: &[OldBlob]) -> String {
    let mut out = String::new();
    let mut told = Vec::new();
    for layer in layers.iter().filter(|layer| matches!(layer.state, State::Cleaned | State::Merged)) {
        let alike = |other: &&&PlannedLayer| (other.state, other.reason) == (layer.state, layer.reason);
        if told.iter().any(&alike) {
            continue;
        }
        told.push(layer);
        let number = layers.iter().filter(alike).count() as u64;
        let _ = writeln!(out, "Layers {}: {} ({}).", layer.state.name(), count(number), why(layer.reason));
    }
    let idle = layers.iter().filter(|layer| layer.reason == Reason::StoodOn).count() as u64;
    if idle > 0 {
        let _ = writeln!(out, "Layers kept without use: {} ({}).", count(idle), why(Reason::StoodOn));
    }
    if !dropped.is_empty() {
        let bytes = size(dropped.iter().map(|blob| blob.size).sum());
        let _ = writeln!(
            out,
            "Layers dropped: {}, {bytes} in all (all dead, or laid out anew).",
            count(dropped.len() as u64)
        );
    }
    out
}

/// What --max-waste is about, and the base's share beside it. Empty when there is none.
pub(super) fn waste(waste: Waste) -> String {
    let base = match waste.base > 0.0 {
        true => format!(", and {} in layers of the base", percent(waste.base)),
        false => String::new(),
    };
    match waste.all > 0.0 {
        true => format!("Waste (dead entries): {} of the image{base}.", percent(waste.all - waste.base)),
        false => String::new(),
    }
}

/// A setting that would clearly cost less.
pub(super) fn hint(hint: &Hint) -> String {
    let Hint { max_waste, now, then } = hint;
    let compared = |then: u64, now: u64| format!("{} (now {})", size(then), size(now));
    let text = format!(
        "Hint: with --max-waste {}% this update would cost a plain client {}, docker with a graph driver {}, and a \
         first pull {}.",
        max_waste.0 / 100,
        compared(then.plain, now.plain),
        compared(then.docker, now.docker),
        compared(then.first_pull, now.first_pull)
    );
    format!("\n{}", fill(&text))
}

/// The biggest owners, as many as a line has room for. Files that no package owns stand among them, by their bytes.
fn owners(layer: &PlannedLayer) -> Option<String> {
    let mut names = layer.owners.clone();
    if let Some(unowned) = &layer.unowned {
        names.insert(unowned.rank.min(names.len()), no_package(&unowned.dir));
    }
    let more = |left: usize| if left > 0 { format!(" and {left} more") } else { String::new() };
    let mut line = String::new();
    for (at, name) in names.iter().map(|owner| name(owner, OWNER)).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        let longer = format!("{line}{comma}{name}");
        if columns(&longer) + more(names.len() - at - 1).len() > OWNERS {
            return Some(match at {
                0 => plural(names.len() as u64, "owner", "owners"),
                _ => line + &more(names.len() - at),
            });
        }
        line = longer;
    }
    (!names.is_empty()).then_some(line)
}
