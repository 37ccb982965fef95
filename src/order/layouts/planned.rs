//! The plans of a sequence, one after the other: what would be kept is, and what would be written is estimated.

use std::sync::Arc;

use super::layer::{Item, numbered, pull_layer};
use super::{Stock, Version};
use crate::order::cost::PullLayer;
use crate::order::layers::{Labels, Options, PlanError, Segment, plan};
use crate::order::{Content, Entry, LayerPlan, Place, Previous, Role, State, Traits, Written};
use crate::tar::{EntryKind, TarPath, Time};

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
        let plan = plan(version.layers, &Labels(version.labels), &self.segments, &previous, &self.options)?;
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
        let entries: Vec<Entry> = layer.entries.iter().map(|written| entry(written, version, stock)).collect();
        let item = |entry: &Entry| entry.content.map(|content| (content.digest, content.stored));
        let items: Vec<Item<'_>> =
            entries.iter().map(|entry| Item { path: &entry.path, content: item(entry) }).collect();
        let pull = Arc::new(pull_layer(numbered(self.written), &items));
        (Segment { size: pull.size, entries, is_base: false, is_broken: false }, pull)
    }
}

/// What the layer's TOC would say.
fn entry(written: &Written, version: Version<'_>, stock: &mut Stock) -> Entry {
    let read = |(layer, entry): Place| &version.layers[layer as usize][entry as usize];
    let mut entry = match written {
        Written::Entry { at, role, mtime } => {
            let named = read(*at);
            let entry = match role {
                Role::Itself => named.clone(),
                Role::Heir(inode) => Entry { path: named.path.clone(), ..read(*inode).clone() },
                Role::LinkTo(holder) => Entry {
                    kind: EntryKind::HardLink,
                    target: Some(read(*holder).path.clone()),
                    content: None,
                    ..named.clone()
                },
            };
            Entry { mtime: mtime.unwrap_or(entry.mtime), ..entry }
        }
        Written::Implied { path, mtime } => Entry { mtime: *mtime, ..bare(path, EntryKind::Dir) },
        Written::Whiteout(path) => bare(path, EntryKind::Regular),
    };
    entry.content = entry.content.map(|content| Content { stored: stock.stored(&content), ..content });
    entry
}

fn bare(path: &TarPath, kind: EntryKind) -> Entry {
    let (traits, mtime) = (Traits::IMPLIED, Time::default());
    Entry { path: path.clone(), kind, target: None, content: None, traits, mtime }
}
