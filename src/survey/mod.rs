//! An image as the decisions see it: of each layer the entries, and what a client has to know to pull it. Nothing is
//! decided here.
//!
//! | file | does |
//! | --- | --- |
//! | `choose` | which image of a reference is meant |
//! | `read` | a layer's entries, from its TOC or from its tar |
//! | `owners` | the package databases that an image shows, and whose each file is |
//! | `nameless` | docker's archives, whose layers are not as a registry has them |
//! | `old` | previous images and the base: what is proven of them can stay |
//! | `merged` | the merged tree of an image, with what a client would see at each path |
//! | `labels` | whose an entry is and how often it will change, as the planner takes it |

mod choose;
mod labels;
pub mod merged;
mod nameless;
pub mod old;
mod owners;
mod read;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::compression::Compression;
use crate::digest::{BlobDigest, DiffId};
use crate::error::Error;
use crate::inventory::{held_bytes, toc_entries};
use crate::job::JobOptions;
use crate::limits;
use crate::oci::{Descriptor, Platform, Reference};
use crate::order::Entry;
use crate::order::changes::Side;
use crate::order::cost::{Instances, PullIndex, PullLayer};
use crate::owner::Hint;
use crate::progress::{Phase, Progress};
use crate::source::{Image, IndexError, Layer, Source, stored_bytes};
use crate::threads;
use crate::toc::{TOC_DIGEST, Toc, TocEntry};

pub use choose::{common, other_platform, other_platforms, pick};
pub use labels::{changes_always, label};
pub use owners::{Roll, Telling, owners};
use read::{Index, pull_layer, share_out, tar_inventories};

use crate::units;
use nameless::Nameless;
use owners::Evidence;
use read::{Use, index};

/// One image for one platform.
pub struct SurveyedImage {
    pub reference: String,
    pub platform: Option<Platform>,
    /// Of the manifest; `None` for an image that came without one.
    pub digest: Option<BlobDigest>,
    pub config_size: u64,
    /// Bottom first. Images that have a layer in common share it.
    pub layers: Vec<Arc<SurveyedLayer>>,
    gzip: Option<Gzip>,
}

/// The gzip image beside a zstd one. The zstd layers tell what is in it.
struct Gzip {
    digest: Option<BlobDigest>,
    layers: Vec<Arc<PullLayer>>,
}

pub struct SurveyedLayer {
    /// Its digest is the DiffID for a layer that came without a blob of its own.
    pub pull: Arc<PullLayer>,
    /// Clients do not find its index.
    hides_index: bool,
    pub diff_id: DiffId,
    /// For a layer that came without one, what it would have.
    pub media_type: String,
    pub compression: Compression,
    pub entries: Vec<Entry>,
    evidence: Vec<(usize, Evidence)>,
    /// What entries say of their owner themselves.
    hints: Vec<(usize, Hint)>,
    /// Bytes of memory that were set aside for the entries.
    held: u64,
}

impl SurveyedImage {
    /// As clients see them, of both images of an index with two.
    pub fn instances(&self) -> Instances {
        Instances { own: self.pull_layers(), gzip: self.gzip.as_ref().map(|gzip| gzip.layers.clone()) }
    }

    /// Of the manifest of the gzip image.
    pub fn gzip_digest(&self) -> Option<BlobDigest> {
        self.gzip.as_ref()?.digest
    }

    fn pull_layers(&self) -> Vec<Arc<PullLayer>> {
        let seen = |layer: &Arc<SurveyedLayer>| match layer.hides_index {
            true => Arc::new(layer.pull.without_index()),
            false => Arc::clone(&layer.pull),
        };
        self.layers.iter().map(seen).collect()
    }

    /// As images are compared.
    pub fn sides(&self) -> Vec<Side<'_>> {
        let sides = self.layers.iter().map(|layer| Side {
            digest: layer.pull.digest,
            diff_id: layer.diff_id,
            size: layer.pull.size,
            index_bytes: layer.pull.index.as_ref().map_or(0, PullIndex::bytes),
            entries: &layer.entries,
        });
        sides.collect()
    }
}

/// A layer's digest, and whether its manifest says that it has a TOC: clients of an image that does not say so know of none.
type Key = (BlobDigest, bool);

/// Reads images one after the other, and a layer that several have once.
pub struct Surveyor<'a> {
    resources: &'a JobOptions,
    progress: &'a Progress,
    seen: HashMap<Key, Arc<SurveyedLayer>>,
    pub notes: Vec<String>,
    nameless: Nameless,
    /// Which of the notes tells of them.
    nameless_note: Option<usize>,
}

