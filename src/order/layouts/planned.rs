//! The plans of a sequence, one after the other: what would be kept is, and what would be written is estimated.

use std::sync::Arc;

use super::{Stock, Version};
use crate::order::cost::PullLayer;
use crate::order::forecast::{entries, items, numbered, pull_layer};
use crate::order::layers::{Given, Labels, Old, Options, PlanError, Segment, plan};
use crate::order::{LayerPlan, State};

pub(super) struct Planned {
    options: Options,
    /// The layers of the version before.
    segments: Vec<Segment>,
    /// Layers that were written.
    written: u64,
}

impl Planned {
    pub fn new(options: Options) -> Self {
        Self { options, segments: Vec::new(), written: 0 }
    }

    pub fn layers(&mut self, version: Version<'_>, stock: &mut Stock) -> Result<Vec<Arc<PullLayer>>, PlanError> {
        let pulls: Vec<Arc<PullLayer>> = self.segments.iter().map(|segment| Arc::clone(&segment.pull)).collect();
        let old = Old::new(&self.segments, vec![&pulls])?;
        let labels = Labels(version.labels);
        let plan = plan(Given { layers: version.layers, labels: &labels, old: &old, options: &self.options })?;
        let mut old: Vec<Option<Segment>> = std::mem::take(&mut self.segments).into_iter().map(Some).collect();
        for layer in &plan.layers {
            let kept = match (layer.state, layer.segments.as_slice()) {
                (State::Kept, [kept]) => old[*kept].take(),
                _ => None,
            };
            let segment = kept.unwrap_or_else(|| self.write(layer, version, stock));
            self.segments.push(segment);
        }
        Ok(self.segments.iter().map(|segment| Arc::clone(&segment.pull)).collect())
    }

    fn write(&mut self, layer: &LayerPlan, version: Version<'_>, stock: &mut Stock) -> Segment {
        self.written += 1;
        let mut entries = entries(layer, version.layers);
        for content in entries.iter_mut().filter_map(|entry| entry.content.as_mut()) {
            content.stored = stock.stored(content);
        }
        let pull = Arc::new(pull_layer(numbered(self.written), &items(&entries)));
        Segment { entries, pull, is_base: false, is_broken: false }
    }
}
