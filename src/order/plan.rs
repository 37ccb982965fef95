//! The plan: a value between unpack and pack, which can be printed, tested and thrown away.

use super::{Entry, Live, Previous, normalise, sequence};
use crate::digest::DiffId;

/// A layer of the new image as unpack found it.
pub struct NewLayer<'a> {
    pub diff_id: DiffId,
    pub entries: Vec<Entry<'a>>,
}

/// What becomes of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The previous image's layer (by index) is reused as it is.
    Keep(usize),
    /// A new blob, with these entries in this order.
    Write {
        sequence: Vec<Live>,
        /// How many entries' content clients of the previous image lack, and their bytes.
        fresh_entries: usize,
        fresh_bytes: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    /// The layer of the new image that this one stands for.
    pub source: usize,
    pub fate: Fate,
}

/// Bottom layer first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub layers: Vec<LayerPlan>,
}

/// Layers stay as the new image has them; each is laid out against the previous image. `reusable` are the DiffIDs
/// of the previous layers, `None` for one without a TOC: it is written anew once, so that it gets one.
pub fn plan(new: &[NewLayer<'_>], reusable: &[Option<DiffId>], previous: &Previous) -> Plan {
    let layers = new.iter().enumerate().map(|(source, layer)| {
        let same = reusable.iter().position(|old| *old == Some(layer.diff_id));
        let fate = same.map_or_else(|| write(layer, previous), Fate::Keep);
        LayerPlan { source, fate }
    });
    Plan { layers: layers.collect() }
}

fn write(layer: &NewLayer<'_>, previous: &Previous) -> Fate {
    let live = normalise(&layer.entries);
    let written: Vec<Entry<'_>> = live.iter().map(|live| live.as_written(&layer.entries)).collect();
    let (order, fresh_entries) = sequence(&written, previous);
    let fresh = written.iter().filter_map(|entry| entry.content).filter(|(content, _)| !previous.has(content));
    Fate::Write {
        fresh_bytes: fresh.map(|(_, size)| size).sum(),
        fresh_entries,
        sequence: order.into_iter().map(|index| live[index]).collect(),
    }
}
