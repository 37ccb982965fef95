//! Manifests and configs that no client would read are refused before the work, as far as their size is known then.

use crate::compression::Compression;
use crate::digest::{BlobDigest, DiffId};
use crate::error::Error;
use crate::oci::Descriptor;
use crate::order::{Plan, State};
use crate::sink::check_document;

use super::image::Job;

impl Job<'_> {
    /// What is known before anything is read.
    pub(super) fn check_sizes(&self) -> Result<(), Error> {
        self.check_documents(Vec::new())
    }

    /// What is known before anything is written. New layers' descriptors will be somewhat longer.
    pub(super) fn check_planned_sizes(&self, plan: &Plan) -> Result<(), Error> {
        let layers = plan.layers.iter().map(|layer| match (layer.state, layer.segments.as_slice()) {
            (State::Kept, [kept]) => self.old.layers[*kept].descriptor.clone(),
            _ => Descriptor::new(Compression::Zstd.media_type(), BlobDigest::from_bytes([0; 32]), 0),
        });
        self.check_documents(layers.collect())
    }

    fn check_documents(&self, layers: Vec<Descriptor>) -> Result<(), Error> {
        let dest = self.request.dest.path();
        let steps = vec![(DiffId::from_bytes([0; 32]), String::new()); layers.len()];
        let config = self.image.config.with_layers(&steps).with_labels(&self.request.labels).to_bytes();
        check_document(dest, config.len() as u64)?;
        let mut manifest = self.image.manifest.to_oci_with(layers, self.image.manifest.config().clone());
        self.request.annotations.iter().for_each(|(key, value)| manifest.set_annotation(key, value));
        Ok(check_document(dest, manifest.to_bytes().len() as u64)?)
    }
}
