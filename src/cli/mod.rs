//! The command line: what may be typed, what is done about it, what comes back.
//!
//! | file | does |
//! | --- | --- |
//! | `args`, `values`, `help` | the definitions; completions and manual pages come from the same ones |
//! | `access`, `sides` | the options that say how a registry is reached; those for one side of `rechunk` |
//! | `family` | the members of a family, and its job |
//! | `merge` | the inputs of a merge, and how they are laid over each other |
//! | `bridge` | the bridge's options, and how it runs until a signal |
//! | `pipes` | `-` in references |
//! | `run` | from arguments to a job, from its outcome to the output and the exit code |
//! | `failure` | errors as text with hints, and their exit codes |
//! | `signals`, `meter` | what goes on beside a job: Ctrl-C, and how far it is |
//! | `manual` | completions and manual pages |

mod access;
mod args;
mod bridge;
mod cache;
mod diff;
mod dump;
mod failure;
mod family;
mod help;
mod hints;
mod history;
mod layers;
mod manual;
mod merge;
mod meter;
mod pipes;
mod probe;
mod prune;
mod rechunk;
mod run;
mod sides;
mod signals;
mod values;

pub use args::parse;
pub use failure::report as report_failure;
pub use run::run;

/// Exit codes; 2 and 1 as in skopeo. Those of failed jobs come with their errors.
mod exit {
    pub const DONE: u8 = 0;
    pub const FAILED: u8 = 1;
    /// `verify`, `check`, `diff --fail-above` or `rechunk --strict` says no.
    pub const NO: u8 = 3;
    /// EX_USAGE of sysexits.h: clap's own 2 means "image not found" here.
    pub const USAGE: u8 = 64;
    /// 128 and SIGINT, as shells count.
    pub const INTERRUPTED: u8 = 130;
}
