//! The gzip image beside the zstd one: the same tars, the same config.
//!
//! A new layer's gzip blob is made while its tar is hashed (`pack`). A kept layer keeps the gzip blob of the previous
//! image's twin. Where there is none, its tar is unpacked and compressed: the same tar always gives the same blob.

use std::sync::Arc;

use crate::codec::{GZIP_BLOCK, GZIP_LEVEL, Sha256Stream, decompress};
use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::oci::Descriptor;
use crate::oci::marks::{LAYER, OWNERS, PROFILE};
use crate::order::cost::{Instances, PullLayer};
use crate::order::{LayerPlan, Plan};
use crate::origin::Origin;
use crate::pack::{PackError, regzip};
use crate::progress::{Progress, SizeLimit};
use crate::source::read_of;
use crate::survey::old::{OldLayer, ProvenLayer, Twin};
use crate::watch::{Trace, Used, steady};

use super::image::Job;
use super::layers::Written;
use super::output::{Output, OutputBlob};

/// Compressed bytes as gzip for 100 bytes as zstd, where no previous image tells: measured on a first layout of Debian, whose
/// files zstd compresses alone.
const GZIP_PERCENT: u64 = 95;

/// What the gzip layers of an image may unpack to, all together: those that are read, and those that are made anew.
pub(super) struct GzipSizes {
    read: SizeLimit,
    compressed: SizeLimit,
}

impl GzipSizes {
    pub fn new(progress: &Progress) -> Self {
        Self { read: progress.size_limit(), compressed: progress.size_limit() }
    }
}

/// A layer of the twin.
pub(super) struct WrittenGzip {
    pub descriptor: Descriptor,
    /// False for a blob of the previous image.
    pub is_new: bool,
    /// False for one that the user trusts.
    pub is_proven: bool,
    pub trace: Option<Trace>,
    /// Why the previous image's blob is not used, which is not as it should be.
    pub note: Option<String>,
}

impl WrittenGzip {
    /// As the layer of a gzip image that stands alone.
    pub fn alone(self, layer: &ProvenLayer<'_>) -> Written {
        let Descriptor { digest, size, .. } = self.descriptor;
        Written {
            is_proven: self.is_proven,
            trace: self.trace,
            left_out: None,
            damage: self.note,
            pull: Arc::new(PullLayer { digest, size, index: None }),
            descriptor: self.descriptor,
            gzip: None,
            diff_id: layer.diff_id,
            live: None,
            no_index: None,
        }
    }
}

