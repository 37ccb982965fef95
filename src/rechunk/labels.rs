//! Whose each entry is, and how often it will change.

use std::collections::HashSet;
use std::sync::Arc;

use crate::degraded::{Code, Notes};
use crate::error::Error;
use crate::inventory::Stored;
use crate::order::layers::Label;
use crate::owner::{LOOKED_FOR, Named};
use crate::spool::Spool;
use crate::survey::old::History;
use crate::survey::{Roll, Telling, label, owners};
use crate::tar::TarPath;
use crate::units;
use crate::unpack::UnpackedLayer;

/// A label for every entry, by layer, and the owners' names by their numbers.
pub(super) struct Labelled {
    pub labels: Vec<Vec<Label>>,
    pub names: Vec<String>,
}

/// Files without an owner are not worth a note in an image of fewer files: its layers are small anyway.
const MANY: usize = 1_000;

/// A package database that can't be read is worth a note, and so is one that is not found.
pub(super) fn labelled(
    layers: &[&UnpackedLayer],
    spool: &Spool,
    history: &History,
    named: &Arc<Named>,
    notes: &mut Notes,
) -> Result<Labelled, Error> {
    let telling = layers.iter().map(|UnpackedLayer { inventory, .. }| Telling {
        entries: &inventory.entries,
        evidence: inventory.evidence.iter().map(|(index, content)| (*index, content)).collect(),
        hints: &inventory.hints,
    });
    let read = |_: &TarPath, content: &&Stored| Ok(Some(spool.read_all(content.spans())?));
    let (mut owners, warnings) = owners(telling.collect(), |content| content.len(), read)?;
    warnings.iter().for_each(|warning| notes.degraded(Code::OwnersUnread, warning.to_string()));
    owners.name(named);
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
    let files =
        layers.iter().flat_map(|layer| &layer.inventory.entries).filter(|entry| entry.content.is_some()).count();
    if roll.names.is_empty() && warnings.is_empty() && files >= MANY {
        notes.degraded(Code::OwnersNotFound, not_found(files));
    }
    notes.extend(idle(named, &roll.names));
    Ok(Labelled { labels, names: roll.names })
}

/// A name that gets no file may be a mistyped glob; or the file of names serves several images.
fn idle(named: &Named, used: &[String]) -> Option<String> {
    const SHOWN: usize = 5;
    let used: HashSet<&str> = used.iter().map(String::as_str).collect();
    let idle = named.names().into_iter().filter(|owner| !used.contains(owner.to_string().as_str()));
    let idle: Vec<String> = idle.map(|owner| owner.name.into_owned()).collect();
    let more = match idle.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = idle.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    (!idle.is_empty()).then(|| format!("--owners: no file in the image belongs to {shown}{more}; check the globs"))
}

fn not_found(files: usize) -> String {
    format!(
        "none of {files} files has an owner, so that layers are split without knowing what changes together: there is \
         neither {LOOKED_FOR}",
        files = units::count(files as u64)
    )
}
