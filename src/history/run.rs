//! One version after the other. Of those before, only what clients know of their layers stays in memory, and of the last
//! one the entries.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{LayoutHistory, LayoutVersion, Outcome, OwnerHistory, Version};
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::job::JobOptions;
use crate::oci::Platform;
use crate::order::changes::changes;
use crate::order::cost::{Had, Instances, PullLayer};
use crate::order::layers::Label;
use crate::order::layouts::{self, Layout, Sequence, Tally, View};
use crate::order::{Entry, broken_entry};
use crate::owner::{Needs, Owners};
use crate::progress::Progress;
use crate::source::{Image, Source};
use crate::survey::{Roll, SurveyedImage, Surveyor, label};

pub(super) struct Run<'a> {
    progress: &'a Progress,
    surveyor: Surveyor<'a>,
    views: &'a [View],
    versions: Vec<Version>,
    /// What clients of each version have.
    clients: Vec<Instances>,
    before: Option<SurveyedImage>,
    owners: BTreeMap<Option<String>, OwnerHistory>,
    published: Told,
    others: Vec<(Sequence, Told)>,
}

/// A layout as far as it is told of.
struct Told {
    tally: Tally,
    history: LayoutHistory,
}

impl Told {
    fn new(layout: Option<Layout>) -> Self {
        Self { tally: Tally::default(), history: LayoutHistory { layout, versions: Vec::new() } }
    }

    fn add(&mut self, image: Instances, config_bytes: u64, views: &[View]) -> LayoutVersion {
        let (count, size) = (image.own.len(), size(&image.own));
        let first_pull = views.iter().map(|view| view.pull_of(&image, config_bytes, &Had::default())).collect();
        let (cells, added_bytes) = self.tally.add(image, config_bytes, views);
        let version = LayoutVersion { layers: count, size, added_bytes, first_pull, cells };
        self.history.versions.push(version.clone());
        version
    }
}

impl<'a> Run<'a> {
    pub fn new(resources: &'a JobOptions, progress: &'a Progress, views: &'a [View]) -> Self {
        let other = |layout| (Sequence::new(layout), Told::new(Some(layout)));
        Self {
            progress,
            surveyor: Surveyor::new(resources, progress),
            views,
            versions: Vec::new(),
            clients: Vec::new(),
            before: None,
            owners: BTreeMap::new(),
            published: Told::new(None),
            others: Layout::ALL.map(other).into(),
        }
    }

    pub fn note(&mut self, notes: impl IntoIterator<Item = String>) {
        self.surveyor.notes.extend(notes);
    }

    pub fn version(&mut self, source: &Source, image: &Image) -> Result<(), Error> {
        let surveyed = self.surveyor.image(source, image, true)?;
        self.surveyor.forget_others(&surveyed);
        let (owners, needs) = self.surveyor.owners_and_needs(&surveyed, source, image)?;
        let before = self.before.take();
        let changed_bytes = before.map(|before| self.count_owners(&before, &surveyed, &owners));
        self.progress.check()?;
        let labels = Labelled::new(&surveyed, &owners, &needs);
        let instances = surveyed.instances();
        let told = self.published.add(instances.clone(), surveyed.config_size, self.views);
        self.other_layouts(&surveyed, &labels)?;
        self.versions.push(Version {
            reference: surveyed.reference.clone(),
            digest: surveyed.digest,
            gzip: surveyed.gzip_digest(),
            layers: told.layers,
            size: told.size,
            config_bytes: surveyed.config_size,
            added_bytes: told.added_bytes,
            changed_bytes,
            first_pull: Vec::new(),
            updates: Vec::new(),
        });
        self.clients.push(instances);
        self.before = Some(surveyed);
        Ok(())
    }

