//! Layers as a log: the previous image's layers are its segments, and a new version appends to it.
//!
//! | file | decides |
//! | --- | --- |
//! | `given` | (what it goes by) |
//! | `new` | what the new image shows |
//! | `old` | (what it builds on, and what clients have) |
//! | `log` | (the segments, with their paths as numbers) |
//! | `claims` | which segment already shows a file exactly so |
//! | `based` | what the base image shows as well |
//! | `shares` | which layers of other images are of use |
//! | `family` | what images that are planned together agree on |
//! | `chain` | what a change costs clients that name layers by those below |
//! | `choice` | which of several plans costs clients least |
//! | `clean` | which segments stay, are cleaned, or go |
//! | `cut` | the same for clients that pull all above the lowest change |
//! | `purge` | what purged paths held, and whether it can go |
//! | `told` | (the plan, as it is handed on) |
//! | `groups` | how finely fresh files are split |
//! | `split` | which of them stand together |
//! | `pieces` | and what of that is too much for one layer |
//! | `slots` | what is merged when there are too many layers |
//! | `weights` | (whose bytes count) |
//! | `write` | the entries of a layer that is written |
//! | `view` | whether clients will see the new image, and what must be hidden for it |

mod based;
mod chain;
mod choice;
mod claims;
mod clean;
mod cut;
pub mod family;
mod given;
mod groups;
mod log;
mod new;
mod old;
mod pieces;
mod purge;
mod shares;
mod slots;
mod split;
mod told;
mod view;
mod weights;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{PathId, Paths};
use super::plan::{Plan, Reason};
use crate::tar::{EntryKind, TarPath};

pub use given::{Agreed, Change, Given, Label, Labels, Mtime, Options, Prune, Share, Standing};
pub use old::{Old, OldError, Segment};
pub use purge::{Unpurged, unpurged};
pub use weights::{Weights, WeightsError};

use claims::Claims;
use clean::{Fate, Rules, Thrift, Usage};
use log::Log;
use new::NewTree;
use slots::{Nature, Slot, limit, slots};
use split::{Group, is_odd};
use view::{faults, live_files};
use write::{Draft, whiteouts};

/// How often the plan is mended when clients would see something else than the new image. Each round gives up
/// claims or segments, so it comes to an end; images are right after the first.
const ROUNDS: usize = 8;

/// The image can't be made of these layers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(
        "{path} is in the base image and not in the new one, and no layer above can hide its name, which is too long or like a whiteout's"
    )]
    Base { path: TarPath },
    #[error(
        "{path} is to be purged, and the base image, whose layers stay as they are, holds its former content{}",
        elsewhere(.path, .held_at)
    )]
    Purge { path: TarPath, held_at: TarPath },
    #[error("internal error: {0}")]
    Old(#[from] OldError),
    #[error("internal error: the planned layers would show something else than the new image")]
    Internal,
}

fn elsewhere(path: &TarPath, held_at: &TarPath) -> String {
    if path == held_at { String::new() } else { format!(" at {held_at}") }
}

/// Plans the new image's layers, bottom first; of several plans within the budgets, the one that costs clients least. The layers
/// have no [`broken_entry`](crate::order::broken_entry).
pub fn plan(given: Given<'_>) -> Result<Plan, PlanError> {
    let (first, others) = plans(given)?;
    Ok(given.old.cheapest(first, others, given))
}

/// There is a choice where waste is cleaned for somebody.
fn plans(given: Given<'_>) -> Result<(Plan, Vec<Plan>), PlanError> {
    let Given { old, options, .. } = given;
    with_scene(given, |scene| {
        // It has compared many ways to clean already.
        if options.max_waste.0 > 0 && options.clients.has_docker() {
            return Ok((scene.plan(Thrift::Cut)?, Vec::new()));
        }
        let first = scene.plan(Thrift::Ratio)?;
        let is_cleaned = !first.dropped.is_empty() || first.layers.iter().any(|layer| layer.reason == Reason::Waste);
        let mut others = Vec::new();
        if is_cleaned && !old.have().is_empty() {
            for thrift in [Thrift::Spare, Thrift::Shared] {
                let plan = scene.plan(thrift)?;
                // Most often they agree.
                if plan != first && !others.contains(&plan) {
                    others.push(plan);
                }
            }
        }
        Ok((first, others))
    })
}

