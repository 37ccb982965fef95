//! The plan in the words of its report and of the layers' own annotations.

use std::sync::Arc;

use crate::oci::Descriptor;
use crate::oci::marks::{LAYER, OWNERS, OWNERS_BYTES};
use crate::order::cost::{Client, Has, NewContent, PullLayer};
use crate::order::{Entry, LayerPlan, State, forecast};
use crate::unpack::UnpackedLayer;

use super::image::{Job, Layout, without_indexes};
use super::layers::Written;
use super::{OldBlob, PlannedImage, PlannedLayer, TocAnnotations};

/// Names in an annotation.
const MOST_OWNERS: usize = 5;

impl Job<'_, '_> {
    /// What would be written, and what it would cost to pull.
    pub fn planned(&self, layout: &Layout, unpacked: &[&UnpackedLayer]) -> PlannedImage {
        let entries: Vec<&[Entry]> = unpacked.iter().map(|layer| layer.inventory.entries.as_slice()).collect();
        let forecast = forecast(&layout.plan, &entries, self.old.segments());
        let mut layers = self.planned_layers(layout);
        self.tell_new(&mut layers, &forecast);
        // Whether a registry needs that is not asked before anything is written.
        let hides_indexes = self.request.toc_annotations == TocAnnotations::Never;
        let seen = if hides_indexes { without_indexes(&forecast) } else { forecast };
        PlannedImage {
            platform: self.image.platform.clone(),
            layers,
            dropped: self.dropped(layout),
            unread: self.old.facts.unread as u64,
            hint: layout.hint.clone(),
            differences: layout.differences.clone(),
            pulls: self.pulls(&self.forecast_instances(&layout.plan, seen), self.image.config.to_bytes().len() as u64),
        }
    }

    pub fn planned_layers(&self, layout: &Layout) -> Vec<PlannedLayer> {
        layout.plan.layers.iter().map(|plan| self.planned_layer(plan, &layout.owners)).collect()
    }

    pub fn dropped(&self, layout: &Layout) -> Vec<OldBlob> {
        layout.plan.dropped.iter().map(|&number| self.old_blob(number)).collect()
    }

    fn planned_layer(&self, plan: &LayerPlan, names: &[String]) -> PlannedLayer {
        let entries = match (plan.state, plan.segments.as_slice()) {
            (State::Kept, [kept]) => self.old.segments()[*kept].entries.len(),
            _ => plan.entries.len(),
        };
        PlannedLayer {
            state: plan.state,
            reason: plan.reason,
            old: plan.segments.iter().map(|&number| self.old_blob(number)).collect(),
            owners: plan.owners.iter().map(|&number| names[number as usize].clone()).collect(),
            unowned: plan.unowned.clone(),
            changes_always: plan.changes_always,
            entries: entries as u64,
            live_bytes: plan.live,
            dead_bytes: plan.dead,
            // Of a layer without an index nothing better is known.
            new: NewContent { files: plan.fresh_entries as u64, bytes: plan.live },
        }
    }

    /// Tells each layer's new content by the blobs, written or forecast.
    pub fn tell_new(&self, planned: &mut [PlannedLayer], layers: &[Arc<PullLayer>]) {
        let base = self.old.pulls();
        let has = Has::of(self.old.facts.clients.first().map_or(&base, |client| &client.have).iter().map(Arc::as_ref));
        let old = self.old.segments().iter();
        let read = old.filter(|old| old.pull.index.is_none() && has.has_layer(&old.pull, Client::Plain));
        let read = read.flat_map(|segment| segment.entries.iter()).filter_map(|entry| entry.content.as_ref());
        let read = read.map(|content| &content.digest).collect();
        for (planned, new) in planned.iter_mut().zip(has.new_content(layers, &read)) {
            planned.new = new.unwrap_or(planned.new);
        }
    }

    fn old_blob(&self, number: usize) -> OldBlob {
        match self.old.layer(number) {
            Some(layer) => OldBlob { digest: layer.descriptor.digest, size: layer.descriptor.size },
            None => {
                let pull = &self.old.segments()[number].pull;
                OldBlob { digest: pull.digest, size: pull.size }
            }
        }
    }
}

/// What the image says became of each layer. One whose layers are all those of `newest`, the previous image, is the same
/// image, so that it says the same.
pub(super) fn told_states(planned: &[PlannedLayer], written: &[Written], newest: &[Descriptor]) -> Vec<State> {
    let is_same = newest.iter().map(|old| old.digest).eq(written.iter().map(|layer| layer.descriptor.digest));
    let told = |at: usize| newest.get(at).filter(|_| is_same)?.annotation(LAYER).and_then(State::of_name);
    planned.iter().enumerate().map(|(at, layer)| told(at).unwrap_or(layer.state)).collect()
}

/// The layers' descriptors, each saying what its layer is.
pub(super) fn descriptors(planned: &[PlannedLayer], written: &[Written], states: &[State]) -> Vec<Descriptor> {
    let layers = planned.iter().zip(written).zip(states);
    layers.map(|((layer, written), state)| annotated_as(written.descriptor.clone(), layer, *state)).collect()
}

/// Owners are told from the image that is read, so a kept layer's own word of what is in it goes first.
pub(super) fn annotated_as(mut descriptor: Descriptor, layer: &PlannedLayer, state: State) -> Descriptor {
    descriptor.set_annotation(LAYER, state.name());
    if layer.state != State::Kept {
        match owners(&layer.owners) {
            Some(owners) => descriptor.set_annotation(OWNERS, &owners),
            None => descriptor.remove_annotation(OWNERS),
        }
    }
    descriptor
}

/// The first few names, as many as there is room for.
fn owners(names: &[String]) -> Option<String> {
    let mut list = String::new();
    for name in names.iter().take(MOST_OWNERS) {
        let comma = if list.is_empty() { "" } else { ", " };
        if list.len() + comma.len() + name.len() > OWNERS_BYTES {
            break;
        }
        list.push_str(comma);
        list.push_str(name);
    }
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_few_and_short() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(owners(&[]), None);
        assert_eq!(owners(&names(&["dpkg:a", "dpkg:b"])).as_deref(), Some("dpkg:a, dpkg:b"));
        assert_eq!(owners(&names(&["a", "b", "c", "d", "e", "f"])).as_deref(), Some("a, b, c, d, e"));
        let long = "x".repeat(OWNERS_BYTES);
        assert_eq!(owners(&names(&["a", &long, "b"])).as_deref(), Some("a"));
        assert_eq!(owners(&names(&[&long])), Some(long.clone()));
        assert_eq!(owners(&names(&[&format!("{long}x")])), None);
    }
}
