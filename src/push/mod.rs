//! An image on its way to a registry: the counterpart of `sink` for `docker://`.
//!
//! Blobs go up while others are still being made, manifests follow, and the tags move last. So a failure leaves every tag
//! at a whole image, and running again sends only what is missing.

mod bytes;
mod carry;
mod commit;
mod error;
#[cfg(test)]
mod keep_tests;
mod queue;
#[cfg(test)]
mod stop_tests;
#[cfg(test)]
mod tag_tests;
#[cfg(test)]
mod tests;
mod uploads;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::scope;
use std::time::Duration;

use crate::digest::BlobDigest;
use crate::progress::{Phase, Progress};
use crate::registry::names::{self, Name, Purpose, Target, resolve};
use crate::registry::{Client, Document, Reach, RegistryError, Repository, StoredBlob, Traffic, Which};
use crate::threads::{ThreadError, Worker, start};

pub use error::{MovedError, PushError, TagsError, Unchanged};
pub use uploads::{UploadWriter, Uploads};

use queue::{AbandonWhenDropped, Queue, ending};

/// Blobs that travel at the same time.
const UPLOADS: usize = 4;

/// How soon a job that is to stop is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A destination in a registry that is being filled. Nothing points at what it holds before [`commit`](Self::commit).
#[derive(Debug)]
pub struct Push<'p> {
    client: Client<'p>,
    repository: String,
    /// `docker://HOST/REPOSITORY`, as the user names it.
    place: String,
    tags: Vec<TagBefore>,
    force: bool,
    spool_dir: PathBuf,
    progress: &'p Progress,
    /// Those that were handed in, and whether the registry has them.
    blobs: Mutex<BTreeMap<BlobDigest, bool>>,
    manifests: Mutex<BTreeMap<BlobDigest, Written>>,
    counts: Mutex<Counts>,
    /// Blobs that go up are no longer wanted.
    is_over: Arc<AtomicBool>,
}

/// A tag, and what it pointed at when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagBefore {
    pub tag: String,
    pub document: Option<Document>,
}

/// A manifest that waits for the commit.
#[derive(Debug, Clone)]
struct Written {
    media_type: String,
    bytes: Vec<u8>,
}

/// How many, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    pub blobs: u64,
    pub bytes: u64,
}

/// Configs and layers, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub sent: Amount,
    /// From other repositories of the registry.
    pub mounted: Amount,
    /// The repository had them.
    pub present: Amount,
}

/// An image that a tag no longer points at, and what refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftBehind {
    pub reference: String,
    pub digest: BlobDigest,
    /// Kinds, each as often as there are such artifacts.
    pub artifacts: Vec<String>,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What the tags point at.
    pub digest: BlobDigest,
    /// `docker://HOST/REPOSITORY:TAG` for each tag.
    pub references: Vec<String>,
    /// What somebody else published while this push went on, and what was replaced by force.
    pub overwritten: Vec<(String, BlobDigest)>,
    pub counts: Counts,
    /// What the tags pointed at before, each once; not what they point at still.
    pub left_behind: Vec<LeftBehind>,
    /// With the registry, in all.
    pub traffic: Traffic,
}