/// What is given, with its paths as numbers.
struct Scene<'a, 'p> {
    given: Given<'a>,
    new: NewTree<'p>,
    log: Log<'p>,
    /// Segments that are better dropped, since the base has more of what they show, or another image too little.
    idle: Vec<bool>,
    /// Those that stay whatever is dead in them.
    fixed: Vec<bool>,
    remains: family::Remains,
    held: Vec<u64>,
    all_held: u64,
}

fn with_scene<T>(
    given: Given<'_>,
    work: impl FnOnce(&mut Scene<'_, '_>) -> Result<T, PlanError>,
) -> Result<T, PlanError> {
    let Given { layers, old, options, agreed, .. } = given;
    let segments = old.segments();
    let old_entries = segments.iter().map(|segment| segment.entries.as_slice());
    let (paths, mut ids) = Paths::new(layers.iter().copied().chain(old_entries));
    let log = Log { paths: &paths, segments, ids: ids.split_off(layers.len()) };
    let mut new = NewTree::new(&paths, layers, &ids, &options.prune);
    drop(ids);
    new.spell_out_all(&log);
    if let Some((path, held_at)) = purge::purged_in_base(&new, segments, options) {
        return Err(PlanError::Purge { path, held_at });
    }
    let mut idle = based::superseded(&new, &log, options.mtime);
    idle.iter_mut().enumerate().for_each(|(n, idle)| *idle |= agreed.standing(n) == Standing::Goes);
    let useless = shares::useless(&new, &log, &idle, options);
    idle.iter_mut().zip(useless).for_each(|(idle, useless)| *idle |= useless);
    let is_fixed = |n: usize| segments[n].is_base || agreed.standing(n) == Standing::Stays;
    let fixed = (0..segments.len()).map(is_fixed).collect();
    let remains = family::Remains::new(&new, &log, agreed, options.mtime);
    let (held, all_held) = old.held();
    work(&mut Scene { given, new, log, idle, fixed, remains, held, all_held })
}

impl Scene<'_, '_> {
    fn plan(&mut self, thrift: Thrift) -> Result<Plan, PlanError> {
        let segments = self.log.segments;
        let broken = (0..segments.len()).filter(|&n| segments[n].is_broken);
        let mut mending = Mending { clean: broken.map(|n| (n, Reason::Broken)).collect(), ..Mending::default() };
        for round in 0..=ROUNDS {
            let in_use = self.in_use(round < ROUNDS);
            if let Some(plan) = self.planner(thrift).attempt(&in_use, &mut mending)? {
                return Ok(plan);
            }
            mending.implied.drain(..).for_each(|id| self.new.spell_out(id));
        }
        Err(PlanError::Internal)
    }

    /// By segment. The base stays always.
    fn in_use(&self, others: bool) -> Vec<bool> {
        let is_in_use = |n: usize| self.log.segments[n].is_base || (others && !self.idle[n]);
        (0..self.idle.len()).map(is_in_use).collect()
    }

    fn planner(&self, thrift: Thrift) -> Planner<'_> {
        let Self { given, new, log, held, all_held, fixed, remains, .. } = self;
        let rules = Rules { segments: log.segments, fixed, thrift, held, all_held: *all_held, options: given.options };
        Planner { new, given: *given, log, rules, remains }
    }
}

/// What attempts found to be wrong.
#[derive(Default)]
struct Mending {
    /// Files that no segment may show.
    fresh: BTreeSet<PathId>,
    clean: BTreeMap<usize, Reason>,
    /// Directories without an entry that need one.
    implied: Vec<PathId>,
    /// Whiteouts need a written layer above all others.
    on_top: bool,
}

