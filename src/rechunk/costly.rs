//! What a plan tells of an image that costs clients more than it should.

use std::collections::HashSet;
use std::hash::BuildHasher as _;

use crate::degraded::{Code, Notes};
use crate::digest::FileDigest;
use crate::order::layers::Mtime;
use crate::order::{Entry, LayerPlan, Plan, Reason, State, Written};
use crate::tar::Time;

use super::image::Job;

impl Job<'_, '_> {
    pub fn note_costly(&self, layers: &[&[Entry]], plan: &Plan, notes: &mut Notes) {
        self.note_none_stays(layers, plan, notes);
        self.note_other_base(plan, notes);
        self.note_nothing_shared(plan, notes);
    }

    fn note_nothing_shared(&self, plan: &Plan, notes: &mut Notes) {
        let shares = &self.request.shares;
        if shares.is_empty() || plan.layers.iter().any(|layer| layer.reason == Reason::Shared) {
            return;
        }
        let names: Vec<String> = shares.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "--share {}: no layer of it is used: each holds too much that this image does not have, or nothing that it \
             still needs",
            names.join(" --share ")
        ));
    }

    /// Every client pulls a base, also one that was mistyped.
    fn note_other_base(&self, plan: &Plan, notes: &mut Notes) {
        let Some(base) = &self.request.base else { return };
        let layers = plan.layers.iter().filter(|layer| layer.reason == Reason::Base);
        let (live, dead) = layers.fold((0, 0), |(live, dead), layer| (live + layer.live, dead + layer.dead));
        if live < dead {
            let note =
                format!("{base}: this image shows less than half of it; is it the one that the build began with?");
            notes.degraded(Code::BaseHidden, note);
        }
    }

    /// Why clients that reuse whole layers pull the image like a new one, if they do.
    fn note_none_stays(&self, layers: &[&[Entry]], plan: &Plan, notes: &mut Notes) {
        if self.old.facts.clients.is_empty() {
            return;
        }
        let have_changed = self.only_times_changed(layers, plan);
        let is_had = |layer: &LayerPlan| layer.state == State::Kept && layer.reason != Reason::Shared;
        if plan.layers.iter().any(is_had) {
            if have_changed {
                let note =
                    format!("most files are new to clients of the previous image, since their times changed{TIMES}");
                notes.degraded(Code::TimesChanged, note);
            }
            return;
        }
        if self.old.facts.is_lost {
            return;
        }
        let (code, cause) = self.none_stays(layers, plan, have_changed);
        let note = format!(
            "no layer of the previous image stays, so that clients that reuse whole layers pull this one like a new \
             image: {cause}"
        );
        match code {
            Some(code) => notes.degraded(code, note),
            None => notes.push(note),
        }
    }

    /// The cause. No code: it is what the user asked for, or what the image's own changes cost.
    fn none_stays(&self, layers: &[&[Entry]], plan: &Plan, have_changed: bool) -> (Option<Code>, String) {
        let digest = |entry: &Entry| entry.content.map(|content| content.digest);
        let segments = self.old.segments();
        let known: HashSet<FileDigest> = segments.iter().flat_map(|it| it.entries.iter()).filter_map(digest).collect();
        let is_known = |entry: &Entry| digest(entry).is_some_and(|digest| known.contains(&digest));
        let is_cause = |reason| plan.layers.iter().any(|layer| layer.reason == reason && !layer.segments.is_empty());
        let none_kept = Some(Code::NoLayerKept);
        if segments.is_empty() {
            (none_kept, "none of its layers can be used".to_owned())
        } else if !layers.iter().any(|layer| layer.iter().any(is_known)) {
            (none_kept, "it has no content in common with this image".to_owned())
        } else if is_cause(Reason::Limit) {
            (none_kept, format!("to keep to --max-layers {} they are merged", self.request.layers.max_layers))
        } else if is_cause(Reason::Purge) {
            (None, "they hold content that is to be purged".to_owned())
        } else if is_cause(Reason::Broken) {
            (none_kept, "clients can't extract them, or would see other files than the image has".to_owned())
        } else if is_cause(Reason::CannotHide) {
            (none_kept, "they show paths that no layer above can hide".to_owned())
        } else if have_changed {
            (Some(Code::TimesChanged), format!("most of its content is theirs, but its times are not{TIMES}"))
        } else {
            (None, "more than --max-waste of their bytes are dead entries, which NEW does not have".to_owned())
        }
    }

    /// True when more than half of the files are written anew and differ from a file of the previous image in nothing
    /// but their time.
    fn only_times_changed(&self, layers: &[&[Entry]], plan: &Plan) -> bool {
        if self.request.layers.mtime == Mtime::Previous {
            return false;
        }
        let hasher = foldhash::fast::RandomState::default();
        // Two entries with the same hash would cost a wrong note once in many millions of images.
        let untimed = |entry: &Entry| {
            let content = entry.content?.digest;
            Some(hasher.hash_one((&entry.path, entry.kind, content, entry.traits)))
        };
        let timed = |hash: u64, time: Time| hasher.hash_one((hash, time));
        let mut known: foldhash::HashSet<u64> = foldhash::HashSet::default();
        for entry in self.old.segments().iter().flat_map(|segment| segment.entries.iter()) {
            if let Some(hash) = untimed(entry) {
                known.extend([hash, timed(hash, entry.mtime)]);
            }
        }
        let is_later = |(entry, time): (&Entry, Time)| {
            untimed(entry).is_some_and(|hash| known.contains(&hash) && !known.contains(&timed(hash, time)))
        };
        let later = plan.layers.iter().flat_map(|layer| written(layer, layers)).filter(|&file| is_later(file)).count();
        let files = layers.iter().flat_map(|layer| layer.iter()).filter(|entry| entry.content.is_some()).count();
        later * 2 > files
    }
}

/// The entries that a layer is written with, and their times in it.
fn written<'a>(layer: &'a LayerPlan, layers: &'a [&'a [Entry]]) -> impl Iterator<Item = (&'a Entry, Time)> {
    layer.entries.iter().filter_map(|written| match written {
        Written::Entry { at: (layer, index), mtime, .. } => {
            let entry = &layers[*layer as usize][*index as usize];
            Some((entry, mtime.unwrap_or(entry.mtime)))
        }
        Written::Implied { .. } | Written::Whiteout(_) => None,
    })
}

const TIMES: &str = " (--mtime previous keeps theirs; SOURCE_DATE_EPOCH sets another policy)";
