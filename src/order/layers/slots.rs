//! The layers of the output, bottom first, and merging them when there are too many.

use super::chain::{Chain, Prices};
use super::clean::{Fate, Usage};
use super::split::Group;
use super::{Options, Segment};

/// A layer to be: what it takes over from segments, and fresh files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// Ascending.
    pub segments: Vec<usize>,
    pub groups: Vec<Group>,
    /// The one segment stays as it is.
    pub kept: bool,
    is_base: bool,
    pub hot: bool,
    /// Something in it keeps all of it from having an index.
    odd: bool,
    /// It was asked for, and holds nothing else.
    is_own: bool,
    /// Compressed bytes of what it will show.
    live: u64,
}

impl Slot {
    pub fn fresh(group: Group) -> Self {
        let Group { hot, odd, is_own, stored: live, .. } = group;
        Self { segments: Vec::new(), groups: vec![group], kept: false, is_base: false, hot, odd, is_own, live }
    }

    /// Bytes that clients must fetch again if this slot is merged with another one.
    fn price(&self) -> u64 {
        if self.kept { self.live } else { 0 }
    }
}

pub(super) fn slots(
    segments: &[Segment],
    fates: &[Fate],
    usage: &[Usage],
    hot: &[bool],
    odd: &[bool],
    own: &[bool],
    groups: Vec<Group>,
) -> Vec<Slot> {
    let old = (0..segments.len()).filter(|&n| fates[n] != Fate::Drop).map(|n| Slot {
        segments: vec![n],
        groups: Vec::new(),
        kept: fates[n] == Fate::Keep,
        is_base: segments[n].is_base,
        hot: hot[n],
        odd: odd[n],
        is_own: own[n],
        live: usage[n].live,
    });
    old.chain(groups.into_iter().map(Slot::fresh)).collect()
}

/// Merges slots until there are no more than allowed. A merge takes the higher of the two places: what is shown
/// there is shown by nothing in between.
pub(super) fn limit(slots: &mut Vec<Slot>, options: &Options) {
    let most = if slots.len() > options.max_layers { options.most_merged() } else { options.max_layers };
    while slots.len() > most {
        let free = |slot: &Slot| !slot.is_base;
        let prices = Prices::of(options.clients);
        let must = slots.len() > options.max_layers;
        let others = cheapest(slots, prices, |slot| free(slot) && !slot.is_own);
        let pair = others.or_else(|| must.then(|| cheapest(slots, prices, free)).flatten());
        let Some((low, high)) = pair else { return };
        let lower = slots.remove(low);
        let higher = &mut slots[high - 1];
        higher.segments.extend(lower.segments);
        higher.segments.sort_unstable();
        higher.groups.extend(lower.groups);
        higher.kept = false;
        higher.hot &= lower.hot;
        higher.odd |= lower.odd;
        higher.is_own = false;
        higher.live += lower.live;
    }
}

/// What can't stand in an index joins its like, and so does what changes with every version, as long as there is a
/// choice; then bytes count.
///
/// A pair costs the sum of what its two slots cost, so the best one for a slot is with the cheapest of each kind below.
fn cheapest(slots: &[Slot], prices: Prices, is_free: impl Fn(&Slot) -> bool) -> Option<(usize, usize)> {
    let chain = Chain::new(slots.iter().map(|slot| (slot.kept, slot.live)));
    // By odd and hot: the cheapest slot so far, and what it costs.
    let mut lowest: [Option<(u128, u64, usize)>; 4] = [None; 4];
    let mut best = None;
    for (high, slot) in slots.iter().enumerate().filter(|(_, slot)| is_free(slot)) {
        for (kind, (price, live, low)) in lowest.iter().enumerate().filter_map(|(kind, low)| Some((kind, (*low)?))) {
            let (odd, hot) = (kind & 2 != 0, kind & 1 != 0);
            let key =
                (odd != slot.odd, hot != slot.hot, price + prices.written(slot.price()), live + slot.live, low, high);
            if best.is_none_or(|best| key < best) {
                best = Some(key);
            }
        }
        let own = (prices.written(slot.price()) + chain.price_for(high, prices), slot.live, high);
        let lowest = &mut lowest[usize::from(slot.odd) * 2 + usize::from(slot.hot)];
        *lowest = Some(lowest.map_or(own, |other| other.min(own)));
    }
    best.map(|(.., low, high)| (low, high))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Every pair, one after the other.
    fn of_all_pairs(slots: &[Slot], prices: Prices) -> Option<(usize, usize)> {
        let chain = Chain::new(slots.iter().map(|slot| (slot.kept, slot.live)));
        let pairs = (0..slots.len()).flat_map(|low| (low + 1..slots.len()).map(move |high| (low, high)));
        let free = pairs.filter(|&(low, high)| !slots[low].is_base && !slots[high].is_base);
        free.min_by_key(|&(low, high)| {
            let (a, b) = (&slots[low], &slots[high]);
            (
                a.odd != b.odd,
                a.hot != b.hot,
                prices.written(a.price()) + prices.written(b.price()) + chain.price_for(low, prices),
                a.live + b.live,
                low,
                high,
            )
        })
    }

    fn slot() -> impl Strategy<Value = Slot> {
        let flag = proptest::bool::weighted;
        // Few different sizes, so that many pairs cost the same.
        (flag(0.8), flag(0.1), flag(0.2), flag(0.2), 0_u64..4).prop_map(|(kept, is_base, hot, odd, live)| Slot {
            segments: Vec::new(),
            groups: Vec::new(),
            kept: kept || is_base,
            is_base,
            hot,
            odd,
            is_own: false,
            live: live * 64,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_cheapest_pair_is_the_one_of_all_pairs(slots in vec(slot(), 0..12), docker: bool) {
            let clients = if docker { "plain=1,docker=0.5" } else { "plain=1,podman=1" };
            let prices = Prices::of(clients.parse().unwrap());
            prop_assert_eq!(cheapest(&slots, prices, |slot| !slot.is_base), of_all_pairs(&slots, prices));
        }
    }

    /// A look at all pairs for each merge took a minute.
    #[test]
    fn thousands_are_merged() {
        let slot = |n| Slot { segments: vec![n], live: n as u64 % 97, kept: true, ..Slot::fresh(Group::default()) };
        let mut slots: Vec<Slot> = (0..1000).map(slot).collect();
        limit(&mut slots, &Options { max_layers: 8, ..Options::default() });
        let mut merged: Vec<usize> = slots.iter().flat_map(|slot| &slot.segments).copied().collect();
        merged.sort_unstable();
        assert!(slots.len() == 8 && merged.into_iter().eq(0..1000));
    }
}
