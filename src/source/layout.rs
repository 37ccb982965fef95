//! From a tag of an OCI layout to its images, through indexes.

use std::collections::HashSet;
use std::sync::Arc;

use super::documents::Documents;
use super::store::Store;
use super::{Attached, Image, Layer, Notes, Place, SourceError, choice, select, twins};
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{Config, Descriptor, Document, Index, IndexEntry, Manifest, OciError, Platform, Reference, Transport};
use crate::oci::{json_values, layer_compression, may_be_manifest};

pub(super) fn images(
    store: &Store,
    reference: &Reference,
    wanted: Option<&Platform>,
    notes: &Notes,
) -> Result<Vec<Image>, SourceError> {
    let index = store.index()?;
    let entries = choice::entries(&index, reference)?;
    let (found, several) = (entries.iter().map(|entry| entry.entry), entries.len() > 1);
    let Found { images, others, absent } = walk(store, found.collect(), "index.json", reference, wanted, notes)?;
    if several && !images.is_empty() && !select::are_variants(&images) {
        return Err(choice::several(reference, &entries));
    }
    chosen(Found { images, others, absent }, reference, wanted, notes)
}

/// What entries lead to.
pub(super) struct Found {
    images: Vec<Image>,
    /// Platforms that are there but not wanted.
    others: Vec<Platform>,
    /// Images that an index names, but whose blobs are not there.
    absent: Vec<String>,
}

/// Follows the entries of an index that `within` names.
pub(super) fn walk(
    documents: &dyn Documents,
    entries: Vec<IndexEntry<'_>>,
    within: &str,
    reference: &Reference,
    wanted: Option<&Platform>,
    notes: &Notes,
) -> Result<Found, SourceError> {
    let mut walk = Walk::new(documents, reference, wanted, notes);
    walk.is_one_of_several = entries.len() > 1;
    for entry in entries {
        walk.enter(entry, within, None, 0)?;
    }
    Ok(Found { images: twins::paired(walk.images), others: walk.others, absent: walk.absent })
}

/// Those of the images that are wanted.
pub(super) fn chosen(
    found: Found,
    reference: &Reference,
    wanted: Option<&Platform>,
    notes: &Notes,
) -> Result<Vec<Image>, SourceError> {
    let Found { images, others, absent } = found;
    if images.is_empty() && others.is_empty() {
        return Err(match absent.is_empty() {
            true => SourceError::NoImage { reference: reference.to_string(), notes: notes.all() },
            false => SourceError::Absent { reference: reference.to_string(), platforms: absent },
        });
    }
    if wanted.is_none() && !absent.is_empty() {
        let absent = absent.join(", ");
        notes.add_absent(format!("{reference}: left out {absent}: the index names it, but its blobs are not there"));
    }
    select::by_platform(images, others, absent, wanted, reference)
}

struct Walk<'a> {
    documents: &'a dyn Documents,
    reference: &'a Reference,
    wanted: Option<&'a Platform>,
    notes: &'a Notes,
    /// What was entered: the same again would be the same images.
    seen: HashSet<(BlobDigest, Option<Platform>)>,
    /// Bytes that manifests and configs may still have.
    left: u64,
    /// Then one without blobs may be left out.
    is_one_of_several: bool,
    images: Vec<Image>,
    /// Platforms that are there but not wanted.
    others: Vec<Platform>,
    /// Images that an index names, but whose blobs are not there.
    absent: Vec<String>,
    /// JSON values that were read.
    values: usize,
}

impl<'a> Walk<'a> {
    fn new(
        documents: &'a dyn Documents,
        reference: &'a Reference,
        wanted: Option<&'a Platform>,
        notes: &'a Notes,
    ) -> Self {
        let (seen, left) = (HashSet::new(), limits::DOCUMENT_BYTES);
        let (images, others, absent, is_one_of_several) = (Vec::new(), Vec::new(), Vec::new(), false);
        Self { documents, reference, wanted, notes, seen, left, is_one_of_several, images, others, absent, values: 0 }
    }

