//! The gzip image beside the zstd one: the same tars, the same config.
//!
//! A new layer's gzip blob is made while its tar is hashed (`pack`). A kept layer keeps the gzip blob of the previous
//! image's twin. Where there is none, its tar is unpacked and compressed: the same tar always gives the same blob.

use std::sync::Arc;

use crate::codec::{GZIP_BLOCK, GZIP_LEVEL, decompress};
use crate::compression::Compression;
use crate::error::Error;
use crate::oci::Descriptor;
use crate::oci::marks::{LAYER, OWNERS, PROFILE};
use crate::order::LayerPlan;
use crate::order::cost::PullLayer;
use crate::origin::Origin;
use crate::pack::{PackError, regzip};
use crate::source::read_of;
use crate::survey::old::{OldLayer, ProvenLayer};
use crate::watch::{Trace, Used, steady};

use super::image::Job;
use super::layers::Written;
use super::output::{Output, OutputBlob};

/// A layer of the twin.
pub(super) struct WrittenGzip {
    pub descriptor: Descriptor,
    /// False for a blob of the previous image.
    pub is_new: bool,
    /// False for one that the user trusts.
    pub is_proven: bool,
    pub trace: Option<Trace>,
    /// Why the previous image's blob is not used.
    pub note: Option<String>,
}

impl WrittenGzip {
    /// As the layer of a gzip image that stands alone.
    pub fn alone(self, layer: &ProvenLayer<'_>) -> Written {
        let Descriptor { digest, size, .. } = self.descriptor;
        Written {
            is_proven: self.is_proven,
            trace: self.trace,
            left_out: self.note,
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
        let (cache, size) = (&self.request.resources.cache, self.progress.size_limit());
        let mut note = None;
        if let Some(gzip) = &layer.gzip {
            match gzip.lies_or_is_gone(cache, &size, self.progress)? {
                None => return kept(output, gzip),
                Some(flaw) => {
                    let digest = gzip.descriptor.digest.short();
                    let reference = &gzip.reference;
                    note = Some(format!(
                        "{reference}: the gzip twin of layer {} ({digest}) is not used: {flaw}; it is compressed anew",
                        gzip.index
                    ));
                }
            }
        }
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
            let size = self.progress.size_limit();
            let mut tar = self.progress.watch_size(tar, &size);
            let threads = self.request.resources.threads;
            regzip(&mut tar, layer.diff_id, threads, self.progress, &mut blob).map_err(failed)?;
            Ok(blob)
        })
    }
}

fn kept<'s>(output: Output<'_, 's>, layer: &OldLayer<'s>) -> Result<WrittenGzip, Error> {
    let trace = output.keep(layer)?;
    let descriptor = layer.descriptor.clone().into_oci();
    Ok(WrittenGzip { descriptor, is_new: false, is_proven: layer.is_proven(), trace, note: None })
}

/// The same tar gives the same blob with the same level, blocks and version of zlib-rs.
pub(super) fn gzip_profile() -> String {
    format!("1 gzip level={GZIP_LEVEL} block={GZIP_BLOCK}")
}