impl<'a> Surveyor<'a> {
    pub fn new(resources: &'a JobOptions, progress: &'a Progress) -> Self {
        progress.give_all_back();
        let (seen, notes, nameless) = (HashMap::new(), Vec::new(), Nameless::default());
        Self { resources, progress, seen, notes, nameless, nameless_note: None }
    }

    /// The layers and entries of an image. Package databases of layers without a TOC are kept only when the image's
    /// `owners` will be asked for: they can have hundreds of megabytes.
    pub fn image(&mut self, source: &Source, image: &Image, owners: bool) -> Result<SurveyedImage, Error> {
        let reference = source.reference().to_string();
        self.note_nameless(source.reference(), image);
        let keys = image.layers.iter().map(|layer| key(source, layer)).collect::<Result<Vec<_>, _>>()?;
        let mut taken = HashSet::new();
        let is_new = |&number: &usize| !self.seen.contains_key(&keys[number]) && taken.insert(keys[number]);
        let new: Vec<usize> = (0..keys.len()).filter(is_new).collect();
        let tars = self.read_indexes(source, image, &new, &keys)?;
        self.unpack(source, image, &tars, &keys, owners)?;
        let layer = |key| self.seen.get(key).cloned().ok_or(Error::Internal("a layer was not read"));
        Ok(SurveyedImage {
            reference,
            platform: image.platform.clone(),
            digest: image.manifest_digest,
            config_size: image.manifest.config().size,
            layers: keys.iter().map(layer).collect::<Result<_, _>>()?,
            gzip: image.twin.as_deref().map(|twin| Gzip { digest: twin.manifest_digest, layers: blobs(twin) }),
        })
    }

    /// One note for all images, which grows.
    fn note_nameless(&mut self, reference: &Reference, image: &Image) {
        let Some(note) = self.nameless.see(reference, image) else { return };
        let at = *self.nameless_note.get_or_insert(self.notes.len());
        match self.notes.get_mut(at) {
            Some(before) => *before = note,
            None => self.notes.push(note),
        }
    }

    /// Forgets all layers but this image's: in a sequence it is with those that the next one has most in common.
    pub fn forget_others(&mut self, image: &SurveyedImage) {
        let own: HashSet<BlobDigest> = image.layers.iter().map(|layer| layer.pull.digest).collect();
        let progress = self.progress;
        self.seen.retain(|(digest, _), layer| {
            let stays = own.contains(digest);
            if !stays {
                progress.give_back(layer.held);
            }
            stays
        });
    }

    fn see(&mut self, key: Key, layer: SurveyedLayer) {
        self.seen.insert(key, Arc::new(layer));
    }

    /// Of these layers. Returns those that have none.
    fn read_indexes(
        &mut self,
        source: &Source,
        image: &Image,
        numbers: &[usize],
        keys: &[Key],
    ) -> Result<Vec<usize>, Error> {
        let mut tars = Vec::new();
        let progress = self.progress;
        for numbers in numbers.chunks(source.at_once()) {
            progress.check()?;
            let read = |at: usize| index(source, &image.layers[numbers[at]], Use::Compare, progress);
            let read = threads::each(numbers.len(), numbers.len(), read)?;
            for (&number, read) in numbers.iter().zip(read) {
                let layer = &image.layers[number];
                match self.usable(source, number, layer, read) {
                    Some(found) => {
                        let surveyed = indexed(layer, &found)?;
                        let pulled = limits::HELD_FILE * surveyed.entries.len() as u64;
                        progress.hold(surveyed.held + pulled)?;
                        self.see(keys[number], surveyed);
                    }
                    None => tars.push(number),
                }
            }
        }
        Ok(tars)
    }

    /// A TOC whose content lies outside the blob is none: the sums of what it says would not be the layer's.
    fn usable(
        &mut self,
        source: &Source,
        number: usize,
        layer: &Layer,
        read: Result<Option<Index>, IndexError>,
    ) -> Option<Index> {
        let without =
            |fault: String| format!("{}: layer {number} is taken for one without a TOC: {fault}", source.reference());
        let index = match read {
            Ok(index) => index?,
            Err(fault) => {
                self.notes.push(without(fault.to_string()));
                return None;
            }
        };
        let size = layer.descriptor.as_ref().map_or(0, |descriptor| descriptor.size);
        let outside = ends(&index.1).find(|end| *end > size);
        match outside {
            Some(end) => {
                let (end, size) = (units::count(end), units::count(size));
                self.notes.push(without(format!("content ends at byte {end}, the blob at {size}")));
                None
            }
            None => Some(index),
        }
    }

