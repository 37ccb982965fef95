//! What stands in an index beside the images: attestations and other artifacts. They are about a manifest that they name
//! by its digest, so who writes other manifests can hand on few of them.

use super::documents::Documents;
use super::{Kind, Place, Source, SourceError};
use crate::digest::BlobDigest;
use crate::oci::{Descriptor, Document, IndexEntry, MANIFEST};
use crate::origin::Origin;

/// buildkit's annotation of an entry.
const ABOUT: &str = "vnd.docker.reference.digest";

/// An entry of an index that is no image. Nothing of it was read.
#[derive(Debug, Clone)]
pub struct Attached {
    /// Its digest as it is written, or its place in the index.
    pub name: String,
    /// Why it is no image.
    pub why: String,
    /// `None` for one that this tool can't read.
    entry: Option<Descriptor>,
}

/// One that can be copied.
#[derive(Debug)]
pub struct Artifact {
    pub entry: Descriptor,
    /// Its manifest.
    pub bytes: Vec<u8>,
    /// Config and layers.
    pub blobs: Vec<Descriptor>,
}

impl Attached {
    pub(super) fn new(entry: IndexEntry<'_>, within: &str, why: &str) -> Self {
        Self { name: entry.name(), why: why.to_owned(), entry: entry.descriptor(within).ok() }
    }

    pub(super) fn of(entry: &Descriptor, why: String) -> Self {
        Self { name: entry.digest.to_string(), why, entry: Some(entry.clone()) }
    }

    pub(super) fn note(&self) -> String {
        format!("skipped {}: {}", self.name, self.why)
    }
}

impl Source<'_> {
    /// The artifact, if it is about one of these manifests, and all of it is there.
    pub fn artifact(
        &self,
        attached: &Attached,
        is_there: impl Fn(BlobDigest) -> bool,
    ) -> Result<Option<Artifact>, SourceError> {
        let documents: &dyn Documents = match &self.kind {
            Kind::Layout(store) => store,
            Kind::Remote(remote) => remote.as_ref(),
            Kind::Docker(_) | Kind::Stored(_) | Kind::Rootfs(_) => return Ok(None),
        };
        let Some(entry) = attached.entry.clone().filter(|entry| entry.media_type == MANIFEST) else { return Ok(None) };
        let is_about = |digest: &str| digest.parse().is_ok_and(&is_there);
        let about = entry.annotation(ABOUT);
        if about.is_some_and(|about| !is_about(about)) || !documents.has(entry.digest)? {
            return Ok(None);
        }
        let what = format!("manifest {}", entry.digest);
        let bytes = documents.manifest(&entry, &what)?;
        let Ok(Document::Manifest(manifest)) = Document::parse(&bytes, &entry.media_type, &what) else {
            return Ok(None);
        };
        if about.is_none() && !manifest.subject().is_some_and(is_about) {
            return Ok(None);
        }
        let blobs: Vec<Descriptor> = manifest.layers().iter().chain([manifest.config()]).cloned().collect();
        for blob in &blobs {
            if !documents.has(blob.digest)? {
                return Ok(None);
            }
        }
        Ok(Some(Artifact { entry, bytes, blobs }))
    }

    /// Where one of its blobs is.
    pub fn artifact_blob(&self, blob: &Descriptor) -> Result<Origin<'_>, SourceError> {
        self.origin_of(&Place::Blob(blob.clone()))?.ok_or(SourceError::Internal("an artifact that lies in no blobs"))
    }
}
