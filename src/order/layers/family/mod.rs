//! What images that are planned together agree on.
//!
//! Each member is planned as any image, one after the other. The layers that one writes for others are offered to those
//! as layers of another image ([`shares`](super::shares)). Before that, all agree on two things: which old layers stay or
//! go for everybody (`standing`), and which new files stand together, since the same members have them (`sets`).
//!
//! | file | decides |
//! | --- | --- |
//! | `standing` | which old layers stay for all who have them |
//! | `sets` | who has each new file; which sets of members get layers of their own |
//! | `remains` | what is left of layers that go |

mod remains;
mod sets;
mod standing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Segment;
use crate::order::forecast::entries;
use crate::order::{Entry, Plan, forecast};

pub(super) use remains::Remains;
pub(super) use sets::by_set;
pub use sets::{Sets, Surveyed};
pub use standing::{Standings, Usages};

/// The layers that a planned member writes for others, by their numbers in its plan, as segments of those.
pub fn offered(plan: &Plan, layers: &[&[Entry]], segments: &[Segment]) -> Vec<(usize, Segment)> {
    if plan.layers.iter().all(|layer| layer.members.is_none()) {
        return Vec::new();
    }
    let pulls = forecast(plan, layers, segments);
    let planned = plan.layers.iter().enumerate().zip(pulls).filter(|((_, layer), _)| layer.members.is_some());
    let segment =
        |pull, entries| Segment { entries: Arc::new(entries), pull, is_base: false, is_broken: false, is_shared: true };
    planned.map(|((number, layer), pull)| (number, segment(pull, entries(layer, layers)))).collect()
}