    fn unpack(
        &mut self,
        source: &Source,
        image: &Image,
        tars: &[usize],
        keys: &[Key],
        owners: bool,
    ) -> Result<(), Error> {
        let layers: Vec<&Layer> = tars.iter().map(|&index| &image.layers[index]).collect();
        self.progress.begin(Phase::Reading, stored_bytes(layers.iter().copied()));
        let size = self.progress.size_limit();
        let (inventories, spool) = tar_inventories(source, &layers, self.resources, &size, self.progress)?;
        let spool = Arc::new(spool);
        for (&index, mut inventory) in tars.iter().zip(inventories) {
            let layer = &image.layers[index];
            let pull = plain_pull(source, layer, keys[index].0)?;
            // In a plain tar the headers have bytes of their own.
            let bytes = pull.size.min(inventory.content_bytes);
            share_out(&mut inventory, bytes);
            let spooled = |content| Evidence::Spooled(Arc::clone(&spool), content);
            let evidence = inventory.evidence.into_iter().map(|(entry, content)| (entry, spooled(content)));
            let surveyed = SurveyedLayer {
                pull: Arc::new(pull),
                hides_index: false,
                diff_id: layer.diff_id.ok_or(Error::Internal("a layer without a DiffID"))?,
                media_type: media_type(layer),
                compression: layer.compression,
                entries: inventory.entries,
                evidence: if owners { evidence.collect() } else { Vec::new() },
                hints: inventory.hints,
                held: inventory.held,
            };
            self.see(keys[index], surveyed);
        }
        Ok(())
    }
}

/// The layers of an image as clients see them that know of no index.
pub fn blobs(image: &Image) -> Vec<Arc<PullLayer>> {
    let descriptors = image.layers.iter().filter_map(|layer| layer.descriptor.as_ref());
    descriptors.map(|descriptor| Arc::new(pull_layer(descriptor, None))).collect()
}

/// A layer without a blob of its own goes by its tar.
fn key(source: &Source, layer: &Layer) -> Result<Key, Error> {
    let descriptor = layer.descriptor.as_ref();
    let diff_id = layer.diff_id.map(|diff_id| BlobDigest::from_bytes(*diff_id.as_bytes()));
    let digest = descriptor.map(|descriptor| descriptor.digest).or(diff_id);
    let digest = digest.ok_or_else(|| Error::NoLayers { reference: source.reference().to_string() })?;
    let shows_index =
        |descriptor: &Descriptor| descriptor.annotation(TOC_DIGEST).is_some() && !descriptor.hides_index();
    Ok((digest, descriptor.is_some_and(shows_index)))
}

fn media_type(layer: &Layer) -> String {
    let own = layer.descriptor.as_ref().map(|descriptor| descriptor.media_type.as_str());
    own.unwrap_or(layer.compression.media_type()).to_owned()
}

/// A layer that clients pull whole.
fn plain_pull(source: &Source, layer: &Layer, digest: BlobDigest) -> Result<PullLayer, Error> {
    match &layer.descriptor {
        Some(descriptor) => Ok(pull_layer(descriptor, None)),
        None => {
            let size = source.layer_bytes(layer)?.map_or(0, |bytes| bytes.size());
            Ok(PullLayer { digest, size, index: None })
        }
    }
}

fn indexed(layer: &Layer, index: &Index) -> Result<SurveyedLayer, Error> {
    const UNNAMED: Error = Error::Internal("a layer with a TOC has a descriptor and a DiffID");
    let entries = toc_entries(&index.1);
    let hint = |entry: &TocEntry| Hint::parse(&entry.header.xattrs).ok().flatten();
    let descriptor = layer.descriptor.as_ref().ok_or(UNNAMED)?;
    Ok(SurveyedLayer {
        pull: Arc::new(pull_layer(descriptor, Some(index))),
        hides_index: descriptor.hides_index(),
        diff_id: layer.diff_id.ok_or(UNNAMED)?,
        media_type: media_type(layer),
        compression: layer.compression,
        evidence: owners::in_frames(&index.1, &entries),
        hints: (0..).zip(&index.1.entries).filter_map(|(at, entry)| Some((at, hint(entry)?))).collect(),
        held: held_bytes(&entries).saturating_sub(limits::HELD_FILE * entries.len() as u64),
        entries,
    })
}

fn ends(toc: &Toc) -> impl Iterator<Item = u64> {
    toc.entries.iter().filter_map(|entry| entry.payload.as_ref()).map(|payload| payload.end_offset)
}