    /// `within` names what the entry stands in, `index` is that document unless it is index.json.
    fn enter(
        &mut self,
        entry: IndexEntry<'_>,
        within: &str,
        index: Option<&Arc<Index>>,
        depth: usize,
    ) -> Result<(), SourceError> {
        if depth > limits::INDEX_DEPTH {
            let what = format!("{}: {}", self.documents.place(), entry.name());
            return Err(SourceError::TooDeep { what, limit: limits::INDEX_DEPTH });
        }
        if is_attachment(entry) {
            self.notes.add_attached(Attached::new(entry, within, "an attestation or artifact"));
            return Ok(());
        }
        if let (Some(platform), Some(wanted)) = (entry.platform(), self.wanted)
            && !platform.is_same_family(wanted)
        {
            let descriptor = entry.descriptor(within).ok();
            match descriptor.map(|entry| self.documents.has(entry.digest)).transpose()? {
                Some(false) => self.absent.push(platform.to_string()),
                _ => self.others.push(platform),
            }
            return Ok(());
        }
        let entry = entry.descriptor(within).map_err(|source| self.documents.oci(source))?;
        if !self.seen.insert((entry.digest, entry.platform())) {
            return Ok(());
        }
        // docker saves one platform under an index that names all.
        let may_be_absent = index.is_some() || self.is_one_of_several;
        if may_be_absent && !self.documents.has(entry.digest)? {
            self.absent.push(shown(&entry));
            return Ok(());
        }
        let what = format!("manifest {}", entry.digest);
        let bytes = self.counted(self.documents.manifest(&entry, &what)?)?;
        match Document::parse(&bytes, &entry.media_type, &what).map_err(|source| self.documents.oci(source))? {
            Document::Manifest(manifest) => self.image(manifest, &entry, index, &what),
            Document::Index(inner) => {
                // Whatever platform the entry names, the images inside are the same.
                if !self.seen.insert((entry.digest, None)) && entry.platform().is_some() {
                    return Ok(());
                }
                let inner = Arc::new(inner);
                inner.manifests().try_for_each(|entry| self.enter(entry, &what, Some(&inner), depth + 1))
            }
        }
    }

    fn counted(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, SourceError> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| SourceError::TooManyDocuments {
            reference: self.reference.to_string(),
            limit: limits::DOCUMENT_BYTES,
        })?;
        self.values += json_values(&bytes);
        if self.values > limits::REFERENCE_JSON_VALUES {
            let (place, limit) = (self.documents.place(), limits::REFERENCE_JSON_VALUES);
            return Err(SourceError::TooMany { place, what: "JSON values in all manifests and configs", limit });
        }
        Ok(bytes)
    }

    fn image(
        &mut self,
        manifest: Manifest,
        entry: &Descriptor,
        index: Option<&Arc<Index>>,
        what: &str,
    ) -> Result<(), SourceError> {
        if let Err(OciError::Artifact { found, .. }) = manifest.check_is_image(what) {
            self.notes.add_attached(Attached::of(entry, format!("an artifact with a config of type {found:?}")));
            return Ok(());
        }
        let documents = self.documents;
        if (index.is_some() || self.is_one_of_several) && self.is_absent(&manifest)? {
            self.absent.push(shown(entry));
            return Ok(());
        }
        let name = format!("config {}", manifest.config().digest);
        let bytes = self.counted(self.documents.config(manifest.config(), &name)?)?;
        let config = Config::parse(&bytes, &name).map_err(|source| documents.oci(source))?;
        if manifest.layers().is_empty() && !config.diff_ids().is_empty() && documents.is_dockers() {
            return Err(self.layers_elsewhere(config.diff_ids().len()));
        }
        config.check_layers(manifest.layers().len(), &name).map_err(|source| documents.oci(source))?;
        let layers = manifest.layers().iter().zip(config.diff_ids()).map(|(layer, &diff_id)| {
            let layer = layer.clone().with_found_index();
            Ok(Layer {
                compression: layer_compression(&layer).map_err(|source| documents.oci(source))?,
                descriptor: Some(layer.clone()),
                diff_id: Some(diff_id),
                place: Place::Blob(layer),
            })
        });
        self.images.push(Image {
            layers: layers.collect::<Result<_, SourceError>>()?,
            manifest_digest: Some(entry.digest),
            platform: entry.platform().or_else(|| config.platform()),
            index_descriptor: Some(entry.clone()),
            index: index.cloned(),
            twin: None,
            manifest,
            config,
        });
        Ok(())
    }

    /// An image of which nothing but the manifest is there was not saved. Where a part of the rest is missing, it is
    /// damaged.
    fn is_absent(&self, manifest: &Manifest) -> Result<bool, SourceError> {
        for blob in [manifest.config()].into_iter().chain(manifest.layers()) {
            if self.documents.has(blob.digest)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn layers_elsewhere(&self, diff_ids: usize) -> SourceError {
        let hint = match self.reference.transport() {
            Transport::OciArchive => format!(" (read it as docker-archive:{})", self.documents.place()),
            _ => " (save the image again, or read the archive as docker-archive:)".to_owned(),
        };
        SourceError::LayersElsewhere { reference: self.reference.to_string(), diff_ids, hint }
    }
}

/// The platform, or else the digest.
fn shown(entry: &Descriptor) -> String {
    entry.platform().map_or_else(|| entry.digest.to_string(), |platform| platform.to_string())
}

/// buildkit's attestations and whatever is no manifest, seen without opening it.
pub(super) fn is_attachment(entry: IndexEntry<'_>) -> bool {
    entry.platform().is_some_and(|platform| platform.is_unknown())
        || entry.annotation("vnd.docker.reference.type").is_some()
        || !may_be_manifest(entry.media_type())
}
