//! The plans of a sequence, one after the other: what would be kept is, and what would be written is estimated.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Stock, Version};
use crate::order::cost::PullLayer;
use crate::order::forecast::{entries, items, numbered, pull_layer};
use crate::order::layers::{Agreed, Given, Labels, Old, Options, PlanError, Segment, plan};
use crate::order::{LayerPlan, State};

pub(super) struct Planned {
    options: Options,
    /// So many versions before are known.
    previous: usize,
    /// Their layers as clients see them, newest version first.
    have: VecDeque<Vec<Arc<PullLayer>>>,
    /// The layers of the version before.
    segments: Vec<Segment>,
    /// Layers that were written.
    written: u64,
    dead: u64,
}

impl Planned {
    pub fn new(options: Options, previous: usize) -> Self {
        Self { options, previous, have: VecDeque::new(), segments: Vec::new(), written: 0, dead: 0 }
    }

    pub fn dead_bytes(&self) -> u64 {
        self.dead
    }

    pub fn layers(&mut self, version: Version<'_>, stock: &mut Stock) -> Result<Vec<Arc<PullLayer>>, PlanError> {
        let old = Old::new(&self.segments, self.have.iter().map(Vec::as_slice).collect())?;
        let labels = Labels(version.labels);
        let plan = plan(Given {
            layers: version.layers,
            labels: &labels,
            old: &old,
            options: &self.options,
            agreed: Agreed::default(),
        })?;
        self.dead = plan.layers.iter().map(|layer| layer.dead).sum();
        let mut old: Vec<Option<Segment>> = std::mem::take(&mut self.segments).into_iter().map(Some).collect();
        for layer in &plan.layers {
            let kept = match (layer.state, layer.segments.as_slice()) {
                (State::Kept, [kept]) => old[*kept].take(),
                _ => None,
            };
            let segment = kept.unwrap_or_else(|| self.write(layer, version, stock));
            self.segments.push(segment);
        }
        let layers: Vec<Arc<PullLayer>> = self.segments.iter().map(|segment| Arc::clone(&segment.pull)).collect();
        self.have.push_front(layers.clone());
        self.have.truncate(self.previous);
        Ok(layers)
    }

    fn write(&mut self, layer: &LayerPlan, version: Version<'_>, stock: &mut Stock) -> Segment {
        self.written += 1;
        let mut entries = entries(layer, version.layers);
        for content in entries.iter_mut().filter_map(|entry| entry.content.as_mut()) {
            content.stored = stock.stored(content);
        }
        let pull = Arc::new(pull_layer(numbered(self.written), &items(&entries)));
        Segment { entries: Arc::new(entries), pull, is_base: false, is_broken: false, is_shared: false }
    }
}
