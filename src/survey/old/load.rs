//! The layers that clients have, and those of a base image: manifests and TOCs. Layer data is read only where a layer
//! has no TOC and is to stay.

use std::collections::HashMap;
use std::sync::Arc;

use crate::compression::Compression;
use crate::degraded::{Code, Notes};
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::inventory::{Inventory, held_bytes, toc_entries};
use crate::job::JobOptions;
use crate::limits;
use crate::oci::{Descriptor, Reference, Transport};
use crate::order::Entry;
use crate::order::cost::PullLayer;
use crate::order::layers::Segment;
use crate::origin::Origin;
use crate::progress::Progress;
use crate::source::{Image, Layer, Source, read_of};
use crate::spool::Spool;
use crate::survey::read::{Index, pull_layer, share_out, tar_inventory};
use crate::threads;
use crate::toc::Toc;
use crate::unpack::LayerInput;

use super::faults::{Flaw, unused};
use super::formats::Takes;
use super::handed::handed_on;
use super::opened::{OldLayer, Opened, OpenedLayer};
use super::trust::{Standing, Trust};
use super::usable::usable;
use super::{Ask, Facts, OldClient};

/// Puts together what there is, image by image.
pub(super) struct Loader<'s, 'n> {
    pub(super) ask: Ask<'s>,
    progress: &'n Progress,
    pub notes: &'n mut Notes,
    pub opened: Opened<'s>,
    /// Of the member at hand.
    pub facts: Facts,
    seen: HashMap<BlobDigest, Seen>,
}

const PUBLISHED: &str = "name the published image: docker://HOST/REPO:TAG";

/// A layer of a previous image that older ones may have, too.
struct Seen {
    pull: Arc<PullLayer>,
    contents: Vec<(u64, u64)>,
}

/// A previous image while its layers are gone through.
struct Previous<'s> {
    source: &'s Source<'s>,
    reference: String,
    is_newest: bool,
    has: Vec<Arc<PullLayer>>,
    without_toc: usize,
    trust: Trust,
}

/// The index of a layer without a fault.
type Usable = Result<Option<Index>, Flaw>;

/// Whose layer it is, and how clients see it.
enum Part {
    Base,
    Previous(Arc<PullLayer>),
    Shared(Arc<PullLayer>),
}

/// One of its layers.
#[derive(Clone, Copy)]
pub(super) struct Numbered<'i> {
    pub index: usize,
    pub layer: &'i Layer,
    /// The layer with the same tar in the image's twin.
    pub gzip: Option<&'i Layer>,
    pub has_twin: bool,
}

fn numbered(image: &Image) -> impl Iterator<Item = Numbered<'_>> {
    let layers = image.layers.iter().enumerate();
    let has_twin = image.twin.is_some();
    layers.map(move |(index, layer)| Numbered { index, layer, gzip: image.twin_layer(index), has_twin })
}

impl<'s, 'n> Loader<'s, 'n> {
    pub fn new(ask: Ask<'s>, progress: &'n Progress, notes: &'n mut Notes) -> Self {
        Self {
            ask,
            progress,
            notes,
            opened: Opened::new(progress.size_limit()),
            facts: Facts::default(),
            seen: HashMap::new(),
        }
    }

    /// What follows is of the next member.
    pub fn end_member(&mut self) {
        let facts = std::mem::take(&mut self.facts);
        self.facts.history = facts.history.like();
        self.opened.members.push(facts);
    }

    pub fn base(&mut self, source: &'s Source<'s>, image: &Image) -> Result<(), Error> {
        let (own, limit) = (image.layers.len(), self.ask.max_layers);
        if limit <= own {
            let reason =
                format!("expected at least {} layers to be allowed, its {own} and one above, found {limit}", own + 1);
            return Err(Error::Base { reference: source.reference().to_string(), reason });
        }
        let refuse = |reason| Err(Error::Base { reference: source.reference().to_string(), reason });
        let mut trust = Trust::default();
        // Nobody said that the base is to be trusted.
        let ask = Ask { trust_previous: false, ..self.ask };
        for numbered in numbered(image) {
            let Numbered { index, layer, .. } = numbered;
            let toc = match usable(source, layer, ask, self.progress)? {
                Ok(toc) => toc,
                Err(fault) => return refuse(format!("layer {index}: {fault}")),
            };
            if !self.add_segment(source, numbered, toc.as_ref(), Part::Base, Takes::All, &mut trust)? {
                return refuse("its layers are no blobs that could stay as they are".to_owned());
            }
        }
        self.notes.extend(trust.note(source.reference(), &self.ask.resources.cache));
        Ok(())
    }