impl<'p> Push<'p> {
    /// Reads what the name's tag and `more_tags` of the same repository point at. A repository that is not there yet is no
    /// error: registries make it when it is pushed to.
    pub fn open(
        name: &Name,
        more_tags: &[String],
        reach: &Reach,
        spool_dir: &Path,
        force: bool,
        progress: &'p Progress,
    ) -> Result<Self, PushError> {
        let dest = format!("docker://{name}");
        let names::Which::Tag(first) = name.which() else { return Err(PushError::Digest { dest }) };
        let failed = |source| PushError::open(&dest, source);
        let targets = resolve(name, &reach.access, &reach.environment, Purpose::Write)
            .map_err(|source| PushError::Lookup { dest: dest.clone(), source: Box::new(source) })?;
        // There is one place to write to.
        let Some(Target { endpoint, repository }) = targets.into_iter().next() else {
            return Err(PushError::Internal("a name without a place"));
        };
        let (mut options, is_over) = (reach.options.clone(), Arc::<AtomicBool>::default());
        options.retries.pause = ending(options.retries.pause, Arc::clone(&is_over));
        let client = Client::new(endpoint, options, progress).map_err(failed)?;
        let mut tags: Vec<TagBefore> = Vec::new();
        for tag in std::iter::once(first).chain(more_tags) {
            if tags.iter().any(|known| known.tag == *tag) {
                continue;
            }
            let document = document(&client, &repository, tag).map_err(failed)?;
            tags.push(TagBefore { tag: tag.clone(), document });
        }
        let place = format!("docker://{}", name.place());
        let spool_dir = spool_dir.to_owned();
        let (blobs, manifests, counts) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { client, repository, place, tags, force, spool_dir, progress, blobs, manifests, counts, is_over })
    }

    /// Each tag once, the name's own first.
    pub fn tags(&self) -> &[TagBefore] {
        &self.tags
    }

    /// Runs `work` while blobs go up. Returns when all that it handed in have arrived, or with the first failure: that of an
    /// upload comes before what `work` failed with because of it.
    pub fn during<'s, T, E>(&self, work: impl FnOnce(&Uploads<'s, '_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<PushError> + From<ThreadError>,
    {
        let queue = Queue::new(Arc::clone(&self.is_over));
        let uploads = Uploads::new(self, &queue);
        let done = scope(|scope| {
            // However this ends, no thread waits for more.
            let _end = AbandonWhenDropped(&queue);
            let workers = (0..UPLOADS).map(|_| start(scope, || self.carry_all(&queue)));
            let workers = workers.collect::<Result<Vec<_>, _>>()?;
            let done = work(&uploads);
            match &done {
                Ok(_) => {
                    queue.close();
                    self.progress.begin(Phase::Uploading, None);
                }
                Err(_) => queue.abandon(),
            }
            self.end_if_cancelled(&workers);
            for worker in workers {
                worker.join()?;
            }
            match queue.take_failure() {
                Some(error) => Err(error.into()),
                None => done,
            }
        })?;
        // What follows may be tried again.
        self.is_over.store(false, Ordering::Relaxed);
        Ok(done)
    }

    /// Waits for the workers. Of a job that is to stop, the registry is to keep nothing: a worker may be in the middle of
    /// a write to a slow line.
    fn end_if_cancelled(&self, workers: &[Worker<'_, ()>]) {
        while !workers.iter().all(Worker::is_finished) {
            if self.progress.is_cancelled() {
                self.client.end_sessions();
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// A blob that has [arrived](Uploads::arrived).
    pub fn stored(&self, digest: BlobDigest, size: u64) -> Result<StoredBlob<'_>, PushError> {
        let repository = self.repository().map_err(|source| PushError::blob(source, self.unchanged()))?;
        Ok(StoredBlob { repository, digest, size })
    }

    /// Fails if the user may not push there. Nothing is sent.
    pub fn expect_permission(&self) -> Result<(), PushError> {
        let asked = self.repository().and_then(|repository| repository.expect_push());
        asked.map_err(|source| PushError::open(&self.place, source))
    }

    /// Somebody stopped the job, whatever it was at.
    pub fn interrupted(&self) -> PushError {
        PushError::Interrupted { unchanged: self.unchanged() }
    }

    fn repository(&self) -> Result<Repository<'_, 'p>, RegistryError> {
        self.client.repository(&self.repository).map(Repository::for_push)
    }

    fn reference(&self, tag: &str) -> String {
        format!("{}:{tag}", self.place)
    }

    fn unchanged(&self) -> Unchanged {
        Unchanged::new(self.tags.iter().map(|before| self.reference(&before.tag)))
    }
}

fn document(client: &Client, repository: &str, tag: &str) -> Result<Option<Document>, RegistryError> {
    match client.repository(repository)?.for_push().manifest(&Which::Tag(tag)) {
        Ok(document) => Ok(Some(document)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
