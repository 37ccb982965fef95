//! Where manifests, indexes and configs are read from.

use super::SourceError;
use super::store::Store;
use crate::digest::BlobDigest;
use crate::oci::{self, Descriptor};

pub(super) trait Documents {
    /// For people.
    fn place(&self) -> String;

    /// A manifest or index, whole and verified; `what` names it.
    fn manifest(&self, entry: &Descriptor, what: &str) -> Result<Vec<u8>, SourceError>;

    /// A config, whole and verified.
    fn config(&self, blob: &Descriptor, what: &str) -> Result<Vec<u8>, SourceError>;

    /// False for a blob that is named only, where one may be.
    fn has(&self, digest: BlobDigest) -> Result<bool, SourceError>;

    /// True for an archive that docker load reads, too.
    fn is_dockers(&self) -> bool;

    fn oci(&self, source: oci::OciError) -> SourceError {
        SourceError::Oci { place: self.place(), source }
    }
}

impl Documents for Store {
    fn place(&self) -> String {
        self.path().display().to_string()
    }

    fn manifest(&self, entry: &Descriptor, what: &str) -> Result<Vec<u8>, SourceError> {
        self.document(entry, what)
    }

    fn config(&self, blob: &Descriptor, what: &str) -> Result<Vec<u8>, SourceError> {
        self.document(blob, what)
    }

    fn has(&self, digest: BlobDigest) -> Result<bool, SourceError> {
        self.has(digest)
    }

    fn is_dockers(&self) -> bool {
        self.is_dockers()
    }
}
