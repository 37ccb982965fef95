//! The layers of the output, bottom first, and merging them when there are too many.

use super::chain::{Chain, Prices};
use super::clean::{Fate, Usage};
use super::split::Group;
use super::{Agreed, Options, Segment, Standing};
use crate::order::Members;

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
    /// Other members of the family have it, too.
    is_agreed: bool,
    /// Of a new one: who they are.
    pub members: Option<Members>,
    /// Compressed bytes of what it will show.
    live: u64,
    /// The same as clients unpack it.
    unpacked: u64,
}

impl Slot {
    pub fn fresh(group: Group) -> Self {
        let Group { hot, odd, is_own, stored: live, unpacked, members, .. } = group;
        Self {
            segments: Vec::new(),
            groups: vec![group],
            kept: false,
            is_base: false,
            hot,
            odd,
            is_own,
            is_agreed: members.is_some(),
            members,
            live,
            unpacked,
        }
    }

    /// This image alone says what is in it.
    pub fn is_written_alone(&self) -> bool {
        !self.kept && self.members.is_none()
    }

    /// Bytes that clients must fetch again if this slot is merged with another one.
    fn price(&self) -> u64 {
        if self.kept { self.live } else { 0 }
    }
}

/// What the files are that a segment shows.
pub(super) struct Nature {
    /// They change with every version.
    pub is_hot: bool,
    /// An index cannot hold them.
    pub is_odd: bool,
    /// They stand in a layer that was asked for.
    pub is_own: bool,
}

pub(super) fn slots(
    segments: &[Segment],
    agreed: Agreed<'_>,
    fates: &[Fate],
    usage: &[Usage],
    natures: &[Nature],
    groups: Vec<Group>,
) -> Vec<Slot> {
    let old = (0..segments.len()).filter(|&n| fates[n] != Fate::Drop).map(|n| Slot {
        segments: vec![n],
        groups: Vec::new(),
        kept: fates[n] == Fate::Keep,
        is_base: segments[n].is_base,
        hot: natures[n].is_hot,
        odd: natures[n].is_odd,
        is_own: natures[n].is_own,
        is_agreed: agreed.standing(n) == Standing::Stays,
        members: None,
        live: usage[n].live,
        unpacked: usage[n].unpacked,
    });
    old.chain(groups.into_iter().map(Slot::fresh)).collect()
}

/// Merges slots until there are no more than allowed. A merge takes the higher of the two places: what is shown
/// there is shown by nothing in between.
pub(super) fn limit(slots: &mut Vec<Slot>, options: &Options) {
    let most = if slots.len() > options.max_layers { options.most_merged() } else { options.max_layers };
    while slots.len() > most {
        let free = |slot: &Slot| !slot.is_base;
        // What others have, too, is merged last: they would not have the merged layer.
        let alone = |slot: &Slot| free(slot) && !slot.is_agreed;
        let unasked = |slot: &Slot| alone(slot) && !slot.is_own;
        let (prices, fits) = (Prices::of(options.clients), options.max_layer_size);
        let must = || {
            cheapest(slots, prices, None, unasked)
                .or_else(|| cheapest(slots, prices, fits, alone))
                .or_else(|| cheapest(slots, prices, None, alone))
                .or_else(|| cheapest(slots, prices, None, free))
        };
        let fitting = cheapest(slots, prices, fits, unasked);
        let pair = if slots.len() > options.max_layers { fitting.or_else(must) } else { fitting };
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
        higher.is_agreed = false;
        higher.members = None;
        higher.live += lower.live;
        higher.unpacked = higher.unpacked.saturating_add(lower.unpacked);
    }
}

/// What can't stand in an index joins its like, and so does what changes with every version, as long as there is a
/// choice; then bytes count. With `most`, only pairs that unpack to no more.
///
/// A pair costs the sum of what its two slots cost, so the best one for a slot is with the cheapest of each kind below
/// that leaves it room.
fn cheapest(
    slots: &[Slot],
    prices: Prices,
    most: Option<u64>,
    is_free: impl Fn(&Slot) -> bool,
) -> Option<(usize, usize)> {
    let chain = Chain::new(slots.iter().map(|slot| (slot.kept, slot.live)));
    // By odd and hot.
    let mut lower: [Lower; 4] = Default::default();
    let mut best = None;
    for (high, slot) in slots.iter().enumerate().filter(|(_, slot)| is_free(slot)) {
        let unpacked = if most.is_some() { slot.unpacked } else { 0 };
        let room = most.map_or(Some(0), |most| most.checked_sub(unpacked));
        for (kind, lower) in lower.iter().enumerate() {
            let Some((price, live, low)) = room.and_then(|room| lower.cheapest(room)) else { continue };
            let (odd, hot) = (kind & 2 != 0, kind & 1 != 0);
            let key =
                (odd != slot.odd, hot != slot.hot, price + prices.written(slot.price()), live + slot.live, low, high);
            if best.is_none_or(|best| key < best) {
                best = Some(key);
            }
        }
        let own = (prices.written(slot.price()) + chain.price_for(high, prices), slot.live, high);
        lower[usize::from(slot.odd) * 2 + usize::from(slot.hot)].add(own, unpacked);
    }
    best.map(|(.., low, high)| (low, high))
}

/// Slots of one kind, by what they cost, with what they unpack to: each is smaller than all that are cheaper.
#[derive(Default)]
struct Lower(Vec<((u128, u64, usize), u64)>);

impl Lower {
    fn cheapest(&self, room: u64) -> Option<(u128, u64, usize)> {
        let at = self.0.partition_point(|(_, unpacked)| *unpacked > room);
        self.0.get(at).map(|(cost, _)| *cost)
    }

    fn add(&mut self, cost: (u128, u64, usize), unpacked: u64) {
        let at = self.0.partition_point(|(other, _)| *other < cost);
        if self.0[..at].last().is_some_and(|(_, least)| *least <= unpacked) {
            return;
        }
        let worse = self.0[at..].iter().take_while(|(_, other)| *other >= unpacked).count();
        self.0.splice(at..at + worse, [(cost, unpacked)]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    /// Every pair, one after the other.
    fn of_all_pairs(slots: &[Slot], prices: Prices, most: Option<u64>) -> Option<(usize, usize)> {
        let chain = Chain::new(slots.iter().map(|slot| (slot.kept, slot.live)));
        let pairs = (0..slots.len()).flat_map(|low| (low + 1..slots.len()).map(move |high| (low, high)));
        let free = pairs.filter(|&(low, high)| !slots[low].is_base && !slots[high].is_base);
        let fits =
            |&(low, high): &(usize, usize)| most.is_none_or(|most| slots[low].unpacked + slots[high].unpacked <= most);
        free.filter(fits).min_by_key(|&(low, high)| {
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
        (flag(0.8), flag(0.1), flag(0.2), flag(0.2), 0_u64..4, 0_u64..8).prop_map(
            |(kept, is_base, hot, odd, live, unpacked)| Slot {
                segments: Vec::new(),
                groups: Vec::new(),
                kept: kept || is_base,
                is_base,
                hot,
                odd,
                is_own: false,
                is_agreed: false,
                members: None,
                live: live * 64,
                unpacked,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_cheapest_pair_is_the_one_of_all_pairs(slots in vec(slot(), 0..12), docker: bool, most in option::of(0_u64..12)) {
            let clients = if docker { "plain=1,docker=0.5" } else { "plain=1,podman=1" };
            let prices = Prices::of(clients.parse().unwrap());
            prop_assert_eq!(cheapest(&slots, prices, most, |slot| !slot.is_base), of_all_pairs(&slots, prices, most));
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
