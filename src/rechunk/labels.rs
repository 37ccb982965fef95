//! Whose each entry is, and how often it will change.

use super::history::History;
use crate::order::layers::{Change, Label};
use crate::owner::{Heat, Owners, heat};
use crate::survey::{Roll, shown};
use crate::unpack::UnpackedLayer;

/// A label for every entry, by layer, and the owners' names by their numbers.
pub(super) struct Labelled {
    pub labels: Vec<Vec<Label>>,
    pub names: Vec<String>,
}

/// An owner that changes as often as this has nothing that stays.
const HOT_DAYS: u32 = 1;

/// A package database that can't be read is worth a note.
pub(super) fn labelled(layers: &[UnpackedLayer], history: &History, notes: &mut Vec<String>) -> Labelled {
    let evidence = layers.iter().map(|UnpackedLayer { inventory, .. }| {
        let files = inventory.evidence.iter().map(|(index, content)| (*index, content.as_slice()));
        (inventory.entries.as_slice(), files)
    });
    let (mut owners, warnings) = Owners::read(shown(evidence));
    notes.extend(warnings.iter().map(ToString::to_string));
    for layer in layers {
        for (index, hint) in &layer.inventory.hints {
            owners.hint(&layer.inventory.entries[*index].path, hint.clone());
        }
    }
    let mut roll = Roll::default();
    let mut label = |path, often| {
        let owner = owners.owner_of(path);
        let is_hot = owner.as_ref().and_then(|owner| owners.interval(owner)).is_some_and(|days| days.get() <= HOT_DAYS);
        let owner = owner.map(|owner| roll.number(owner));
        let change = match heat(path) {
            Heat::Database | Heat::Cache => Change::Always,
            // What belongs together changes together: taken apart by history, a Python application's updates cost 3 % of
            // the changed bytes more instead of 2 % (docs/layers.md).
            Heat::ByteCode | Heat::Data if is_hot || (often && owner.is_none()) => Change::Always,
            Heat::ByteCode | Heat::Data => Change::Seldom,
        };
        Label { owner, change, odd: false }
    };
    let mut labels: Vec<Vec<Label>> = Vec::with_capacity(layers.len());
    for layer in layers {
        let mut of_layer: Vec<Label> =
            layer.inventory.entries.iter().map(|entry| label(&entry.path, history.changes_always(entry))).collect();
        layer.inventory.odd.iter().for_each(|&index| of_layer[index].odd = true);
        labels.push(of_layer);
    }
    Labelled { labels, names: roll.names }
}
