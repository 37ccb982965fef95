//! Which old layers stay for all members that have them, and which go for all: a layer that one cleans alone, others would
//! have beside the one that it writes.

use std::cmp::Reverse;

use foldhash::{HashMap, HashMapExt as _};

use crate::digest::BlobDigest;
use crate::order::layers::chain::Chain;
use crate::order::layers::claims::Claims;
use crate::order::layers::clean::{Usage, exceeds, usage};
use crate::order::layers::{Given, Options, PlanError, Standing, with_scene};

/// Layers that a member takes over for others without a merge: of those that it may have, seven eighths.
const STAYING: (usize, usize) = (7, 8);

/// How members use old layers, if nothing is cleaned.
#[derive(Default)]
pub struct Usages {
    members: Vec<Member>,
    layers: Vec<Layer>,
    numbers: HashMap<BlobDigest, usize>,
}

struct Member {
    /// Layers, bottom first, with what is used of them.
    uses: Vec<Use>,
    /// Compressed bytes of base layers, and of what no old layer shows.
    base: u64,
    fresh: u64,
}

#[derive(Clone, Copy)]
struct Use {
    layer: usize,
    live: u64,
    dead: u64,
    /// The member does not show all of it, be it a file without content.
    is_dirty: bool,
}

struct Layer {
    digest: BlobDigest,
    size: u64,
    members: Vec<usize>,
}

/// What becomes of old layers. Those that are not told are free.
pub struct Standings {
    by_layer: HashMap<BlobDigest, Standing>,
    /// Layers that a member shows too little of to have them with others.
    left: HashMap<(usize, BlobDigest), ()>,
}

impl Standings {
    pub fn of(&self, member: usize, layer: BlobDigest) -> Standing {
        match self.left.contains_key(&(member, layer)) {
            true => Standing::Goes,
            false => self.by_layer.get(&layer).copied().unwrap_or_default(),
        }
    }
}

impl Usages {
    /// Adds the next member.
    pub fn add(&mut self, given: Given<'_>) -> Result<(), PlanError> {
        with_scene(given, |scene| {
            let segments = scene.log.segments;
            let in_use = scene.in_use(true);
            let claims = Claims::new(&scene.new, &scene.log, &in_use, given.options.mtime);
            let used = usage(&scene.new, segments, &claims);
            let firsts = scene.new.firsts().filter(|first| claims.segment(*first).is_none());
            let fresh = firsts.map(|first| scene.new.stored(first)).sum();
            let mut member = Member { uses: Vec::new(), base: 0, fresh };
            for (number, segment) in segments.iter().enumerate().filter(|(number, _)| in_use[*number]) {
                if segment.is_base {
                    member.base += segment.pull.size;
                    continue;
                }
                let layer = self.layer(segment.pull.digest, segment.pull.size);
                self.layers[layer].members.push(self.members.len());
                let Usage { live, dead, .. } = used[number];
                member.uses.push(Use { layer, live, dead, is_dirty: used[number].is_dirty() });
            }
            self.members.push(member);
            Ok(())
        })
    }

    fn layer(&mut self, digest: BlobDigest, size: u64) -> usize {
        *self.numbers.entry(digest).or_insert_with(|| {
            self.layers.push(Layer { digest, size, members: Vec::new() });
            self.layers.len() - 1
        })
    }

    /// Layers go until no member has too much waste or too many layers.
    pub fn settle(mut self, options: &Options) -> Standings {
        let left = self.leave();
        let mut goes = vec![false; self.layers.len()];
        if options.max_waste.0 == 0 {
            let dirty = self.members.iter().flat_map(|member| &member.uses).filter(|used| used.is_dirty);
            dirty.for_each(|used| goes[used.layer] = true);
        }
        while let Some(worst) = self.worst(&goes, options) {
            goes[worst] = true;
        }
        if options.max_waste.0 > 0 {
            self.spare(&mut goes, options);
        }
        self.limit(&mut goes, options);
        let common = self.layers.iter().zip(goes).filter(|(layer, _)| layer.members.len() > 1);
        let standing = |goes| if goes { Standing::Goes } else { Standing::Stays };
        Standings { by_layer: common.map(|(layer, goes)| (layer.digest, standing(goes))).collect(), left }
    }

    /// A member that shows less than half of a layer goes on without it, if another one shows more.
    fn leave(&mut self) -> HashMap<(usize, BlobDigest), ()> {
        let mut is_of_use = vec![false; self.layers.len()];
        for used in self.members.iter().flat_map(|member| &member.uses) {
            is_of_use[used.layer] |= used.live >= used.dead;
        }
        let mut left = HashMap::new();
        for (number, member) in self.members.iter_mut().enumerate() {
            member.uses.retain(|used| {
                let layer = &mut self.layers[used.layer];
                let stays = used.live >= used.dead || !is_of_use[used.layer];
                if !stays {
                    layer.members.retain(|other| *other != number);
                    left.insert((number, layer.digest), ());
                    member.fresh += used.live;
                }
                stays
            });
        }
        left
    }

