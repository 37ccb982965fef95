//! How finely fresh files are split: a first layout gets more layers than an update, and each set of a family its share.

use super::claims::Claims;
use super::clean::{Fate, Usage};
use super::split::{Grain, Group, split};
use super::{Planner, family};
use crate::order::Members;
use crate::order::paths::PathId;

/// Layers for one owner each: in a first layout, and in an update (DESIGN section 2).
const FIRST_OWNERS: usize = 48;
const UPDATE_OWNERS: usize = 4;
const FIRST_LEAST: u64 = 512 << 10;
const UPDATE_LEAST: u64 = 1 << 20;

/// Shares of the image that what has no layer of its own is cut to: when too much in one of them is dead, all of it is
/// written again.
const FIRST_PARTS: u64 = 32;
const LEAST_PART: u64 = 256 << 10;
const UPDATE_PARTS: usize = 8;

impl Planner<'_> {
    /// The fresh files, split.
    pub(super) fn groups(&self, claims: &Claims, usage: &[Usage], fates: &[Fate]) -> Vec<Group> {
        let fresh: Vec<PathId> = self.new.firsts().filter(|first| claims.segment(*first).is_none()).collect();
        let stored: u64 = fresh.iter().map(|&first| self.new.stored(first)).sum();
        let kept: u64 = usage.iter().map(|usage| usage.live).sum();
        let all = stored + kept;
        // A layout that is mostly new is a first one.
        let grain = match stored >= kept {
            true => {
                let others = fates.iter().filter(|fate| **fate != Fate::Drop).count();
                let owners =
                    FIRST_OWNERS.min(self.rules.options.first_layers().saturating_sub(others)).max(UPDATE_OWNERS);
                Grain { owners, least: FIRST_LEAST, parts: owners, part: (all / FIRST_PARTS).max(LEAST_PART) }
            }
            false => Grain {
                owners: UPDATE_OWNERS,
                least: UPDATE_LEAST,
                parts: UPDATE_PARTS,
                part: all / UPDATE_PARTS as u64,
            },
        };
        let sets = family::by_set(self.new, fresh, self.given.agreed, self.rules.options.mtime);
        let split = |(members, files): (Option<Members>, Vec<PathId>)| {
            let (files, remains) = self.remains.part(self.new, files);
            let whole = Grain { owners: 0, parts: 1, ..grain };
            let split = |files: &[PathId], grain| split(self.new, files, self.given.labels, self.rules.options, grain);
            let remains: Vec<Group> = remains.iter().flat_map(|files| split(files, whole)).collect();
            let share: u64 = files.iter().map(|&first| self.new.stored(first)).sum();
            let grain = if members.is_some() || share < stored { grain.part_of(share, stored) } else { grain };
            remains.into_iter().chain(split(&files, grain)).map(move |group| Group { members, ..group })
        };
        sets.into_iter().flat_map(split).collect()
    }
}
