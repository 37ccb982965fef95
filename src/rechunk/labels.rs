//! Whose each entry is, and how often it will change.

use super::history::History;
use crate::order::layers::Label;
use crate::owner::Owners;
use crate::survey::{Roll, label, shown};
use crate::unpack::UnpackedLayer;

/// A label for every entry, by layer, and the owners' names by their numbers.
pub(super) struct Labelled {
    pub labels: Vec<Vec<Label>>,
    pub names: Vec<String>,
}

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
    let mut labels: Vec<Vec<Label>> = Vec::with_capacity(layers.len());
    for layer in layers {
        let mut of_layer: Vec<Label> = layer
            .inventory
            .entries
            .iter()
            .map(|entry| label(&owners, &mut roll, &entry.path, history.changes_always(entry)))
            .collect();
        layer.inventory.odd.iter().for_each(|&index| of_layer[index].odd = true);
        labels.push(of_layer);
    }
    Labelled { labels, names: roll.names }
}
