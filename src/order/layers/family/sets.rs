//! Which members have each new file, and which sets of members get layers of their own.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use foldhash::HashMap;
use foldhash::fast::RandomState;

use crate::order::Members;
use crate::order::layers::claims::{Claims, sources};
use crate::order::layers::new::NewTree;
use crate::order::layers::{Agreed, Given, Mtime, PlanError, with_scene};
use crate::order::paths::PathId;

/// New bytes that several members write each for itself: at most this share of all, in percent, or so many for one set.
const TWICE_PERCENT: u64 = 1;
const TWICE_BYTES: u64 = 256 << 10;

/// Sets that a member is in: of the layers that it may have, one in so many. Each has a layer at least.
const LAYERS_FOR_SET: usize = 6;

/// New files by what they are, whatever the layers that members have them from. To take one for another costs bytes, since
/// nobody takes a layer whose files are not exactly its own.
#[derive(Default)]
pub struct Surveyed {
    hasher: RandomState,
    files: HashMap<u64, (Members, u64)>,
}

impl Surveyed {
    /// Adds what is new in a member.
    pub fn add(&mut self, given: Given<'_>) -> Result<(), PlanError> {
        with_scene(given, |scene| {
            let in_use = scene.in_use(true);
            let claims = Claims::new(&scene.new, &scene.log, &in_use, given.options.mtime);
            let key = Key::new(&scene.new, given.options.mtime, &self.hasher);
            for first in scene.new.firsts().filter(|first| claims.segment(*first).is_none()) {
                let (members, stored) = self.files.entry(key.of(first)).or_default();
                members.add(given.agreed.member);
                *stored = scene.new.stored(first);
            }
            Ok(())
        })
    }

    /// Chooses sets until members write little more than once. A member may have `max_layers`.
    pub fn sets(self, max_layers: usize) -> Sets {
        let mut bytes: BTreeMap<Members, u64> = BTreeMap::new();
        for (members, stored) in self.files.values() {
            *bytes.entry(*members).or_default() += stored;
        }
        let all: u64 = bytes.values().sum();
        let saved = |members: Members, bytes: u64| bytes * (members.len() as u64).saturating_sub(1);
        let mut left: u64 = bytes.iter().map(|(&members, &bytes)| saved(members, bytes)).sum();
        let mut common: Vec<(Members, u64)> = bytes.into_iter().filter(|(members, _)| members.len() > 1).collect();
        common.sort_by_key(|&(members, bytes)| (Reverse(saved(members, bytes)), members));
        let most = (max_layers / LAYERS_FOR_SET).max(1);
        let (mut chosen, mut taken) = (Vec::new(), [0; Members::MOST]);
        for (members, bytes) in common {
            let saved = saved(members, bytes);
            if left * 100 <= all * TWICE_PERCENT && saved < TWICE_BYTES {
                break;
            }
            if members.iter().all(|member| taken[member] < most) {
                members.iter().for_each(|member| taken[member] += 1);
                left -= saved;
                chosen.push(members);
            }
        }
        // Most members first: what all have stands lowest.
        chosen.sort_by_key(|&members| (Reverse(members.len()), members));
        Sets {
            hasher: self.hasher,
            files: self.files.into_iter().map(|(key, (members, _))| (key, members)).collect(),
            chosen,
        }
    }
}

/// Which members a new file is written for.
pub struct Sets {
    hasher: RandomState,
    files: HashMap<u64, Members>,
    /// Largest first.
    chosen: Vec<Members>,
}

impl Sets {
    /// The set that a member has a file in, of those that cover all who have it.
    fn cover(&self, mut members: Members, member: usize) -> Option<Members> {
        while members.has(member) {
            let next = self.chosen.iter().copied().find(|chosen| chosen.is_within(members))?;
            if next.has(member) {
                return Some(next);
            }
            members = members.without(next);
        }
        None
    }
}

/// A member's new files, by who else is to have them, most members first; its own are last. The first member of a set
/// writes what the others take.
pub fn by_set(
    new: &NewTree<'_>,
    fresh: Vec<PathId>,
    agreed: Agreed<'_>,
    mtime: Mtime,
) -> Vec<(Option<Members>, Vec<PathId>)> {
    let Some(sets) = agreed.sets else { return vec![(None, fresh)] };
    let key = Key::new(new, mtime, &sets.hasher);
    let mut groups: BTreeMap<(bool, Reverse<usize>, Members), Vec<PathId>> = BTreeMap::new();
    for first in fresh {
        let members = sets.files.get(&key.of(first)).copied().unwrap_or_default();
        let set = sets.cover(members, agreed.member).filter(|set| set.first() == Some(agreed.member));
        let set = set.unwrap_or_default();
        groups.entry((set.is_empty(), Reverse(set.len()), set)).or_default().push(first);
    }
    groups.into_iter().map(|((.., set), files)| ((!set.is_empty()).then_some(set), files)).collect()
}

/// What makes a file the same in several images.
struct Key<'a> {
    new: &'a NewTree<'a>,
    mtime: Mtime,
    /// Python's sources, which keep their times.
    timed: foldhash::HashSet<PathId>,
    hasher: &'a RandomState,
}

impl<'a> Key<'a> {
    fn new(new: &'a NewTree<'a>, mtime: Mtime, hasher: &'a RandomState) -> Self {
        let timed = if mtime == Mtime::Previous { sources(new) } else { foldhash::HashSet::default() };
        Self { new, mtime, timed, hasher }
    }

    fn of(&self, first: PathId) -> u64 {
        let carrier = self.new.carrier(first);
        let mut hash = self.hasher.build_hasher();
        self.new.paths(first).for_each(|id| self.new.name(id).hash(&mut hash));
        (carrier.kind as u8).hash(&mut hash);
        carrier.traits.hash(&mut hash);
        carrier.content.map(|content| (content.digest, content.size)).hash(&mut hash);
        let time = match self.mtime {
            Mtime::Previous => self.timed.contains(&first).then_some(carrier.mtime),
            Mtime::Keep => Some(carrier.mtime),
            Mtime::Clamp(limit) => Some(carrier.mtime.min(limit)),
        };
        time.map(|time| (time.secs, time.nanos)).hash(&mut hash);
        hash.finish()
    }
}
