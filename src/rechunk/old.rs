//! The layers that clients have, and those of a base image: manifests and TOCs. Layer data is read only where a layer
//! has no TOC and is to stay.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::HashSet;

use crate::compression::Compression;
use crate::degraded::{Code, Notes};
use crate::digest::{BlobDigest, ChunkDigest, DiffId};
use crate::error::Error;
use crate::inventory::{Frames, Inventory, Known, Stored, held_bytes, toc_entries, toc_frames};
use crate::job::JobOptions;
use crate::limits;
use crate::oci::{Descriptor, Reference, Transport};
use crate::order::cost::PullLayer;
use crate::order::layers::Segment;
use crate::progress::{Progress, SizeLimit};
use crate::source::{Image, Layer, Source, blob_reader};
use crate::spool::Spool;
use crate::survey::{Index, pull_layer, share_out, tar_inventory};
use crate::toc::Toc;
use crate::unpack::LayerInput;
use crate::watch::{Used, Watched};

use super::Request;
use super::faults::{Flaw, unused};
use super::handed::handed_on;
use super::history::History;
use super::planned::is_marked;
use super::usable::{stated, usable, watched};

/// A layer that can be used again as it is.
pub(super) struct OldLayer {
    pub reference: String,
    /// In its image, from the bottom.
    pub index: usize,
    pub descriptor: Descriptor,
    pub compression: Compression,
    pub diff_id: DiffId,
    pub pull: Arc<PullLayer>,
    pub place: Watched,
    /// What its descriptor said beside that.
    pub left_out: Vec<String>,
    /// Its number among the blobs whose frames can be copied.
    pub blob: Option<u32>,
}

/// Everything that the planned image can be laid out against.
#[derive(Default)]
pub(super) struct Old {
    /// Base layers first, then those of the newest previous image.
    pub segments: Vec<Segment>,
    /// Each segment's layer.
    pub layers: Vec<OldLayer>,
    /// Frames that can be copied, and the blobs that they are in.
    pub known: Known,
    pub blobs: Vec<Watched>,
    blob_names: Vec<(String, BlobDigest)>,
    /// Chunks in the segments.
    pub chunks: HashSet<ChunkDigest>,
    pub history: History,
    /// The layers of the newest previous image, all of them.
    pub newest: Vec<Descriptor>,
    /// No layer of the newest previous image can stay: it has none, or a note says why.
    pub is_lost: bool,
    /// How many layers of the newest previous image have no index and were not read.
    pub unread: usize,
    /// The layers of each previous image; newest first.
    pub clients: Vec<(String, Vec<Arc<PullLayer>>)>,
    /// What they may unpack to, all together.
    pub size: SizeLimit,
}

/// Puts together what there is, image by image.
pub(super) struct Loader<'a> {
    request: &'a Request,
    progress: &'a Progress,
    pub notes: &'a mut Notes,
    pub old: Old,
    seen: HashMap<BlobDigest, Seen>,
}

const COPY: &str = "name the copy that skopeo copy --all --preserve-digests fetched from the registry";

/// Which layers may stay as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    All,
    /// Those that no index can hold. Written anew they would gain nothing, and be pulled again when the level is another one.
    Unindexable,
}

/// A layer of a previous image that older ones may have, too.
struct Seen {
    pull: Arc<PullLayer>,
    contents: Vec<(u64, u64)>,
}

impl<'a> Loader<'a> {
    pub fn new(request: &'a Request, progress: &'a Progress, notes: &'a mut Notes) -> Self {
        let old = Old { size: progress.size_limit(), ..Old::default() };
        Self { request, progress, notes, old, seen: HashMap::new() }
    }

