//! What another setting would have cost, when that is clearly less.

use std::sync::Arc;

use crate::order::cost::{Client, Has, PullLayer, RegistryProfile, pull};
use crate::order::layers::{Given, Options, Share, plan};
use crate::order::{Plan, Reason, forecast};

/// The other share of waste: above it, first pulls grow faster than updates shrink (docs/benchmarks.md).
const MORE_WASTE: Share = Share(3000);

/// A hint is worth a line from a saving of this share of the update, in percent, and this many bytes on.
const SAVED_PERCENT: u64 = 30;
const SAVED_BYTES: u64 = 1_000_000;

/// Another setting with which the update costs clearly less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub max_waste: Share,
    /// As the image is planned.
    pub now: Costs,
    pub then: Costs,
}

/// Bytes of layers, as forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// An update of a client that reuses whole layers, and of docker with a graph driver.
    pub plain: u64,
    pub docker: u64,
    pub first_pull: u64,
}

impl Costs {
    pub(super) fn of(plan: &Plan, given: Given<'_>) -> Self {
        let layers = forecast(plan, given.layers, given.old.segments());
        let newest = given.old.have().first().copied().unwrap_or_default();
        let has = Has::of(newest.iter().map(Arc::as_ref));
        let bytes = |layers: &[Arc<PullLayer>], has: &Has<'_>, client| {
            pull(layers, 0, has, client, RegistryProfile::MultiRange, None).blob_bytes()
        };
        Self {
            plain: bytes(&layers, &has, Client::Plain),
            docker: bytes(&layers, &has, Client::Docker),
            first_pull: bytes(&layers, &Has::default(), Client::Plain),
        }
    }
}

/// Says what more waste would have saved, if layers are cleaned for it. A plan that fails is no reason to fail the run.
pub(super) fn more_waste(given: Given<'_>, chosen: &Plan) -> Option<Hint> {
    let is_cleaned = chosen.layers.iter().any(|layer| layer.reason == Reason::Waste);
    if !is_cleaned || given.options.max_waste >= MORE_WASTE || given.old.have().is_empty() {
        return None;
    }
    let options = Options { max_waste: MORE_WASTE, ..given.options.clone() };
    let other = plan(Given { options: &options, ..given }).ok()?;
    let (now, then) = (Costs::of(chosen, given), Costs::of(&other, given));
    let saves = |now: u64, then: u64| {
        let saved = now.saturating_sub(then);
        saved >= SAVED_BYTES && saved * 100 >= now * SAVED_PERCENT
    };
    if !saves(now.plain, then.plain) && !saves(now.docker, then.docker) {
        return None;
    }
    Some(Hint { max_waste: MORE_WASTE, now, then })
}
