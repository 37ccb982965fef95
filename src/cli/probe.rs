//! The options of `probe`.

use clap::Args;
use restrata::probe::Request;
use restrata::registry::names::Name;

use super::access::AccessArgs;
use super::args::Output;
use super::values;

#[derive(Debug, Args)]
pub struct Probe {
    /// An image in the registry: docker://HOST/REPOSITORY[:TAG|@DIGEST]
    #[arg(value_name = "REF", value_parser = values::registry_image)]
    pub name: Name,

    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub access: AccessArgs,
}

impl Probe {
    pub fn request(&self) -> Request {
        Request { name: self.name.clone(), reach: self.access.reach() }
    }
}
