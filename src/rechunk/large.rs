//! New layers that are above `--max-layer-size`.

use crate::degraded::{Code, Notes};
use crate::order::{Entry, LayerPlan, Plan, State, Written};
use crate::units::{plural, size};

use super::image::Job;

impl Job<'_, '_> {
    pub(super) fn note_large(&self, layers: &[&[Entry]], plan: &Plan, notes: &mut Notes) {
        let Some(most) = self.request.layers.max_layer_size else { return };
        let written = plan.layers.iter().filter(|layer| layer.state != State::Kept).map(|layer| files(layer, layers));
        let (alone, several): (Vec<_>, Vec<_>) =
            written.filter(|files| bytes(files) > most).partition(|files| files.len() == 1);
        for file in alone.iter().flatten() {
            notes.push(format!(
                "{}: this file alone unpacks to {}, more than --max-layer-size {}; it has a layer of its own",
                file.path,
                size(bytes(&[file])),
                size(most)
            ));
        }
        if let Some(largest) = several.iter().map(|files| bytes(files)).max() {
            let message = format!(
                "{} above --max-layer-size {}, since --max-layers {} allows no more layers: the largest unpacks to {}; \
                 raise one of the two",
                plural(several.len() as u64, "new layer is", "new layers are"),
                size(most),
                self.request.layers.max_layers,
                size(largest)
            );
            notes.degraded(Code::LayerTooLarge, message);
        }
    }
}

/// Those with content that a layer is written with.
fn files<'a>(layer: &LayerPlan, layers: &[&'a [Entry]]) -> Vec<&'a Entry> {
    let places = layer.entries.iter().filter_map(Written::carrier);
    let entries = places.map(|(layer, index)| &layers[layer as usize][index as usize]);
    entries.filter(|entry| entry.content.is_some()).collect()
}

fn bytes(files: &[&Entry]) -> u64 {
    files.iter().filter_map(|file| file.content).map(|content| content.size).sum()
}
