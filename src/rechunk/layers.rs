//! The planned layers' blobs, several at once.

use std::sync::Arc;

use crate::codec::{Level, library_version};
use crate::compression::Compression;
use crate::degraded::{Code, Notes};
use crate::digest::{BlobDigest, DiffId};
use crate::error::Error;
use crate::inventory::{Payload, pull_index};
use crate::oci::Descriptor;
use crate::order::cost::PullLayer;
use crate::order::{LayerPlan, Plan, State};
use crate::pack::{self, PackError, PackedLayer, Stock};
use crate::sink::Sink;
use crate::threads;
use crate::toc;
use crate::unpack::UnpackedLayer;

use super::entries::placed;
use super::image::Job;
use super::old::OldLayer;

/// What the blob was made with: frames repeat byte for byte only with the same libzstd and level.
const PROFILE: &str = "io.github.restrata.profile";

/// A layer of the output.
pub(super) struct Written {
    pub descriptor: Descriptor,
    pub diff_id: DiffId,
    pub pull: Arc<PullLayer>,
    /// Compressed bytes of content, of a layer that was written.
    pub live: Option<u64>,
    pub no_index: Option<String>,
}

impl Job<'_> {
    /// In the order of the plan.
    pub(super) fn write(
        &self,
        sink: &Sink,
        unpacked: &[UnpackedLayer],
        plan: &Plan,
        level: Level,
    ) -> Result<Vec<Written>, Error> {
        threads::each(self.request.resources.threads, plan.layers.len(), |index| {
            let written = self.write_layer(sink, index, unpacked, &plan.layers[index], level)?;
            self.progress.layer_written();
            Ok(written)
        })
    }

    fn write_layer(
        &self,
        sink: &Sink,
        index: usize,
        unpacked: &[UnpackedLayer],
        plan: &LayerPlan,
        level: Level,
    ) -> Result<Written, Error> {
        match (plan.state, plan.segments.as_slice()) {
            (State::Kept, [kept]) => keep(sink, &self.old.layers[*kept]),
            _ => self.pack(sink, index, unpacked, plan, level),
        }
    }

    fn pack(
        &self,
        sink: &Sink,
        index: usize,
        unpacked: &[UnpackedLayer],
        plan: &LayerPlan,
        level: Level,
    ) -> Result<Written, Error> {
        let failed = |source: PackError| Error::pack(index, source);
        let placed = placed(&plan.entries, unpacked, self.spool).map_err(failed)?;
        let options = pack::Options { level, index: self.request.index, threads: self.request.resources.threads };
        let stock = Stock { spool: self.spool, blobs: &self.old.blobs };
        let mut blob = sink.blob()?;
        let packed = pack::pack(&placed, stock, options, self.progress, &mut blob).map_err(failed)?;
        let (digest, size) = blob.finish()?;
        Ok(Written {
            descriptor: self.descriptor(plan, &packed, level, digest, size),
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

    /// A cleaned layer takes over what its descriptor said beside the blob, and so does the single layer of an input
    /// that has one.
    fn descriptor(
        &self,
        plan: &LayerPlan,
        packed: &PackedLayer,
        level: Level,
        digest: BlobDigest,
        size: u64,
    ) -> Descriptor {
        let media_type = Compression::Zstd.media_type();
        let source = match plan.segments.as_slice() {
            [one] => Some(&self.old.layers[*one].descriptor),
            _ => None,
        };
        let mut descriptor = match source {
            Some(source) => source.pointing_at(media_type, digest, size),
            None => Descriptor::new(media_type, digest, size),
        };
        STALE.iter().for_each(|stale| descriptor.remove_annotation(stale));
        if let Some(chunked) = &packed.chunked {
            for (key, value) in chunked.to_pairs() {
                descriptor.set_annotation(key, &value);
            }
        }
        descriptor.set_annotation(PROFILE, &profile(level));
        descriptor
    }
}

fn keep(sink: &Sink, layer: &OldLayer) -> Result<Written, Error> {
    let (file, span) = &layer.place;
    sink.copy_sound_blob(file, *span, layer.descriptor.digest)?;
    Ok(Written {
        descriptor: layer.descriptor.clone().into_oci(),
        diff_id: layer.diff_id,
        pull: Arc::clone(&layer.pull),
        live: None,
        no_index: None,
    })
}

pub(super) fn note_unindexed(written: &[Written], notes: &mut Notes) {
    let causes = written.iter().enumerate().filter_map(|(index, written)| Some((index, written.no_index.as_ref()?)));
    for (index, cause) in causes {
        let note = format!("layer {index} is written without an index, so that every client pulls it whole: {cause}");
        notes.degraded(Code::LayerWithoutIndex, note);
    }
}

/// They describe the blob that was read. Two kinds of TOC on one layer make podman refuse it.
const STALE: [&str; 7] = [
    toc::TOC_DIGEST,
    toc::TOC_POSITION,
    toc::TAR_SPLIT_POSITION,
    toc::TAR_SPLIT_DIGEST,
    toc::ESTARGZ_TOC_DIGEST,
    "io.containers.estargz.uncompressed-size",
    PROFILE,
];

fn profile(level: Level) -> String {
    format!("1 zstd={} level={}", library_version(), level.get())
}