    fn is_over(&self, member: &Member, goes: &[bool], options: &Options) -> bool {
        let (mut dead, mut size) = (0, member.base + member.fresh * 4 / 5);
        for used in &member.uses {
            match goes[used.layer] {
                true => size += used.live * 4 / 5,
                false => (dead, size) = (dead + used.dead, size + self.layers[used.layer].size),
            }
        }
        exceeds(dead, size, options.max_waste)
    }

    /// The layer that goes next: most dead bytes of members with too much for what all pull again.
    fn worst(&self, goes: &[bool], options: &Options) -> Option<usize> {
        let mut dead = vec![0_u64; self.layers.len()];
        for member in self.members.iter().filter(|member| self.is_over(member, goes, options)) {
            let kept = member.uses.iter().filter(|used| !goes[used.layer]);
            kept.for_each(|used| dead[used.layer] += used.dead);
        }
        let prices = self.prices(goes);
        let less = |a: &usize, b: &usize| {
            let product =
                |dead_of: usize, price_of: usize| u128::from(dead[dead_of]) * u128::from(prices[price_of] + 1);
            product(*a, *b).cmp(&product(*b, *a)).then(b.cmp(a))
        };
        (0..self.layers.len()).filter(|&layer| dead[layer] > 0).max_by(less)
    }

    /// What it costs, in bytes of updates of all members and of a host that has them all, that a layer goes.
    fn prices(&self, goes: &[bool]) -> Vec<u64> {
        let (mut prices, mut once) = (vec![0; self.layers.len()], vec![0; self.layers.len()]);
        for member in &self.members {
            let chain = Chain::new(member.uses.iter().map(|used| (!goes[used.layer], used.live)));
            for (place, used) in member.uses.iter().enumerate() {
                prices[used.layer] += used.live + chain.price(place);
                once[used.layer] = used.live.max(once[used.layer]);
            }
        }
        prices.into_iter().zip(once).map(|(all, once): (u64, u64)| all + once).collect()
    }

    /// Layers stay after all if everybody has room for what is dead in them, costliest first.
    fn spare(&self, goes: &mut [bool], options: &Options) {
        let prices = self.prices(goes);
        let mut gone: Vec<usize> = (0..goes.len()).filter(|&layer| goes[layer]).collect();
        gone.sort_by_key(|&layer| (Reverse(prices[layer]), layer));
        for layer in gone {
            goes[layer] = false;
            let mut holders = self.layers[layer].members.iter();
            goes[layer] = holders.any(|&member| self.is_over(&self.members[member], goes, options));
        }
    }

    /// Bytes that all members pull again, for each layer less, if one layer is made of these. The same members have them.
    fn merging(&self, alike: &[usize]) -> (u64, usize) {
        let all: u64 = alike.iter().map(|&layer| self.layers[layer].size).sum();
        let members = self.layers[alike[0]].members.len() as u64;
        (all * members / (alike.len() as u64 - 1), alike[0])
    }

    /// What several have is not merged by one of them. Where it is too much, the smallest layers that the same members
    /// have become new ones together.
    fn limit(&self, goes: &mut [bool], options: &Options) {
        let most = options.max_layers * STAYING.0 / STAYING.1;
        for member in &self.members {
            let common = |used: &&Use| self.layers[used.layer].members.len() > 1;
            loop {
                let staying: Vec<&Use> = member.uses.iter().filter(common).filter(|used| !goes[used.layer]).collect();
                if staying.len() <= most {
                    break;
                }
                let mut alike: HashMap<&[usize], Vec<&Use>> = HashMap::new();
                for used in staying {
                    alike.entry(self.layers[used.layer].members.as_slice()).or_default().push(used);
                }
                // As many at once that the next updates have room.
                let count = (options.max_layers / 8).max(2);
                let smallest = |mut alike: Vec<&Use>| {
                    alike.sort_by_key(|used| (used.live, used.layer));
                    alike.truncate(count);
                    alike.iter().map(|used| used.layer).collect::<Vec<_>>()
                };
                let merged = alike.into_values().map(smallest).filter(|alike| alike.len() > 1);
                let Some(cheapest) = merged.min_by_key(|alike| self.merging(alike)) else { break };
                cheapest.into_iter().for_each(|layer| goes[layer] = true);
            }
        }
    }
}
