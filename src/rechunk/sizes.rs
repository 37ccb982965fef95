//! Manifests and configs that no client would read are refused before the work, as far as their size is known then.

use crate::digest::{BlobDigest, DiffId};
use crate::error::Error;
use crate::oci::Descriptor;
use crate::order::Plan;
use crate::sink::check_document;
use crate::source::Image;

use super::Request;
use super::composefs::planned_labels;
use super::image::Job;

/// What is known before anything is read.
pub(super) fn check_sizes(request: &Request, image: &Image) -> Result<(), Error> {
    check_documents(request, image, Vec::new())
}

impl Job<'_, '_> {
    /// What is known before anything is written. New layers' descriptors will be somewhat longer.
    pub(super) fn check_planned_sizes(&self, plan: &Plan) -> Result<(), Error> {
        let new =
            || Descriptor::new(self.request.formats.compression().media_type(), BlobDigest::from_bytes([0; 32]), 0);
        let layers =
            plan.layers.iter().map(|layer| self.kept(layer).map_or_else(new, |(kept, _)| kept.descriptor.clone()));
        check_documents(self.request, self.image, layers.collect())
    }
}

fn check_documents(request: &Request, image: &Image, layers: Vec<Descriptor>) -> Result<(), Error> {
    let dest = request.dest.path();
    let steps = vec![(DiffId::from_bytes([0; 32]), String::new()); layers.len()];
    let config = image.config.with_layers(&steps).with_labels(&planned_labels(request)).to_bytes();
    check_document(dest, config.len() as u64)?;
    let mut manifest = image.manifest.to_oci_with(layers, image.manifest.config().clone());
    request.annotations.iter().for_each(|(key, value)| manifest.set_annotation(key, value));
    Ok(check_document(dest, manifest.to_bytes().len() as u64)?)
}
