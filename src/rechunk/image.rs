//! One image of one platform.

use std::borrow::Cow;
use std::sync::Arc;

use crate::codec::Level;
use crate::degraded::Notes;
use crate::digest::DiffId;
use crate::error::Error;
use crate::inventory::Frames;
use crate::oci::{Config, Descriptor, Transport};
use crate::order::cost::{Has, Pull, PullLayer, pulls};
use crate::order::layers::{Clients, Given, Label, Labels, Unpurged, plan, unpurged};
use crate::order::{Entry, Plan, Previous, broken_entry, tree};
use crate::progress::{Phase, Progress};
use crate::remark;
use crate::sink::Sink;
use crate::source::{Image, Source, SourceError, stored_bytes};
use crate::spool::Spool;
use crate::threads::{self, ThreadError};
use crate::toc::TOC_DIGEST;
use crate::unpack::{self, LayerInput, UnpackError, UnpackedLayer, settle_across, unpack};

use super::faults::{Fault, Faults, Flaw};
use super::hint::{Hint, more_waste};
use super::labels::{Labelled, labelled};
use super::layers::Written;
use super::old::Old;
use super::planned::{descriptors, told_states};
use super::{ImageOutcome, LayerOutcome, PlannedLayer, Request, ostree};

pub(super) struct Job<'a> {
    pub request: &'a Request,
    pub source: &'a Source,
    pub image: &'a Image,
    pub old: Old,
    pub spool: &'a Spool,
    pub progress: &'a Progress,
}

/// What is to be done, and the names of the owners that it counts.
pub(super) struct Layout {
    pub plan: Plan,
    pub labels: Vec<Vec<Label>>,
    pub owners: Vec<String>,
    pub hint: Option<Hint>,
}

