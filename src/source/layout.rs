//! From a tag of an OCI layout to its images, through indexes.

use std::sync::Arc;

use super::store::Store;
use super::{Image, Layer, Notes, Place, SourceError, select};
use crate::limits;
use crate::oci::{Config, Descriptor, Document, Index, Manifest, OciError, Platform, Reference};
use crate::oci::{layer_compression, may_be_manifest};

pub(super) fn images(
    store: &Store,
    reference: &Reference,
    wanted: Option<&Platform>,
    notes: &Notes,
) -> Result<Vec<Image>, SourceError> {
    let index = store.index()?;
    let entries = entries(&index, reference)?;
    let mut walk = Walk { store, wanted, notes, images: Vec::new(), others: Vec::new() };
    for entry in &entries {
        walk.enter(entry, None, 0)?;
    }
    let (images, others) = (walk.images, walk.others);
    if images.is_empty() && others.is_empty() {
        return Err(SourceError::NoImage { reference: reference.to_string(), notes: notes.all() });
    }
    if entries.len() > 1 && !select::are_variants(&images) {
        let available = images.iter().filter_map(|image| image.manifest_digest).map(|d| d.to_string()).collect();
        return Err(SourceError::SeveralImages { reference: reference.to_string(), available });
    }
    select::by_platform(images, others, wanted, reference)
}

/// The entries of index.json that the tag, or its absence, means; each blob once.
fn entries(index: &Index, reference: &Reference) -> Result<Vec<Descriptor>, SourceError> {
    let name = || reference.to_string();
    let tags = index.tags();
    let found = match reference.tag() {
        Some(tag) => {
            let found = index.tagged(Some(tag));
            if found.is_empty() {
                return Err(SourceError::NoTag { reference: name(), tag: tag.to_owned(), available: tags });
            }
            found
        }
        None => {
            let others = index.tagged(None).into_iter().filter(|entry| !is_attachment(entry));
            let kinds = tags.len() + usize::from(others.count() > 0);
            if kinds > 1 {
                return Err(SourceError::SeveralImages { reference: name(), available: tags });
            }
            index.manifests().iter().collect()
        }
    };
    let mut entries: Vec<Descriptor> = Vec::new();
    for entry in found {
        if entries.iter().all(|known| known.digest != entry.digest) {
            entries.push(entry.clone());
        }
    }
    Ok(entries)
}

struct Walk<'a> {
    store: &'a Store,
    wanted: Option<&'a Platform>,
    notes: &'a Notes,
    images: Vec<Image>,
    /// Platforms that are there but not wanted.
    others: Vec<Platform>,
}

impl Walk<'_> {
    fn enter(&mut self, entry: &Descriptor, index: Option<&Arc<Index>>, depth: usize) -> Result<(), SourceError> {
        if depth > limits::INDEX_DEPTH {
            let what = format!("{}: {}", self.store.path().display(), entry.digest);
            return Err(SourceError::TooDeep { what, limit: limits::INDEX_DEPTH });
        }
        if is_attachment(entry) {
            self.skip(entry, "an attestation or artifact");
            return Ok(());
        }
        if let (Some(platform), Some(wanted)) = (entry.platform(), self.wanted)
            && !platform.is_same_family(wanted)
        {
            self.others.push(platform);
            return Ok(());
        }
        let what = format!("manifest {}", entry.digest);
        let bytes = self.store.document(entry, &what)?;
        match Document::parse(&bytes, &entry.media_type, &what).map_err(|source| self.store.oci(source))? {
            Document::Manifest(manifest) => self.image(manifest, entry, index, &what),
            Document::Index(inner) => {
                let inner = Arc::new(inner);
                inner.manifests().iter().try_for_each(|entry| self.enter(entry, Some(&inner), depth + 1))
            }
        }
    }

    fn image(
        &mut self,
        manifest: Manifest,
        entry: &Descriptor,
        index: Option<&Arc<Index>>,
        what: &str,
    ) -> Result<(), SourceError> {
        if let Err(OciError::Artifact { found, .. }) = manifest.check_is_image(what) {
            self.skip(entry, &format!("an artifact with a config of type {found:?}"));
            return Ok(());
        }
        let store = self.store;
        let name = format!("config {}", manifest.config().digest);
        let bytes = store.document(manifest.config(), &name)?;
        let config = Config::parse(&bytes, &name).map_err(|source| store.oci(source))?;
        config.check_layers(manifest.layers().len(), &name).map_err(|source| store.oci(source))?;
        let layers = manifest.layers().iter().zip(config.diff_ids()).map(|(layer, &diff_id)| {
            Ok(Layer {
                compression: Some(layer_compression(layer).map_err(|source| store.oci(source))?),
                descriptor: Some(layer.clone()),
                diff_id: Some(diff_id),
                place: Place::Blob(layer.clone()),
            })
        });
        self.images.push(Image {
            layers: layers.collect::<Result<_, SourceError>>()?,
            manifest_digest: Some(entry.digest),
            platform: entry.platform().or_else(|| config.platform()),
            index_descriptor: Some(entry.clone()),
            index: index.cloned(),
            manifest,
            config,
        });
        Ok(())
    }

    fn skip(&self, entry: &Descriptor, why: &str) {
        self.notes.add(format!("skipped {}: {why}", entry.digest));
    }
}

/// buildkit's attestations and whatever is no manifest, seen without opening it.
fn is_attachment(entry: &Descriptor) -> bool {
    entry.platform().is_some_and(|platform| platform.is_unknown())
        || entry.annotation("vnd.docker.reference.type").is_some()
        || !may_be_manifest(&entry.media_type)
}
