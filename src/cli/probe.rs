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

    /// Also mount the layer into REPO, another repository of the same host. This writes into REPO
    ///
    /// Registries that mount blobs share them between repositories. No question tells, so this does it: if it works,
    /// REPO has a reference of one layer afterwards, and is made if it was not there. No tag leads to it, and the
    /// registry's clean-up can remove it. If the registry begins an upload instead, that is ended and nothing is sent.
    /// You need permission to push to REPO. REPO is named without host and tag: team/scratch.
    #[arg(long, value_name = "REPO")]
    pub mount: Option<String>,

    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub access: AccessArgs,
}

impl Probe {
    pub fn request(&self) -> Request {
        Request { name: self.name.clone(), mount: self.mount.clone(), reach: self.access.reach() }
    }
}
