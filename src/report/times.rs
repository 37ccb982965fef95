//! Times of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::tar::Time;
use crate::toc::to_rfc3339;

/// In UTC, to the second.
pub(super) fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let secs = i64::try_from(since.as_secs()).unwrap_or(0);
    to_rfc3339(Time { secs, nanos: 0 }).unwrap_or_default()
}