impl<'s> Job<'_, 's> {
    /// A forecast as each kind of client sees it.
    pub fn forecast_instances(&self, plan: &Plan, own: Vec<Arc<PullLayer>>) -> Instances {
        let formats = self.request.formats;
        if !formats.has_gzip() {
            return Instances::alone(own);
        }
        let gzip = plan.layers.iter().zip(&own).map(|(plan, own)| self.forecast_gzip(plan, own)).collect();
        match formats.has_twin() {
            true => Instances { own, gzip: Some(gzip) },
            false => Instances::alone(gzip),
        }
    }

    /// The blob that is there, or an estimate.
    fn forecast_gzip(&self, plan: &LayerPlan, own: &Arc<PullLayer>) -> Arc<PullLayer> {
        if let Some((kept, _)) = self.kept(plan) {
            if kept.compression != Compression::Zstd {
                return Arc::clone(own);
            }
            if let Twin::There(gzip) = &kept.gzip {
                let Descriptor { digest, size, .. } = gzip.descriptor;
                return Arc::new(PullLayer { digest, size, index: None });
            }
        }
        let content = own.size - own.index.as_ref().map_or(0, |index| index.bytes().min(own.size));
        let size = u128::from(content) * u128::from(self.gzip_percent()) / 100;
        // No other layer has it, and no client.
        let digest = BlobDigest::from_bytes(Sha256Stream::of(own.digest.as_bytes()));
        Arc::new(PullLayer { digest, size: u64::try_from(size).unwrap_or(u64::MAX), index: None })
    }

    /// As the previous image's layers have it.
    fn gzip_percent(&self) -> u64 {
        let both = self.old.layers().filter_map(|(layer, _)| match &layer.gzip {
            Twin::There(gzip) => Some((layer.descriptor.size, gzip.descriptor.size)),
            Twin::None | Twin::Lost(_) => None,
        });
        let add = |sum: (u128, u128), sizes: (u64, u64)| (sum.0 + u128::from(sizes.0), sum.1 + u128::from(sizes.1));
        let (zstd, gzip) = both.fold((0, 0), add);
        (gzip * 100).checked_div(zstd).and_then(|percent| u64::try_from(percent).ok()).unwrap_or(GZIP_PERCENT)
    }

    /// Of a layer that was written just now.
    pub fn new_gzip(&self, plan: &LayerPlan, blob: OutputBlob<'_, '_>) -> Result<WrittenGzip, Error> {
        let (digest, size, trace) = blob.finish()?;
        let mut descriptor = self.new_descriptor(plan, Compression::Gzip, digest, size);
        descriptor.set_annotation(PROFILE, &gzip_profile());
        Ok(WrittenGzip { descriptor, is_new: true, is_proven: true, trace, note: None })
    }

    pub fn kept_gzip(
        &self,
        output: Output<'_, 's>,
        index: usize,
        layer: &ProvenLayer<'s>,
    ) -> Result<WrittenGzip, Error> {
        // A base or a foreign layer is in both images as it is, unless it is zstd.
        if layer.compression != Compression::Zstd {
            return kept(output, layer);
        }
        let flaw = match &layer.gzip {
            Twin::None => None,
            Twin::Lost(flaw) => Some((&**layer, flaw.clone())),
            Twin::There(gzip) => {
                let cache = &self.request.resources.cache;
                match gzip.lies_or_is_gone(cache, &self.gzip_sizes.read, self.progress)? {
                    None => return kept(output, gzip),
                    Some(flaw) => Some((&**gzip, flaw)),
                }
            }
        };
        let note = flaw.map(|(blob, flaw)| {
            let OldLayer { reference, index, descriptor, .. } = blob;
            let digest = descriptor.digest.short();
            format!("{reference}: the gzip twin of layer {index} ({digest}) is not used: {flaw}; it is compressed anew")
        });
        let blob = self.compressed(output, index, layer)?;
        let (digest, size, trace) = blob.finish()?;
        // In the order of a layer that was kept with its gzip blob.
        let mut descriptor = Descriptor::new(Compression::Gzip.media_type(), digest, size);
        descriptor.set_annotation(PROFILE, &gzip_profile());
        for key in [LAYER, OWNERS] {
            layer.descriptor.annotation(key).into_iter().for_each(|value| descriptor.set_annotation(key, value));
        }
        Ok(WrittenGzip { descriptor, is_new: true, is_proven: true, trace, note })
    }

    fn compressed<'o>(
        &self,
        output: Output<'o, 's>,
        index: usize,
        layer: &ProvenLayer<'s>,
    ) -> Result<OutputBlob<'o, 's>, Error> {
        let digest = layer.descriptor.digest;
        let failed = |source| Error::pack(index, source);
        let used: Vec<Used<'_>> = match &layer.place {
            Origin::File(blob) => vec![Used { blob, digest, is_proven: true }],
            Origin::Registry(_) => Vec::new(),
        };
        steady(&used, || {
            let mut blob = output.blob()?;
            let tar = read_of(&layer.place, digest).map_err(std::io::Error::from).and_then(decompress);
            let (tar, _) = tar.map_err(|error| failed(PackError::Previous(error)))?;
            let mut tar = self.progress.watch_size(tar, &self.gzip_sizes.compressed);
            let threads = self.request.resources.threads;
            regzip(&mut tar, layer.diff_id, threads, self.progress, &mut blob).map_err(failed)?;
            Ok(blob)
        })
    }
}

fn kept<'s>(output: Output<'_, 's>, layer: &OldLayer<'s>) -> Result<WrittenGzip, Error> {
    let trace = output.keep(layer)?;
    let mut descriptor = layer.descriptor.clone().into_oci();
    // Of a layer of another tool it may have said something else.
    descriptor.media_type = layer.compression.media_type().to_owned();
    Ok(WrittenGzip { descriptor, is_new: false, is_proven: layer.is_proven(), trace, note: None })
}

/// The same tar gives the same blob with the same level, blocks and version of zlib-rs.
pub(super) fn gzip_profile() -> String {
    format!("1 gzip level={GZIP_LEVEL} block={GZIP_BLOCK}")
}
