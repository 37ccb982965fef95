//! The planned layers' blobs, several at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cache::Claim;
use crate::codec::{Level, library_version};
use crate::compression::{Compression, Format};
use crate::degraded::{Code, Notes};
use crate::digest::{BlobDigest, DiffId};
use crate::error::Error;
use crate::inventory::{Frames, Payload, Stored, pull_index};
use crate::oci::Descriptor;
use crate::oci::marks::{INDEX, PROFILE};
use crate::order::cost::PullLayer;
use crate::order::{LayerPlan, Plan, State};
use crate::origin::fetch;
use crate::pack::{self, Blobs, PackError, PackedLayer, Placed, Stock};
use crate::progress::Phase;
use crate::span::Span;
use crate::survey::old::{ProvenLayer, claim, left_out};
use crate::threads;
use crate::toc;
use crate::unpack::UnpackedLayer;
use crate::watch::{Trace, Used, steady};

use super::entries::placed;
use super::image::Job;
use super::output::Output;
use super::reframe::{content, payload};
use super::twin::{WrittenGzip, gzip_profile};

/// gzip layers that are written at once. Each keeps up to four threads busy.
const GZIP_LAYERS: usize = 4;

/// A layer of the output.
pub(super) struct Written {
    pub descriptor: Descriptor,
    /// Of the gzip twin.
    pub gzip: Option<WrittenGzip>,
    pub diff_id: DiffId,
    pub pull: Arc<PullLayer>,
    /// Compressed bytes of content, of a layer that was written.
    pub live: Option<u64>,
    pub no_index: Option<String>,
    /// False for an old layer that the user trusts.
    pub is_proven: bool,
    /// How the file in the sink that holds it is known again.
    pub trace: Option<Trace>,
    /// What is not handed on of the old descriptor.
    pub left_out: Option<String>,
    /// Why the gzip blob of the previous image is not used.
    pub damage: Option<String>,
}

impl Written {
    /// What the next run need not ask of a layer with a TOC.
    pub fn proofs(&self) -> impl Iterator<Item = (BlobDigest, Claim, Option<Trace>)> {
        let has_index = self.pull.index.is_some() && self.is_proven;
        let of = |descriptor: &Descriptor, trace| (descriptor.digest, claim(descriptor, self.diff_id), trace);
        let own = has_index.then(|| of(&self.descriptor, self.trace));
        let gzip = self.gzip.as_ref().filter(|gzip| gzip.is_proven).map(|gzip| of(&gzip.descriptor, gzip.trace));
        own.into_iter().chain(gzip)
    }
}

