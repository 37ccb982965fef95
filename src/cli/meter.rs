//! How far a job is: one line that changes on a terminal, else a line every half minute.

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use restrata::progress::Progress;
use restrata::report::{count, plural, size};

use super::run::say;

const REDRAW: Duration = Duration::from_millis(100);
/// Logs of CI systems: seldom enough not to fill them, often enough to show that the job lives.
const LOG: Duration = Duration::from_secs(30);
/// Over what the speed is averaged.
const WINDOW: Duration = Duration::from_secs(5);

/// Whether a job writes layers after it read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    Reads,
    Writes,
}

/// Runs until it is dropped; then its line is gone.
pub struct Meter {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Meter {
    pub fn start(progress: Arc<Progress>, job: Job) -> Self {
        let (stop, stopped) = mpsc::channel();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let thread = thread::Builder::new().spawn(move || match std::io::stderr().is_terminal() && !dumb {
            true => draw(&progress, job, &stopped),
            false => log(&progress, job, &stopped),
        });
        // A job that can't have a thread more goes on without a meter.
        Self { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // The thread sees that the channel is closed.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A meter that panicked has said so; the job goes on.
            let _ = thread.join();
        }
    }
}

fn runs_on(stopped: &Receiver<()>, pause: Duration) -> bool {
    stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

fn draw(progress: &Progress, job: Job, stopped: &Receiver<()>) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let (start, mut speed) = (Instant::now(), Speed::default());
    while runs_on(stopped, REDRAW) {
        bar.set_message(State::of(progress, job).line(start.elapsed(), &mut speed));
        bar.tick();
    }
    bar.finish_and_clear();
}

fn log(progress: &Progress, job: Job, stopped: &Receiver<()>) {
    let (start, mut speed) = (Instant::now(), Speed::default());
    while runs_on(stopped, LOG) {
        say(format_args!("restrata: {}", State::of(progress, job).line(start.elapsed(), &mut speed)));
    }
}

/// What the job's counters said at one moment.
#[derive(Debug, Clone, Copy)]
struct State {
    job: Job,
    content: u64,
    written: u64,
    layers_read: u64,
    layers_written: u64,
    layers: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Reading,
    Writing,
    Finishing,
}

impl State {
    fn of(progress: &Progress, job: Job) -> Self {
        let (layers_read, layers_written, layers) = progress.layers();
        let (content, written) = (progress.content_bytes(), progress.written_bytes());
        Self { job, content, written, layers_read, layers_written, layers }
    }

    fn phase(&self) -> Phase {
        match self.job {
            _ if self.layers == 0 => Phase::Opening,
            _ if self.layers_read < self.layers => Phase::Reading,
            Job::Writes if self.layers_written < self.layers => Phase::Writing,
            _ => Phase::Finishing,
        }
    }

    fn line(&self, elapsed: Duration, speed: &mut Speed) -> String {
        let phase = self.phase();
        let layers = |done| format!("{} of {}", count(done), plural(self.layers, "layer", "layers"));
        let (doing, bytes) = match phase {
            Phase::Opening => ("opening".to_owned(), 0),
            Phase::Reading => (format!("reading, {}", layers(self.layers_read)), self.content),
            Phase::Writing => (format!("writing, {}", layers(self.layers_written)), self.written),
            Phase::Finishing => ("finishing".to_owned(), 0),
        };
        let mut parts = vec![doing, format!("{} read", size(self.content))];
        if self.job == Job::Writes {
            parts.push(format!("{} written", size(self.written)));
        }
        if let Some(rate) = speed.rate(phase, elapsed, bytes) {
            parts.push(format!("{}/s", size(rate)));
        }
        parts.push(clock(elapsed));
        parts.join(", ")
    }
}

/// Bytes a second over the last moments of one phase.
#[derive(Debug, Default)]
struct Speed {
    phase: Option<Phase>,
    seen: VecDeque<(Duration, u64)>,
}

impl Speed {
    fn rate(&mut self, phase: Phase, at: Duration, bytes: u64) -> Option<u64> {
        if self.phase.replace(phase) != Some(phase) {
            self.seen.clear();
        }
        // The oldest one that is kept may be older than the window, else a line every half minute had no speed.
        while self.seen.get(1).is_some_and(|(then, _)| at.saturating_sub(*then) >= WINDOW) {
            self.seen.pop_front();
        }
        self.seen.push_back((at, bytes));
        let (then, before) = *self.seen.front()?;
        let seconds = at.saturating_sub(then).as_secs_f64();
        let more = bytes.saturating_sub(before);
        (seconds > 0.0 && more > 0).then_some((more as f64 / seconds) as u64)
    }
}

/// 0:07, 12:34, 1:02:03.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: State =
        State { job: Job::Writes, content: 812_000_000, written: 0, layers_read: 2, layers_written: 0, layers: 5 };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_line_says_what_goes_on() {
        let mut speed = Speed::default();
        let line = READING.line(seconds(7), &mut speed);
        assert_eq!(line, "reading, 2 of 5 layers, 812 MB read, 0 B written, 0:07");
        let later = State { content: 1_012_000_000, ..READING };
        assert!(later.line(seconds(9), &mut speed).ends_with("100 MB/s, 0:09"));
        let writing = State { layers_read: 5, written: 50_000_000, ..later };
        let line = writing.line(seconds(62), &mut speed);
        assert_eq!(line, "writing, 0 of 5 layers, 1.01 GB read, 50.0 MB written, 1:02");
        let verify = State { job: Job::Reads, ..READING };
        assert_eq!(verify.line(seconds(1), &mut Speed::default()), "reading, 2 of 5 layers, 812 MB read, 0:01");
        assert_eq!(State { layers: 0, ..verify }.phase(), Phase::Opening);
        assert_eq!(State { layers_read: 5, ..verify }.phase(), Phase::Finishing);
    }

    #[test]
    fn the_speed_is_that_of_the_last_moments() {
        let mut speed = Speed::default();
        assert_eq!(speed.rate(Phase::Reading, seconds(0), 0), None);
        assert_eq!(speed.rate(Phase::Reading, seconds(10), 1000), Some(100));
        assert_eq!(speed.rate(Phase::Reading, seconds(20), 5000), Some(400));
    }

    #[test]
    fn hours_are_shown_when_there_are_some() {
        assert_eq!(clock(seconds(754)), "12:34");
        assert_eq!(clock(seconds(3723)), "1:02:03");
    }

    #[test]
    fn a_dropped_meter_has_stopped() {
        let progress = Arc::new(Progress::new());
        drop(Meter::start(Arc::clone(&progress), Job::Reads));
        assert_eq!(Arc::strong_count(&progress), 1);
    }
}