    pub fn base(&mut self, source: &Source, image: &Image) -> Result<(), Error> {
        let (own, limit) = (image.layers.len(), self.request.layers.max_layers);
        if limit <= own {
            let reason =
                format!("expected at least {} layers to be allowed, its {own} and one above, found {limit}", own + 1);
            return Err(Error::Base { reference: source.reference().to_string(), reason });
        }
        for (index, layer) in image.layers.iter().enumerate() {
            let refuse = |reason| Err(Error::Base { reference: source.reference().to_string(), reason });
            let toc = match stated(source, layer, self.progress)? {
                Ok(toc) => toc,
                Err(fault) => return refuse(format!("layer {index}: {fault}")),
            };
            if !self.add_segment(source, index, layer, toc.as_ref(), None, Takes::All)? {
                return refuse("its layers are no blobs that could stay as they are".to_owned());
            }
        }
        Ok(())
    }

    pub fn previous(&mut self, source: &Source, image: &Image) -> Result<(), Error> {
        let reference = source.reference().to_string();
        let is_newest = self.old.clients.is_empty();
        if is_newest {
            self.old.is_lost = image.layers.is_empty();
            self.old.newest = image.layers.iter().filter_map(|layer| layer.descriptor.clone()).collect();
        }
        self.old.history.begin();
        let mut has = Vec::with_capacity(image.layers.len());
        let mut without_toc = 0;
        for (index, layer) in image.layers.iter().enumerate() {
            let seen = layer.descriptor.as_ref().and_then(|descriptor| self.seen.get(&descriptor.digest));
            if let Some(seen) = seen.filter(|_| !is_newest) {
                has.push(Arc::clone(&seen.pull));
                self.old.history.add_layer(&seen.contents);
                continue;
            }
            let toc = match usable(source, layer, self.progress)? {
                Ok(toc) => toc,
                Err(flaw) => {
                    if let Some(descriptor) = &layer.descriptor {
                        self.note_damaged(unused(&reference, index, descriptor, &flaw, is_newest), is_newest);
                        has.push(Arc::new(pull_layer(descriptor, None)));
                    }
                    self.old.unread += usize::from(is_newest);
                    continue;
                }
            };
            let pull = layer.descriptor.as_ref().map(|descriptor| Arc::new(pull_layer(descriptor, toc.as_ref())));
            if let (Some(pull), Some(toc)) = (&pull, &toc) {
                self.see(pull, &toc.1);
            }
            has.extend(pull.clone());
            let is_foreign = toc.is_none() && !self.is_in_base(layer);
            let takes = match toc.is_some() || self.request.keep_foreign {
                true => Some(Takes::All),
                false if layer.descriptor.as_ref().is_some_and(is_marked) => Some(Takes::Unindexable),
                false => None,
            };
            if let (true, Some(takes)) = (is_newest, takes) {
                let is_taken = self.add_segment(source, index, layer, toc.as_ref(), pull, takes)?;
                self.old.unread += usize::from(toc.is_none() && !is_taken);
                without_toc += usize::from(is_foreign && !(is_taken && takes == Takes::Unindexable));
                continue;
            }
            without_toc += usize::from(is_foreign);
            self.old.unread += usize::from(is_foreign && is_newest);
            if let (Some(toc), Some(old), Some(place)) = (&toc, &layer.descriptor, source.layer_file(layer)?) {
                self.progress.hold(limits::HELD_ROW * toc.1.entries.len() as u64)?;
                let name = format!("{reference}: layer {index}");
                self.add_frames(&toc.1, watched(place)?, name, old.digest);
            }
        }
        self.note_foreign(source.reference(), without_toc, image, is_newest);
        self.old.clients.push((reference, has));
        Ok(())
    }

    /// Layers of older images could not stay anyway.
    fn note_damaged(&mut self, note: String, is_newest: bool) {
        match is_newest {
            true => self.notes.degraded(Code::LayerDamaged, note),
            false => self.notes.push(note),
        }
    }

