//! What the versions of a sequence cost, one after the other.

use std::sync::Arc;

use foldhash::HashSet;

use crate::digest::BlobDigest;
use crate::order::cost::{Client, Had, Has, Instances, Pull, PullLayer, PullOutcome, RegistryProfile, Upstream, pull};

/// Whose costs are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub client: Client,
    pub registry: RegistryProfile,
}

/// What one pull moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub outcome: PullOutcome,
    pub requests: u64,
    pub ranges: u64,
    /// All blob bodies. A pull that fails has those of the layers that it got.
    pub blob_bytes: u64,
    /// Of a view through a bridge.
    pub upstream: Option<Upstream>,
}

impl From<&Pull> for Cell {
    fn from(pull: &Pull) -> Self {
        let (requests, ranges) = (pull.cost.requests, pull.cost.ranges);
        Self { outcome: pull.outcome, requests, ranges, blob_bytes: pull.blob_bytes(), upstream: pull.upstream() }
    }
}

impl View {
    /// The pull of an image by a client that has `has`.
    pub fn pull(self, layers: &[Arc<PullLayer>], config_bytes: u64, has: &Has<'_>) -> Cell {
        Cell::from(&pull(layers, config_bytes, has, self.client, self.registry, None))
    }

    /// The pull of the image that the client takes of `new`, if it has its own of `had`.
    pub fn pull_of(self, new: &Instances, config_bytes: u64, had: &Had<'_>) -> Cell {
        self.pull(new.of(self.client), config_bytes, had.of(self.client))
    }
}

/// Pulls every version in turn, and counts what a registry stores.
#[derive(Default)]
pub struct Tally {
    has: Instances,
    stored: HashSet<BlobDigest>,
}

impl Tally {
    /// What each of `views` pays for the next version who has the one before, the first time for all of it; and the bytes of
    /// the layers that no version before had.
    pub fn add(&mut self, image: Instances, config_bytes: u64, views: &[View]) -> (Vec<Cell>, u64) {
        let had = self.has.had();
        let cells = views.iter().map(|view| view.pull_of(&image, config_bytes, &had)).collect();
        let added = image.all().filter(|layer| self.stored.insert(layer.digest)).map(|layer| layer.size).sum();
        self.has = image;
        (cells, added)
    }
}
