//! A blob of a registry, for who copies it from there.

use super::blob::Blob;
use super::client::Repository;
use super::error::RegistryError;
use crate::digest::BlobDigest;

#[derive(Debug, Clone)]
pub struct StoredBlob<'a> {
    pub repository: Repository<'a, 'a>,
    pub digest: BlobDigest,
    /// Bytes.
    pub size: u64,
}

impl<'a> StoredBlob<'a> {
    /// All of it, checked against its digest.
    pub fn open(&self) -> Result<Blob<'a, 'a>, RegistryError> {
        self.repository.blob(self.digest, self.size)
    }
}
