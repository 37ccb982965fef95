//! From arguments to a job, from its outcome to the output and the exit code.

use std::fmt::Display;
use std::fs;
use std::io::{self, BufWriter, IsTerminal as _, Read as _, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use restrata::cache::Cache;
use restrata::check::check;
use restrata::degraded::{Degraded, summary};
use restrata::diff::diff;
use restrata::dump;
use restrata::error::Error;
use restrata::history::history;
use restrata::inspect::inspect;
use restrata::job::JobOptions;
use restrata::limits;
use restrata::oci::{Config, Reference};
use restrata::probe::probe;
use restrata::progress::{Interrupted, Progress};
use restrata::prune::prune;
use restrata::rechunk::{Request, plan, rechunk};
use restrata::registry::Reach;
use restrata::report::{count, html, json, markdown, printable, text};
use restrata::spool;
use restrata::verify::{Ignore, verify};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::args::{Arguments, Check, Command, Format, Inspect, Verify};
use super::cache::CacheArgs;
use super::diff::{Diff, DiffFormat};
use super::dump::Dump;
use super::history::{History, HistoryFormat};
use super::meter::Meter;
use super::probe::Probe;
use super::prune::Prune;
use super::rechunk::{Rechunk, Writing};
use super::{exit, manual, signals};

/// Does what was asked; the exit code is 0 or what a check says.
pub fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let quiet = arguments.quiet;
    signals::survive_file_size_limit()?;
    allow_many_files();
    match arguments.command {
        Command::Rechunk(arguments) => {
            let Rechunk { new, dest, writing } = *arguments;
            run_writing(writing, quiet, |resources| Request::new(new, dest, resources))
        }
        Command::Family(arguments) => super::family::run(*arguments, quiet),
        Command::Merge(arguments) => super::merge::run(*arguments, quiet),
        Command::Verify(arguments) => run_verify(&arguments, quiet),
        Command::Diff(arguments) => run_diff(arguments, quiet),
        Command::History(arguments) => run_history(arguments, quiet),
        Command::Check(arguments) => run_check(&arguments, quiet),
        Command::Inspect(arguments) => run_inspect(&arguments, quiet),
        Command::Dump(arguments) => run_dump(&arguments, quiet),
        Command::Prune(arguments) => run_prune(&arguments, quiet),
        Command::Probe(arguments) => run_probe(&arguments, quiet),
        Command::Bridge(arguments) => super::bridge::run(&arguments, quiet),
        Command::Cache(arguments) => run_cache(&arguments, quiet),
        Command::Completions { shell } => print(&manual::completions(shell)?).map(|()| exit::DONE),
        Command::Man { dir } => manual::pages(&dir).map(|()| exit::DONE),
    }
}

/// An image may have thousands of layers, each an open file. Login shells often allow 1,024, and far more to whom asks.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it can't be raised, a job that needs more says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

pub fn run_writing(arguments: Writing, quiet: bool, bare: impl FnOnce(JobOptions) -> Request) -> anyhow::Result<u8> {
    if let Some(path) = &arguments.digestfile {
        expect_writable(path).with_context(|| format!("the digest can't be written to {}", path.display()))?;
    }
    let (digestfile, format) = (arguments.digestfile.clone(), arguments.output.format);
    let (dry_run, progress) = (arguments.dry_run, arguments.resources.progress());
    let listing = listing(arguments.all);
    let config = arguments.edits.config.as_deref().map(config).transpose()?;
    let request = Request { config, ..request(arguments, bare) };
    if dry_run {
        return run_plan(&request, progress, quiet, format, listing);
    }
    let outcome = match beside(progress, quiet, |progress| rechunk(&request, progress)) {
        Err(error) => return Err(refused(error, format, &request.dest)),
        Ok(outcome) => outcome,
    };
    note_degraded(quiet, &outcome.notes, &outcome.degraded);
    note_replaced(&request.dest, &outcome.replaced, "are gone");
    let report = match format {
        Format::Json => json::rechunk(&outcome),
        Format::Text if quiet => format!("{}\n", outcome.digest),
        Format::Text => text::rechunk(&outcome, listing),
    };
    let is_where = if outcome.published.is_some() { "published" } else { "written" };
    let printed = print_beside(&request.dest, &report)
        .with_context(|| format!("the image is {is_where}, but its report can't be printed"));
    if let Some(path) = digestfile {
        // Without a line feed, as skopeo writes it.
        fs::write(&path, outcome.digest.to_string())
            .with_context(|| format!("the image is written, but not its digest to {}", path.display()))?;
    }
    printed.map(|()| exit::DONE)
}

