//! All that was read of the inputs, as one layer.

use std::collections::HashSet;

use crate::degraded::{Code, Notes};
use crate::error::Error;
use crate::merge::{Difference, Given, Laid, lay};
use crate::order::{Entry, broken_entry};
use crate::rechunk::image::{Job, note_whiteouts};
use crate::rechunk::read::layer_name;
use crate::remark;
use crate::source::{Image, Source};
use crate::unpack::{UnpackedLayer, is_settled_across};

use super::Merge;
use super::assemble::assembled;

impl Job<'_, '_> {
    /// The layer, and what the inputs differ in. `read` are the layers of all inputs, and `numbers` those of each.
    pub(in crate::rechunk) fn merged(
        &self,
        merge: &Merge,
        inputs: &[(&Source<'_>, &Image)],
        numbers: &[Vec<usize>],
        read: Vec<UnpackedLayer>,
        notes: &mut Notes,
    ) -> Result<(UnpackedLayer, Vec<Difference>), Error> {
        expect_sound(inputs, numbers, &read)?;
        notes.extend(remarks(inputs, numbers, &read));
        self.note_inputs(inputs, numbers, &read, notes)?;
        let layers: Vec<&[Entry]> = read.iter().map(|layer| layer.inventory.entries.as_slice()).collect();
        let laid = lay(Given { layers: &layers, inputs: numbers }, &merge.rules, merge.unite);
        let names = names(inputs);
        let united = self.united(merge, &laid, &names, &read);
        // What differs is told at once, whatever it is.
        let refused = [laid.conflicts.error(&names), united.as_ref().err().and_then(reason)];
        let refused: Vec<String> = refused.into_iter().flatten().collect();
        if !refused.is_empty() {
            return Err(Error::Merge { reason: format!("the inputs do not go together: {}", refused.join("; ")) });
        }
        notes.extend(laid.conflicts.notes(&names));
        for rule in merge.rules.unmatched(layers.iter().flat_map(|layer| layer.iter()).map(|entry| &entry.path)) {
            let note = format!("--on-conflict {rule}: no image has such a path; check the path");
            notes.degraded(Code::PathUnmatched, note);
        }
        let differences = laid.conflicts.differences(&names);
        let Laid { tree, versions, .. } = laid;
        let merged = assembled(&tree, &versions, &united?, &read, self.spool, self.progress)?;
        read.iter().for_each(|layer| self.progress.give_back(layer.inventory.held));
        Ok((merged, differences))
    }
}

impl Job<'_, '_> {
    /// Where clients show an input differently. What several inputs have in common is told once.
    fn note_inputs(
        &self,
        inputs: &[(&Source<'_>, &Image)],
        numbers: &[Vec<usize>],
        read: &[UnpackedLayer],
        notes: &mut Notes,
    ) -> Result<(), Error> {
        let mut told = HashSet::new();
        for ((source, _), own) in inputs.iter().zip(numbers) {
            let layers: Vec<&UnpackedLayer> = own.iter().map(|&number| &read[number]).collect();
            let mut found = Vec::new();
            self.note_readings_of(source, &layers, &mut found)?;
            note_whiteouts(source, &layers, &mut found);
            found.retain(|note| told.insert(note.clone()));
            notes.extend(found.into_iter().map(|note| format!("{}: {note}", source.reference())));
        }
        Ok(())
    }
}

fn reason(error: &Error) -> Option<String> {
    match error {
        Error::Merge { reason } => Some(reason.clone()),
        _ => None,
    }
}

/// As the user gave them; with a number where two are the same.
fn names(inputs: &[(&Source<'_>, &Image)]) -> Vec<String> {
    let name = |at: usize| inputs[at].0.reference().to_string();
    let is_alone = |at: usize| (0..inputs.len()).all(|other| other == at || name(other) != name(at));
    (0..inputs.len())
        .map(|at| if is_alone(at) { name(at) } else { format!("{} (input {})", name(at), at + 1) })
        .collect()
}

/// What no client can extract of an input is refused, as for any image.
fn expect_sound(inputs: &[(&Source<'_>, &Image)], numbers: &[Vec<usize>], read: &[UnpackedLayer]) -> Result<(), Error> {
    for (at, ((source, image), own)) in inputs.iter().zip(numbers).enumerate() {
        let entries: Vec<&[Entry]> = own.iter().map(|&number| read[number].inventory.entries.as_slice()).collect();
        let reference = source.reference().to_string();
        if let Some((layer, source)) = broken_entry(&entries) {
            return Err(Error::Entry { reference, layer: layer_name(image, layer), source });
        }
        let is_common = |number: &usize| numbers.iter().enumerate().any(|(n, it)| n != at && it.contains(number));
        if own.iter().any(is_common) && is_settled_across(read, own) {
            let reason = format!(
                "{reference} has hard links from one layer to a lower one, and another input has the same layers; podman \
                 and docker can't pull such an image. Rechunk it alone first"
            );
            return Err(Error::Merge { reason });
        }
    }
    Ok(())
}

/// What is odd in the inputs' layers.
fn remarks(inputs: &[(&Source<'_>, &Image)], numbers: &[Vec<usize>], read: &[UnpackedLayer]) -> Vec<String> {
    let mut seen = HashSet::new();
    let all =
        inputs.iter().zip(numbers).flat_map(|((source, _), own)| own.iter().enumerate().map(move |it| (source, it)));
    let new: Vec<_> = all.filter(|(_, (_, number))| seen.insert(**number)).collect();
    remark::lines(new.iter().flat_map(|(source, (index, number))| {
        let name = format!("{} layer {index}", source.reference());
        read[**number].inventory.notes.iter().map(move |remark| (name.clone(), remark))
    }))
}
