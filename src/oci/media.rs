//! Media types: which documents and layers this tool reads, and what it calls them when it writes.

use oci_spec::image::{MediaType, ToDockerV2S2};

use super::{Descriptor, OciError};
use crate::compression::Compression;

/// The media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// docker's names: of a manifest (schema 2), and of an index.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// The compression that a layer's media type promises.
pub fn layer_compression(layer: &Descriptor) -> Result<Compression, OciError> {
    let media_type = layer.media_type.as_str();
    if let Some(found) = Compression::TYPED.into_iter().find(|compression| compression.media_type() == media_type) {
        return Ok(found);
    }
    let reason = match media_type.strip_prefix(DOCKER_LAYER) {
        Some("") => return Ok(Compression::None),
        Some(".gzip") => return Ok(Compression::Gzip),
        Some(".zstd") => return Ok(Compression::Zstd),
        _ if media_type.contains("+encrypted") => "encrypted; decrypt it first with skopeo copy --decryption-key",
        _ if media_type.contains("nondistributable") || media_type.contains("rootfs.foreign") => {
            "not distributable, its content is not part of the image"
        }
        _ => "unknown",
    };
    Err(OciError::Layer { digest: layer.digest, media_type: super::json::excerpt(media_type), reason })
}

/// False for index entries that lead to no manifest or index: they need not be opened. An empty type may lead to one.
pub fn may_be_manifest(media_type: &str) -> bool {
    // Schema 1 counts: it is refused with a hint rather than skipped.
    media_type.is_empty()
        || document_type(media_type).is_some()
        || media_type.starts_with("application/vnd.docker.distribution.manifest.v1+")
}

/// What a JSON document with manifests or layers is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DocumentType {
    Manifest(super::ManifestKind),
    Index,
}

/// `None` for everything that is no image manifest or index.
pub(super) fn document_type(media_type: &str) -> Option<DocumentType> {
    use super::ManifestKind::{Docker2, Oci};
    [(MediaType::ImageManifest, DocumentType::Manifest(Oci)), (MediaType::ImageIndex, DocumentType::Index)]
        .into_iter()
        .find_map(|(oci, found)| {
            if media_type == oci.as_ref() {
                return Some(found);
            }
            let docker = oci.to_docker_v2s2().is_ok_and(|docker| docker == media_type);
            docker.then_some(match found {
                DocumentType::Manifest(_) => DocumentType::Manifest(Docker2),
                DocumentType::Index => DocumentType::Index,
            })
        })
}

/// The OCI name of a docker media type that has one; every other type stays.
pub(super) fn to_oci(media_type: &str) -> &str {
    match media_type {
        "application/vnd.docker.container.image.v1+json" => "application/vnd.oci.image.config.v1+json",
        DOCKER_MANIFEST => MANIFEST,
        "application/vnd.docker.distribution.manifest.list.v2+json" => "application/vnd.oci.image.index.v1+json",
        _ => match media_type.strip_prefix(DOCKER_LAYER) {
            Some("") => Compression::None.media_type(),
            Some(".gzip") => Compression::Gzip.media_type(),
            Some(".zstd") => Compression::Zstd.media_type(),
            _ => media_type,
        },
    }
}

/// docker's name for what OCI calls so. Other types stay.
pub(super) fn to_docker(media_type: &str) -> String {
    let layer = |compression: &Compression| compression.media_type() == media_type;
    match (media_type, Compression::TYPED.iter().find(|it| layer(it))) {
        (MANIFEST, _) => DOCKER_MANIFEST.to_owned(),
        (_, Some(Compression::None)) => DOCKER_LAYER.to_owned(),
        (_, Some(compression)) => format!("{DOCKER_LAYER}.{}", compression.name()),
        _ if media_type == MediaType::ImageConfig.as_ref() => DOCKER_CONFIG.to_owned(),
        _ => media_type.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobDigest;

    #[test]
    fn dockers_names_lead_back_to_the_same() {
        let layers = Compression::TYPED.map(Compression::media_type);
        let config = MediaType::ImageConfig.to_string();
        for oci in layers.into_iter().chain([MANIFEST, config.as_str()]) {
            let docker = to_docker(oci);
            assert!(docker.starts_with("application/vnd.docker."), "{docker}");
            assert_eq!(to_oci(&docker), oci);
        }
        assert_eq!(to_docker("text/plain"), "text/plain");
    }

    fn layer(media_type: &str) -> Result<Compression, OciError> {
        layer_compression(&Descriptor::new(media_type, BlobDigest::from_bytes([7; 32]), 1))
    }

    #[test]
    fn knows_the_compressions() {
        for compression in Compression::TYPED {
            assert_eq!(layer(compression.media_type()).unwrap(), compression);
        }
        assert_eq!(layer("application/vnd.docker.image.rootfs.diff.tar.gzip").unwrap(), Compression::Gzip);
        assert_eq!(layer("application/vnd.docker.image.rootfs.diff.tar").unwrap(), Compression::None);
    }

    #[test]
    fn refuses_other_layers_by_name() {
        for (media_type, reason) in [
            ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "not distributable"),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "not distributable"),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted"),
            ("application/vnd.in-toto+json", "unknown"),
        ] {
            let message = layer(media_type).unwrap_err().to_string();
            assert!(message.contains(media_type) && message.contains(reason), "{message}");
            assert!(message.contains(&BlobDigest::from_bytes([7; 32]).hex()), "{message}");
        }
    }

    #[test]
    fn knows_dockers_names() {
        let list = "application/vnd.docker.distribution.manifest.list.v2+json";
        assert_eq!(document_type(list), Some(DocumentType::Index));
        assert_eq!(document_type(to_oci(list)), Some(DocumentType::Index));
        assert_eq!(document_type("application/vnd.oci.artifact.manifest.v1+json"), None);
    }
}