    pub fn previous(&mut self, source: &'s Source<'s>, image: &Image) -> Result<(), Error> {
        let is_newest = self.facts.clients.is_empty();
        if is_newest {
            self.facts.is_lost = image.layers.is_empty();
            self.facts.newest = image.layers.iter().filter_map(|layer| layer.descriptor.clone()).collect();
        }
        self.facts.history.begin();
        let (has, trust) = (Vec::with_capacity(image.layers.len()), Trust::default());
        let reference = source.reference().to_string();
        let mut previous = Previous { source, reference, is_newest, has, without_toc: 0, trust };
        // One that is seen twice is read once, unless both are read at once.
        for layers in numbered(image).collect::<Vec<_>>().chunks(source.at_once()) {
            self.progress.check()?;
            let tocs = self.read(&previous, layers)?;
            for (layer, toc) in layers.iter().zip(tocs) {
                match toc {
                    Some(toc) => self.previous_layer(&mut previous, *layer, toc)?,
                    None => self.seen_layer(&mut previous, *layer),
                }
            }
        }
        let Previous { reference, has, without_toc, trust, .. } = previous;
        if is_newest {
            self.note_zstd(image, &reference);
            self.note_lost_twin(image, &reference);
        }
        self.notes.extend(trust.note(source.reference(), &self.ask.resources.cache));
        self.note_foreign(source.reference(), without_toc, image, is_newest);
        let instances = self.instances(image, &has);
        self.facts.clients.push(OldClient { reference, have: has, instances });
        Ok(())
    }

    /// An image whose layers are of use to others than its own clients.
    pub fn share(&mut self, source: &'s Source<'s>, image: &Image) -> Result<(), Error> {
        let (mut trust, mut without_toc) = (Trust::default(), 0);
        for numbered in numbered(image) {
            self.progress.check()?;
            let Numbered { index, layer, .. } = numbered;
            let Some(descriptor) = &layer.descriptor else { continue };
            match usable(source, layer, self.ask, self.progress)? {
                Err(flaw) => {
                    self.notes.push(unused(&source.reference().to_string(), index, descriptor, &flaw, true));
                }
                Ok(None) => without_toc += 1,
                Ok(Some(toc)) => {
                    let part = Part::Shared(Arc::new(pull_layer(descriptor, Some(&toc))));
                    self.add_segment(source, numbered, Some(&toc), part, Takes::All, &mut trust)?;
                }
            }
        }
        self.notes.extend(trust.note(source.reference(), &self.ask.resources.cache));
        if without_toc > 0 {
            let (reference, count) = (source.reference(), image.layers.len());
            self.notes.push(format!("{reference}: {without_toc} of {count} layers have no TOC, and can't be shared"));
        }
        Ok(())
    }

