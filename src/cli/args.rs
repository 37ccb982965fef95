//! What may be typed.

use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use restrata::cache::Cache;
use restrata::inventory::XattrGlob;
use restrata::job::JobOptions;
use restrata::oci::{Platform, Reference};
use restrata::order::layers::Prune;
use restrata::owner::Named;
use restrata::progress::Progress;
use restrata::spool;
use restrata::verify::Ignore;

use super::access::AccessArgs;
use super::cache::CacheArgs;
use super::diff::Diff;
use super::family::Family;
use super::history::{History, too_few};
use super::merge::Merge;
use super::rechunk::Rechunk;
use super::run::say;
use super::{exit, help, pipes, values};

#[derive(Debug, Parser)]
#[command(
    name = "restrata",
    version,
    long_version = help::long_version(),
    about = help::ABOUT,
    long_about = help::LONG_ABOUT,
    after_help = help::EXAMPLES,
    after_long_help = help::AFTER,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Arguments {
    /// Print no progress and no notes, and no report where the exit code is the answer
    ///
    /// rechunk and merge print only the digest, family each DEST with its digest. Errors, and what is degraded, are always printed.
    #[arg(short, long, global = true)]
    pub quiet: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a new image against the one that clients have
    #[command(long_about = help::RECHUNK, after_help = help::RECHUNK_EXAMPLES)]
    Rechunk(Box<Rechunk>),
    /// Write several images so that they share layers
    #[command(long_about = help::FAMILY, after_help = help::FAMILY_EXAMPLES)]
    Family(Box<Family>),
    /// Lay several images over each other, and write them as one
    #[command(long_about = help::MERGE, after_help = help::MERGE_EXAMPLES)]
    Merge(Box<Merge>),
    /// Compare the files of two images
    #[command(long_about = help::VERIFY, after_help = help::VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Show what an update costs each client to pull, and why
    #[command(long_about = help::DIFF, after_help = help::DIFF_EXAMPLES)]
    Diff(Diff),
    /// Show what a series of versions cost, and would have cost with other layouts
    #[command(long_about = help::HISTORY, after_help = help::HISTORY_EXAMPLES)]
    History(History),
    /// Check that an image's zstd:chunked layers are sound
    #[command(long_about = help::CHECK, after_help = help::CHECK_EXAMPLES)]
    Check(Check),
    /// Show an image's layers, their indexes and its biggest files
    #[command(long_about = help::INSPECT, after_help = help::INSPECT_EXAMPLES)]
    Inspect(Inspect),
    /// Print an image's merged tree, for composefs or mtree
    #[command(long_about = help::DUMP, after_help = help::DUMP_EXAMPLES)]
    Dump(super::dump::Dump),
    /// Remove blobs of a layout that no image in it needs
    #[command(long_about = help::PRUNE, after_help = help::PRUNE_EXAMPLES)]
    Prune(super::prune::Prune),
    /// Show how a registry answers clients, and what each of them can do there
    #[command(long_about = help::PROBE, after_help = help::PROBE_EXAMPLES)]
    Probe(super::probe::Probe),
    /// Let podman pull single files from registries that refuse several ranges
    #[command(long_about = help::BRIDGE, after_help = help::BRIDGE_EXAMPLES)]
    Bridge(super::bridge::Bridge),
    /// Show what restrata remembers of earlier runs, or remove it
    #[command(long_about = help::CACHE, after_help = help::CACHE_EXAMPLES)]
    Cache(CacheArgs),
    /// Print completions for a shell
    #[command(after_help = help::COMPLETIONS_EXAMPLES)]
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write the manual pages
    #[command(after_help = help::MAN_EXAMPLES)]
    Man {
        /// Write restrata.1 and a page for each command into this directory, which is made if need be
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Take this image as the truth
    #[arg(value_parser = values::reference)]
    pub a: Reference,

    /// Compare this image with it
    #[arg(value_parser = values::reference)]
    pub b: Reference,

    /// Leave this out of the comparison
    #[arg(long, value_name = "WHAT", value_enum)]
    pub ignore: Vec<Ignored>,

    /// Leave this path and what is below it out of the comparison; repeat for more
    ///
    /// Takes the same values as rechunk --prune. A slash at the end keeps the directory itself.
    #[arg(long, value_name = "PATH", value_parser = OsStringValueParser::new().try_map(values::prune))]
    pub prune: Vec<Prune>,

    /// Leave what rechunk --prune-debris leaves out of the comparison
    #[arg(long)]
    pub prune_debris: bool,

    /// List every difference [default: 20, without times]
    #[arg(long)]
    pub all: bool,

    /// Leave xattrs with names like this one out of the comparison; repeat for more
    ///
    /// What rechunk left out with --drop-xattr is named here in the same words.
    #[arg(long, value_name = "GLOB", value_parser = values::xattr)]
    pub drop_xattr: Vec<XattrGlob>,

    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub resources: Resources,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Check this image
    #[arg(value_name = "REF", value_parser = values::reference)]
    pub reference: Reference,

    /// List every layer, problem and remark [default: 20 of each, and each kind of remark once]
    #[arg(long)]
    pub all: bool,

    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub resources: Resources,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// Show this image
    #[arg(value_name = "REF", value_parser = values::reference)]
    pub reference: Reference,

    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub access: AccessArgs,
}

#[derive(Debug, Args)]
pub struct Choice {
    /// Take only the image for this platform, such as linux/arm64 [default: every platform; dump needs one]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = values::platform)]
    pub platform: Option<Platform>,
}

#[derive(Debug, Args)]
pub struct Resources {
    /// Use this many threads [default: all cores]
    ///
    /// The result is the same for any number.
    #[arg(short = 'T', long, value_name = "N", value_parser = values::threads)]
    #[arg(allow_negative_numbers = true)]
    threads: Option<u16>,

    /// Directory for temporary files [default: $TMPDIR, else /var/tmp]
    #[arg(long, value_name = "DIR")]
    tmpdir: Option<PathBuf>,

    /// Refuse an image that unpacks to more than this [default: 1TB]
    ///
    /// A layer of a few bytes can unpack to any number of bytes, and holes of sparse files are written out as zeros. The
    /// layers of an image count together. 500GB, 1.5TiB and 4096 are understood.
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_size: Option<u64>,

    #[command(flatten)]
    access: AccessArgs,
}

impl Resources {
    pub fn options(&self) -> JobOptions {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        JobOptions {
            threads: self.threads.map_or_else(cores, usize::from),
            spool_dir: self.tmpdir.clone().unwrap_or_else(spool::default_dir),
            reach: self.access.reach(),
            cache: Cache::of_user(),
            named: Arc::default(),
        }
    }

    /// For a job with these resources.
    pub fn progress(&self) -> Progress {
        let progress = Progress::new();
        self.max_size.into_iter().for_each(|bytes| progress.set_max_size(bytes));
        progress
    }
}

#[derive(Debug, Args)]
pub struct OwnersFile {
    /// Name the owners (packages) of files: a file with one GLOB NAME a line
    ///
    /// Files of one owner stay together in layers, and reports name the owner. Users and groups of files do not change.
    /// GLOB is a path in the image. *, ? and [ab] in it match within one name, and /**/ matches any directories. A line
    /// holds for what it matches and for everything below. The last matching line counts, before package databases and
    /// everything else. Lines that start with # are comments.
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(values::owners))]
    owners: Option<Arc<Named>>,
}

