//! How far a job is: on a terminal one line that changes, and one for each blob that travels; else a line every half minute.

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use restrata::progress::{InFlight, Now, Phase, Progress, Travelled};
use restrata::report::size;

use super::run::{say, terminal_columns};

const REDRAW: Duration = Duration::from_millis(100);
/// Logs of CI systems: seldom enough not to fill them, often enough to show that the job lives.
const LOG: Duration = Duration::from_secs(30);
/// Over what the speed is averaged.
const WINDOW: Duration = Duration::from_secs(5);

/// Runs until it is dropped; then its line is gone.
pub struct Meter {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Meter {
    pub fn start(progress: Arc<Progress>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let thread = thread::Builder::new().spawn(move || match std::io::stderr().is_terminal() && !dumb {
            true => draw(&progress, &stopped),
            false => log(&progress, &stopped),
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

fn draw(progress: &Progress, stopped: &Receiver<()>) {
    let lines = MultiProgress::new();
    let line = |template: &str| {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        lines.add(bar)
    };
    let (bar, mut blobs) = (line("{spinner} {msg}"), Vec::new());
    let (start, mut speed) = (Instant::now(), Speed::default());
    while runs_on(stopped, REDRAW) {
        let columns = terminal_columns().unwrap_or(usize::MAX).saturating_sub(BESIDE);
        bar.set_message(fitted(&parts(progress, start.elapsed(), &mut speed), columns));
        bar.tick();
        let in_flight = progress.in_flight();
        blobs.drain(in_flight.len().min(blobs.len())..).for_each(|gone| lines.remove(&gone));
        blobs.resize_with(in_flight.len(), || line("  {msg}"));
        for (bar, blob) in blobs.iter().zip(&in_flight) {
            bar.set_message(travelling(blob, columns));
            bar.tick();
        }
    }
    // What can't be cleared stays on the screen.
    let _ = lines.clear();
}

/// A blob on its way, in no more than so many columns.
fn travelling(blob: &InFlight, columns: usize) -> String {
    const WIDTH: u64 = 24;
    let InFlight { name, done, total } = blob;
    let (done, total) = (*done.min(total), *total);
    let full = (percent(done, total) * WIDTH / 100) as usize;
    let bar = format!("[{}{}]", "#".repeat(full), "-".repeat(WIDTH as usize - full));
    let share = format!("{} of {}", size(done), size(total));
    let lines =
        [format!("{name} {bar} {share}"), format!("{name} {share}"), format!("{name} {} %", percent(done, total))];
    lines.into_iter().find(|line| line.len() <= columns).unwrap_or_default()
}

fn log(progress: &Progress, stopped: &Receiver<()>) {
    let (start, mut speed) = (Instant::now(), Speed::default());
    while runs_on(stopped, LOG) {
        say(format_args!("restrata: {}", fitted(&parts(progress, start.elapsed(), &mut speed), usize::MAX)));
    }
}

/// The spinner, a space, and the column where the cursor stands.
const BESIDE: usize = 3;

/// What the line can say, as far as it is known.
struct Parts {
    phase: &'static str,
    share: Option<String>,
    /// The same in fewer columns.
    percent: Option<String>,
    speed: Option<String>,
    left: Option<String>,
    elapsed: String,
    /// Of what travels, beside another phase.
    uploaded: Option<String>,
}

/// The phase, how much of it is done, how fast, and the time left in it.
fn parts(progress: &Progress, elapsed: Duration, speed: &mut Speed) -> Parts {
    let now = progress.now();
    let travelled = (now.phase != Phase::Uploading).then(|| progress.travelled());
    parts_of(now, travelled.unwrap_or_default(), elapsed, speed)
}

fn parts_of(now: Now, travelled: Travelled, elapsed: Duration, speed: &mut Speed) -> Parts {
    let Now { phase, done, total } = now;
    let Travelled { done: sent, total: to_send } = travelled;
    let share = match total {
        // Headers and indexes of new layers are not known before.
        Some(total) => Some(format!("{} of {} ({} %)", size(done.min(total)), size(total), percent(done, total))),
        None => (done > 0).then(|| size(done)),
    };
    let rate = speed.rate(phase, elapsed, done);
    let left = rate.zip(total).map(|(rate, total)| {
        let seconds = total.saturating_sub(done).div_ceil(rate.max(1));
        format!("{} left", clock(Duration::from_secs(seconds)))
    });
    Parts {
        phase: phase.name(),
        percent: total.map(|total| format!("{} %", percent(done, total))).or_else(|| share.clone()),
        share,
        speed: rate.map(|rate| format!("{}/s", size(rate))),
        left,
        elapsed: format!("{} elapsed", clock(elapsed)),
        uploaded: (to_send > 0).then(|| format!("{} of {} uploaded", size(sent.min(to_send)), size(to_send))),
    }
}

/// The fullest line that has no more than so many columns: one that is wrapped can't be drawn over.
fn fitted(parts: &Parts, columns: usize) -> String {
    let Parts { phase, share, percent, speed, left, elapsed, uploaded } = parts;
    let (phase, elapsed) = (Some(*phase), Some(elapsed.as_str()));
    let [share, percent, speed, left, uploaded] = [share, percent, speed, left, uploaded].map(|part| part.as_deref());
    let lines = [
        [phase, share, speed, left, elapsed, uploaded],
        [phase, share, left, elapsed, uploaded, None],
        [phase, share, left, uploaded, None, None],
        [phase, percent, left, uploaded, None, None],
        [phase, percent, left, None, None, None],
        [phase, percent, None, None, None, None],
        [percent, None, None, None, None, None],
    ];
    let mut lines = lines.map(|line| line.into_iter().flatten().collect::<Vec<_>>().join(", ")).into_iter();
    // All of it is ASCII.
    lines.find(|line| line.len() <= columns).unwrap_or_default()
}

fn percent(done: u64, total: u64) -> u64 {
    (u128::from(done.min(total)) * 100 / u128::from(total.max(1))) as u64
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

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_line_says_what_goes_on_and_how_long_it_takes() {
        let reading = Now { phase: Phase::Reading, done: 812_000_000, total: Some(2_012_000_000) };
        let mut speed = Speed::default();
        let line =
            |now, elapsed, speed: &mut Speed| fitted(&parts_of(now, Travelled::default(), elapsed, speed), usize::MAX);
        let first = line(reading, seconds(7), &mut speed);
        assert_eq!(first, "reading layers, 812 MB of 2.01 GB (40 %), 0:07 elapsed");
        let later = line(Now { done: 1_012_000_000, ..reading }, seconds(9), &mut speed);
        assert_eq!(later, "reading layers, 1.01 GB of 2.01 GB (50 %), 100 MB/s, 0:10 left, 0:09 elapsed");
        let over = Now { phase: Phase::Writing, done: 103, total: Some(100) };
        assert_eq!(line(over, seconds(10), &mut speed), "writing layers, 100 B of 100 B (100 %), 0:10 elapsed");
        let unknown = Now { phase: Phase::Reading, done: 5000, total: None };
        assert_eq!(line(unknown, seconds(11), &mut speed), "reading layers, 5.00 kB, 0:11 elapsed");
        let planning = Now { phase: Phase::Planning, done: 0, total: None };
        assert_eq!(line(planning, seconds(12), &mut speed), "planning, 0:12 elapsed");
    }

    #[test]
    fn the_line_fits() {
        let now = Now { phase: Phase::Compressing, done: 812_000_000, total: Some(2_012_000_000) };
        let mut speed = Speed::default();
        let nothing = Travelled::default();
        parts_of(Now { done: 0, ..now }, nothing, seconds(1), &mut speed);
        let full = parts_of(now, nothing, seconds(9), &mut speed);
        for (columns, line) in [
            (90, "compressing new content, 812 MB of 2.01 GB (40 %), 102 MB/s, 0:12 left, 0:09 elapsed"),
            (80, "compressing new content, 812 MB of 2.01 GB (40 %), 0:12 left, 0:09 elapsed"),
            (60, "compressing new content, 812 MB of 2.01 GB (40 %), 0:12 left"),
            (40, "compressing new content, 40 %, 0:12 left"),
            (38, "compressing new content, 40 %"),
            (20, "40 %"),
            (3, ""),
        ] {
            assert_eq!(fitted(&full, columns), line);
        }
        let unknown =
            parts_of(Now { phase: Phase::Reading, done: 5000, total: None }, nothing, seconds(11), &mut speed);
        assert_eq!(fitted(&unknown, 36), "reading layers, 5.00 kB");
    }

    #[test]
    fn uploads_beside_other_work() {
        let now = Now { phase: Phase::Writing, done: 10, total: Some(100) };
        let parts = parts_of(now, Travelled { done: 5000, total: 20_000 }, seconds(9), &mut Speed::default());
        let line = "writing layers, 10 B of 100 B (10 %), 0:09 elapsed, 5.00 kB of 20.0 kB uploaded";
        assert_eq!(fitted(&parts, 90), line);
        assert_eq!(fitted(&parts, 70), "writing layers, 10 B of 100 B (10 %), 5.00 kB of 20.0 kB uploaded");
        assert_eq!(fitted(&parts, 30), "writing layers, 10 %");
    }

    #[test]
    fn a_blob_on_its_way_fits() {
        let blob = InFlight { name: "0123456789ab".to_owned(), done: 5_000_000, total: 20_000_000 };
        for (columns, line) in [
            (80, "0123456789ab [######------------------] 5.00 MB of 20.0 MB"),
            (40, "0123456789ab 5.00 MB of 20.0 MB"),
            (20, "0123456789ab 25 %"),
            (5, ""),
        ] {
            assert_eq!(travelling(&blob, columns), line);
        }
        // What is sent again.
        let more = InFlight { done: 30_000_000, ..blob };
        assert_eq!(travelling(&more, 80), "0123456789ab [########################] 20.0 MB of 20.0 MB");
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
        drop(Meter::start(Arc::clone(&progress)));
        assert_eq!(Arc::strong_count(&progress), 1);
    }
}
