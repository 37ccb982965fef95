//! One image of one platform.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::digest::DiffId;
use crate::error::Error;
use crate::inventory::Payload;
use crate::oci::{Descriptor, Transport};
use crate::order::cost::{Client, Has, Pull, PullLayer, pull};
use crate::order::{self, Entry, Fate, NewLayer, Plan, Previous, tree};
use crate::progress::Progress;
use crate::sink::Sink;
use crate::source::{Image, Source, SourceError};
use crate::spool::Spool;
use crate::unpack::{self, LayerInput, UnpackedLayer, unpack};

use super::layers::{LayerJob, Made, Written, entries};
use super::previous::{PreviousImage, PreviousLayer};
use super::{ImageOutcome, LayerOutcome, Request, State};

pub(super) struct Job<'a> {
    pub request: &'a Request,
    pub source: &'a Source,
    pub image: &'a Image,
    pub previous: &'a (Vec<PreviousImage>, Previous),
    pub spool: &'a Spool,
    pub sink: &'a Sink,
    pub progress: &'a Progress,
}

impl Job<'_> {
    /// The outcome, and the descriptor of the manifest in the sink.
    pub fn run(&self, notes: &mut Vec<String>) -> Result<(ImageOutcome, Descriptor), Error> {
        self.progress.add_layers(self.image.layers.len() as u64);
        let unpacked = self.unpack()?;
        let seen: Vec<Vec<Entry<'_>>> = unpacked.iter().map(|layer| entries(&layer.inventory.items)).collect();
        if let Some((layer, source)) = order::broken_entry(&seen) {
            let (reference, layer) = (self.source.reference().to_string(), self.layer_name(layer));
            return Err(Error::Entry { reference, layer, source });
        }
        let plan = self.plan(&unpacked, &seen);
        let written = self.write(&unpacked, &plan)?;
        self.note_whiteouts(&seen, notes);
        for (index, (layer, written)) in unpacked.iter().zip(&written).enumerate() {
            notes.extend(layer.inventory.notes.iter().map(|note| format!("layer {index}: {note}")));
            notes.extend(written.no_index.iter().map(|cause| {
                format!("layer {index} is written without an index, so that every client pulls it whole: {cause}")
            }));
        }
        self.publish(&unpacked, &seen, &plan, written)
    }

    /// In a layer such a name hides a file; in a root file system it is a file that nobody will see again.
    fn note_whiteouts(&self, seen: &[Vec<Entry<'_>>], notes: &mut Vec<String>) {
        if self.source.reference().transport() != Transport::Dir {
            return;
        }
        let named = seen.iter().flatten().filter(|entry| tree::whiteout(entry.path).is_some());
        notes.extend(named.map(|entry| {
            format!(
                "{}: a name that starts with .wh. is a whiteout in a layer: clients will not show this file",
                entry.path
            )
        }));
    }

    fn unpack(&self) -> Result<Vec<UnpackedLayer>, Error> {
        let inputs = self.image.layers.iter().map(|layer| LayerInput {
            open: Box::new(move || self.source.open_layer(layer).map_err(SourceError::into_io)),
            verified: layer.descriptor.as_ref().map(|descriptor| descriptor.digest),
            diff_id: layer.diff_id,
        });
        let options = unpack::Options { level: Some(self.request.level), threads: self.request.threads };
        unpack(inputs.collect(), self.spool, options, self.progress).map_err(|(index, source)| {
            let reference = self.source.reference().to_string();
            Error::Unpack { reference, layer: self.layer_name(index), source }
        })
    }

    fn layer_name(&self, index: usize) -> String {
        match self.image.layers.get(index).and_then(|layer| layer.descriptor.as_ref()) {
            Some(descriptor) => descriptor.digest.to_string(),
            None => index.to_string(),
        }
    }

    fn plan(&self, unpacked: &[UnpackedLayer], seen: &[Vec<Entry<'_>>]) -> Plan {
        let (images, order) = self.previous;
        let reusable: Vec<Option<DiffId>> =
            newest(images).iter().map(|layer| layer.diff_id.filter(|_| layer.chunked.is_some())).collect();
        let new: Vec<NewLayer<'_>> = unpacked
            .iter()
            .zip(seen)
            .map(|(layer, entries)| NewLayer { diff_id: layer.diff_id, entries: entries.clone() })
            .collect();
        order::plan(&new, &reusable, order)
    }

    /// The layers' blobs, several at once, in the order of the plan.
    fn write(&self, unpacked: &[UnpackedLayer], plan: &Plan) -> Result<Vec<Written>, Error> {
        let next = AtomicUsize::new(0);
        let done: Vec<Mutex<Option<Result<Written, Error>>>> = plan.layers.iter().map(|_| Mutex::new(None)).collect();
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(slot) = done.get(index) else { break };
                let result = self.write_layer(index, unpacked, plan);
                let failed = result.is_err();
                if let Ok(mut slot) = slot.lock() {
                    *slot = Some(result);
                }
                if failed {
                    next.store(done.len(), Ordering::Relaxed);
                    break;
                }
                self.progress.layer_written();
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.request.threads.clamp(1, plan.layers.len().max(1)) {
                scope.spawn(work);
            }
        });
        let results: Vec<_> = done.into_iter().map(|slot| slot.into_inner().ok().flatten()).collect();
        let mut written = Vec::with_capacity(results.len());
        let mut missing = false;
        for result in results {
            match result {
                Some(result) => written.push(result?),
                None => missing = true,
            }
        }
        if missing { Err(Error::Internal("a layer was not written")) } else { Ok(written) }
    }

    fn write_layer(&self, index: usize, unpacked: &[UnpackedLayer], plan: &Plan) -> Result<Written, Error> {
        let layer = &plan.layers[index];
        let previous = newest(&self.previous.0);
        let sequence = match &layer.fate {
            Fate::Keep(kept) if previous[*kept].holds_its_tar() => return self.keep(&previous[*kept]),
            Fate::Keep(kept) => {
                let (reference, layer) = (self.previous.0[0].reference.clone(), kept.to_string());
                let reason = "its content is not the tar that its DiffID promises; leave this image out".to_owned();
                return Err(Error::Index { reference, layer, reason });
            }
            Fate::Write { sequence, .. } => sequence,
        };
        let job = LayerJob {
            request: self.request,
            inventory: &unpacked[layer.source].inventory,
            sequence,
            spool: self.spool,
            sink: self.sink,
            progress: self.progress,
        };
        // The tar came out as a previous one: that blob serves, whoever compressed it.
        let same = |diff_id| {
            previous.iter().find(|old| old.diff_id == Some(diff_id) && old.chunked.is_some() && old.holds_its_tar())
        };
        let source = self.image.layers[layer.source].descriptor.as_ref();
        let kept = Cell::new(None);
        let is_known = |diff_id| {
            kept.set(same(diff_id));
            kept.get().is_some()
        };
        match job.write(index, source, is_known)? {
            Made::New(written) => Ok(*written),
            Made::Known => self.keep(kept.get().ok_or(Error::Internal("a known layer is gone"))?),
        }
    }

    /// `layer` must hold the tar that its DiffID promises: see [`PreviousLayer::holds_its_tar`].
    fn keep(&self, layer: &PreviousLayer) -> Result<Written, Error> {
        let (Some((descriptor, pull, (file, span))), Some(diff_id)) = (&layer.chunked, layer.diff_id) else {
            return Err(Error::Internal("a layer without a TOC was to be kept"));
        };
        self.sink.copy_blob_from(file, *span, descriptor.digest)?;
        Ok(Written { descriptor: descriptor.clone().into_oci(), diff_id, pull: pull.clone(), no_index: None })
    }

    fn publish(
        &self,
        unpacked: &[UnpackedLayer],
        seen: &[Vec<Entry<'_>>],
        plan: &Plan,
        written: Vec<Written>,
    ) -> Result<(ImageOutcome, Descriptor), Error> {
        let diff_ids: Vec<DiffId> = written.iter().map(|layer| layer.diff_id).collect();
        let config = self.image.config.with_diff_ids(&diff_ids).to_bytes();
        let (config_digest, config_size) = self.sink.put_bytes(&config)?;
        let old_config = self.image.manifest.config();
        let config = old_config.pointing_at(&old_config.media_type, config_digest, config_size);
        let manifest = self.image.manifest.to_oci_with(written.iter().map(|l| l.descriptor.clone()).collect(), config);
        let (digest, size) = self.sink.put_bytes(&manifest.to_bytes())?;
        let mut descriptor = match &self.image.index_descriptor {
            Some(entry) => entry.pointing_at(MANIFEST, digest, size),
            None => Descriptor::new(MANIFEST, digest, size),
        };
        if let (Some(platform), true) = (&self.image.platform, self.image.index.is_some()) {
            descriptor.set_platform(platform);
        }
        let layers = self.layer_outcomes(unpacked, seen, plan, &written);
        let pull_layers: Vec<PullLayer> = written.into_iter().map(|layer| layer.pull).collect();
        let outcome = ImageOutcome {
            platform: self.image.platform.clone(),
            digest,
            layers,
            pulls: self.pulls(&pull_layers, config_size),
        };
        Ok((outcome, descriptor))
    }

    fn pulls(&self, layers: &[PullLayer], config_size: u64) -> Vec<Pull> {
        let nothing = Has::default();
        let clients = self.previous.0.iter().map(|image| (Some(image.reference.clone()), &image.has));
        let from = clients.chain([(None, &nothing)]);
        from.flat_map(|(from, has)| {
            [Client::Plain, Client::Podman].map(|client| pull(layers, config_size, has, client, from.clone()))
        })
        .collect()
    }

    fn layer_outcomes(
        &self,
        unpacked: &[UnpackedLayer],
        seen: &[Vec<Entry<'_>>],
        plan: &Plan,
        written: &[Written],
    ) -> Vec<LayerOutcome> {
        let previous = newest(&self.previous.0);
        let merged = tree::merge(seen);
        let mut live: HashMap<usize, u64> = HashMap::new();
        let inodes: std::collections::BTreeSet<_> = merged.values().map(|node| node.inode).collect();
        for (layer, entry) in inodes {
            let payload = unpacked[layer].inventory.items[entry].payload.as_ref();
            *live.entry(layer).or_default() += payload.map_or(0, Payload::compressed);
        }
        let outcome = |(layer, written): (&order::LayerPlan, &Written)| {
            let items = &unpacked[layer.source].inventory.items;
            let content: u64 = items.iter().filter_map(|item| item.payload.as_ref()).map(Payload::compressed).sum();
            let live_bytes = live.get(&layer.source).copied().unwrap_or(0);
            let kept = previous.iter().any(|old| {
                old.chunked.as_ref().is_some_and(|(descriptor, ..)| descriptor.digest == written.descriptor.digest)
            });
            let (entries, fresh_entries, fresh_bytes) = match &layer.fate {
                Fate::Keep(old) => (previous[*old].entries, 0, 0),
                Fate::Write { sequence, fresh_entries, fresh_bytes } => {
                    (sequence.len() as u64, *fresh_entries, *fresh_bytes)
                }
            };
            LayerOutcome {
                digest: written.descriptor.digest,
                size: written.descriptor.size,
                state: match (kept, previous.is_empty()) {
                    (true, _) => State::Kept,
                    (false, true) => State::Fresh,
                    (false, false) => State::Rewritten,
                },
                entries,
                live_bytes,
                dead_bytes: content.saturating_sub(live_bytes),
                index_bytes: written.pull.index.as_ref().map_or(0, |index| index.bytes),
                fresh_entries: fresh_entries as u64,
                fresh_bytes,
                chunked: written.pull.index.is_some(),
            }
        };
        plan.layers.iter().zip(written).map(outcome).collect()
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The layers of the previous image that decides.
fn newest(images: &[PreviousImage]) -> &[PreviousLayer] {
    images.first().map_or(&[], |image| &image.layers)
}
