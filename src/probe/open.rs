//! The first place that has the image, and the image's largest layer.

use crate::digest::BlobDigest;
use crate::error::Error;
use crate::limits;
use crate::oci::{Descriptor, Document, Index, Manifest, Platform, may_be_manifest};
use crate::progress::Progress;
use crate::registry::Which;
use crate::registry::names::Name;
use crate::source::{Found, SourceError, find};

use super::Request;

pub(super) struct Opened<'p> {
    pub found: Found<'p>,
    /// Of the image's manifest.
    pub digest: BlobDigest,
    pub layer: BlobDigest,
    pub size: u64,
}

pub(super) fn open<'p>(request: &Request, progress: &'p Progress) -> Result<Opened<'p>, Error> {
    let found = find(&request.name, &request.reach, progress)?;
    let (manifest, digest) = manifest(&request.name, &found)?;
    let layers = manifest.layers().iter().filter(|layer| !layer.raw().contains_key("urls"));
    match layers.max_by_key(|layer| layer.size) {
        Some(Descriptor { digest: layer, size, .. }) if *size > 0 => {
            Ok(Opened { digest, layer: *layer, size: *size, found })
        }
        _ => Err(Error::NoLayer { reference: reference(&request.name) }),
    }
}

/// Of the image for this machine; of another if there is none.
fn manifest(name: &Name, found: &Found<'_>) -> Result<(Manifest, BlobDigest), Error> {
    let failed = |source| SourceError::Registry { place: reference(name), source };
    let repository = found.client.repository(&found.repository).map_err(failed)?;
    let mut document = found.root.clone();
    for _ in 0..=limits::INDEX_DEPTH {
        let what = format!("manifest {}", document.digest);
        let declared = if may_be_manifest(&document.media_type) { document.media_type.as_str() } else { "" };
        let parsed = Document::parse(&document.bytes, declared, &what);
        let index = match parsed.map_err(|source| SourceError::Oci { place: reference(name), source })? {
            Document::Manifest(manifest) => return Ok((manifest, document.digest)),
            Document::Index(index) => index,
        };
        let Some(entry) = entry(&index, &what) else { break };
        document = repository.manifest(&Which::Digest(entry.digest)).map_err(failed)?;
    }
    Err(Error::NoLayer { reference: reference(name) })
}

fn entry(index: &Index, what: &str) -> Option<Descriptor> {
    let host = Platform::host();
    let entries = index.manifests().filter(|entry| may_be_manifest(entry.media_type()));
    let read = entries.filter_map(|entry| entry.descriptor(what).ok());
    let images: Vec<Descriptor> =
        read.filter(|entry| !entry.platform().is_some_and(|platform| platform.is_unknown())).collect();
    let of_host = images.iter().find(|entry| entry.platform().is_some_and(|platform| platform.is_same_family(&host)));
    of_host.or(images.first()).cloned()
}

pub(super) fn reference(name: &Name) -> String {
    format!("docker://{name}")
}
