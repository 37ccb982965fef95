//! Which pulls the user wants to hear of, and whether they cost too much.

use super::{Diff, Outcome};
use crate::order::cost::{Client, Pull, PullOutcome, RegistryProfile};

/// Empty lists stand for all, without the bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    pub clients: Vec<Client>,
    pub registries: Vec<RegistryProfile>,
}

impl Choice {
    /// Those whose costs are computed.
    pub(super) fn priced(&self) -> &'static [RegistryProfile] {
        match self.registries.contains(&RegistryProfile::Bridge) {
            false => &RegistryProfile::ALL,
            true => &RegistryProfile::WITH_BRIDGE,
        }
    }

    /// Plain clients pay the same on all registries.
    pub fn shows(&self, pull: &Pull) -> bool {
        let client = self.clients.is_empty() || self.clients.contains(&pull.client);
        let is_any = self.registries.is_empty() || !pull.client.asks_for_ranges();
        client && (is_any || self.registries.contains(&pull.registry))
    }

    /// Without a choice, a limit is for the plain client. Without a registry, it is for one that serves any number of
    /// ranges, since every partial pull fails on some. docker is judged only if it is named: [`Outcome::docker_over`].
    fn limits(&self, pull: &Pull) -> bool {
        match (self.clients.is_empty(), self.registries.is_empty()) {
            (true, true) => pull.client == Client::Plain,
            (false, true) => self.shows(pull) && pull.registry == RegistryProfile::MultiRange,
            (true, false) => self.shows(pull) && !pull.client.takes_gzip(),
            (false, false) => self.shows(pull),
        }
    }
}

impl Outcome {
    /// The pull that costs most of those that the choice is about, if it is more than `limit` bytes. One that fails costs
    /// more than any other.
    pub fn over(&self, limit: u64) -> Option<(&Diff, &Pull)> {
        let cost = |pull: &Pull| (pull.outcome == PullOutcome::Failed, pull.blob_bytes());
        let pulls = self.diffs.iter().flat_map(|diff| diff.pulls.iter().map(move |pull| (diff, pull)));
        let (diff, pull) = pulls.filter(|(_, pull)| self.choice.limits(pull)).max_by_key(|(_, pull)| cost(pull))?;
        (cost(pull) > (false, limit)).then_some((diff, pull))
    }

    /// docker's pull with a graph driver, if it alone is over a limit that nobody chose a client for.
    pub fn docker_over(&self, limit: u64) -> Option<&Pull> {
        let is_default = self.choice.clients.is_empty();
        let pulls = self.diffs.iter().flat_map(|diff| &diff.pulls).filter(|pull| pull.client == Client::Docker);
        pulls.max_by_key(|pull| pull.blob_bytes()).filter(|pull| is_default && pull.blob_bytes() > limit)
    }
}
