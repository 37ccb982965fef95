//! What was decided, as a plan tells it: each layer with its state, the reason and its owners.

use std::collections::BTreeMap;

use foldhash::HashSet;

use super::clean::{Fate, Usage};
use super::slots::Slot;
use super::write::{Draft, Ordered};
use super::{Decided, Planner, Segment};
use crate::digest::FileDigest;
use crate::order::Below;
use crate::order::paths::PathId;
use crate::order::plan::{LayerPlan, Plan, Reason, State, Unowned};

impl Planner<'_> {
    pub(super) fn plan(&self, decided: &Decided, drafts: Vec<Option<Draft<'_>>>) -> Plan {
        let Decided { fates, usage, slots, files, .. } = decided;
        let written: HashSet<&FileDigest> = drafts.iter().flatten().flat_map(Draft::contents).collect();
        let mut below = Below::default();
        let mut layers = Vec::with_capacity(slots.len());
        // A layer for whiteouts alone stands above what was cleaned since, and there may be none any more.
        let is_bare = |slot: &Slot, draft: &Option<Draft<'_>>| {
            slot.segments.is_empty() && draft.as_ref().is_some_and(Draft::is_empty)
        };
        let slots = (0..).zip(slots.iter().zip(drafts)).filter(|(_, (slot, draft))| !is_bare(slot, draft));
        for (number, (slot, draft)) in slots {
            let contents: Vec<&FileDigest> = match &draft {
                Some(draft) => draft.contents().collect(),
                None => {
                    kept_contents(&self.rules.segments[slot.segments[0]]).filter(|it| written.contains(it)).collect()
                }
            };
            let order =
                |draft: &Draft<'_>| draft.in_order(self.given.old.previous(), &below, self.rules.options.canonical);
            let ordered = draft.as_ref().map(order).unwrap_or_default();
            below.add_layer(number, contents);
            layers.push(self.layer(slot, &files[number as usize], ordered, fates, usage));
        }
        let dropped = (0..fates.len()).filter(|&n| fates[n] == Fate::Drop && !self.rules.segments[n].is_shared);
        let dropped = dropped.collect();
        Plan { layers, dropped }
    }

    fn layer(&self, slot: &Slot, files: &[PathId], ordered: Ordered, fates: &[Fate], usage: &[Usage]) -> LayerPlan {
        let (state, reason) = self.why(slot, fates, usage);
        let Ordered { entries, fresh_run, fresh_entries } = ordered;
        // The same content may take other bytes in a layer of another tool.
        let (live, dead) = match slot.kept {
            true => (usage[slot.segments[0]].live, usage[slot.segments[0]].dead),
            false => (files.iter().map(|&first| self.new.stored(first)).sum(), 0),
        };
        let (owners, unowned) = self.owners(files);
        LayerPlan {
            state,
            reason,
            segments: slot.segments.clone(),
            owners,
            unowned,
            changes_always: slot.hot && !files.is_empty(),
            members: slot.members,
            entries,
            fresh_run,
            fresh_entries,
            live,
            dead,
        }
    }

    fn why(&self, slot: &Slot, fates: &[Fate], usage: &[Usage]) -> (State, Reason) {
        match (slot.segments.as_slice(), slot.groups.as_slice()) {
            ([one], []) if slot.kept && self.rules.segments[*one].is_base => (State::Kept, Reason::Base),
            ([one], []) if slot.kept && self.rules.segments[*one].is_shared => (State::Kept, Reason::Shared),
            ([one], []) if slot.kept && usage[*one].is_dead() => (State::Kept, Reason::StoodOn),
            ([_], []) if slot.kept => (State::Kept, Reason::Live),
            ([one], []) => match fates[*one] {
                Fate::Clean(reason) => (State::Cleaned, reason),
                Fate::Keep | Fate::Drop => (State::Cleaned, Reason::Limit),
            },
            ([], [_]) => (State::Fresh, Reason::NotShown),
            ([], _) => (State::Fresh, Reason::Limit),
            _ => (State::Merged, Reason::Limit),
        }
    }

    /// Most bytes first.
    fn owners(&self, files: &[PathId]) -> (Vec<u32>, Option<Unowned>) {
        let mut bytes: BTreeMap<u32, u64> = BTreeMap::new();
        let (mut unowned, mut dir) = (0, None);
        for &first in files {
            let stored = self.new.stored(first);
            match self.label(first).owner {
                Some(owner) => *bytes.entry(owner).or_default() += stored,
                None if stored == 0 => {}
                None => {
                    let path = self.new.name(first);
                    unowned += stored;
                    dir = dir.or_else(|| path.parent()).map(|dir| dir.up_to_hold(path));
                }
            }
        }
        let mut owners: Vec<(u32, u64)> = bytes.into_iter().collect();
        owners.sort_by_key(|&(owner, bytes)| (std::cmp::Reverse(bytes), owner));
        let rank = owners.iter().filter(|(_, bytes)| *bytes > unowned).count();
        let unowned = dir.map(|dir| Unowned { bytes: unowned, dir, rank });
        (owners.into_iter().map(|(owner, _)| owner).collect(), unowned)
    }
}

fn kept_contents(segment: &Segment) -> impl Iterator<Item = &FileDigest> {
    segment.entries.iter().filter_map(|entry| entry.content.as_ref()).map(|content| &content.digest)
}