/// The config that a file holds.
pub fn config(path: &Path) -> anyhow::Result<Config> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).with_context(|| format!("--config {}", path.display()))?;
    file.take(limits::MANIFEST_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("--config {}", path.display()))?;
    if bytes.len() as u64 > limits::MANIFEST_BYTES {
        bail!("--config {}: expected at most {} bytes, found more", path.display(), count(limits::MANIFEST_BYTES));
    }
    Ok(Config::given(&bytes, &format!("--config {}", path.display()))?)
}

pub fn request(arguments: Writing, bare: impl FnOnce(JobOptions) -> Request) -> Request {
    let mut resources = arguments.resources.options();
    let dest_access = arguments.sides.destination(&resources.reach.access);
    resources.reach.access = arguments.sides.source(&resources.reach.access);
    resources.named = arguments.layers.owners.named();
    let dest_reach = Reach { access: dest_access, ..resources.reach.clone() };
    let formats = arguments.formats();
    Request {
        dest_reach,
        formats,
        previous: arguments.previous,
        first: arguments.first,
        trust_previous: arguments.trust_previous,
        tags: arguments.tag,
        force: arguments.force,
        platform: arguments.choice.platform,
        effort: arguments.level,
        max_ranges: arguments.max_ranges,
        index: arguments.index.into(),
        layers: arguments.layers.options(),
        epoch: arguments.layers.epoch,
        base: arguments.layers.base,
        shares: arguments.layers.share,
        keep_foreign: arguments.layers.keep_foreign,
        prune_debris: arguments.layers.prune_debris,
        drop_xattrs: arguments.layers.drop_xattr,
        labels: arguments.edits.label,
        annotations: arguments.edits.annotation,
        composefs_label: arguments.edits.composefs_digest_label,
        toc_annotations: arguments.annotations.into(),
        strict: arguments.strict,
        ..bare(resources)
    }
}

/// A plan is all that was asked for, so quiet leaves out the notes alone.
fn run_plan(
    request: &Request,
    progress: Progress,
    quiet: bool,
    format: Format,
    listing: text::Listing,
) -> anyhow::Result<u8> {
    let planned = beside(progress, quiet, |progress| plan(request, progress))?;
    note_degraded(quiet, &planned.notes, &planned.degraded);
    note_replaced(&request.dest, &planned.replaced, "would be gone");
    answer(format, false, || text::plan(&planned, listing), || json::plan(&planned))?;
    Ok(if request.strict && !planned.degraded.is_empty() { exit::NO } else { exit::DONE })
}

/// A program that asked for JSON gets the causes in it.
pub fn refused(error: anyhow::Error, format: Format, dest: &Reference) -> anyhow::Error {
    let cause = match error.downcast_ref() {
        Some(Error::Member { source, .. }) => Some(&**source),
        cause => cause,
    };
    match (cause, format) {
        (Some(Error::Strict { degraded }), Format::Json) => {
            print_beside(dest, &json::refused(degraded)).err().unwrap_or(error)
        }
        _ => error,
    }
}

/// Where the image itself has standard output, its report goes to standard error.
fn print_beside(dest: &Reference, report: &str) -> anyhow::Result<()> {
    if !dest.is_stdio() {
        return print(report);
    }
    say(report.trim_end_matches('\n'));
    Ok(())
}

/// What costs clients more than it should is said in any case; quiet makes it one line.
pub fn note_degraded(quiet: bool, notes: &[String], degraded: &[Degraded]) {
    let tell = |line: &str| say_wrapped(&format!("restrata: degraded: {}", printable(line)));
    if quiet && !degraded.is_empty() {
        return tell(&summary(degraded));
    }
    for text in notes {
        match degraded.iter().find(|it| it.message == *text) {
            Some(it) => tell(&summary(std::slice::from_ref(it))),
            None => note(quiet, std::slice::from_ref(text)),
        }
    }
}

/// Also when quiet: whoever expects that an archive gains an image loses the others.
pub fn note_replaced(dest: &Reference, replaced: &[String], are_gone: &str) {
    if !replaced.is_empty() {
        const SHOWN: usize = 16;
        let mut names = replaced.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        if replaced.len() > SHOWN {
            names.push_str(&format!(" and {} more", replaced.len() - SHOWN));
        }
        let line =
            format!("{dest}: the archive is written anew, and the other images that were in it {are_gone}: {names}");
        note(false, &[line]);
    }
}

fn note(quiet: bool, notes: &[String]) {
    if !quiet {
        notes.iter().for_each(|note| say_wrapped(&format!("restrata: note: {}", printable(note))));
    }
}

