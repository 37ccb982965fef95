//! Which segments stay as they are: the cost-benefit cleaning of log-structured file systems (Rosenblum and
//! Ousterhout, 1992).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::chain::Chain;
use super::claims::Claims;
use super::new::NewTree;
use super::purge::{holds, purged};
use super::slots::Slot;
use super::{Options, Segment, Share};
use crate::order::paths::PathId;
use crate::order::{Entry, Reason, tree};
use crate::tar::EntryKind;

/// How the segments that are cleaned are chosen. All keep to the budget; [`choice`](super::choice) says which of them
/// costs clients least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thrift {
    /// Most dead bytes for a byte of the update, until the waste is within its budget.
    Ratio,
    /// Then those stay after all that the budget has room for, costliest first: the last one may have been more than was
    /// needed.
    Spare,
    /// So, and a byte counts for each older image that has the segment: others pull it anyway.
    Shared,
    /// All that is cleaned stands above a cut; see [`cut`](super::cut).
    Cut,
}

/// What becomes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    /// Written again without its dead entries.
    Clean(Reason),
    /// Nothing of it is left, or what is left goes to fresh layers.
    Drop,
}

/// Compressed bytes of a segment's content.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub live: u64,
    pub dead: u64,
    /// Entries that the image shows.
    shown: usize,
    /// Compressed bytes of what is shown, when it is written again.
    anew: u64,
    /// The same as clients unpack it.
    pub unpacked: u64,
    /// Paths of files and devices that it does not show.
    hidden: usize,
}

impl Usage {
    /// Nothing of it is to be seen.
    pub fn is_dead(&self) -> bool {
        self.shown == 0
    }

    /// The image does not show all of it.
    pub fn is_dirty(&self) -> bool {
        self.dead > 0 || self.hidden > 0
    }

    /// Of a segment that the image shows nothing of.
    fn unseen(segment: &Segment) -> Self {
        let contents = segment.entries.iter().filter_map(|entry| entry.content);
        let is_file = |entry: &&Entry| entry.kind != EntryKind::Dir && tree::whiteout(&entry.path).is_none();
        let hidden = segment.entries.iter().filter(is_file).count();
        Self { dead: contents.map(|content| content.stored).sum(), hidden, ..Self::default() }
    }
}

pub(super) fn usage(new: &NewTree<'_>, segments: &[Segment], claims: &Claims) -> Vec<Usage> {
    let mut usage: Vec<Usage> = segments.iter().map(Usage::unseen).collect();
    for (first, segment, entry) in claims.shown(new) {
        let (entry, usage) = (&segments[segment].entries[entry], &mut usage[segment]);
        let stored = entry.content.map_or(0, |content| content.stored);
        usage.live += stored;
        usage.anew += new.stored(first);
        usage.unpacked = usage.unpacked.saturating_add(new.size(first));
        usage.dead -= stored;
        usage.shown += 1;
        if entry.kind != EntryKind::Dir {
            usage.hidden -= new.paths(first).count();
        }
    }
    usage
}

/// What segments are judged by.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub segments: &'a [Segment],
    /// Those that stay whatever is dead in them.
    pub fixed: &'a [bool],
    pub thrift: Thrift,
    /// What older images weigh together that have the segment, and all of them.
    pub held: &'a [u64],
    pub all_held: u64,
    pub options: &'a Options,
}

/// Decides for every segment, and gives up the claims of those that go. What is used of each then stands beside it.
pub(super) fn decide(
    new: &NewTree<'_>,
    rules: Rules<'_>,
    claims: &mut Claims,
    in_use: &[bool],
    forced: &BTreeMap<usize, Reason>,
) -> (Vec<Fate>, Vec<Usage>) {
    let Rules { segments, thrift, options, .. } = rules;
    let mut usage = usage(new, segments, claims);
    let first_fate = |n: usize| match in_use[n] {
        true => first_fate(&segments[n], &usage[n], forced.get(&n)),
        false => Fate::Drop,
    };
    let mut fates: Vec<Fate> = (0..segments.len()).map(first_fate).collect();
    let purged = purged(new, segments, options);
    for (number, fate) in fates.iter_mut().enumerate().filter(|(n, _)| !segments[*n].is_base) {
        if *fate == Fate::Keep && holds(&segments[number], &purged).is_some() {
            *fate = if usage[number].is_dead() { Fate::Drop } else { Fate::Clean(Reason::Purge) };
        }
    }
    let fresh: u64 = {
        let goes = |first: &PathId| claims.segment(*first).is_none_or(|n| fates[n] == Fate::Drop);
        new.firsts().filter(goes).map(|first| new.stored(first)).sum()
    };
    let within = Within { from: 0, waste: options.max_waste };
    let before = fates.clone();
    match thrift {
        Thrift::Cut => fates = rules.cut(&usage, &fates, fresh),
        _ => rules.clean(&usage, &mut fates, fresh, within),
    }
    if matches!(thrift, Thrift::Spare | Thrift::Shared) {
        rules.spare(&usage, &mut fates, &before, fresh, within);
    }
    // Written again in one piece it would be too large: what it shows is fresh, and cut. Nor has this image a place for
    // a layer of another one.
    let is_large = |usage: &Usage| options.max_layer_size.is_some_and(|most| usage.unpacked > most);
    for (number, fate) in fates.iter_mut().enumerate().filter(|(_, fate)| matches!(fate, Fate::Clean(_))) {
        if is_large(&usage[number]) || segments[number].is_shared {
            *fate = Fate::Drop;
        }
    }
    rules.drop_idle(&usage, &mut fates);
    give_up(segments, claims, &fates, &mut usage);
    (fates, usage)
}