impl OwnersFile {
    pub fn named(&self) -> Arc<Named> {
        self.owners.clone().unwrap_or_default()
    }
}

#[derive(Debug, Args)]
pub struct Output {
    /// Print the report as text for people or as one JSON object
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ignored {
    /// Modification times. rechunk gives unchanged entries the times of the previous image
    Mtime,
}

impl From<Ignored> for Ignore {
    fn from(ignored: Ignored) -> Self {
        match ignored {
            Ignored::Mtime => Self::Mtime,
        }
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub fn command() -> clap::Command {
    Arguments::command()
}

/// The arguments; else what was to be said has been said, and this is the exit code.
pub fn parse() -> Result<Arguments, u8> {
    let refused = |message: String| {
        say(format_args!("restrata: \u{1b}[1m\u{1b}[31merror:\u{1b}[0m {message}"));
        exit::USAGE
    };
    let mut arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // No other argument asks for a number of values. clap would count, and not say what for.
        Err(error) if error.kind() == ErrorKind::TooFewValues => return Err(refused(too_few("one"))),
        Err(error) if lacks_versions(&error) => return Err(refused(too_few("none"))),
        Err(error) => return Err(told(&error)),
    };
    // The environment is no argument: clap's usage would explain nothing.
    match &mut arguments.command {
        Command::Rechunk(rechunk) => {
            let Rechunk { new, dest, writing } = &mut **rechunk;
            writing.layers.complete().map_err(refused)?;
            let possible = writing.expect_possible("rechunk", std::slice::from_ref(new), dest);
            possible.map_err(|error| told(&error))?;
        }
        Command::Family(family) => {
            family.writing.layers.complete().map_err(refused)?;
            family.expect_possible().map_err(|error| told(&error))?;
        }
        Command::Merge(merge) => {
            merge.writing.layers.complete().map_err(refused)?;
            merge.expect_possible().map_err(|error| told(&error))?;
        }
        _ => {}
    }
    if let Command::Bridge(bridge) = &arguments.command
        && let Some(message) = bridge.misplaced()
    {
        return Err(refused(message.to_owned()));
    }
    pipes::expect(&arguments.command).map_err(refused)?;
    Ok(arguments)
}

/// No other command has this argument.
fn lacks_versions(error: &clap::Error) -> bool {
    let Some(ContextValue::Strings(lacking)) = error.get(ContextKind::InvalidArg) else { return false };
    error.kind() == ErrorKind::MissingRequiredArgument && lacking.iter().any(|name| name.starts_with("<REF> <REF>"))
}

fn told(error: &clap::Error) -> u8 {
    let text = values::without_passwords(&error.render().ansi().to_string(), std::env::args());
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            super::run::print(&text).map_or_else(|error| super::report_failure(&error), |()| exit::DONE)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            anstream::eprint!("{text}");
            exit::USAGE
        }
        _ => {
            anstream::eprint!("restrata: {text}");
            exit::USAGE
        }
    }
}