/// On a terminal in lines that fit, elsewhere in one line, which programs can search.
fn say_wrapped(line: &str) {
    match terminal_columns() {
        Some(columns) => say(format_args!("{}", text::wrapped(line, columns).trim_end())),
        None => say(format_args!("{line}")),
    }
}

/// Of the terminal that standard error goes to, if it is one.
pub fn terminal_columns() -> Option<usize> {
    let columns = rustix::termios::tcgetwinsize(io::stderr()).ok().map(|size| usize::from(size.ws_col));
    columns.filter(|&columns| columns > 0 && io::stderr().is_terminal())
}

/// The digest is known at the end of a job that can take long, and its file must not be there before.
fn expect_writable(file: &Path) -> anyhow::Result<()> {
    let writable = |path: &Path, access| accessat(CWD, path, access, AtFlags::EACCESS);
    match fs::metadata(file) {
        Ok(meta) if meta.is_dir() => bail!("expected a file, found a directory"),
        Ok(_) => Ok(writable(file, Access::WRITE_OK)?),
        Err(_) => {
            let parent = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            writable(&parent.join("."), Access::WRITE_OK | Access::EXEC_OK)
                .with_context(|| parent.display().to_string())
        }
    }
}

fn run_verify(arguments: &Verify, quiet: bool) -> anyhow::Result<u8> {
    let (options, platform) = (arguments.resources.options(), arguments.choice.platform.as_ref());
    let pruned = arguments.prune.iter().cloned().map(Ignore::Pruned);
    let xattrs = arguments.drop_xattr.iter().cloned().map(Ignore::Xattr);
    let ignored = arguments.ignore.iter().map(|&ignored| ignored.into());
    let debris = arguments.prune_debris.then_some(Ignore::Debris);
    let ignore: Vec<Ignore> = ignored.chain(pruned).chain(debris).chain(xattrs).collect();
    let verdict = beside(arguments.resources.progress(), quiet, |progress| {
        verify(&arguments.a, &arguments.b, platform, &ignore, options, progress)
    })?;
    note(quiet, &verdict.notes);
    let text = || text::verify(&verdict, listing(arguments.all));
    answer(arguments.output.format, quiet, text, || json::verify(&verdict))?;
    Ok(if verdict.is_same() { exit::DONE } else { exit::NO })
}

/// With a limit the exit code tells, so quiet leaves out the text. Other formats were asked for.
fn run_diff(arguments: Diff, quiet: bool) -> anyhow::Result<u8> {
    let (format, limit) = (arguments.format, arguments.fail_above);
    let progress = arguments.resources.progress();
    let request = arguments.request();
    let outcome = beside(progress, quiet, |progress| diff(&request, progress))?;
    note(quiet, &outcome.notes);
    match format {
        DiffFormat::Json => print(&json::diff(&outcome))?,
        DiffFormat::Markdown => print(&markdown::diff(&outcome))?,
        DiffFormat::Html => print(&html::diff(&outcome))?,
        DiffFormat::Text if quiet && limit.is_some() => {}
        DiffFormat::Text => print(&text::diff(&outcome))?,
    }
    let Some(limit) = limit else { return Ok(exit::DONE) };
    if let Some((diff, pull)) = outcome.over(limit) {
        say(format_args!("restrata: {}", text::over(diff, pull, limit)));
        return Ok(exit::NO);
    }
    // Also when quiet: a limit that passes must not hide it.
    if let Some(pull) = outcome.docker_over(limit) {
        say(format_args!("restrata: note: {}", text::docker_over(pull, limit)));
    }
    Ok(exit::DONE)
}

fn run_history(arguments: History, quiet: bool) -> anyhow::Result<u8> {
    let format = arguments.format;
    let progress = arguments.resources.progress();
    let request = arguments.request();
    let outcome = beside(progress, quiet, |progress| history(&request, progress))?;
    note(quiet, &outcome.notes);
    print(&match format {
        HistoryFormat::Text => text::history(&outcome),
        HistoryFormat::Json => json::history(&outcome),
        HistoryFormat::Markdown => markdown::history(&outcome),
    })?;
    Ok(exit::DONE)
}

fn run_dump(arguments: &Dump, quiet: bool) -> anyhow::Result<u8> {
    let (options, platform) = (arguments.resources.options(), arguments.choice.platform.as_ref());
    let (reference, progress) = (&arguments.reference, arguments.resources.progress());
    let mut notes = Vec::new();
    if arguments.digest {
        let digest =
            beside(progress, quiet, |progress| dump::digest(reference, platform, &options, progress, &mut notes));
        note(quiet, &notes);
        return print(&format!("{}\n", digest?)).map(|()| exit::DONE);
    }
    // The lines come while the job still runs.
    let is_seen = io::stdout().is_terminal();
    let mut out = Unread(BufWriter::new(io::stdout()));
    let format = arguments.format.into();
    let dumped = beside(progress, quiet || is_seen, |progress| {
        dump::dump(reference, platform, format, &options, progress, &mut notes, &mut out)
    });
    note(quiet, &notes);
    dumped.map(|()| exit::DONE)
}

