//! Ctrl-C, SIGTERM, a terminal that goes away, and limits that would end the process by a signal.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use restrata::progress::Progress;
use restrata::sink::exit_at_once;
use restrata::source::end_programs;
use restrata::threads::ThreadError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::exit;

/// What a job has to unwind. Its loops look at the flag, but one call of a compressor can take longer.
const GRACE: Duration = Duration::from_millis(500);

/// A file above `ulimit -f` is then an error of the write, as a full disk is: the job can remove what it made.
pub fn survive_file_size_limit() -> anyhow::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).context("signal handlers")?;
    Ok(())
}

/// From now on the first signal cancels the job, which then unwinds and removes what it made. A second signal, or a job that
/// is still there after a while, ends the process at once. The thread waits as long as the process lives.
pub fn cancel_on_signal(progress: Arc<Progress>) -> anyhow::Result<()> {
    let mut wanted = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted).context("signal handlers")?;
    let wait = move || {
        for _ in signals.forever() {
            if progress.is_cancelled() {
                end(&progress);
            }
            progress.cancel();
            let job = Arc::clone(&progress);
            // Without a thread the second signal ends it.
            let _ = thread::Builder::new().spawn(move || {
                thread::sleep(GRACE);
                end(&job)
            });
        }
    };
    thread::Builder::new().spawn(wait).map_err(ThreadError::Start)?;
    Ok(())
}

/// For a program that serves until it is told to end: that is no failure.
pub fn end_on_signal(progress: Arc<Progress>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("signal handlers")?;
    let wait = move || {
        if signals.forever().next().is_some() {
            progress.cancel();
            thread::sleep(GRACE);
            exit_at_once(exit::DONE.into())
        }
    };
    thread::Builder::new().spawn(wait).map_err(ThreadError::Start)?;
    Ok(())
}

fn end(progress: &Progress) -> ! {
    let words = progress.last_words();
    super::run::say(format_args!("restrata: error: {}", words.as_deref().unwrap_or("interrupted")));
    end_programs();
    exit_at_once(exit::INTERRUPTED.into())
}

/// Under nohup the signal was ignored before this process began, and shall stay so.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
