//! What every job that only reads is given.

use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct JobOptions {
    pub threads: usize,
    /// Where temporary files go; see [`crate::spool::default_dir`].
    pub spool_dir: PathBuf,
}
