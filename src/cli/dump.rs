//! What may be typed for `dump`.

use clap::{Args, ValueEnum};
use restrata::dump::Format;
use restrata::oci::Reference;

use super::args::{Choice, Resources};
use super::values;

#[derive(Debug, Args)]
pub struct Dump {
    /// Print the tree of this image
    #[arg(value_name = "REF", value_parser = values::reference)]
    pub reference: Reference,

    /// Print the tree in this format
    #[arg(long, value_enum, default_value_t = DumpFormat::Composefs)]
    pub format: DumpFormat,

    /// Print only the digest that mkcomposefs gives the tree
    ///
    /// It is the fs-verity digest of the image that mkcomposefs makes, in hex. mkcomposefs must be installed (package
    /// composefs). bootc and podman have another digest if the image has hard links. Not with --format.
    #[arg(long, conflicts_with = "format")]
    pub digest: bool,

    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub resources: Resources,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DumpFormat {
    /// composefs-dump(5)
    Composefs,
    /// mtree(5)
    Mtree,
}

impl From<DumpFormat> for Format {
    fn from(format: DumpFormat) -> Self {
        match format {
            DumpFormat::Composefs => Self::Composefs,
            DumpFormat::Mtree => Self::Mtree,
        }
    }
}