    fn note_foreign(&mut self, reference: &Reference, without_toc: usize, image: &Image, is_newest: bool) {
        if without_toc == 0 {
            return;
        }
        let count = image.layers.len();
        let have_blobs = image.layers.iter().any(|layer| layer.descriptor.is_some());
        let is_kept = have_blobs && self.request.keep_foreign;
        let is_lost = without_toc == count && is_newest && !is_kept;
        let (code, note) = match have_blobs {
            true => {
                let kept = match (is_kept, is_lost) {
                    (true, _) => "they stay where the image still shows enough of them",
                    (_, true) => {
                        "they are written anew, and clients pull all of this image (--keep-foreign keeps them)"
                    }
                    _ => "they are written anew (--keep-foreign keeps them)",
                };
                let what = format!("{without_toc} of {count} layers have no TOC");
                (Code::LayerWithoutToc, format!("{what}, so clients can reuse no file of theirs; {kept}"))
            }
            false => {
                let what = match reference.transport() {
                    Transport::Dir => "a root file system has no layers",
                    _ => "a docker-archive does not hold the layers that clients pulled",
                };
                (Code::NoLayerKept, format!("{what}, so that none of them can stay; {COPY}"))
            }
        };
        let note = format!("{reference}: {note}");
        match is_newest && !is_kept {
            true => self.notes.degraded(code, note),
            false => self.notes.push(note),
        }
        self.old.is_lost |= is_lost;
    }

    /// Versions share most of their layers.
    fn see(&mut self, pull: &Arc<PullLayer>, toc: &Toc) {
        if self.request.previous.len() > 1 {
            let contents = self.old.history.contents(&toc_entries(toc));
            self.old.history.add_layer(&contents);
            self.seen.insert(pull.digest, Seen { pull: Arc::clone(pull), contents });
        }
    }

    /// False for a layer that has no blob, or one of a previous image that can't be read or is not to be taken. Clients
    /// have `pull`, but not the base's layers.
    fn add_segment(
        &mut self,
        source: &Source,
        index: usize,
        layer: &Layer,
        toc: Option<&Index>,
        pull: Option<Arc<PullLayer>>,
        takes: Takes,
    ) -> Result<bool, Error> {
        let is_base = pull.is_none();
        let place = source.layer_file(layer)?;
        let (Some(descriptor), Some(diff_id), Some(place)) = (&layer.descriptor, layer.diff_id, place) else {
            return Ok(false);
        };
        let place = watched(place)?;
        // A layer may stand twice in an image; a base's own are not in the log a second time.
        if !is_base && self.is_in_base(layer) {
            return Ok(true);
        }
        let (entries, blob) = match toc {
            Some((_, toc)) => {
                let chunks = toc.entries.iter().filter_map(|entry| entry.payload.as_ref()).flat_map(|p| &p.chunks);
                self.old.chunks.extend(chunks.map(|chunk| chunk.digest));
                let name = format!("{}: layer {index}", source.reference());
                let (blob, entries) = (place.clone(), toc_entries(toc));
                self.progress.hold(held_bytes(&entries))?;
                (entries, Some(self.add_frames(toc, blob, name, descriptor.digest)))
            }
            None => match self.read(source, layer, descriptor, &place) {
                Err(Error::Unpack { source: fault, .. }) if !is_base && fault.is_damage() => {
                    let reference = source.reference().to_string();
                    let flaw = Flaw::of(fault.to_string(), &place, descriptor.digest, self.progress);
                    let note = unused(&reference, index, descriptor, &flaw, true);
                    self.notes.degraded(Code::LayerDamaged, note);
                    return Ok(false);
                }
                read => {
                    let inventory = read?;
                    if takes == Takes::Unindexable && inventory.odd.is_empty() {
                        self.progress.give_back(inventory.held);
                        return Ok(false);
                    }
                    (inventory.entries, None)
                }
            },
        };
        self.old.known.add_paths(&entries);
        let pull = pull.unwrap_or_else(|| Arc::new(pull_layer(descriptor, toc)));
        let (descriptor, left_out) = handed_on(descriptor);
        let size = descriptor.size;
        self.old.layers.push(OldLayer {
            reference: source.reference().to_string(),
            index,
            descriptor,
            compression: layer.compression,
            diff_id,
            pull,
            place,
            left_out,
            blob,
        });
        self.old.segments.push(Segment { entries, size, is_base, is_broken: false });
        Ok(true)
    }

