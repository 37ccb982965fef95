//! The bytes of a blob that others copy.

use std::io::Read;

use super::read::blob_reader;
use super::remote::RemoteBytes;
use crate::bytes::Bytes;
use crate::digest::BlobDigest;
use crate::origin::Origin;
use crate::registry::RegistryError;

/// By their offsets, unchecked.
pub fn bytes_of<'a>(origin: &Origin<'a>) -> Box<dyn Bytes + 'a> {
    match origin {
        Origin::File(file) => Box::new(file.bytes().clone()),
        Origin::Registry(blob) => Box::new(RemoteBytes::new(blob.clone())),
    }
}

/// Front to back, checked against the blob's digest.
pub fn read_of<'a>(origin: &Origin<'a>, digest: BlobDigest) -> Result<Box<dyn Read + Send + 'a>, RegistryError> {
    Ok(match origin {
        Origin::File(file) => Box::new(blob_reader(file.bytes().clone(), digest)),
        Origin::Registry(blob) => Box::new(blob.open()?),
    })
}
