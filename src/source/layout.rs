//! From a tag of an OCI layout to its images, through indexes.

use std::sync::Arc;

use super::store::Store;
use super::{Image, Layer, Notes, Place, SourceError, select};
use crate::limits;
use crate::oci::{Config, Descriptor, Document, Index, IndexEntry, Manifest, OciError, Platform, Reference};
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
        walk.enter(*entry, "index.json", None, 0)?;
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
fn entries<'a>(index: &'a Index, reference: &Reference) -> Result<Vec<IndexEntry<'a>>, SourceError> {
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
            let others = index.tagged(None).into_iter().filter(|entry| !is_attachment(*entry));
            let kinds = tags.len() + usize::from(others.count() > 0);
            if kinds > 1 {
                return Err(SourceError::SeveralImages { reference: name(), available: tags });
            }
            index.manifests().collect()
        }
    };
    let mut entries: Vec<IndexEntry<'_>> = Vec::new();
    for entry in found {
        if entries.iter().all(|known| known.name() != entry.name()) {
            entries.push(entry);
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
    /// `within` names what the entry stands in, `index` is that document unless it is index.json.
    fn enter(
        &mut self,
        entry: IndexEntry<'_>,
        within: &str,
        index: Option<&Arc<Index>>,
        depth: usize,
    ) -> Result<(), SourceError> {
        if depth > limits::INDEX_DEPTH {
            let what = format!("{}: {}", self.store.path().display(), entry.name());
            return Err(SourceError::TooDeep { what, limit: limits::INDEX_DEPTH });
        }
        if is_attachment(entry) {
            self.skip(&entry.name(), "an attestation or artifact");
            return Ok(());
        }
        if let (Some(platform), Some(wanted)) = (entry.platform(), self.wanted)
            && !platform.is_same_family(wanted)
        {
            self.others.push(platform);
            return Ok(());
        }
        let entry = entry.descriptor(within).map_err(|source| self.store.oci(source))?;
        let what = format!("manifest {}", entry.digest);
        let bytes = self.store.document(&entry, &what)?;
        match Document::parse(&bytes, &entry.media_type, &what).map_err(|source| self.store.oci(source))? {
            Document::Manifest(manifest) => self.image(manifest, &entry, index, &what),
            Document::Index(inner) => {
                let inner = Arc::new(inner);
                inner.manifests().try_for_each(|entry| self.enter(entry, &what, Some(&inner), depth + 1))
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
            self.skip(&entry.digest.to_string(), &format!("an artifact with a config of type {found:?}"));
            return Ok(());
        }
        let store = self.store;
        let name = format!("config {}", manifest.config().digest);
        let bytes = store.document(manifest.config(), &name)?;
        let config = Config::parse(&bytes, &name).map_err(|source| store.oci(source))?;
        config.check_layers(manifest.layers().len(), &name).map_err(|source| store.oci(source))?;
        let layers = manifest.layers().iter().zip(config.diff_ids()).map(|(layer, &diff_id)| {
            Ok(Layer {
                compression: layer_compression(layer).map_err(|source| store.oci(source))?,
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

    fn skip(&self, entry: &str, why: &str) {
        self.notes.add(format!("skipped {entry}: {why}"));
    }
}

/// buildkit's attestations and whatever is no manifest, seen without opening it.
fn is_attachment(entry: IndexEntry<'_>) -> bool {
    entry.platform().is_some_and(|platform| platform.is_unknown())
        || entry.annotation("vnd.docker.reference.type").is_some()
        || !may_be_manifest(entry.media_type())
}
