//! Cleaning for docker's graph drivers, which pull everything above the lowest layer that changes: what is cleaned stands
//! above a cut, as high as the budget has room for the waste below it. What is above the cut comes anyway, so it may be
//! worth cleaning more of it than the budget asks for: the next updates then only append.

use std::cmp::Reverse;

use super::Share;
use super::chain::Prices;
use super::clean::{Fate, Rules, Usage, Within};

/// Shares of the budget that are tried as what is left of the waste: none, a quarter of it, and so on.
const PARTS: u32 = 4;

/// Cuts that are tried at most, and steps of all of them together: images of other tools can have thousands of layers.
const CUTS: usize = 128;
const STEPS: usize = 1 << 22;

impl Rules<'_> {
    /// Of all cuts and amounts of cleaning, what costs least for each update until something has to be cleaned again.
    pub(super) fn cut(&self, usage: &[Usage], fates: &[Fate], fresh: u64) -> Vec<Fate> {
        if !self.is_over(usage, fates, fresh, self.options.max_waste) {
            return fates.to_vec();
        }
        let cuts = (STEPS / (fates.len() * fates.len()).max(1)).clamp(8, CUTS);
        let step = fates.len().div_ceil(cuts).max(1);
        let mut best = None;
        for from in (0..fates.len()).step_by(step) {
            for part in 0..=PARTS {
                let within = Within { from, waste: Share(self.options.max_waste.0 * part / PARTS) };
                let mut tried = fates.to_vec();
                self.clean(usage, &mut tried, fresh, within);
                if self.is_over(usage, &tried, fresh, self.options.max_waste) {
                    continue;
                }
                self.spare(usage, &mut tried, fates, fresh, within);
                let key = (self.price(usage, &tried, fresh), Reverse(from), Reverse(part));
                if best.as_ref().is_none_or(|(least, _)| key < *least) {
                    best = Some((key, tried));
                }
            }
        }
        best.map_or_else(|| fates.to_vec(), |(_, fates)| fates)
    }

    /// What clients pull beside what is fresh, for each update until the budget is full again.
    fn price(&self, usage: &[Usage], fates: &[Fate], fresh: u64) -> u128 {
        let goes = |n: &usize| fates[*n] != Fate::Keep;
        let written: u64 = (0..fates.len()).filter(goes).map(|n| usage[n].live).sum();
        let lowest = (0..fates.len()).find(goes).unwrap_or(fates.len());
        let above = (lowest..fates.len()).filter(|n| !goes(n));
        let moved: u64 = above.map(|n| self.segments[n].pull.size).sum();
        let prices = Prices::of(self.options.clients);
        let all = prices.written(written) + prices.moved(moved);
        let (dead, size) = self.dead_and_size(usage, fates, fresh);
        let budget = u128::from(size) * u128::from(self.options.max_waste.0) / 10_000;
        // What dies in layers that die whole is dropped, and fills no budget: half of it, by guess.
        let room = budget.saturating_sub(u128::from(dead)) / 2;
        // As much dies with each update as this one brings. A small one tells nothing of those to come.
        let pace = u128::from(fresh.max(size / 200)).max(1);
        all * pace / (pace + room)
    }
}
