//! One image of one platform.

use std::borrow::Cow;
use std::sync::Arc;

use crate::codec::Level;
use crate::degraded::Notes;
use crate::digest::DiffId;
use crate::error::Error;
use crate::merge::Difference;
use crate::oci::marks::ZSTD;
use crate::oci::{Config, DOCKER_MANIFEST, Descriptor, MANIFEST, Transport};
use crate::order::cost::{Instances, Pull, PullLayer, RegistryProfile};
use crate::order::layers::{Agreed, Given, Label, Labels, Options, PlanError, Prune, Unpurged, plan, unpurged};
use crate::order::{Entry, Plan, State, broken_entry, tree};
use crate::progress::{Phase, Progress};
use crate::remark;
use crate::source::{Image, Source};
use crate::spool::Spool;
use crate::survey::old::Plannable;
use crate::toc::TOC_DIGEST;
use crate::unpack::UnpackedLayer;

use super::hint::{Hint, more_waste};
use super::labels::{Labelled, labelled};
use super::layers::Written;
use super::output::Output;
use super::planned::{annotated_as, descriptors, told_states};
use super::read::layer_name;
use super::twin::GzipSizes;
use super::{GzipBlob, GzipTwin, ImageOutcome, LayerOutcome, PlannedLayer, Request, ostree};

pub(super) struct Job<'a, 's> {
    pub request: &'a Request,
    pub source: &'a Source<'a>,
    pub image: &'a Image,
    pub old: Plannable<'s>,
    pub spool: &'a Spool,
    pub progress: &'a Progress,
    pub gzip_sizes: GzipSizes,
}

/// What is to be done, and the names of the owners that it counts.
pub(super) struct Layout {
    pub plan: Plan,
    pub labels: Vec<Vec<Label>>,
    pub owners: Vec<String>,
    pub hint: Option<Hint>,
    /// What is left out of the tree.
    pub prune: Vec<Prune>,
    /// What merged images differ in.
    pub differences: Vec<Difference>,
}

/// What a plan needs beside the old images.
pub(super) struct Prepared<'a> {
    labels: Vec<Vec<Label>>,
    owners: Vec<String>,
    options: Cow<'a, Options>,
}

impl<'a, 's> Job<'a, 's> {
    pub fn layout(&self, unpacked: &[&UnpackedLayer], notes: &mut Notes) -> Result<Layout, Error> {
        self.progress.begin(Phase::Planning, None);
        let prepared = self.prepared(unpacked, notes)?;
        self.planned_layout(unpacked, prepared, Agreed::default(), notes)
    }