impl<'s> Job<'_, 's> {
    /// In the order of the plan.
    pub(super) fn write(
        &self,
        output: Output<'_, 's>,
        unpacked: &[UnpackedLayer],
        plan: &Plan,
        level: Level,
    ) -> Result<Vec<Written>, Error> {
        let bytes = |layer: &LayerPlan| self.kept(layer).map_or(layer.live, |(kept, _)| kept.descriptor.size);
        self.fetch_frames(unpacked, plan)?;
        self.progress.begin(Phase::Writing, Some(plan.layers.iter().map(bytes).sum()));
        threads::each(self.layers_at_once(), plan.layers.len(), |index| {
            let plan = &plan.layers[index];
            let written = self.write_layer(output, index, unpacked, plan, level)?;
            self.progress.advance(self.kept(plan).map_or(0, |(kept, _)| kept.descriptor.size));
            Ok(written)
        })
    }

    /// Each gzip layer has threads and blocks of its own: with many cores they would need hundreds of megabytes.
    fn layers_at_once(&self) -> usize {
        let threads = self.request.resources.threads;
        if self.request.formats.has_gzip() { threads.min(GZIP_LAYERS) } else { threads }
    }

    /// Frames that new layers take over from blobs in registries.
    fn fetch_frames(&self, unpacked: &[UnpackedLayer], plan: &Plan) -> Result<(), Error> {
        let written = plan.layers.iter().flat_map(|layer| &layer.entries).filter_map(content);
        let payloads = written.filter_map(|place| payload(unpacked, place));
        self.progress.begin(Phase::Fetching, None);
        Ok(fetch(self.old.blobs(), payloads.flat_map(|payload| old_runs(&payload.frames)), self.spool, self.progress)?)
    }

    /// The old layer that stays as it is, if the plan has one there, and what clients see of it.
    pub(super) fn kept(&self, plan: &LayerPlan) -> Option<(&ProvenLayer<'s>, &Arc<PullLayer>)> {
        match (plan.state, plan.segments.as_slice()) {
            (State::Kept, [kept]) => Some((self.old.layer(*kept)?, &self.old.segments()[*kept].pull)),
            _ => None,
        }
    }

    fn write_layer(
        &self,
        output: Output<'_, 's>,
        index: usize,
        unpacked: &[UnpackedLayer],
        plan: &LayerPlan,
        level: Level,
    ) -> Result<Written, Error> {
        match self.kept(plan) {
            Some((kept, pull)) => self.keep(output, index, kept, pull),
            None => self.pack(output, index, unpacked, plan, level),
        }
    }

    fn pack(
        &self,
        output: Output<'_, 's>,
        index: usize,
        unpacked: &[UnpackedLayer],
        plan: &LayerPlan,
        level: Level,
    ) -> Result<Written, Error> {
        let failed = |source: PackError| Error::pack(index, source);
        let placed = placed(&plan.entries, unpacked, self.spool).map_err(failed)?;
        let formats = self.request.formats;
        let place = (formats.format() == Format::Chunked).then_some(self.request.index);
        let options = pack::Options { level, index: place, threads: self.request.resources.threads };
        let stock = Stock { spool: self.spool, blobs: self.old.blobs() };
        let (packed, mut blob, mut gzip) = steady(&self.used_blobs(&placed), || {
            let is_zstd = formats.compression() == Compression::Zstd;
            let mut zstd = is_zstd.then(|| output.blob()).transpose()?;
            let mut gzip = formats.has_gzip().then(|| output.blob()).transpose()?;
            let blobs = Blobs { zstd: zstd.as_mut().map(|out| out as _), gzip: gzip.as_mut().map(|out| out as _) };
            let packed = pack::pack(&placed, stock, options, self.progress, blobs).map_err(failed)?;
            Ok::<_, Error>((packed, zstd, gzip))
        })?;
        let blob = blob.take().or_else(|| gzip.take()).ok_or(Error::Internal("a layer without a blob"))?;
        let gzip = gzip.map(|blob| self.new_gzip(plan, blob)).transpose()?;
        let is_advanced = formats.compression() == Compression::Zstd;
        self.progress.advance(if is_advanced { 0 } else { plan.live });
        if let (Output::Registry(_), Some(chunked)) = (output, &packed.chunked) {
            self.request.resources.cache.remember_index(chunked.toc_digest, &packed.toc);
        }
        let (digest, size, trace) = blob.finish()?;
        Ok(Written {
            is_proven: true,
            trace,
            left_out: self.cleaned(plan).and_then(|old| left_out(index, &old.reference, &old.left_out)),
            damage: None,
            descriptor: self.descriptor(plan, &packed, level, digest, size),
            gzip,
            diff_id: packed.diff_id,
            live: Some(placed.iter().filter_map(|placed| placed.payload).map(Payload::compressed).sum()),
            no_index: packed.no_index.map(|cause| cause.to_string()),
            pull: Arc::new(PullLayer {
                digest,
                size,
                index: packed.chunked.as_ref().map(|chunked| pull_index(chunked, packed.files)),
            }),
        })
    }

    /// The old blobs that frames are copied from.
    fn used_blobs(&self, placed: &[Placed<'_>]) -> Vec<Used<'_>> {
        let payloads = placed.iter().filter_map(|placed| placed.payload);
        let numbers: BTreeSet<u32> = payloads.flat_map(|payload| old_runs(&payload.frames)).map(|(n, _)| n).collect();
        numbers.into_iter().filter_map(|number| self.old.used(number)).collect()
    }

    /// The old layer that this one takes the place of.
    fn cleaned(&self, plan: &LayerPlan) -> Option<&ProvenLayer<'s>> {
        match plan.segments.as_slice() {
            [one] => self.old.layer(*one),
            _ => None,
        }
    }

    /// A cleaned layer takes over what is handed on of its descriptor.
    fn descriptor(
        &self,
        plan: &LayerPlan,
        packed: &PackedLayer,
        level: Level,
        digest: BlobDigest,
        size: u64,
    ) -> Descriptor {
        let compression = self.request.formats.compression();
        let mut descriptor = self.new_descriptor(plan, compression, digest, size);
        if let Some(chunked) = &packed.chunked {
            for (key, value) in chunked.to_pairs() {
                descriptor.set_annotation(key, &value);
            }
        }
        match compression {
            Compression::Gzip => descriptor.set_annotation(PROFILE, &gzip_profile()),
            _ => descriptor.set_annotation(PROFILE, &profile(level)),
        }
        descriptor
    }

    /// With what is handed on of the layer that it takes the place of.
    pub(super) fn new_descriptor(
        &self,
        plan: &LayerPlan,
        compression: Compression,
        digest: BlobDigest,
        size: u64,
    ) -> Descriptor {
        let media_type = compression.media_type();
        let mut descriptor = match self.cleaned(plan) {
            Some(old) => old.descriptor.pointing_at(media_type, digest, size),
            None => Descriptor::new(media_type, digest, size),
        };
        STALE.iter().for_each(|stale| descriptor.remove_annotation(stale));
        descriptor
    }

    fn keep(
        &self,
        output: Output<'_, 's>,
        index: usize,
        layer: &ProvenLayer<'s>,
        pull: &Arc<PullLayer>,
    ) -> Result<Written, Error> {
        let gzip = match self.request.formats.has_gzip() {
            true => Some(self.kept_gzip(output, index, layer)?),
            false => None,
        };
        if self.request.formats.compression() == Compression::Gzip
            && let Some(gzip) = gzip
        {
            return Ok(gzip.alone(layer));
        }
        let trace = output.keep(layer)?;
        let descriptor = layer.descriptor.clone().into_oci().with_shown_index();
        let (descriptor, pull) = match self.request.formats.format() {
            Format::Zstd => (plain(descriptor), Arc::new(pull.without_index())),
            Format::Chunked | Format::Gzip => (descriptor, Arc::clone(pull)),
        };
        Ok(Written {
            is_proven: layer.is_proven(),
            trace,
            left_out: left_out(index, &layer.reference, &layer.left_out),
            damage: gzip.as_ref().and_then(|gzip| gzip.note.clone()),
            descriptor,
            gzip,
            diff_id: layer.diff_id,
            pull,
            live: None,
            no_index: None,
        })
    }
}

