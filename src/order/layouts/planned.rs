//! The plans of a sequence, one after the other: what would be kept is, and what would be written is estimated.

use std::sync::Arc;

use super::{Stock, Version};
use crate::order::cost::PullLayer;
use crate::order::forecast::{entries, items, numbered, pull_layer};
use crate::order::layers::{Clients, Given, Labels, Options, PlanError, Segment, plan};
use crate::order::{LayerPlan, Previous, State};

pub(super) struct Planned {
    options: Options,
    /// The layers of the version before, and what clients see of them.
    segments: Vec<Segment>,
    pulls: Vec<Arc<PullLayer>>,
    /// Layers that were written.
    written: u64,
}

impl Planned {
    pub fn new(options: Options) -> Self {
        Self { options, segments: Vec::new(), pulls: Vec::new(), written: 0 }
    }

    pub fn layers(&mut self, version: Version<'_>, stock: &mut Stock) -> Result<Vec<Arc<PullLayer>>, PlanError> {
        let mut previous = Previous::default();
        (0..).zip(&self.segments).for_each(|(number, segment)| previous.add_layer(number, &segment.entries));
        let clients = Clients { segments: &self.pulls, have: &[&self.pulls] };
        let labels = Labels(version.labels);
        let plan = plan(Given {
            layers: version.layers,
            labels: &labels,
            segments: &self.segments,
            previous: &previous,
            clients,
            options: &self.options,
        })?;
        let mut old = std::mem::take(&mut self.segments);
        let old_pulls = std::mem::take(&mut self.pulls);
        for layer in &plan.layers {
            let (segment, pull) = match (layer.state, layer.segments.as_slice()) {
                (State::Kept, [kept]) => (std::mem::take(&mut old[*kept]), Arc::clone(&old_pulls[*kept])),
                _ => self.write(layer, version, stock),
            };
            self.segments.push(segment);
            self.pulls.push(pull);
        }
        Ok(self.pulls.clone())
    }

    fn write(&mut self, layer: &LayerPlan, version: Version<'_>, stock: &mut Stock) -> (Segment, Arc<PullLayer>) {
        self.written += 1;
        let mut entries = entries(layer, version.layers);
        for content in entries.iter_mut().filter_map(|entry| entry.content.as_mut()) {
            content.stored = stock.stored(content);
        }
        let pull = Arc::new(pull_layer(numbered(self.written), &items(&entries)));
        (Segment { size: pull.size, entries, is_base: false, is_broken: false }, pull)
    }
}
