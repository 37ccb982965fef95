//! What can be wrong with a manifest, index or config; `what` names the document.

use crate::digest::{BlobDigest, DigestError};
use crate::json::KeyFault;
use crate::units;

#[derive(Debug, thiserror::Error)]
pub enum OciError {
    #[error("{what}: expected JSON: {source}")]
    Json { what: String, source: serde_json::Error },
    #[error("{what}: {place}: {fault}")]
    Key { what: String, place: String, fault: Box<KeyFault> },
    #[error("{what}: {field}: expected {expected}, found {found}")]
    Field { what: String, field: String, expected: &'static str, found: String },
    #[error("{what}: {field}: {source}")]
    Digest { what: String, field: String, source: DigestError },
    #[error(
        "{what} is a docker schema 1 manifest, which has neither a config nor layer identities; expected an OCI or \
         docker schema 2 manifest (skopeo copy converts it with --format oci)"
    )]
    Schema1 { what: String },
    #[error("{what} has the media type {found:?}: expected an OCI or docker schema 2 manifest or index")]
    MediaType { what: String, found: String },
    #[error("{what} has both \"manifests\" and \"layers\": expected either an index or a manifest")]
    Ambiguous { what: String },
    #[error("{what} is an artifact with a config of type {found:?}: expected a container image")]
    Artifact { what: String, found: String },
    #[error(
        "layer {digest} is of type {media_type:?} ({reason}): expected a tar layer, plain or compressed with gzip or \
         zstd"
    )]
    Layer { digest: BlobDigest, media_type: String, reason: &'static str },
    #[error("{what}: expected as many diff_ids as the manifest has layers ({layers}), found {diff_ids}")]
    LayerCount { what: String, layers: usize, diff_ids: usize },
    #[error("{what}: expected at most {limit} entries in {field}, found {found}", limit = units::count(*limit as u64), found = units::count(*found as u64))]
    TooMany { what: String, field: &'static str, limit: usize, found: usize },
    #[error("the platform {found:?}: expected OS/ARCH or OS/ARCH/VARIANT, such as linux/amd64")]
    Platform { found: String },
}

impl OciError {
    /// False for what is sound but nothing that this tool reads.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Digest { source, .. } => matches!(source, DigestError::Hex { .. }),
            Self::Schema1 { .. } | Self::Artifact { .. } | Self::Layer { .. } | Self::Platform { .. } => false,
            Self::Json { .. }
            | Self::Key { .. }
            | Self::Field { .. }
            | Self::MediaType { .. }
            | Self::Ambiguous { .. }
            | Self::LayerCount { .. }
            | Self::TooMany { .. } => true,
        }
    }
}
