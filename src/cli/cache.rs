//! The options of `cache`.

use clap::Args;

use super::args::Output;

#[derive(Debug, Args)]
pub struct CacheArgs {
    /// Remove all that is remembered
    #[arg(long)]
    pub clear: bool,

    #[command(flatten)]
    pub output: Output,
}