/// Where in old blobs frames lie.
pub(super) fn old_runs(frames: &Frames) -> impl Iterator<Item = (u32, Span)> {
    frames.stored().filter_map(|stored| match stored {
        Stored::Blob(number, run) => Some((*number, *run)),
        Stored::One(_) | Stored::Many(_) => None,
    })
}

/// A layer whose index nobody is to look for.
fn plain(mut descriptor: Descriptor) -> Descriptor {
    STALE.iter().filter(|key| **key != PROFILE).for_each(|stale| descriptor.remove_annotation(stale));
    descriptor
}

pub(super) fn note_written(written: &[Written], notes: &mut Notes) {
    let causes = written.iter().enumerate().filter_map(|(index, written)| Some((index, written.no_index.as_ref()?)));
    for (index, cause) in causes {
        let note = format!("layer {index} is written without an index, so that every client pulls it whole: {cause}");
        notes.degraded(Code::LayerWithoutIndex, note);
    }
    notes.extend(written.iter().filter_map(|written| written.left_out.clone()));
    let damaged = written.iter().filter_map(|written| written.damage.clone());
    damaged.for_each(|damage| notes.degraded(Code::LayerDamaged, damage));
}

/// They describe the blob that was read. Two kinds of TOC on one layer make podman refuse it.
const STALE: [&str; 8] = [
    toc::TOC_DIGEST,
    toc::TOC_POSITION,
    toc::TAR_SPLIT_POSITION,
    toc::TAR_SPLIT_DIGEST,
    toc::ESTARGZ_TOC_DIGEST,
    "io.containers.estargz.uncompressed-size",
    PROFILE,
    INDEX,
];

fn profile(level: Level) -> String {
    format!("1 zstd={} level={}", library_version(), level.get())
}
