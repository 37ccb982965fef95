//! When a request is tried again, and after how long, as containers/image does it.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use jiff::fmt::rfc2822;

use super::error::RegistryError;
use crate::progress::{Interrupted, Progress};

/// Waits, and ends early when the job does.
pub type Pause = Arc<dyn Fn(Duration, &Progress) -> Result<(), Interrupted> + Send + Sync>;

#[derive(Clone)]
pub struct Retries {
    /// In all, the first one included.
    pub tries: u32,
    /// Before the second try; it doubles with each one.
    pub first_delay: Duration,
    /// Whatever the registry asks for.
    pub longest_delay: Duration,
    pub pause: Pause,
}

impl Default for Retries {
    fn default() -> Self {
        let (first_delay, longest_delay) = (Duration::from_secs(2), Duration::from_secs(60));
        Self { tries: 5, first_delay, longest_delay, pause: Arc::new(pause) }
    }
}

impl fmt::Debug for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tries, {:?} to {:?}", self.tries, self.first_delay, self.longest_delay)
    }
}

fn pause(whole: Duration, progress: &Progress) -> Result<(), Interrupted> {
    const SLICE: Duration = Duration::from_millis(50);
    let mut rest = whole;
    while !rest.is_zero() {
        progress.check()?;
        let slice = rest.min(SLICE);
        thread::sleep(slice);
        rest -= slice;
    }
    progress.check()
}

/// The tries of one request.
pub(super) struct Tries<'a> {
    retries: &'a Retries,
    progress: &'a Progress,
    done: u32,
    delay: Duration,
    /// Since the last failure.
    passed: u64,
}

/// Bytes after which a cut counts as the first one again. So a bad line ends a download only where it lets nothing through.
const PASSED_BYTES: u64 = 1 << 20;

impl<'a> Tries<'a> {
    pub fn new(retries: &'a Retries, progress: &'a Progress) -> Self {
        Self { retries, progress, done: 0, delay: retries.first_delay, passed: 0 }
    }

    /// So many bytes came of the last try.
    pub fn took(&mut self, bytes: u64) {
        self.passed += bytes;
        if self.passed >= PASSED_BYTES {
            *self = Self::new(self.retries, self.progress);
        }
    }

    /// Waits for the next try where the error may pass; gives it back where it doesn't, or where it was the last try.
    pub fn failed(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        (self.done, self.passed) = (self.done + 1, 0);
        let Some(fault) = error.fault().filter(|fault| fault.is_temporary()) else { return Err(error) };
        if self.done >= self.retries.tries {
            return Err(error.with_tries(self.done));
        }
        let delay = fault.retry_after().unwrap_or(self.delay).min(self.retries.longest_delay);
        self.delay = self.delay.saturating_mul(2);
        (self.retries.pause)(delay, self.progress)?;
        Ok(())
    }
}

/// `Retry-After`: seconds, or a date.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then: jiff::Timestamp = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let then = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(then.as_second().try_into().ok()?))?;
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_retry_after() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_wait_ends_with_the_job() {
        let progress = Progress::new();
        assert!(pause(Duration::from_millis(1), &progress).is_ok());
        progress.cancel();
        assert_eq!(pause(Duration::from_secs(3600), &progress), Err(Interrupted));
    }
}