/// Once nobody reads it any more, everything passes.
struct Unread<W>(W);

impl<W: Write> Write for Unread<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

fn run_check(arguments: &Check, quiet: bool) -> anyhow::Result<u8> {
    let (options, platform) = (arguments.resources.options(), arguments.choice.platform.as_ref());
    let progress = arguments.resources.progress();
    let report = beside(progress, quiet, |progress| check(&arguments.reference, platform, options, progress))?;
    note(quiet, &report.notes);
    answer(arguments.output.format, quiet, || text::check(&report, listing(arguments.all)), || json::check(&report))?;
    Ok(if report.is_clean() { exit::DONE } else { exit::NO })
}

/// What is printed is all that was asked for, so quiet leaves out the notes alone.
fn run_inspect(arguments: &Inspect, quiet: bool) -> anyhow::Result<u8> {
    let platform = arguments.choice.platform.as_ref();
    let (reach, cache) = (arguments.access.reach(), Cache::of_user());
    let options = JobOptions { reach, cache, ..JobOptions::new(1, spool::default_dir()) };
    let look = |progress: &Progress| inspect(&arguments.reference, platform, &options, progress);
    let inspection = beside(Progress::new(), quiet, look)?;
    note(quiet, &inspection.notes);
    answer(arguments.output.format, false, || text::inspect(&inspection), || json::inspect(&inspection))?;
    Ok(exit::DONE)
}

/// Without --force the list is all that was asked for.
fn run_prune(arguments: &Prune, quiet: bool) -> anyhow::Result<u8> {
    let pruned = beside(Progress::new(), quiet, |progress| prune(&arguments.layout, arguments.force, progress))?;
    note(quiet, &pruned.notes);
    answer(arguments.output.format, quiet && arguments.force, || text::prune(&pruned), || json::prune(&pruned))?;
    Ok(exit::DONE)
}

/// What is printed is all that was asked for, so quiet leaves out the notes alone.
fn run_probe(arguments: &Probe, quiet: bool) -> anyhow::Result<u8> {
    let probed = beside(Progress::new(), quiet, |progress| probe(&arguments.request(), progress))?;
    note(quiet, &probed.notes);
    answer(arguments.output.format, false, || text::probe(&probed), || json::probe(&probed))?;
    Ok(exit::DONE)
}

/// Without --clear the list is all that was asked for.
fn run_cache(arguments: &CacheArgs, quiet: bool) -> anyhow::Result<u8> {
    let cache = Cache::of_user();
    let contents = beside(Progress::new(), quiet, |progress| match arguments.clear {
        true => Ok(cache.clear(progress)?),
        false => Ok(cache.contents(progress)?),
    })?;
    let is_quiet = quiet && arguments.clear;
    answer(arguments.output.format, is_quiet, || text::cache(&contents), || json::cache(&contents))?;
    Ok(exit::DONE)
}

/// Runs a job that can take long: Ctrl-C stops it, a meter shows how far it is.
pub fn beside<T>(
    progress: Progress,
    quiet: bool,
    work: impl FnOnce(&Progress) -> Result<T, Error>,
) -> anyhow::Result<T> {
    let progress = Arc::new(progress);
    signals::cancel_on_signal(Arc::clone(&progress))?;
    let meter = (!quiet).then(|| Meter::start(Arc::clone(&progress)));
    let result = work(&progress);
    // The meter's line must be gone before anything else is printed.
    drop(meter);
    match result {
        // Whatever it says, it is how this job came to stop; only a push says what its tags point at then.
        Err(error) if progress.is_cancelled() && !matches!(error, Error::Push(_)) => {
            Err(Error::from(Interrupted).into())
        }
        result => Ok(result?),
    }
}

fn answer(
    format: Format,
    quiet: bool,
    text: impl FnOnce() -> String,
    json: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    match format {
        Format::Json => print(&json()),
        Format::Text if quiet => Ok(()),
        Format::Text => print(&text()),
    }
}

pub const fn listing(all: bool) -> text::Listing {
    if all { text::Listing::All } else { text::Listing::Short }
}

/// Prints to standard output. A reader that has seen enough, such as `head`, is no failure.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output"),
    }
}

/// A line on standard error. If even that is gone there is nobody to tell.
pub fn say(line: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}
