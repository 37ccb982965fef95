//! What the bridge did: counters for Prometheus, and a line in the log for each pull.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::digest::BlobDigest;
use crate::limits::BRIDGE_PULLS;
use crate::threads::lock;
use crate::units;

use super::route::Place;

#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub(super) struct Counts {
    pub requests: Counter,
    pub range_requests: Counter,
    pub ranges_asked: Counter,
    pub ranges_sent: Counter,
    pub bytes_to_clients: Counter,
    pub bytes_from_registries: Counter,
    pub bytes_saved: Counter,
    pub cache_hits: Counter,
    pub cache_bytes: Counter,
    pub cache_failures: Counter,
    pub refused: Counter,
    pub registry_errors: Counter,
    pulls: Mutex<HashMap<(String, String), Pull>>,
    faults: Mutex<Faults>,
}

/// Why requests failed, until the log has it.
#[derive(Default)]
struct Faults {
    news: Vec<String>,
    /// When each was told last.
    told: HashMap<String, Instant>,
}

/// The same fault is told again after so long.
const AGAIN: Duration = Duration::from_secs(60);
/// Different faults that are remembered.
const FAULTS: usize = 64;

/// What one client pulls of one repository.
struct Pull {
    last: Instant,
    /// Answers that are not at their end yet.
    open: usize,
    sum: Moved,
    /// Of each blob of which ranges were asked for, the bytes that were not.
    left: HashMap<BlobDigest, u64>,
}

impl Pull {
    fn add(&mut self, digest: BlobDigest, moved: Moved) {
        (self.last, self.open) = (Instant::now(), self.open.saturating_sub(1));
        self.sum.add(moved);
        if moved.whole > 0 {
            self.left.remove(&digest);
        } else if let Some(size) = moved.size
            && (self.left.len() < BRIDGE_PULLS || self.left.contains_key(&digest))
        {
            let left = self.left.entry(digest).or_insert(size);
            *left = left.saturating_sub(moved.sent);
        }
    }

    /// Who failed needs the rest, too.
    fn saved(&self) -> u64 {
        if self.sum.failed > 0 { 0 } else { self.left.values().sum() }
    }
}

/// Of one answer with a blob's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Blobs of which ranges were asked for, by request, and how many ranges.
    pub requests: u64,
    pub ranges: u64,
    /// Single ranges that registries were asked for.
    pub singles: u64,
    /// To the client, without headers of parts.
    pub sent: u64,
    pub read: u64,
    /// Single ranges that came from the cache instead, their bytes, and what failed there.
    pub hits: u64,
    pub kept: u64,
    pub unkept: u64,
    /// Of the blob, if ranges were asked for.
    pub size: Option<u64>,
    /// Blobs that the client asked for whole.
    pub whole: u64,
    pub failed: u64,
}

/// A pull without a request for so long is over.
const OVER: Duration = Duration::from_secs(5);

impl Counts {
    /// `client` is its address.
    pub fn begin(&self, client: &str, place: &Place) {
        let key = (client.to_owned(), format!("{}/{}", place.host, place.repository));
        let mut pulls = lock(&self.pulls);
        if pulls.len() < BRIDGE_PULLS || pulls.contains_key(&key) {
            let pull = pulls.entry(key).or_insert_with(|| Pull {
                last: Instant::now(),
                open: 0,
                sum: Moved::default(),
                left: HashMap::new(),
            });
            pull.open += 1;
        }
    }

    pub fn end(&self, client: &str, place: &Place, digest: BlobDigest, moved: Moved) {
        self.bytes_to_clients.add(moved.sent);
        self.bytes_from_registries.add(moved.read);
        self.range_requests.add(moved.requests);
        self.ranges_asked.add(moved.ranges);
        self.ranges_sent.add(moved.singles);
        self.cache_hits.add(moved.hits);
        self.cache_bytes.add(moved.kept);
        self.cache_failures.add(moved.unkept);
        let key = (client.to_owned(), format!("{}/{}", place.host, place.repository));
        if let Some(pull) = lock(&self.pulls).get_mut(&key) {
            pull.add(digest, moved);
        }
    }

