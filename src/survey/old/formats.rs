//! What of an old image is of use where gzip or plain zstd is written, alone or beside zstd:chunked.

use std::sync::Arc;

use crate::compression::{Compression, Format};
use crate::degraded::Code;
use crate::oci::Descriptor;
use crate::oci::marks::LAYER;
use crate::order::cost::PullLayer;
use crate::source::{Image, Layer, Source};
use crate::survey::read::{Index, pull_layer};

use super::handed::handed_on;
use super::load::{Loader, Numbered};
use super::opened::OldLayer;
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
            self.opened.facts.is_lost = true;
        }
    }

    /// Some clients may have nothing else to pull.
    pub(super) fn note_lost_twin(&mut self, image: &Image, reference: &str) {
        if image.twin.is_some() && !self.ask.formats.has_gzip() {
            self.notes.push(format!(
                "{reference} has a gzip image beside the zstd image, and this run writes none: clients that cannot read \
                 zstd can't pull the result (--twin gzip writes both)"
            ));
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

    /// A layer of the twin. `None` if its blob is not there: it is made anew then.
    pub(super) fn gzip(
        &self,
        source: &'s Source<'s>,
        (index, layer): (usize, &Layer),
        is_base: bool,
        trust: &mut Trust,
    ) -> Option<OldLayer<'s>> {
        let (descriptor, diff_id) = (layer.descriptor.as_ref()?, layer.diff_id?);
        let place = source.origin(layer).ok().flatten()?;
        let standing = match source.is_remote() {
            true => trust.add(layer, &self.ask.resources.cache, self.ask.trust_previous && !is_base),
            false => Standing::Unproven,
        };
        let (descriptor, left_out) = handed_on(descriptor);
        let (reference, compression) = (source.reference().to_string(), layer.compression);
        Some(OldLayer {
            reference,
            index,
            descriptor,
            left_out,
            compression,
            diff_id,
            place,
            gzip: None,
            standing,
            blob: None,
        })
    }
}

/// True for a layer that says of itself that restrata wrote it.
fn is_marked(descriptor: &Descriptor) -> bool {
    descriptor.annotation(LAYER).is_some()
}
