//! What may be typed for `prune`.

use clap::Args;
use restrata::oci::Reference;

use super::args::Output;
use super::values;

#[derive(Debug, Args)]
pub struct Prune {
    /// Look at this layout: oci:DIR
    #[arg(value_name = "LAYOUT", value_parser = values::layout)]
    pub layout: Reference,

    /// Remove the blobs; without it, only say which
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub output: Output,
}