    /// Returns the compressed bytes of content that the version before has nowhere.
    fn count_owners(&mut self, before: &SurveyedImage, surveyed: &SurveyedImage, owners: &Owners) -> u64 {
        let mut roll = Roll::default();
        let number = |path| owners.owner_of(path).map(|owner| roll.number(owner));
        let changes = changes(&before.sides(), &surveyed.sides(), number);
        for share in changes.owners.iter().filter(|share| share.changed_bytes > 0) {
            let owner = share.owner.map(|owner| roll.names[owner as usize].clone());
            let none = OwnerHistory { owner: owner.clone(), updates: 0, changed_files: 0, changed_bytes: 0 };
            let history = self.owners.entry(owner).or_insert(none);
            history.updates += 1;
            history.changed_files += share.changed_files;
            history.changed_bytes += share.changed_bytes;
        }
        changes.changed_bytes
    }

    fn other_layouts(&mut self, surveyed: &SurveyedImage, labels: &Labelled) -> Result<(), Error> {
        let layers: Vec<&[Entry]> = surveyed.layers.iter().map(|layer| layer.entries.as_slice()).collect();
        if let Some((number, fault)) = broken_entry(&layers).filter(|_| !self.others.is_empty()) {
            let reference = &surveyed.reference;
            let note = format!("{reference}: other layouts are not told: layer {number}: {fault}");
            self.surveyor.notes.push(note);
            self.others.clear();
        }
        let owners = layouts::Owners { names: &labels.names, needs: &labels.needs };
        for (sequence, told) in &mut self.others {
            self.progress.check()?;
            let layers = sequence.layers(layouts::Version { layers: &layers, labels: &labels.entries, owners })?;
            told.add(Instances::alone(layers), surveyed.config_size, self.views);
        }
        Ok(())
    }

    pub fn finish(mut self, platform: Option<Platform>) -> Result<Outcome, Error> {
        self.before = None;
        self.fill_matrix()?;
        let mut owners: Vec<OwnerHistory> = self.owners.into_values().collect();
        owners.sort_by(|a, b| {
            let key = |owner: &OwnerHistory| (Reverse(owner.changed_bytes), Reverse(owner.updates));
            key(a).cmp(&key(b)).then_with(|| a.owner.cmp(&b.owner))
        });
        if self.clients.iter().any(|image| image.gzip.is_some()) && !self.others.is_empty() {
            let note = "other layouts than \"as published\" are counted in zstd sizes, without a gzip image";
            self.surveyor.notes.push(note.to_owned());
        }
        let others = self.others.into_iter().map(|(_, told)| told.history);
        Ok(Outcome {
            platform,
            views: self.views.to_vec(),
            versions: self.versions,
            owners,
            layouts: [self.published.history].into_iter().chain(others).collect(),
            notes: self.surveyor.notes,
        })
    }

    fn fill_matrix(&mut self) -> Result<(), Error> {
        let Self { progress, views, versions, clients, .. } = self;
        let pulls = |version: &Version, to: usize, had: &Had<'_>| {
            views.iter().map(|view| view.pull_of(&clients[to], version.config_bytes, had)).collect::<Vec<_>>()
        };
        for (to, version) in versions.iter_mut().enumerate() {
            version.first_pull = pulls(version, to, &Had::default());
        }
        for (from, client) in clients.iter().enumerate() {
            progress.check()?;
            let had = client.had();
            for (to, version) in versions.iter_mut().enumerate().skip(from + 1) {
                let cells = pulls(version, to, &had);
                version.updates.push(cells);
            }
        }
        Ok(())
    }
}

/// Whose the entries of a version are, and which owners need which.
struct Labelled {
    entries: Vec<Vec<Label>>,
    names: Vec<String>,
    needs: Vec<(u32, u32)>,
}

impl Labelled {
    fn new(surveyed: &SurveyedImage, owners: &Owners, needs: &Needs) -> Self {
        let mut roll = Roll::default();
        let mut entries = Vec::with_capacity(surveyed.layers.len());
        for layer in &surveyed.layers {
            entries.push(layer.entries.iter().map(|entry| label(owners, &mut roll, &entry.path, false)).collect());
        }
        let needs = needs.pairs().map(|(from, to)| (roll.number(from), roll.number(to))).collect();
        Self { entries, names: roll.names, needs }
    }
}

fn size(layers: &[Arc<PullLayer>]) -> u64 {
    let mut seen: HashSet<BlobDigest> = HashSet::new();
    layers.iter().filter(|layer| seen.insert(layer.digest)).map(|layer| layer.size).sum()
}
