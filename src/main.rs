//! `restrata`, the command: read the command line, do the job, tell the exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = match cli::parse() {
        Ok(arguments) => cli::run(arguments).unwrap_or_else(|error| cli::report_failure(&error)),
        Err(code) => code,
    };
    ExitCode::from(code)
}
