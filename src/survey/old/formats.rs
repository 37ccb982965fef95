//! What of an old image is of use where gzip or plain zstd is written, alone or beside zstd:chunked.

use std::sync::Arc;

use crate::compression::{Compression, Format};
use crate::degraded::Code;
use crate::oci::Descriptor;
use crate::oci::marks::LAYER;
use crate::order::cost::{Instances, PullLayer};
use crate::source::{Image, Layer, Source};
use crate::survey::blobs;
use crate::survey::read::{Index, pull_layer};

use super::handed::handed_on;
use super::load::{Loader, Numbered};
use super::opened::{OldLayer, Twin};
use super::trust::{Standing, Trust};

/// Which layers may stay as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    All,
    /// Those without an index, such as this run writes.
    Own,
    /// Those that no index can hold. Written anew they would gain nothing, and be pulled again when the level is another one.
    Unindexable,
}

impl<'s> Loader<'s, '_> {
    /// Said of a gzip image's previous one.
    pub(super) fn note_zstd(&mut self, image: &Image, reference: &str) {
        let all = || image.layers.iter().enumerate();
        let cannot_stay =
            |(at, layer): (usize, &Layer)| layer.compression == Compression::Zstd && image.twin_layer(at).is_none();
        if self.ask.formats.format() == Format::Gzip && !image.layers.is_empty() && all().all(cannot_stay) {
            let note = format!(
                "{reference}: its layers are zstd, and none can stay in a gzip image, so that clients pull all of it \
                 (--twin gzip publishes both)"
            );
            self.notes.degraded(Code::NoLayerKept, note);
            self.facts.is_lost = true;
        }
    }

    /// Some clients may have nothing else to pull. It may be told already of the image that DEST's tag has.
    pub(super) fn note_lost_twin(&mut self, image: &Image, reference: &str) {
        let is_told = self.notes.degradations().iter().any(|it| it.code == Code::TwinLost);
        if image.twin.is_some() && !self.ask.formats.has_gzip() && !is_told {
            self.notes.degraded(Code::TwinLost, lost_twin(reference));
        }
    }

    /// What clients have of a layer: those of a gzip image have the twin's blob.
    pub(super) fn pull(
        &self,
        Numbered { layer, gzip, .. }: Numbered<'_>,
        toc: Option<&Index>,
    ) -> Option<Arc<PullLayer>> {
        let gzip = gzip.filter(|_| self.ask.formats.format() == Format::Gzip);
        let of_gzip = gzip.and_then(|gzip| gzip.descriptor.as_ref()).map(|gzip| pull_layer(gzip, None));
        let own = || layer.descriptor.as_ref().map(|descriptor| pull_layer(descriptor, toc));
        of_gzip.or_else(own).map(Arc::new)
    }

    /// What clients have of an image; the plan goes by `have`.
    pub(super) fn instances(&self, image: &Image, have: &[Arc<PullLayer>]) -> Instances {
        let gzip = image.twin.as_deref().map(blobs);
        match self.ask.formats.format() {
            Format::Gzip if gzip.is_some() => Instances { own: blobs(image), gzip },
            _ => Instances { own: have.to_vec(), gzip },
        }
    }

    /// What of the newest previous image may stay. In a gzip image every layer is gzip.
    pub(super) fn takes(&self, Numbered { layer, gzip, .. }: Numbered<'_>, has_toc: bool) -> Option<Takes> {
        let (formats, is_marked) = (self.ask.formats, layer.descriptor.as_ref().is_some_and(is_marked));
        let is_zstd = layer.compression == Compression::Zstd;
        match () {
            () if formats.format() == Format::Gzip && is_zstd && gzip.is_none() => None,
            () if is_marked && !has_toc && formats.is_own_plain(layer.compression) => Some(Takes::Own),
            () if has_toc || self.ask.keep_foreign => Some(Takes::All),
            () if is_marked => Some(Takes::Unindexable),
            () => None,
        }
    }

    /// A layer of the twin. One that can't be had is made anew.
    pub(super) fn gzip(
        &self,
        source: &'s Source<'s>,
        Numbered { index, gzip, has_twin, .. }: Numbered<'_>,
        is_base: bool,
        trust: &mut Trust,
    ) -> Twin<'s> {
        let layer = match gzip {
            _ if !has_twin || !self.ask.formats.has_gzip() => return Twin::None,
            Some(layer) => layer,
            None => return Twin::Lost("the gzip image has no gzip layer with this DiffID in this place".to_owned()),
        };
        let (descriptor, diff_id, place) = match (&layer.descriptor, layer.diff_id, source.origin(layer)) {
            (Some(descriptor), Some(diff_id), Ok(Some(place))) => (descriptor, diff_id, place),
            (.., Err(error)) => return Twin::Lost(error.to_string()),
            _ => return Twin::Lost("it has no blob".to_owned()),
        };
        let standing = match source.is_remote() {
            true => trust.add(layer, &self.ask.resources.cache, self.ask.trust_previous && !is_base),
            false => Standing::Unproven,
        };
        let (descriptor, left_out) = handed_on(descriptor);
        Twin::There(Box::new(OldLayer {
            reference: source.reference().to_string(),
            index,
            descriptor,
            left_out,
            compression: layer.compression,
            diff_id,
            place,
            gzip: Twin::None,
            standing,
            blob: None,
        }))
    }
}

/// What is said where the image that this run replaces has a twin.
pub fn lost_twin(reference: &str) -> String {
    format!(
        "{reference} has a gzip image beside the zstd image, and this run writes none: clients that cannot read zstd can't \
         pull the result (--twin gzip writes both)"
    )
}

/// True for a layer that says of itself that restrata wrote it.
fn is_marked(descriptor: &Descriptor) -> bool {
    descriptor.annotation(LAYER).is_some()
}