    /// Looks at the image before anything is decided.
    pub fn prepared(&self, unpacked: &[&UnpackedLayer], notes: &mut Notes) -> Result<Prepared<'a>, Error> {
        let entries = entries(unpacked);
        if let Some((layer, source)) = broken_entry(&entries) {
            let (reference, layer) = (self.source.reference().to_string(), layer_name(self.image, layer));
            return Err(Error::Entry { reference, layer, source });
        }
        ostree::check_entries(self.request, &entries)?;
        let remarks = unpacked.iter().enumerate().flat_map(|(index, layer)| {
            layer.inventory.notes.iter().map(move |remark| (format!("layer {index}"), remark))
        });
        notes.extend(remark::lines(remarks));
        self.note_readings(unpacked, notes)?;
        self.note_marked_base(notes);
        note_whiteouts(self.source, unpacked, notes);
        notes.extend(unpurged(&entries, self.old.segments(), &self.request.layers).iter().map(shown_elsewhere));
        self.note_undropped(unpacked, notes);
        let (history, named) = (&self.old.facts.history, &self.request.resources.named);
        let Labelled { labels, names: owners } = labelled(unpacked, self.spool, history, named, notes)?;
        let options = self.without_debris(&entries, notes);
        Ok(Prepared { labels, owners, options })
    }

    /// Does something with all that a plan goes by.
    pub fn with_given<T>(
        &self,
        unpacked: &[&UnpackedLayer],
        prepared: &Prepared<'_>,
        agreed: Agreed<'_>,
        work: impl FnOnce(Given<'_>) -> Result<T, PlanError>,
    ) -> Result<T, Error> {
        let old = self.old.old().map_err(PlanError::from)?;
        let (layers, labels) = (entries(unpacked), Labels(&prepared.labels));
        Ok(work(Given { layers: &layers, labels: &labels, old: &old, options: &prepared.options, agreed })?)
    }

    pub fn planned_layout(
        &self,
        unpacked: &[&UnpackedLayer],
        prepared: Prepared<'_>,
        agreed: Agreed<'_>,
        notes: &mut Notes,
    ) -> Result<Layout, Error> {
        let (plan, hint) = self.with_given(unpacked, &prepared, agreed, |given| {
            let plan = plan(given)?;
            let hint = more_waste(given, &plan);
            notes.extend(self.costly_debris(given, &plan));
            self.note_costly(given.layers, &plan, notes);
            self.note_large(given.layers, &plan, notes);
            Ok((plan, hint))
        })?;
        let Prepared { labels, owners, options } = prepared;
        let prune = options.prune.clone();
        Ok(Layout { plan, labels, owners, hint, prune, differences: Vec::new() })
    }

    /// A name that was mistyped would else stay unnoticed. In a pipeline for all images, one may have no such xattr.
    fn note_undropped(&self, unpacked: &[&UnpackedLayer], notes: &mut Vec<String>) {
        let is_used = |number: &usize| unpacked.iter().any(|layer| layer.inventory.dropped.contains(number));
        let unused = (0..).zip(&self.request.drop_xattrs).filter(|(number, _)| !is_used(number));
        notes.extend(unused.map(|(_, glob)| format!("{glob}: to be dropped, but the image has no such xattr")));
    }

    /// The level of content that was compressed before the plan was made.
    pub fn first_level(&self) -> Level {
        self.request.effort.first(self.is_update())
    }

    pub fn is_update(&self) -> bool {
        self.old.is_update()
    }

    /// The outcome, and the descriptors of the manifests: that of the gzip twin comes first.
    pub fn publish(
        &self,
        output: Output<'_, 's>,
        layout: &Layout,
        written: Vec<Written>,
        labels: &[(String, Option<String>)],
        hides_indexes: bool,
    ) -> Result<(ImageOutcome, Vec<Descriptor>), Error> {
        let mut planned = self.planned_layers(layout);
        let states = told_states(&planned, &written, &self.old.facts.newest);
        let layers: Vec<(DiffId, String)> =
            states.iter().zip(&written).map(|(state, written)| (written.diff_id, state.name().to_owned())).collect();
        let config = self.config().with_layers(&layers).with_labels(labels).to_bytes();
        let (config_digest, config_size) = output.config(&config)?;
        let old_config = self.image.manifest.config();
        let config = old_config.pointing_at(&old_config.media_type, config_digest, config_size);
        let mut descriptors = descriptors(&planned, &written, &states);
        if hides_indexes {
            descriptors = descriptors.into_iter().map(Descriptor::with_hidden_index).collect();
        }
        // Of a pair, readers know by the mark which is which, also if all layers are another tool's in gzip.
        let is_zstd = self.request.formats.has_twin()
            || written.iter().any(|layer| layer.descriptor.media_type.ends_with("zstd"));
        let entry = self.manifest(output, descriptors, config.clone(), is_zstd)?;
        let digest = entry.digest;
        let twin = self.twin(&planned, &written, &states);
        let twin = twin.map(|(twin, layers)| Ok::<_, Error>((twin, self.manifest(output, layers, config, false)?)));
        let (twin, twin_entry) = twin.transpose()?.unzip();
        let twin = twin.zip(twin_entry.as_ref()).map(|(layers, entry)| GzipTwin { digest: entry.digest, layers });
        let entries = twin_entry.into_iter().chain([entry]).collect();
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
        let seen = if hides_indexes { without_indexes(&pull_layers) } else { pull_layers };
        let gzip = twin.as_ref().map(|twin: &GzipTwin| twin.layers.iter().map(GzipBlob::pull).map(Arc::new).collect());
        let pulls = self.pulls(&Instances { own: seen, gzip }, config_size);
        let platform = self.image.platform.clone();
        let hint = layout.hint.clone();
        let unread = self.old.facts.unread as u64;
        let differences = layout.differences.clone();
        Ok((ImageOutcome { platform, digest, layers, twin, dropped, unread, pulls, hint, differences }, entries))
    }

    /// The twin's layers, and their descriptors.
    fn twin(
        &self,
        planned: &[PlannedLayer],
        written: &[Written],
        states: &[State],
    ) -> Option<(Vec<GzipBlob>, Vec<Descriptor>)> {
        let gzip: Vec<_> = written.iter().filter_map(|written| written.gzip.as_ref()).collect();
        if !self.request.formats.has_twin() {
            return None;
        }
        let blobs = gzip.iter().map(|gzip| {
            let Descriptor { digest, size, .. } = gzip.descriptor;
            GzipBlob { digest, size, is_new: gzip.is_new }
        });
        let descriptors = planned.iter().zip(&gzip).zip(states);
        let descriptors =
            descriptors.map(|((planned, gzip), state)| annotated_as(gzip.descriptor.clone(), planned, *state));
        Some((blobs.collect(), descriptors.collect()))
    }

    /// Writes a manifest over these layers, and gives what an index says of it.
    fn manifest(
        &self,
        output: Output<'_, 's>,
        layers: Vec<Descriptor>,
        config: Descriptor,
        is_zstd: bool,
    ) -> Result<Descriptor, Error> {
        let mut manifest = self.image.manifest.to_oci_with(layers, config);
        self.request.annotations.iter().for_each(|(key, value)| manifest.set_annotation(key, value));
        let media_type = match self.request.formats.is_docker() {
            true => {
                manifest = manifest.into_docker();
                DOCKER_MANIFEST
            }
            false => MANIFEST,
        };
        let (digest, size) = output.manifest(media_type, &manifest.to_bytes())?;
        let mut descriptor = match &self.image.index_descriptor {
            Some(entry) => entry.pointing_at(media_type, digest, size),
            None => Descriptor::new(media_type, digest, size),
        };
        if self.image.index.is_none() && !self.request.formats.has_twin() {
            return Ok(descriptor);
        }
        if let Some(platform) = &self.image.platform {
            descriptor.set_platform(platform);
        }
        match is_zstd {
            true => descriptor.set_annotation(ZSTD, "true"),
            false => descriptor.remove_annotation(ZSTD),
        }
        Ok(descriptor.in_order())
    }

    fn config(&self) -> Cow<'_, Config> {
        let config = &self.image.config;
        self.request.epoch.map_or(Cow::Borrowed(config), |epoch| Cow::Owned(config.clamped(epoch)))
    }

    pub fn pulls(&self, image: &Instances, config_size: u64) -> Vec<Pull> {
        let clients = self.old.facts.clients.iter().map(|it| (Some(it.reference.as_str()), &it.instances));
        let nothing = Instances::default();
        let clients = clients.chain([(None, &nothing)]);
        clients.flat_map(|(from, has)| image.pulls(config_size, has, from, &[], &RegistryProfile::ALL)).collect()
    }
}

/// In a layer such a name hides a file; in a root file system it is a file that nobody will see again.
pub(super) fn note_whiteouts(source: &Source<'_>, unpacked: &[&UnpackedLayer], notes: &mut Vec<String>) {
    if source.reference().transport() != Transport::Dir {
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

fn entries<'a>(unpacked: &[&'a UnpackedLayer]) -> Vec<&'a [Entry]> {
    unpacked.iter().map(|layer| layer.inventory.entries.as_slice()).collect()
}

/// As clients see the layers when the manifest does not say where their indexes are.
pub(super) fn without_indexes(layers: &[Arc<PullLayer>]) -> Vec<Arc<PullLayer>> {
    layers.iter().map(|layer| Arc::new(layer.without_index())).collect()
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
