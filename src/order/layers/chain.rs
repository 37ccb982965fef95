//! What a change moves beside itself. docker's graph drivers and podman name a layer by all layers below it (image-spec
//! config.md, "Layer ChainID"): above the lowest layer that changes, docker pulls every layer again, and podman copies
//! those that it has and forgets their TOCs. Clients that go by digests do not care.

use super::{Weights, weights};
use crate::order::cost::Client;

/// Moved bytes for each that is worth a byte of an update. Measured on the sequences (docs/benchmarks.md): more would cost
/// clients that go by digests, less would save the others nothing.
pub(super) const WORTH: u64 = 64;

pub(super) struct Chain {
    /// Bytes above each layer, up to the lowest one that changes anyway.
    above: Vec<u64>,
}

impl Chain {
    /// Of layers, bottom first: do they stay, and their bytes.
    pub fn new(layers: impl IntoIterator<Item = (bool, u64)>) -> Self {
        let stay = layers.into_iter().take_while(|(stays, _)| *stays);
        let mut above: Vec<u64> = stay.map(|(_, bytes)| bytes).collect();
        let mut sum = 0;
        for bytes in above.iter_mut().rev() {
            let own = std::mem::replace(bytes, sum);
            sum += own;
        }
        Self { above }
    }

    /// What it costs, in bytes of an update, that a layer changes.
    pub fn price(&self, layer: usize) -> u64 {
        self.above.get(layer).map_or(0, |bytes| bytes / WORTH)
    }

    /// The same for clients of whom some pull what moves.
    pub fn price_for(&self, layer: usize, prices: Prices) -> u128 {
        self.above.get(layer).map_or(0, |bytes| prices.moved(*bytes))
    }
}

/// What bytes count, for the clients that there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prices {
    plain: u128,
    docker: u128,
}

impl Prices {
    pub fn of(clients: Weights) -> Self {
        let [plain, docker] = [Client::Plain, Client::Docker].map(|client| u128::from(clients.of(client)));
        Self { plain, docker }
    }

    /// Bytes that are written again.
    pub fn written(self, bytes: u64) -> u128 {
        u128::from(bytes) * (self.plain + self.docker).max(1)
    }

    /// Bytes that stay above the lowest change.
    pub fn moved(self, bytes: u64) -> u128 {
        u128::from(bytes / WORTH) * u128::from(weights::ONE) + u128::from(bytes) * self.docker
    }
}
