//! Stub: replaced at merge.

use crate::digest::BlobDigest;
use crate::error::Error;
use crate::job::JobOptions;
use crate::oci::{Platform, Reference};
use crate::progress::Progress;

#[derive(Debug)]
pub struct CheckReport {
    pub images: Vec<CheckedImage>,
}

impl CheckReport {
    pub fn is_clean(&self) -> bool {
        self.images.iter().flat_map(|image| &image.layers).all(|layer| layer.problems.is_empty())
    }
}

#[derive(Debug)]
pub struct CheckedImage {
    pub platform: Option<Platform>,
    pub layers: Vec<CheckedLayer>,
}

#[derive(Debug)]
pub struct CheckedLayer {
    pub digest: BlobDigest,
    pub size: u64,
    pub kind: &'static str,
    pub entries: u64,
    pub frames: u64,
    pub largest_gap: u64,
    pub problems: Vec<String>,
    pub remarks: Vec<String>,
}

pub fn check(
    _reference: &Reference,
    _platform: Option<&Platform>,
    _options: JobOptions,
    _progress: &Progress,
) -> Result<CheckReport, Error> {
    Err(Error::Internal("check is a stub"))
}
