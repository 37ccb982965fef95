//! The options of `diff`.

use clap::{Args, ValueEnum};
use restrata::diff::{Choice, Request};
use restrata::job::JobOptions;
use restrata::oci::Reference;
use restrata::order::cost::{Client, RegistryProfile};

use super::args::{OwnersFile, Resources};
use super::values;

#[derive(Debug, Args)]
pub struct Diff {
    /// The image that clients have; give several for several tables
    #[arg(required = true, value_parser = values::reference)]
    pub old: Vec<Reference>,

    /// The image that they pull
    #[arg(value_parser = values::reference)]
    pub new: Reference,

    /// Show only this client; repeat for more [default: all]
    ///
    /// plain reuses whole layers: containerd, docker with its containerd image store, podman as installed. podman has
    /// partial pulls switched on. podman-reflink also has its store on a file system with reflinks. composefs has
    /// use_composefs in its store. docker is docker with a graph driver: it also pulls every layer above the lowest
    /// changed one. plain-gzip is a plain client that takes the gzip image of an index: containerd 1.7, docker with its
    /// image store.
    #[arg(long, value_name = "CLIENT", value_parser = values::client())]
    pub client: Vec<Client>,

    /// Show only this kind of registry; repeat for more [default: all but bridge]
    ///
    /// The kind is the registry's answer to a request for several ranges: all of them (multi-range), up to 299 or 16,
    /// the whole blob (whole-200), status 400, or status 501. A plain client asks for no ranges.
    ///
    /// bridge is any registry behind a restrata bridge on the client's machine.
    #[arg(long, value_name = "REGISTRY", value_parser = values::registry())]
    pub registry: Vec<RegistryProfile>,

    /// Exit with code 3 if a pull moves more than this, such as 200MB or 1.5GiB
    ///
    /// Judges the plain client unless --client or --registry is given. Without --registry, other clients are judged on
    /// multi-range. A pull that fails is above any limit.
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub fail_above: Option<u64>,

    /// Take the image for this platform, such as linux/arm64 [default: the first that all have]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = values::platform)]
    pub platform: Option<restrata::oci::Platform>,

    #[command(flatten)]
    pub owners: OwnersFile,
    #[command(flatten)]
    pub resources: Resources,

    /// Print text, one JSON object, Markdown for a comment or release notes, or a page for a browser
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
            resources: JobOptions { named: self.owners.named(), ..self.resources.options() },
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
