//! Stub: replaced at merge.

use crate::digest::BlobDigest;
use crate::error::Error;
use crate::oci::{Platform, Reference};

#[derive(Debug)]
pub struct Inspection {
    pub images: Vec<InspectedImage>,
}

#[derive(Debug)]
pub struct InspectedImage {
    pub reference: String,
    pub platform: Option<Platform>,
    pub digest: Option<BlobDigest>,
    pub layers: Vec<InspectedLayer>,
    pub biggest: Vec<BigFile>,
}

#[derive(Debug)]
pub struct InspectedLayer {
    pub digest: Option<BlobDigest>,
    pub size: Option<u64>,
    pub media_type: String,
    pub index: String,
    pub entries: Option<u64>,
    pub index_bytes: u64,
    pub content_bytes: Option<u64>,
    pub chunks: Option<u64>,
}

#[derive(Debug)]
pub struct BigFile {
    pub path: String,
    pub layer: usize,
    pub size: u64,
    pub compressed: u64,
}

pub fn inspect(_reference: &Reference, _platform: Option<&Platform>) -> Result<Inspection, Error> {
    Err(Error::Internal("inspect is a stub"))
}
