//! Ctrl-C, SIGTERM and a terminal that goes away.

use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use restrata::progress::Progress;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::exit;

/// From now on the first signal cancels the job, which then unwinds and removes what it made; a second one ends
/// the process at once. The thread waits as long as the process lives.
pub fn cancel_on_signal(progress: Arc<Progress>) -> anyhow::Result<()> {
    let mut wanted = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted).context("signal handlers")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if progress.is_cancelled() {
                std::process::exit(exit::INTERRUPTED.into());
            }
            progress.cancel();
        }
    });
    Ok(())
}

/// Under nohup the signal was ignored before this process began, and shall stay so.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
