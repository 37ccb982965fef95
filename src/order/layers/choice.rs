//! Which of several plans costs clients least.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet};

use super::chain::WORTH;
use super::{Given, Old, Segment, Weights, weights};
use crate::digest::BlobDigest;
use crate::order::cost::{Client, Has, PullLayer, RegistryProfile, pull};
use crate::order::{Plan, forecast};

impl Old<'_> {
    /// An older image weighs half of the one after it: most clients are not far behind. All that are older still weigh
    /// the same.
    fn weights(&self) -> impl Iterator<Item = u64> {
        let most = self.have().len().min(8);
        (0..self.have().len()).map(move |n| 1 << most.saturating_sub(n + 1))
    }

    /// What the images weigh together that have each segment, and what all of them weigh.
    pub(super) fn held(&self) -> (Vec<u64>, u64) {
        let mut held: HashMap<BlobDigest, u64> = HashMap::new();
        for (have, weight) in self.have().iter().zip(self.weights()) {
            let digests: HashSet<BlobDigest> = have.iter().map(|layer| layer.digest).collect();
            digests.into_iter().for_each(|digest| *held.entry(digest).or_default() += weight);
        }
        let of_segment = |segment: &Segment| held.get(&segment.pull.digest).copied().unwrap_or_default();
        (self.segments().iter().map(of_segment).collect(), self.weights().sum())
    }

    /// Of plans for the image that `layers` make, the first one that costs least.
    pub(super) fn cheapest(&self, first: Plan, others: Vec<Plan>, given: Given<'_>) -> Plan {
        let Given { layers, options, .. } = given;
        if others.is_empty() {
            return first;
        }
        let mut plans: Vec<Plan> = [first].into_iter().chain(others).collect();
        let mut costs = vec![0_u128; plans.len()];
        // Plans are forecast anew for each image: to hold all forecasts, or what all clients have, takes more memory.
        for (have, weight) in self.have().iter().zip(self.weights()) {
            let has = Has::of(have.iter().map(Arc::as_ref));
            for (plan, cost) in plans.iter().zip(&mut costs) {
                *cost +=
                    update(&forecast(plan, layers, self.segments()), have, &has, options.clients) * u128::from(weight);
            }
        }
        let best = (0..plans.len()).min_by_key(|&n| costs[n]).unwrap_or_default();
        plans.swap_remove(best)
    }
}

/// Bytes that clients of an older image pull, as their weights say. A byte that has to be moved counts as in
/// [`chain`](super::chain), whoever pulls: podman moves it, too.
fn update(layers: &[Arc<PullLayer>], have: &[Arc<PullLayer>], has: &Has<'_>, clients: Weights) -> u128 {
    let bytes = |client| pull(layers, 0, has, client, RegistryProfile::MultiRange, None).blob_bytes();
    let same = layers.iter().zip(have).take_while(|(new, old)| new.digest == old.digest).count();
    let moved = layers[same..].iter().filter(|layer| has.has_layer(layer, Client::Plain)).map(|layer| layer.size);
    let pulled: u128 = clients.counted().map(|(client, weight)| u128::from(bytes(client)) * u128::from(weight)).sum();
    pulled + u128::from(moved.sum::<u64>() / WORTH) * u128::from(weights::ONE)
}
