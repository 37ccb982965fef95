//! Ctrl-C and SIGTERM.

use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use restrata::progress::Progress;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::exit;

/// From now on the first signal cancels the job, which then unwinds and removes what it made; a second one ends
/// the process at once. The thread waits as long as the process lives.
pub fn cancel_on_signal(progress: Arc<Progress>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("signal handlers")?;
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
