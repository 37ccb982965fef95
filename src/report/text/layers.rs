//! What the tables of the main job and of its plan share.

use std::fmt::Write as _;

use crate::order::{Reason, State};
use crate::rechunk::{Hint, OldBlob, PlannedLayer};
use crate::report::facts::{Waste, why};
use crate::report::names::columns;
use crate::report::units::{count, percent, plural, size};

use super::{fill, name};

/// Kept layers up to this many have a row each.
const FEW: usize = 3;

/// Columns that a line of owners takes at most, and one of them.
const OWNERS: usize = 76;
const OWNER: usize = 60;

/// Layers for one row each, bottom first. Those that are kept need nobody's attention: many of them share a row.
pub(super) fn rows<T>(layers: &[T], planned: impl Fn(&T) -> &PlannedLayer) -> Vec<Vec<&T>> {
    let mut rows: Vec<Vec<&T>> = Vec::new();
    for reason in [Reason::Base, Reason::Live, Reason::StoodOn] {
        let is_alike = |layer: &&T| planned(layer).state == State::Kept && planned(layer).reason == reason;
        let kept: Vec<&T> = layers.iter().filter(is_alike).collect();
        match kept.len() > FEW {
            true => rows.push(kept),
            false => rows.extend(kept.into_iter().map(|layer| vec![layer])),
        }
    }
    rows.extend(layers.iter().filter(|layer| planned(layer).state != State::Kept).map(|layer| vec![layer]));
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
        (State::Kept, "clients have this layer"),
        (State::Cleaned, "a previous layer, rewritten without what is hidden in it"),
        (State::Merged, "several layers joined"),
        (State::Fresh, "new files"),
    ];
    let is_there = |state: State| layers.iter().any(|layer| layer.state == state);
    let told = meanings.into_iter().filter(|(state, _)| is_there(*state));
    let told: Vec<String> = told.map(|(state, meaning)| format!("{}: {meaning}", state.name())).collect();
    fill(&format!("{}.", told.join("; ")))
}

/// A table whose rows of one layer are followed by a line with the layer's owners; its last line is the sum.
pub(super) fn with_owners(table: &str, rows: &[Vec<&PlannedLayer>]) -> String {
    let mut lines = table.lines();
    let mut out = lines.next().map(|head| format!("{head}\n")).unwrap_or_default();
    let owners = rows.iter().map(|row| owners(&row[0].owners).filter(|_| row.len() == 1)).chain([None]);
    for (line, owners) in lines.zip(owners) {
        let _ = writeln!(out, "{line}");
        out.extend(owners.map(|owners| format!("  {owners}\n")));
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
        let _ =
            writeln!(out, "Layers dropped: {}, {bytes} in all (dead, or laid out anew).", count(dropped.len() as u64));
    }
    out
}

/// What --max-waste is about, and the base's share beside it. Empty when nothing is hidden.
pub(super) fn hidden(waste: Waste) -> String {
    let base = match waste.base > 0.0 {
        true => format!(", and {} in layers of the base", percent(waste.base)),
        false => String::new(),
    };
    match waste.all > 0.0 {
        true => format!("Hidden by layers above: {} of the image{base}.", percent(waste.all - waste.base)),
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

/// The biggest owners, as many as a line has room for.
fn owners(names: &[String]) -> Option<String> {
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
