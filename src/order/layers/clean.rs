//! Which segments stay as they are: the cost-benefit cleaning of log-structured file systems (Rosenblum and
//! Ousterhout, 1992).

use std::collections::BTreeMap;

use super::chain::Chain;
use super::claims::Claims;
use super::new::NewTree;
use super::purge::{holds, purged};
use super::{Options, Segment};
use crate::order::{Entry, Reason, tree};
use crate::tar::EntryKind;

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
    /// Paths of files and devices that it does not show.
    hidden: usize,
}

impl Usage {
    /// False when no byte of it is to be seen.
    pub fn is_shown(&self) -> bool {
        self.live > 0 || self.dead == 0
    }
}

pub(super) fn usage(new: &NewTree<'_>, segments: &[Segment], claims: &Claims) -> Vec<Usage> {
    let mut usage = vec![Usage::default(); segments.len()];
    for (segment, usage) in segments.iter().zip(&mut usage) {
        usage.dead = segment.entries.iter().filter_map(|entry| entry.content).map(|content| content.stored).sum();
        let is_file = |entry: &&Entry| entry.kind != EntryKind::Dir && tree::whiteout(&entry.path).is_none();
        usage.hidden = segment.entries.iter().filter(is_file).count();
    }
    for (first, segment, entry) in claims.shown() {
        let (entry, usage) = (&segments[segment].entries[entry], &mut usage[segment]);
        let stored = entry.content.map_or(0, |content| content.stored);
        usage.live += stored;
        usage.dead -= stored;
        usage.shown += 1;
        if entry.kind != EntryKind::Dir {
            usage.hidden -= new.paths(first).len();
        }
    }
    usage
}

/// Decides for every segment, and gives up the claims of those that go.
pub(super) fn decide(
    new: &NewTree<'_>,
    segments: &[Segment],
    claims: &mut Claims,
    forced: &BTreeMap<usize, Reason>,
    options: &Options,
) -> Vec<Fate> {
    let usage = usage(new, segments, claims);
    let is_tight = segments.len() + FRESH_LAYERS > options.max_layers;
    let mut fates: Vec<Fate> =
        (0..segments.len()).map(|n| first_fate(n, segments, &usage[n], forced, is_tight)).collect();
    let purged = purged(new, segments, options);
    for (number, fate) in fates.iter_mut().enumerate().filter(|(n, _)| !segments[*n].is_base) {
        if *fate == Fate::Keep && holds(&segments[number], &purged).is_some() {
            *fate = Fate::Clean(Reason::Purge);
        }
    }
    let fresh: u64 = {
        let goes = |first: &u32| claims.segment(*first).is_none_or(|n| fates[n] == Fate::Drop);
        new.firsts().filter(goes).map(|first| new.stored(first)).sum()
    };
    while let Some(number) = worst(segments, &usage, &fates, fresh, options) {
        // One segment that is a large part of the image is laid out anew: its parts may then stay the next time.
        let all: u64 = usage.iter().map(|usage| usage.live).sum::<u64>() + fresh;
        fates[number] = match usage[number].live == 0 || usage[number].live * LARGE_SHARE >= all {
            true => Fate::Drop,
            false => Fate::Clean(Reason::Waste),
        };
    }
    for (number, fate) in fates.iter().enumerate() {
        if *fate == Fate::Drop {
            claims.give_up_segment(number);
        }
    }
    fates
}

/// A segment of a quarter of the image.
const LARGE_SHARE: u64 = 4;

/// Layers that an update may need for itself: what is dead as a whole makes room for them.
const FRESH_LAYERS: usize = 8;

fn first_fate(
    number: usize,
    segments: &[Segment],
    usage: &Usage,
    forced: &BTreeMap<usize, Reason>,
    is_tight: bool,
) -> Fate {
    let is_dead = usage.live == 0 && usage.dead > 0;
    match forced.get(&number) {
        _ if segments[number].is_base => Fate::Keep,
        _ if usage.shown == 0 && usage.dead == 0 => Fate::Drop,
        reason if is_dead && (is_tight || reason.is_some()) => Fate::Drop,
        Some(reason) => Fate::Clean(*reason),
        None => Fate::Keep,
    }
}

/// The segment that is to be cleaned next; `None` when the waste is within its budget.
fn worst(segments: &[Segment], usage: &[Usage], fates: &[Fate], fresh: u64, options: &Options) -> Option<usize> {
    let kept = || (0..segments.len()).filter(|&n| fates[n] == Fate::Keep);
    let dead: u64 = kept().filter(|&n| !segments[n].is_base).map(|n| usage[n].dead).sum();
    let written: u64 = (0..segments.len()).filter(|&n| fates[n] != Fate::Keep).map(|n| usage[n].live).sum();
    // Fresh content may yet be compressed harder; the budget must hold then, too.
    let size: u64 = kept().map(|n| segments[n].size).sum::<u64>() + written + fresh * 4 / 5;
    let is_over = u128::from(dead) * 10_000 > u128::from(size) * u128::from(options.max_waste.0);
    let strict = options.max_waste.0 == 0;
    let dirty = kept().filter(|&n| !segments[n].is_base && (usage[n].dead > 0 || strict && usage[n].hidden > 0));
    let chain = Chain::new(fates.iter().zip(segments).map(|(fate, segment)| (*fate == Fate::Keep, segment.size)));
    // Most dead bytes for a byte of the update, as products of integers.
    let price = |n: usize| usage[n].live + chain.price(n) + 1;
    let less = |a: &usize, b: &usize| {
        let product = |dead: usize, live: usize| u128::from(usage[dead].dead) * u128::from(price(live));
        product(*a, *b).cmp(&product(*b, *a)).then(b.cmp(a))
    };
    dirty.max_by(less).filter(|_| is_over || strict)
}