impl Job<'_> {
    pub fn layout(&self, unpacked: &[UnpackedLayer], notes: &mut Notes) -> Result<Layout, Error> {
        self.progress.begin(Phase::Planning, None);
        let entries: Vec<&[Entry]> = unpacked.iter().map(|layer| layer.inventory.entries.as_slice()).collect();
        if let Some((layer, source)) = broken_entry(&entries) {
            let (reference, layer) = (self.source.reference().to_string(), self.layer_name(layer));
            return Err(Error::Entry { reference, layer, source });
        }
        ostree::check_entries(self.request, &entries)?;
        let remarks = unpacked.iter().enumerate().flat_map(|(index, layer)| {
            layer.inventory.notes.iter().map(move |remark| (format!("layer {index}"), remark))
        });
        notes.extend(remark::lines(remarks));
        self.note_readings(unpacked, notes)?;
        self.old.note_marked_base(notes);
        self.note_whiteouts(unpacked, notes);
        notes.extend(unpurged(&entries, &self.old.segments, &self.request.layers).iter().map(shown_elsewhere));
        self.note_undropped(unpacked, notes);
        self.plan(unpacked, notes)
    }

    /// A name that was mistyped would else stay unnoticed. In a pipeline for all images, one may have no such xattr.
    fn note_undropped(&self, unpacked: &[UnpackedLayer], notes: &mut Vec<String>) {
        let is_used = |number: &usize| unpacked.iter().any(|layer| layer.inventory.dropped.contains(number));
        let unused = (0..).zip(&self.request.drop_xattrs).filter(|(number, _)| !is_used(number));
        notes.extend(unused.map(|(_, glob)| format!("{glob}: to be dropped, but the image has no such xattr")));
    }

    /// In a layer such a name hides a file; in a root file system it is a file that nobody will see again.
    fn note_whiteouts(&self, unpacked: &[UnpackedLayer], notes: &mut Vec<String>) {
        if self.source.reference().transport() != Transport::Dir {
            return;
        }
        let entries = unpacked.iter().flat_map(|layer| &layer.inventory.entries);
        let named = entries.filter(|entry| tree::whiteout(&entry.path).is_some());
        notes.extend(named.map(|entry| {
            format!(
                "{}: a name that starts with .wh. is a whiteout in a layer: clients will not show this file",
                entry.path
            )
        }));
    }

    /// Reads the new image's layers and checks, beside it, the old ones.
    pub fn read(&self) -> Result<(Vec<UnpackedLayer>, Faults), Error> {
        let check = |number: usize| -> Result<Option<(usize, Fault)>, ThreadError> {
            let layer = &self.old.layers[number];
            if self.progress.check().is_err() {
                // The reader beside this one says so.
                return Ok(None);
            }
            Ok(match layer.lies(&self.request.cache, &self.old.size, self.progress) {
                Some(fault) => {
                    let flaw = Flaw::of(fault, &layer.place, layer.descriptor.digest, self.progress);
                    Some((number, Fault::Lies(flaw)))
                }
                None => self.old.broken(number).map(|broken| (number, Fault::Broken(broken))),
            })
        };
        self.progress.begin(Phase::Reading, stored_bytes(&self.image.layers));
        let threads = self.request.resources.threads;
        let check_all = || threads::each(threads, self.old.layers.len(), check);
        let (faults, unpacked) = threads::beside(check_all, || self.unpack())?;
        Ok((unpacked?, faults?.into_iter().flatten().collect()))
    }

    /// Reads the new image's layers.
    pub fn unpack(&self) -> Result<Vec<UnpackedLayer>, Error> {
        let all: Vec<usize> = (0..self.image.layers.len()).collect();
        let mut unpacked = self.unpack_layers(&all, true)?;
        // A large file that has the size of known content is hashed only; few turn out to be something else.
        let lacks = |layer: &UnpackedLayer| {
            let mut payloads = layer.inventory.bodies.iter().filter_map(|body| body.payload.as_ref());
            payloads.any(|payload| matches!(payload.frames, Frames::None))
        };
        let again: Vec<usize> = all.into_iter().filter(|&index| lacks(&unpacked[index])).collect();
        for (index, layer) in again.iter().zip(self.unpack_layers(&again, false)?) {
            self.progress.give_back(unpacked[*index].inventory.held);
            unpacked[*index] = layer;
        }
        settle_across(&mut unpacked, self.spool, self.progress)
            .map_err(|(index, error)| self.layer_error(index, error))?;
        Ok(unpacked)
    }

    fn layer_error(&self, index: usize, source: UnpackError) -> Error {
        let reference = self.source.reference().to_string();
        Error::unpack(reference, self.layer_name(index), source)
    }

    /// Not with both in memory.
    pub fn unpack_again(&self, before: Vec<UnpackedLayer>) -> Result<Vec<UnpackedLayer>, Error> {
        before.iter().for_each(|layer| self.progress.give_back(layer.inventory.held));
        drop(before);
        self.progress.begin(Phase::Reading, stored_bytes(&self.image.layers));
        self.unpack()
    }

    fn unpack_layers(&self, indexes: &[usize], expect_known: bool) -> Result<Vec<UnpackedLayer>, Error> {
        let input = |&index: &usize| {
            let layer = &self.image.layers[index];
            LayerInput {
                open: Box::new(move || self.source.open_layer(layer).map_err(SourceError::into_io)),
                verified: layer.descriptor.as_ref().map(|descriptor| descriptor.digest),
                diff_id: layer.diff_id,
            }
        };
        let options = unpack::Options {
            level: Some(self.first_level()),
            known: &self.old.known,
            expect_known,
            threads: self.request.resources.threads,
            drop_xattrs: &self.request.drop_xattrs,
            size: &self.progress.size_limit(),
        };
        let inputs = indexes.iter().map(input).collect();
        unpack(inputs, self.spool, options, self.progress).map_err(|(at, source)| self.layer_error(indexes[at], source))
    }

    /// The level of content that was compressed before the plan was made.
    pub fn first_level(&self) -> Level {
        self.request.effort.first(self.is_update())
    }

    pub fn is_update(&self) -> bool {
        !self.old.blobs.is_empty()
    }

    fn layer_name(&self, index: usize) -> String {
        match self.image.layers.get(index).and_then(|layer| layer.descriptor.as_ref()) {
            Some(descriptor) => descriptor.digest.to_string(),
            None => index.to_string(),
        }
    }

    fn plan(&self, unpacked: &[UnpackedLayer], notes: &mut Notes) -> Result<Layout, Error> {
        let segments = &self.old.segments;
        let mut previous = Previous::default();
        for (number, segment) in segments.iter().enumerate() {
            // Clients find content through TOCs alone.
            if self.old.layers[number].pull.index.is_some() {
                previous.add_layer(number as u32, &segment.entries);
            }
        }
        let layers: Vec<&[Entry]> = unpacked.iter().map(|layer| layer.inventory.entries.as_slice()).collect();
        let Labelled { labels, names: owners } = labelled(unpacked, self.spool, &self.old.history, notes)?;
        let pulls = self.old.pulls();
        let have: Vec<&[Arc<PullLayer>]> = self.old.clients.iter().map(|(_, layers)| layers.as_slice()).collect();
        let clients = Clients { segments: &pulls, have: &have };
        let labels_of = Labels(&labels);
        let given = Given {
            layers: &layers,
            labels: &labels_of,
            segments,
            previous: &previous,
            clients,
            options: &self.request.layers,
        };
        let plan = plan(given)?;
        let hint = more_waste(given, &plan);
        self.note_costly(&layers, &plan, notes);
        Ok(Layout { plan, labels, owners, hint })
    }

    /// The outcome, and the descriptor of the manifest in the sink.
    pub fn publish(
        &self,
        sink: &Sink,
        layout: &Layout,
        written: Vec<Written>,
    ) -> Result<(ImageOutcome, Descriptor), Error> {
        let mut planned = self.planned_layers(layout);
        let states = told_states(&planned, &written, &self.old.newest);
        let layers: Vec<(DiffId, String)> =
            states.iter().zip(&written).map(|(state, written)| (written.diff_id, state.name().to_owned())).collect();
        let config = self.config().with_layers(&layers).with_labels(&self.request.labels).to_bytes();
        let (config_digest, config_size) = sink.put_bytes(&config)?;
        let old_config = self.image.manifest.config();
        let config = old_config.pointing_at(&old_config.media_type, config_digest, config_size);
        let descriptors = descriptors(&planned, &written, &states);
        let mut manifest = self.image.manifest.to_oci_with(descriptors, config);
        self.request.annotations.iter().for_each(|(key, value)| manifest.set_annotation(key, value));
        let (digest, size) = sink.put_bytes(&manifest.to_bytes())?;
        let mut descriptor = match &self.image.index_descriptor {
            Some(entry) => entry.pointing_at(MANIFEST, digest, size),
            None => Descriptor::new(MANIFEST, digest, size),
        };
        if let (Some(platform), true) = (&self.image.platform, self.image.index.is_some()) {
            descriptor.set_platform(platform);
        }
        let pull_layers: Vec<Arc<PullLayer>> = written.iter().map(|layer| Arc::clone(&layer.pull)).collect();
        self.tell_new(&mut planned, &pull_layers);
        let layers = planned.into_iter().zip(&written).map(|(planned, written)| LayerOutcome {
            digest: written.descriptor.digest,
            diff_id: written.diff_id,
            size: written.descriptor.size,
            planned: PlannedLayer { live_bytes: written.live.unwrap_or(planned.live_bytes), ..planned },
            index_bytes: written.pull.index.as_ref().map_or(0, |index| index.bytes()),
            toc: written.descriptor.annotation(TOC_DIGEST).and_then(|digest| digest.parse().ok()),
        });
        let (layers, dropped) = (layers.collect(), self.dropped(layout));
        let pulls = self.pulls(&pull_layers, config_size);
        let platform = self.image.platform.clone();
        let hint = layout.hint.clone();
        let unread = self.old.unread as u64;
        Ok((ImageOutcome { platform, digest, layers, dropped, unread, pulls, hint }, descriptor))
    }

    fn config(&self) -> Cow<'_, Config> {
        let config = &self.image.config;
        self.request.epoch.map_or(Cow::Borrowed(config), |epoch| Cow::Owned(config.clamped(epoch)))
    }

    pub fn pulls(&self, layers: &[Arc<PullLayer>], config_size: u64) -> Vec<Pull> {
        let clients = self.old.clients.iter().map(|(reference, has)| (Some(reference.clone()), has.as_slice()));
        let of_client = |(from, has): (Option<String>, &[Arc<PullLayer>])| {
            let has = Has::of(has.iter().map(Arc::as_ref));
            pulls(layers, config_size, &has, from.as_deref())
        };
        clients.chain([(None, [].as_slice())]).flat_map(of_client).collect()
    }
}

/// Who purges a path wants its content gone, and the new image still publishes it.
fn shown_elsewhere(kept: &Unpurged) -> String {
    let Unpurged { path, shown_at, more } = kept;
    let others = if *more > 0 { format!(", and so it is with {more} paths below") } else { String::new() };
    match path == shown_at {
        true => format!("{path}: to be purged, but its content stays, since the image still has it there{others}"),
        false => format!("{path}: to be purged, but its content stays, since the image shows it at {shown_at}{others}"),
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