struct Planner<'a> {
    new: &'a NewTree<'a>,
    given: Given<'a>,
    log: &'a Log<'a>,
    rules: Rules<'a>,
    remains: &'a family::Remains,
}

/// Everything decided but the order inside layers.
struct Decided {
    claims: Claims,
    fates: Vec<Fate>,
    usage: Vec<Usage>,
    slots: Vec<Slot>,
    /// Of each slot, by their first paths.
    files: Vec<Vec<PathId>>,
}

impl Planner<'_> {
    fn attempt(&self, in_use: &[bool], mending: &mut Mending) -> Result<Option<Plan>, PlanError> {
        let decided = self.decide(in_use, mending);
        let drafts = self.drafts(&decided, &[]);
        let found = faults(self.new, &decided.claims, self.log, &decided.slots, &drafts);
        let bare_top = !decided.slots.last().is_some_and(Slot::is_written_alone);
        if found.are_none_but_extra() && (found.extra.is_empty() || !bare_top) {
            let hidden = whiteouts(found.extra);
            let drafts = if hidden.is_empty() { drafts } else { self.drafts(&decided, &hidden) };
            return Ok(Some(self.plan(&decided, drafts)));
        }
        mending.fresh.extend(found.wrong);
        mending.implied = found.implied;
        mending.on_top |= !found.extra.is_empty();
        self.mend_unhideable(&found.unhideable, mending)?;
        Ok(None)
    }

    /// Every segment that has such a path, or something below, must lose it, not the one alone that shows it now.
    fn mend_unhideable(&self, paths: &BTreeSet<PathId>, mending: &mut Mending) -> Result<(), PlanError> {
        let above = |id: PathId| std::iter::successors(Some(id), |&id| self.log.paths.parent(id));
        for (number, ids) in self.log.ids.iter().enumerate().filter(|_| !paths.is_empty()) {
            let Some(path) = ids.iter().find_map(|&id| above(id).find(|id| paths.contains(id))) else { continue };
            if self.rules.segments[number].is_base {
                return Err(PlanError::Base { path: self.log.paths.name(path).clone() });
            }
            mending.clean.insert(number, Reason::CannotHide);
        }
        Ok(())
    }

    fn decide(&self, in_use: &[bool], mending: &Mending) -> Decided {
        let mut clean = mending.clean.clone();
        let mut count = 1;
        loop {
            let decided = self.decide_with(in_use, mending, &clean);
            // Merged layers lose bytes, and then what is dead elsewhere can be too much.
            let wasteful = self.wasteful(&decided, count);
            let known = clean.len();
            clean.extend(wasteful.into_iter().map(|n| (n, Reason::Waste)));
            if clean.len() == known {
                return decided;
            }
            count *= 2;
        }
    }

    fn decide_with(&self, in_use: &[bool], mending: &Mending, clean: &BTreeMap<usize, Reason>) -> Decided {
        let (new, segments) = (self.new, self.rules.segments);
        let mut claims = Claims::new(new, self.log, in_use, self.rules.options.mtime);
        mending.fresh.iter().for_each(|&first| claims.give_up(first));
        let (mut fates, mut usage) = clean::decide(new, self.rules, &mut claims, in_use, clean);
        let mut groups = self.groups(&claims, &usage, &fates);
        let kept = fates.iter().filter(|fate| **fate != Fate::Drop).count();
        let is_over = kept + groups.len() > self.rules.options.max_layers;
        // What is dead merges with what is new, where all above what is dropped would be pulled.
        let drops_dead = is_over && !self.rules.options.clients.has_docker();
        if drops_dead && self.rules.drop_dead(&mut usage, &mut claims, &mut fates) {
            groups = self.groups(&claims, &usage, &fates);
        }
        let live = live_files(new, &claims, segments.len());
        let slots = self.limited(&fates, &usage, &live, groups, mending.on_top);
        let files = |slot: &Slot| {
            let old = slot.segments.iter().flat_map(|&n| &live[n]);
            old.chain(slot.groups.iter().flat_map(|group| &group.files)).copied().collect()
        };
        let files = slots.iter().map(files).collect();
        Decided { claims, fates, usage, slots, files }
    }

    /// No more layers than there may be.
    fn limited(
        &self,
        fates: &[Fate],
        usage: &[Usage],
        live: &[Vec<PathId>],
        groups: Vec<Group>,
        on_top: bool,
    ) -> Vec<Slot> {
        let natures = live.iter().map(|files| Nature {
            is_hot: self.is_hot(files),
            is_odd: files.iter().any(|&first| is_odd(self.new, first, self.given.labels)),
            is_own: self.is_own_layer(files),
        });
        let natures: Vec<Nature> = natures.collect();
        let mut slots = slots(self.rules.segments, self.given.agreed, fates, usage, &natures, groups);
        if on_top && !slots.last().is_some_and(Slot::is_written_alone) {
            slots.push(Slot::fresh(Group { hot: true, ..Group::default() }));
        }
        limit(&mut slots, self.rules.options);
        slots
    }

    /// Kept segments to clean, at most `count`, most dead for what is live first; none when the waste is within its budget.
    fn wasteful(&self, decided: &Decided, count: usize) -> Vec<usize> {
        let Decided { fates, usage, slots, .. } = decided;
        let is_merged = slots.iter().any(|slot| slot.segments.len() + slot.groups.len() > 1);
        if !is_merged || !self.rules.is_wasteful(usage, fates, slots) {
            return Vec::new();
        }
        let kept = slots.iter().filter(|slot| slot.kept).flat_map(|slot| slot.segments.iter().copied());
        let dirty = kept.filter(|&n| !self.rules.segments[n].is_base && usage[n].dead > 0);
        let (agreed, free): (Vec<usize>, Vec<usize>) = dirty.partition(|&n| self.rules.fixed[n]);
        let mut dirty = if free.is_empty() { agreed } else { free };
        let product = |dead: usize, live: usize| u128::from(usage[dead].dead) * u128::from(usage[live].live + 1);
        dirty.sort_by(|&a, &b| product(b, a).cmp(&product(a, b)).then(b.cmp(&a)));
        dirty.truncate(count);
        dirty
    }

    fn label(&self, first: PathId) -> Label {
        split::label(self.new, first, self.given.labels)
    }

    /// Does most of it change with every version?
    fn is_hot(&self, files: &[PathId]) -> bool {
        let hot = files.iter().filter(|&&first| self.label(first).change == Change::Always);
        let bytes = |files: &mut dyn Iterator<Item = &PathId>| files.map(|&first| self.new.stored(first)).sum::<u64>();
        bytes(&mut hot.into_iter()) * 2 > bytes(&mut files.iter())
    }

    /// Does all of it belong to one layer that was asked for?
    fn is_own_layer(&self, files: &[PathId]) -> bool {
        let options = self.rules.options;
        let is_file = |first: &&PathId| self.new.carrier(**first).kind != EntryKind::Dir;
        let mut numbers = files.iter().filter(is_file).map(|&first| split::own_layer(self.new, first, options));
        let first = numbers.next().flatten();
        !options.own_layers.is_empty() && first.is_some() && numbers.all(|number| number == first)
    }

    /// A draft for each layer that is written; the top one hides paths.
    fn drafts<'b>(&'b self, decided: &'b Decided, hidden: &'b [(TarPath, TarPath)]) -> Vec<Option<Draft<'b>>> {
        let last = decided.slots.len().wrapping_sub(1);
        let draft = |(number, (slot, files)): (usize, (&Slot, &Vec<PathId>))| {
            let hidden = if number == last { hidden } else { &[] };
            (!slot.kept).then(|| Draft::new(self.new, &decided.claims, files, hidden, self.rules.options.canonical))
        };
        decided.slots.iter().zip(&decided.files).enumerate().map(draft).collect()
    }
}
