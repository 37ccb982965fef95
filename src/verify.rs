//! Stub: replaced at merge.

use std::path::PathBuf;

use crate::error::Error;
use crate::oci::{Platform, Reference};
use crate::progress::Progress;

#[derive(Debug, Clone)]
pub struct JobOptions {
    pub threads: usize,
    pub spool_dir: PathBuf,
}

#[derive(Debug)]
pub struct Verdict {
    pub entries: u64,
    pub differences: Vec<Difference>,
}

#[derive(Debug)]
pub struct Difference {
    pub path: String,
    pub what: String,
    pub a: String,
    pub b: String,
}

pub fn verify(
    _a: &Reference,
    _b: &Reference,
    _platform: Option<&Platform>,
    _options: JobOptions,
    _progress: &Progress,
) -> Result<Verdict, Error> {
    Err(Error::Internal("verify is a stub"))
}