fn give_up(segments: &[Segment], claims: &mut Claims, fates: &[Fate], usage: &mut [Usage]) {
    claims.give_up_segments(|number| fates[number] == Fate::Drop);
    let dropped = (0..fates.len()).filter(|&number| fates[number] == Fate::Drop);
    dropped.for_each(|number| usage[number] = Usage::unseen(&segments[number]));
}

/// A segment of a quarter of the image.
const LARGE_SHARE: u64 = 4;

fn first_fate(segment: &Segment, usage: &Usage, forced: Option<&Reason>) -> Fate {
    match forced {
        _ if segment.is_base => Fate::Keep,
        Some(_) if usage.is_dead() => Fate::Drop,
        Some(reason) => Fate::Clean(*reason),
        None => Fate::Keep,
    }
}

/// What may be cleaned, and until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within {
    /// The lowest segment that may.
    pub from: usize,
    pub waste: Share,
}

impl Rules<'_> {
    /// Drops what is dead as a whole and would not spare clients to move more live bytes than it has itself; or to pull
    /// any, where some pull what moves.
    fn drop_idle(&self, usage: &[Usage], fates: &mut [Fate]) {
        let is_for_docker = self.options.clients.has_docker();
        let broken = fates.iter().position(|fate| *fate != Fate::Keep).unwrap_or(fates.len());
        let mut above = 0;
        let worth = |number: usize| if is_for_docker { 1 } else { usage[number].dead };
        for number in (0..fates.len()).rev().filter(|&number| !self.fixed[number]) {
            if number < broken {
                above += usage[number].live;
            }
            if fates[number] == Fate::Keep && usage[number].is_dead() && above < worth(number) {
                fates[number] = Fate::Drop;
                above = 0;
            }
        }
    }

    /// Drops all that is dead as a whole. True when there was something.
    pub(super) fn drop_dead(&self, usage: &mut [Usage], claims: &mut Claims, fates: &mut [Fate]) -> bool {
        let is_dead = |n: usize, fate: Fate| fate == Fate::Keep && usage[n].is_dead() && !self.fixed[n];
        let dead: Vec<usize> = (0..fates.len()).filter(|&n| is_dead(n, fates[n])).collect();
        dead.iter().for_each(|&n| fates[n] = Fate::Drop);
        give_up(self.segments, claims, fates, usage);
        !dead.is_empty()
    }

    pub(super) fn clean(&self, usage: &[Usage], fates: &mut [Fate], fresh: u64, within: Within) {
        while let Some(number) = self.worst(usage, fates, fresh, within) {
            // One segment that is a large part of the image is laid out anew: its parts may then stay the next time.
            let all: u64 = usage.iter().map(|usage| usage.live).sum::<u64>() + fresh;
            fates[number] = match usage[number].live == 0 || usage[number].live * LARGE_SHARE >= all {
                true => Fate::Drop,
                false => Fate::Clean(Reason::Waste),
            };
        }
    }

    /// The segment that is to be cleaned next; `None` when the waste is within its budget.
    fn worst(&self, usage: &[Usage], fates: &[Fate], fresh: u64, within: Within) -> Option<usize> {
        let strict = self.options.max_waste.0 == 0;
        if !strict && !self.is_over(usage, fates, fresh, within.waste) {
            return None;
        }
        let dirty = |n: &usize| *n >= within.from && (usage[*n].dead > 0 || strict && usage[*n].is_dirty());
        let free = kept(fates).filter(|n| !self.fixed[*n]).filter(dirty);
        // What members agreed to keep is cleaned by one of them only if nothing else helps.
        let agreed = kept(fates).filter(|n| self.fixed[*n] && !self.segments[*n].is_base).filter(dirty);
        let free: Vec<usize> = free.collect();
        let dirty = if free.is_empty() { agreed.collect() } else { free };
        let is_place_free = self.thrift == Thrift::Cut;
        let layers = fates.iter().zip(usage).map(|(fate, usage)| (!is_place_free && *fate == Fate::Keep, usage.live));
        let chain = Chain::new(layers);
        // Most dead bytes for a byte of the update, as products of integers.
        let price = |n: usize| match self.thrift {
            // Above a cut no place costs anything.
            Thrift::Ratio | Thrift::Spare | Thrift::Cut => u128::from(usage[n].live + chain.price(n) + 1),
            Thrift::Shared => {
                u128::from(usage[n].live) * u128::from(self.held[n])
                    + u128::from(chain.price(n)) * u128::from(self.all_held)
                    + 1
            }
        };
        let less = |a: &usize, b: &usize| {
            let product = |dead: usize, live: usize| u128::from(usage[dead].dead) * price(live);
            product(*a, *b).cmp(&product(*b, *a)).then(b.cmp(a))
        };
        dirty.into_iter().max_by(less)
    }

    /// Takes back what the budget has room for, of what was to stay `before` it was cleaned.
    pub(super) fn spare(&self, usage: &[Usage], fates: &mut [Fate], before: &[Fate], fresh: u64, within: Within) {
        let is_waste = |n: usize| before[n] == Fate::Keep && fates[n] == Fate::Clean(Reason::Waste);
        let mut cleaned: Vec<usize> =
            (0..fates.len()).filter(|&n| is_waste(n) && self.options.max_waste.0 > 0).collect();
        cleaned.sort_by_key(|&n| (Reverse(usage[n].live), n));
        for number in cleaned {
            fates[number] = Fate::Keep;
            if self.is_over(usage, fates, fresh, within.waste) {
                fates[number] = Fate::Clean(Reason::Waste);
            }
        }
    }

    pub(super) fn is_over(&self, usage: &[Usage], fates: &[Fate], fresh: u64, waste: Share) -> bool {
        let (dead, size) = self.dead_and_size(usage, fates, fresh);
        exceeds(dead, size, waste)
    }

    /// The same when some are merged.
    pub(super) fn is_wasteful(&self, usage: &[Usage], fates: &[Fate], slots: &[Slot]) -> bool {
        let kept = || slots.iter().filter(|slot| slot.kept).flat_map(|slot| slot.segments.iter().copied());
        let dead: u64 = kept().filter(|&n| !self.segments[n].is_base).map(|n| usage[n].dead).sum();
        let written = slots.iter().filter(|slot| !slot.kept);
        // Content that no frame can be copied of is compressed again.
        let fate =
            |n: usize| if self.segments[n].pull.index.is_none() { Fate::Clean(Reason::Broken) } else { fates[n] };
        let rewritten = written.clone().flat_map(|slot| &slot.segments).map(|&n| written_again(fate(n), &usage[n]));
        let fresh: u64 = written.flat_map(|slot| &slot.groups).map(|group| group.stored).sum();
        let size = kept().map(|n| self.segments[n].pull.size).sum::<u64>() + rewritten.sum::<u64>() + fresh * 4 / 5;
        exceeds(dead, size, self.options.max_waste)
    }

    /// Compressed bytes that would be dead, and those of all layers, at least.
    pub(super) fn dead_and_size(&self, usage: &[Usage], fates: &[Fate], fresh: u64) -> (u64, u64) {
        let dead: u64 = kept(fates).filter(|&n| !self.segments[n].is_base).map(|n| usage[n].dead).sum();
        let written = fates.iter().zip(usage).filter(|(fate, _)| **fate != Fate::Keep);
        let written: u64 = written.map(|(fate, usage)| written_again(*fate, usage)).sum();
        // Fresh content may yet be compressed harder; the budget must hold then, too.
        let size: u64 = kept(fates).map(|n| self.segments[n].pull.size).sum::<u64>() + written + fresh * 4 / 5;
        (dead, size)
    }
}

pub(super) fn exceeds(dead: u64, size: u64, waste: Share) -> bool {
    u128::from(dead) * 10_000 > u128::from(size) * u128::from(waste.0)
}

/// Compressed bytes of a segment's live content in a layer that is written, at least.
fn written_again(fate: Fate, usage: &Usage) -> u64 {
    match fate {
        // Such a segment can be another tool's, with a guess of what is live.
        Fate::Clean(Reason::Broken) => usage.live.min(usage.anew * 4 / 5),
        Fate::Keep | Fate::Clean(_) | Fate::Drop => usage.live,
    }
}

fn kept(fates: &[Fate]) -> impl Iterator<Item = usize> + '_ {
    (0..fates.len()).filter(|&n| fates[n] == Fate::Keep)
}