    /// The layers' indexes, as many at once as there are layers. `None` for a layer that was seen before.
    fn read(&self, previous: &Previous<'_>, layers: &[Numbered<'_>]) -> Result<Vec<Option<Usable>>, Error> {
        let Previous { source, is_newest, .. } = previous;
        threads::each(layers.len(), layers.len(), |number| {
            let layer = layers[number].layer;
            let is_segment = || self.other_segment(layer).is_some();
            match self.seen_before(layer).is_some() && (!is_newest || is_segment()) {
                true => Ok(None),
                false => usable(source, layer, self.ask, self.progress).map(Some),
            }
        })
    }

    /// The segment that this layer, of a previous image or a shared one, is for another member.
    fn other_segment(&self, layer: &Layer) -> Option<usize> {
        let digest = layer.descriptor.as_ref()?.digest;
        let is_same = |old: &OpenedLayer| old.layer.descriptor.digest == digest && !old.segment.is_base;
        let mut same = self.opened.layers.iter().enumerate().filter(|(_, old)| is_same(old)).map(|(number, _)| number);
        same.find(|number| !self.facts.own.contains(number))
    }

    fn seen_before(&self, layer: &Layer) -> Option<&Seen> {
        self.seen.get(&layer.descriptor.as_ref()?.digest)
    }

    fn seen_layer(&mut self, previous: &mut Previous<'s>, Numbered { layer, .. }: Numbered<'_>) {
        let seen = layer.descriptor.as_ref().and_then(|descriptor| self.seen.get(&descriptor.digest));
        if let Some(seen) = seen {
            previous.has.push(Arc::clone(&seen.pull));
            self.facts.history.add_layer(&seen.contents);
        }
        if previous.is_newest {
            self.facts.own.extend(self.other_segment(layer));
        }
    }

    fn previous_layer(
        &mut self,
        previous: &mut Previous<'s>,
        numbered: Numbered<'_>,
        toc: Usable,
    ) -> Result<(), Error> {
        let (Numbered { index, layer, .. }, is_newest) = (numbered, previous.is_newest);
        let toc = match toc {
            Ok(toc) => toc,
            Err(flaw) => {
                if let Some(descriptor) = &layer.descriptor {
                    self.note_damaged(unused(&previous.reference, index, descriptor, &flaw, is_newest), is_newest);
                    previous.has.push(Arc::new(pull_layer(descriptor, None)));
                }
                self.facts.unread += usize::from(is_newest);
                return Ok(());
            }
        };
        let pull = self.pull(numbered, toc.as_ref());
        if let (Some(pull), Some(toc)) = (&pull, &toc) {
            self.see(pull, &toc.1);
        }
        previous.has.extend(pull.clone());
        let is_foreign = toc.is_none() && !self.is_in_base(layer);
        let takes = self.takes(numbered, toc.is_some());
        if let (true, Some(takes)) = (is_newest, takes) {
            let trust = &mut previous.trust;
            let is_taken = self.add_segment(
                previous.source,
                numbered,
                toc.as_ref(),
                pull.map_or(Part::Base, Part::Previous),
                takes,
                trust,
            )?;
            self.facts.unread += usize::from(toc.is_none() && !is_taken);
            previous.without_toc += usize::from(is_foreign && !(is_taken && takes != Takes::All));
            return Ok(());
        }
        previous.without_toc += usize::from(is_foreign);
        self.facts.unread += usize::from(is_foreign && is_newest);
        if let (Some(toc), Some(old), Some(place)) = (&toc, &layer.descriptor, previous.source.origin(layer)?) {
            self.progress.hold(limits::HELD_ROW * toc.1.entries.len() as u64)?;
            let name = format!("{}: layer {index}", previous.reference);
            self.opened.frames.add(&toc.1, place, name, old.digest);
        }
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
        let is_kept = have_blobs && self.ask.keep_foreign;
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
                (Code::NoLayerKept, format!("{what}, so that none of them can stay; {PUBLISHED}"))
            }
        };
        let note = format!("{reference}: {note}");
        match is_newest && !is_kept {
            true => self.notes.degraded(code, note),
            false => self.notes.push(note),
        }
        self.facts.is_lost |= is_lost;
    }

    /// Versions share most of their layers.
    fn see(&mut self, pull: &Arc<PullLayer>, toc: &Toc) {
        if self.ask.previous.references.len() > 1 || !self.ask.others.is_empty() {
            let contents = self.facts.history.contents(&toc_entries(toc));
            self.facts.history.add_layer(&contents);
            self.seen.insert(pull.digest, Seen { pull: Arc::clone(pull), contents });
        }
    }

    /// False for a layer that has no blob, or one of a previous image that can't be read or is not to be taken.
    fn add_segment(
        &mut self,
        source: &'s Source<'s>,
        numbered: Numbered<'_>,
        toc: Option<&Index>,
        part: Part,
        takes: Takes,
        trust: &mut Trust,
    ) -> Result<bool, Error> {
        let (is_base, is_shared) = (matches!(part, Part::Base), matches!(part, Part::Shared(_)));
        let Numbered { index, layer, .. } = numbered;
        let place = source.origin(layer)?;
        let (Some(descriptor), Some(diff_id), Some(place)) = (&layer.descriptor, layer.diff_id, place) else {
            return Ok(false);
        };
        // A layer may stand twice in an image; a base's own are not in the log a second time.
        if !is_base && self.is_in_base(layer) {
            return Ok(true);
        }
        if let Some(number) = self.other_segment(layer).filter(|_| !is_base) {
            if !is_shared {
                self.facts.own.push(number);
            }
            return Ok(true);
        }
        let standing = match source.is_remote() && toc.is_some() {
            true => trust.add(layer, &self.ask.resources.cache, self.ask.trust_previous && !is_base),
            false => Standing::Unproven,
        };
        let (entries, blob, compression) = match toc {
            Some((_, toc)) => {
                let chunks = toc.entries.iter().filter_map(|entry| entry.payload.as_ref()).flat_map(|p| &p.chunks);
                let held = chunks.filter(|_| !is_shared);
                self.facts.chunks.extend(held.map(|chunk| chunk.digest));
                let name = format!("{}: layer {index}", source.reference());
                let (blob, entries) = (place.clone(), toc_entries(toc));
                self.progress.hold(held_bytes(&entries))?;
                (entries, Some(self.opened.frames.add(toc, blob, name, descriptor.digest)), layer.compression)
            }
            None => match self.unindexed(source, (index, layer, descriptor), &place, is_base, takes)? {
                Some((entries, compression)) => (entries, None, compression),
                None => return Ok(false),
            },
        };
        self.opened.frames.known.add_paths(&entries);
        let pull = match part {
            Part::Base => Arc::new(pull_layer(descriptor, toc)),
            Part::Previous(pull) | Part::Shared(pull) => pull,
        };
        let (descriptor, left_out) = handed_on(descriptor);
        let gzip = self.gzip(source, numbered, is_base, trust);
        let layer = OldLayer {
            gzip,
            reference: source.reference().to_string(),
            index,
            descriptor,
            left_out,
            compression,
            diff_id,
            place,
            standing,
            blob,
        };
        if !is_base && !is_shared {
            self.facts.own.push(self.opened.layers.len());
        }
        let segment = Segment { entries: Arc::new(entries), pull, is_base, is_broken: false, is_shared: false };
        self.opened.layers.push(OpenedLayer { layer, segment });
        Ok(true)
    }

    /// The entries of a layer without a TOC, and what its bytes say of its compression. `None` if it is not to stay.
    fn unindexed(
        &mut self,
        source: &Source,
        (index, layer, descriptor): (usize, &Layer, &Descriptor),
        place: &Origin<'_>,
        is_base: bool,
        takes: Takes,
    ) -> Result<Option<(Vec<Entry>, Compression)>, Error> {
        let (inventory, compression) = match self.read_whole(source, layer, descriptor, place) {
            Err(Error::Unpack { source: fault, .. }) if !is_base && fault.is_damage() => {
                let flaw = Flaw::of(fault.to_string(), place, descriptor.digest, self.progress);
                let note = unused(&source.reference().to_string(), index, descriptor, &flaw, true);
                self.notes.degraded(Code::LayerDamaged, note);
                return Ok(None);
            }
            read => read?,
        };
        if takes == Takes::Unindexable && inventory.odd.is_empty() {
            self.progress.give_back(inventory.held);
            return Ok(None);
        }
        Ok(Some((inventory.entries, compression)))
    }

    fn is_in_base(&self, layer: &Layer) -> bool {
        let digest = layer.descriptor.as_ref().map(|descriptor| descriptor.digest);
        let is_same = |old: &OpenedLayer| Some(old.layer.descriptor.digest) == digest;
        self.opened.layers.iter().any(|old| old.segment.is_base && is_same(old))
    }

    /// A layer without a TOC, from where it is copied when it stays. Reading it proves its digest and its DiffID.
    fn read_whole(
        &self,
        source: &Source,
        layer: &Layer,
        descriptor: &Descriptor,
        place: &Origin<'_>,
    ) -> Result<(Inventory, Compression), Error> {
        let digest = descriptor.digest;
        let input = LayerInput {
            open: Box::new(|| Ok(read_of(place, digest)?)),
            verified: Some(digest),
            diff_id: layer.diff_id,
        };
        let JobOptions { threads, spool_dir, .. } = self.ask.resources;
        let found = tar_inventory(input, &Spool::new(spool_dir)?, *threads, &self.opened.size, self.progress);
        let (mut inventory, compression) = found.map_err(|fault| {
            let (reference, layer) = (source.reference().to_string(), digest.to_string());
            Error::unpack(reference, layer, fault)
        })?;
        share_out(&mut inventory, descriptor.size);
        Ok((inventory, compression))
    }
}
