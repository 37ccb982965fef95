//! What every job that reads images is given.

use std::path::PathBuf;
use std::sync::Arc;

use crate::cache::Cache;
use crate::oci::Reference;
use crate::owner::Named;
use crate::progress::Progress;
use crate::registry::Reach;
use crate::source::{Source, SourceError};

#[derive(Debug, Clone)]
pub struct JobOptions {
    pub threads: usize,
    /// Where temporary files go; see [`crate::spool::default_dir`].
    pub spool_dir: PathBuf,
    pub reach: Reach,
    /// What is known from runs before.
    pub cache: Cache,
    /// Whose files are, in the user's words.
    pub named: Arc<Named>,
}

impl JobOptions {
    /// Registries are reached as the machine's files say. Nothing is remembered.
    pub fn new(threads: usize, spool_dir: PathBuf) -> Self {
        Self { threads, spool_dir, reach: Reach::current(), cache: Cache::default(), named: Arc::default() }
    }

    /// Opens an image.
    pub fn open<'p>(&self, reference: &Reference, progress: &'p Progress) -> Result<Source<'p>, SourceError> {
        self.open_by(reference, &self.reach, progress)
    }

    /// The same, but a registry is reached in this way.
    pub fn open_by<'p>(
        &self,
        reference: &Reference,
        reach: &Reach,
        progress: &'p Progress,
    ) -> Result<Source<'p>, SourceError> {
        Ok(Source::open_any(reference, &self.spool_dir, reach, progress)?.with_cache(&self.cache))
    }
}
