//! The options of `diff`.

use clap::{Args, ValueEnum};
use restrata::diff::{Choice, Request};
use restrata::oci::Reference;
use restrata::order::cost::{Client, RegistryProfile};

use super::args::Resources;
use super::values;

#[derive(Debug, Args)]
pub struct Diff {
    /// Tell the cost for clients that have this image; name more for more tables
    #[arg(required = true, value_parser = values::reference)]
    pub old: Vec<Reference>,

    /// Tell what this image costs them
    #[arg(value_parser = values::reference)]
    pub new: Reference,

    /// Show this client alone; repeat for more [default: all]
    ///
    /// plain reuses whole layers only (containerd, docker with its containerd image store, podman as it is installed).
    /// docker with a graph driver pulls more: everything above the lowest changed layer. podman has partial pulls switched
    /// on; podman-reflink has its store on a file system with reflinks, too; composefs is a store with use_composefs.
    #[arg(long, value_name = "CLIENT", value_parser = values::client())]
    pub client: Vec<Client>,

    /// Show this kind of registry alone; repeat for more [default: all]
    ///
    /// They differ in how they answer a request for several ranges: all of them (multi-range), up to 299 or 16,
    /// the whole blob (whole-200), 400, or 501. A plain client asks for none.
    #[arg(long, value_name = "REGISTRY", value_parser = values::registry())]
    pub registry: Vec<RegistryProfile>,

    /// Exit with code 3 when a pull moves more than this, such as 200MB or 1.5GiB
    ///
    /// Goes by the plain client, unless --client or --registry choose others; without --registry these are on a
    /// registry that serves any number of ranges. A pull that fails is over any limit.
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub fail_above: Option<u64>,

    /// Take the image for this platform, such as linux/arm64 [default: the first that all have]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = values::platform)]
    pub platform: Option<restrata::oci::Platform>,

    #[command(flatten)]
    pub resources: Resources,

    /// Print the report as text for people, as one JSON object, as Markdown for a comment or release notes, or as a page for a
    /// browser
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
}

impl Diff {
    pub fn request(self) -> Request {
        Request {
            olds: self.old,
            new: self.new,
            platform: self.platform,
            choice: Choice { clients: self.client, registries: self.registry },
            resources: self.resources.options(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    Text,
    Json,
    Markdown,
    Html,
}
