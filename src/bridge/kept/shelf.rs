//! What is kept of one blob, for one request of a client.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::registry::{Ranged, RegistryError, Relayed, Repository};
use crate::span::Span;
use crate::threads::lock;

use super::record::{Blob, Record};
use super::supply::{Passing, Supply};
use super::{Fetched, Kept, State};

/// How soon who waits notices that the bridge ends.
const SLICE: Duration = Duration::from_millis(100);
/// All waiting of one request together lasts at most so many times what one does.
const WAITS: u32 = 6;

/// Without a directory it fetches all, and keeps nothing.
pub(in crate::bridge) struct Shelf<'k> {
    kept: Option<&'k Kept<'k>>,
    blob: Blob,
    /// This request, which never waits for itself.
    request: u64,
    may_read: Mutex<MayRead>,
    patience: Mutex<Duration>,
    tally: Tally,
}

/// Whether the client could have what is kept from the registry, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MayRead {
    Yes,
    No,
    Unknown,
}

/// What came from the directory.
#[derive(Debug, Default)]
pub(in crate::bridge) struct Tally {
    runs: AtomicU64,
    bytes: AtomicU64,
    /// Records that were damaged, and runs that could not be kept.
    failures: AtomicU64,
}

/// How a run began.
pub(in crate::bridge) enum Drawn<'s, 'c, 'p> {
    Supply(Supply<'s, 'c, 'p>),
    /// What a registry answers instead.
    Other(Box<Relayed>),
}

enum Found<'s> {
    Record(Record),
    /// The run is to be fetched. With a flight others wait for it, and it is kept.
    Fetch(Option<Flight<'s>>),
}

impl<'k> Shelf<'k> {
    /// `host` is the registry's. Where clients show what they have, a registry has to say that one may read a blob, before
    /// anything of it comes from the directory. On this machine all may what the user may; what a client shows beyond that
    /// is its own, and nothing is kept of it.
    pub fn new(kept: Option<&'k Kept<'k>>, digest: BlobDigest, host: &str, is_local: bool, shows: bool) -> Self {
        let kept = kept.filter(|_| !(is_local && shows));
        let whose = if is_local { "user" } else { "clients" };
        let whence = Sha256Stream::of(format!("{whose} {host}").as_bytes());
        Self {
            kept,
            blob: Blob { digest, whence },
            request: kept.map_or(0, Kept::number),
            may_read: Mutex::new(if is_local { MayRead::Yes } else { MayRead::Unknown }),
            patience: Mutex::new(kept.map_or(Duration::ZERO, |kept| kept.patience * WAITS)),
            tally: Tally::default(),
        }
    }

    /// As [`Repository::run`] does it.
    pub fn run<'s, 'c, 'p>(
        &'s self,
        repository: &Repository<'c, 'p>,
        span: Span,
        size: Option<u64>,
    ) -> Result<Drawn<'s, 'c, 'p>, RegistryError> {
        let found = self.kept.map_or(Found::Fetch(None), |kept| self.find(kept, repository, span, size));
        let flight = match found {
            Found::Record(record) => {
                self.tally.runs.fetch_add(1, Ordering::Relaxed);
                return Ok(Drawn::Supply(Supply::Kept(record, &self.tally)));
            }
            Found::Fetch(flight) => flight,
        };
        let run = match repository.run(self.blob.digest, span, size)? {
            Ranged::Run(run) => run,
            Ranged::Other(relayed) => return Ok(Drawn::Other(Box::new(relayed))),
        };
        *lock(&self.may_read) = MayRead::Yes;
        Ok(Drawn::Supply(Supply::Passing(Box::new(Passing::new(run, flight)))))
    }

    fn find<'s>(
        &'s self,
        kept: &'k Kept<'k>,
        repository: &Repository<'_, '_>,
        span: Span,
        size: Option<u64>,
    ) -> Found<'s> {
        let mut has_waited = false;
        let mut state = lock(&kept.state);
        loop {
            if let Some(hit) = state.stock.covering(&self.blob, span, size) {
                drop(state);
                if !self.may_read(repository) {
                    return Found::Fetch(None);
                }
                if let Some(record) = Record::open(&kept.dir, &hit.key, span) {
                    return Found::Record(record);
                }
                self.tally.failures.fetch_add(1, Ordering::Relaxed);
                kept.forget(&hit);
                state = lock(&kept.state);
                continue;
            }
            let covers = |other: &&Fetched| {
                let is_there = other.blob == self.blob && other.request != self.request;
                is_there && other.span.start() <= span.start() && span.end() <= other.span.end()
            };
            let Some(other) = state.flights.iter().find(covers).copied() else {
                let number = kept.number();
                state.flights.push(Fetched { number, request: self.request, blob: self.blob, span });
                return Found::Fetch(Some(Flight { kept, number, blob: self.blob, tally: &self.tally }));
            };
            if has_waited {
                return Found::Fetch(None);
            }
            drop(state);
            if !self.may_read(repository) {
                return Found::Fetch(None);
            }
            state = self.wait(kept, other.number);
            has_waited = true;
        }
    }

    /// The registry is asked once a request.
    fn may_read(&self, repository: &Repository<'_, '_>) -> bool {
        let mut may_read = lock(&self.may_read);
        if *may_read == MayRead::Unknown {
            let head = repository.relay("HEAD", &format!("blobs/{}", self.blob.digest), &[]);
            // Whatever else the registry says, it says it of the run, too.
            *may_read = if head.is_ok_and(|head| head.status() == 200) { MayRead::Yes } else { MayRead::No };
        }
        *may_read == MayRead::Yes
    }

    /// Until it is kept, or never will be. Who has waited in vain waits no more.
    fn wait(&self, kept: &'k Kept<'k>, number: u64) -> MutexGuard<'k, State> {
        let begun = Instant::now();
        let most = (*lock(&self.patience)).min(kept.patience);
        let mut state = lock(&kept.state);
        loop {
            let is_over = state.flights.iter().all(|other| other.number != number);
            let left = most.saturating_sub(begun.elapsed());
            if is_over || left.is_zero() || kept.progress.is_cancelled() {
                let mut patience = lock(&self.patience);
                *patience = if is_over { patience.saturating_sub(begun.elapsed()) } else { Duration::ZERO };
                return state;
            }
            let waited = kept.changed.wait_timeout(state, left.min(SLICE));
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Runs that came from the directory, the bytes that were read of them, and what failed there.
    pub fn tally(&self) -> (u64, u64, u64) {
        let Tally { runs, bytes, failures } = &self.tally;
        (runs.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed), failures.load(Ordering::Relaxed))
    }
}

impl Tally {
    pub fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

/// Others wait for this run. Dropped, they go on.
pub(super) struct Flight<'s> {
    pub kept: &'s Kept<'s>,
    pub blob: Blob,
    pub tally: &'s Tally,
    number: u64,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        lock(&self.kept.state).flights.retain(|flight| flight.number != self.number);
        self.kept.changed.notify_all();
    }
}