    /// A request that failed because of a registry or the way to it.
    pub fn failed(&self, place: &Place, why: &str) {
        self.registry_errors.add(1);
        let line = format!("{}/{}: {why}", place.host, place.repository);
        let mut faults = lock(&self.faults);
        if faults.told.get(&line).is_some_and(|told| told.elapsed() < AGAIN) {
            return;
        }
        if faults.told.len() >= FAULTS {
            faults.told.retain(|_, told| told.elapsed() < AGAIN);
        }
        if faults.told.len() < FAULTS {
            faults.told.insert(line.clone(), Instant::now());
            faults.news.push(line);
        }
    }

    /// Faults that the log does not have yet.
    pub fn news(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.faults).news)
    }

    /// A line for each pull that is over.
    pub fn finished(&self, all: bool) -> Vec<String> {
        let mut lines = Vec::new();
        lock(&self.pulls).retain(|(client, repository), pull| {
            let is_over = all || (pull.open == 0 && pull.last.elapsed() > OVER);
            if is_over && pull.sum != Moved::default() {
                self.bytes_saved.add(pull.saved());
                lines.push(format!("{repository} to {client}: {}", pull.sum.line(pull.saved())));
            }
            !is_over
        });
        lines
    }

    /// In Prometheus' text format 0.0.4.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        for (name, help, counter) in [
            ("requests_total", "Requests of clients.", &self.requests),
            (
                "refused_requests_total",
                "Requests that were answered with 400 or more by the bridge itself.",
                &self.refused,
            ),
            ("range_requests_total", "Requests of clients for ranges of a blob.", &self.range_requests),
            ("ranges_asked_total", "Ranges in these requests.", &self.ranges_asked),
            ("ranges_sent_total", "Single ranges that registries were asked for instead.", &self.ranges_sent),
            ("bytes_to_clients_total", "Bytes of blobs sent to clients.", &self.bytes_to_clients),
            ("bytes_from_registries_total", "Bytes of blobs read from registries.", &self.bytes_from_registries),
            (
                "bytes_saved_total",
                "Bytes of layers that clients did not have to pull, counted when a pull is over.",
                &self.bytes_saved,
            ),
            ("cache_hits_total", "Single ranges that came from the cache instead.", &self.cache_hits),
            ("cache_bytes_total", "Bytes of blobs read from the cache.", &self.cache_bytes),
            (
                "cache_failures_total",
                "Damaged records in the cache, and ranges that could not be written to it.",
                &self.cache_failures,
            ),
            (
                "registry_errors_total",
                "Requests that failed because of a registry or the way to it.",
                &self.registry_errors,
            ),
        ] {
            text += &format!(
                "# HELP restrata_bridge_{name} {help}\n# TYPE restrata_bridge_{name} counter\nrestrata_bridge_{name} {}\n",
                counter.get()
            );
        }
        text
    }
}

impl Moved {
    /// These runs, bytes and failures are the cache's. The bytes were counted as the registry's until now.
    pub fn came_from_cache(&mut self, (runs, bytes, failures): (u64, u64, u64)) {
        (self.hits, self.kept, self.unkept) = (runs, bytes, failures);
        self.singles = self.singles.saturating_sub(runs);
        self.read = self.read.saturating_sub(bytes);
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.ranges += other.ranges;
        self.singles += other.singles;
        self.sent += other.sent;
        self.read += other.read;
        self.hits += other.hits;
        self.kept += other.kept;
        self.unkept += other.unkept;
        self.whole += other.whole;
        self.failed += other.failed;
    }

    fn line(&self, saved: u64) -> String {
        let (sent, read) = (units::size(self.sent), units::size(self.read));
        let mut line = format!("{sent} sent, {read} read from the registry");
        if self.requests > 0 {
            line += &format!(
                ", {} not needed; {} as {}",
                units::size(saved),
                several(self.ranges, "range"),
                several(self.singles, "request")
            );
        }
        if self.whole > 0 {
            line += &format!("; {} whole", several(self.whole, "blob"));
        }
        if self.hits > 0 {
            line += &format!("; {} in {} from the cache", units::size(self.kept), several(self.hits, "range"));
        }
        if self.failed > 0 {
            line += &format!("; {} failed", several(self.failed, "answer"));
        }
        line
    }
}

fn several(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", units::count(count))
}