    fn is_in_base(&self, layer: &Layer) -> bool {
        let digest = layer.descriptor.as_ref().map(|descriptor| descriptor.digest);
        let mut old = self.old.layers.iter().zip(&self.old.segments);
        old.any(|(old, segment)| segment.is_base && Some(old.descriptor.digest) == digest)
    }

    /// The blob's number; `name` says which one it is.
    fn add_frames(&mut self, toc: &Toc, place: Watched, name: String, digest: BlobDigest) -> u32 {
        let blob = self.old.blobs.len() as u32;
        for entry in &toc.entries {
            if let Some(payload) = entry.payload.as_ref().filter(|payload| payload.end_offset <= place.span().len()) {
                self.old.known.add(payload.digest, entry.header.size, toc_frames(payload, blob));
            }
        }
        self.old.blobs.push(place);
        self.old.blob_names.push((name, digest));
        blob
    }

    /// A layer without a TOC, out of the file that is copied when the layer stays. Reading it proves its digest and its DiffID.
    fn read(
        &self,
        source: &Source,
        layer: &Layer,
        descriptor: &Descriptor,
        place: &Watched,
    ) -> Result<Inventory, Error> {
        let digest = descriptor.digest;
        let input = LayerInput {
            open: Box::new(|| Ok(Box::new(blob_reader(place.file().try_clone()?, place.span(), digest)))),
            verified: Some(digest),
            diff_id: layer.diff_id,
        };
        let JobOptions { threads, spool_dir } = &self.request.resources;
        let found = tar_inventory(input, &Spool::new(spool_dir)?, *threads, &self.old.size, self.progress);
        let mut inventory = found.map_err(|fault| {
            let (reference, layer) = (source.reference().to_string(), digest.to_string());
            Error::unpack(reference, layer, fault)
        })?;
        share_out(&mut inventory, descriptor.size);
        Ok(inventory)
    }
}

impl Old {
    /// The segments as clients see them.
    pub fn pulls(&self) -> Vec<Arc<PullLayer>> {
        self.layers.iter().map(|layer| Arc::clone(&layer.pull)).collect()
    }

    /// A blob that frames are copied from. Of an older image's layer the frames alone are proven, and not by its digest.
    pub fn used(&self, number: u32) -> Used<'_> {
        let is_proven = self.layers.iter().any(|layer| layer.blob == Some(number));
        Used { blob: &self.blobs[number as usize], digest: self.blob_names[number as usize].1, is_proven }
    }

    /// True for a frame that no layer's proof covers: one of an older image, whose layers nobody else reads.
    pub fn is_unproven(&self, frames: &Frames) -> bool {
        let is_proven = |blob: u32| self.layers.iter().any(|layer| layer.blob == Some(blob));
        frames.stored().any(|stored| matches!(stored, Stored::Blob(blob, _) if !is_proven(*blob)))
    }

    /// Forgets the blobs that these frames, which don't hold what is said of them, lie in.
    pub fn forget<'a>(&mut self, frames: impl Iterator<Item = &'a Frames>, notes: &mut Vec<String>) {
        let stored = frames.flat_map(Frames::stored);
        let blobs = stored.filter_map(|stored| match stored {
            Stored::Blob(blob, _) => Some(*blob),
            Stored::One(_) | Stored::Many(_) => None,
        });
        let blobs: BTreeSet<u32> = blobs.collect();
        notes.extend(blobs.iter().map(|&blob| {
            format!("{} is not used: it holds other content than its TOC says", self.blob_names[blob as usize].0)
        }));
        self.known.forget(&blobs);
    }
}
