//! The options of `history`.

use clap::{Args, ValueEnum};
use restrata::history::Request;
use restrata::job::JobOptions;
use restrata::oci::{Platform, Reference};
use restrata::order::cost::{Client, RegistryProfile};
use restrata::order::layouts::View;

use super::args::{OwnersFile, Resources};
use super::values;

/// What is told to whom names one version, or none.
pub fn too_few(found: &str) -> String {
    format!(
        "history compares versions of one image: expected at least two references, found {found}\n\
         hint: such as restrata history oci:images:v1 oci:images:v2"
    )
}

#[derive(Debug, Args)]
pub struct History {
    /// Versions of one image, oldest first
    #[arg(required = true, num_args = 2.., value_name = "REF", value_parser = values::reference)]
    pub references: Vec<Reference>,

    /// Show the costs of this client; repeat for more [default: plain, docker and podman]
    #[arg(long, value_name = "CLIENT", value_parser = values::client())]
    pub client: Vec<Client>,

    /// Show the costs on this kind of registry; repeat for more [default: multi-range]
    ///
    /// See restrata diff --help for the kinds.
    #[arg(long, value_name = "REGISTRY", value_parser = values::registry())]
    pub registry: Vec<RegistryProfile>,

    /// Take the images for this platform, such as linux/arm64 [default: the newest version's first one that all have]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = values::platform)]
    pub platform: Option<Platform>,

    #[command(flatten)]
    pub owners: OwnersFile,
    #[command(flatten)]
    pub resources: Resources,

    /// Print text, one JSON object or Markdown
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = HistoryFormat::Text)]
    pub format: HistoryFormat,
}

impl History {
    pub fn request(self) -> Request {
        Request {
            references: self.references,
            platform: self.platform,
            views: views(&self.client, &self.registry),
            resources: JobOptions { named: self.owners.named(), ..self.resources.options() },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    Text,
    Json,
    Markdown,
}

/// Each client on each registry that makes a difference to it.
fn views(clients: &[Client], registries: &[RegistryProfile]) -> Vec<View> {
    let clients = if clients.is_empty() { &[Client::Plain, Client::Docker, Client::Podman] } else { clients };
    let registries = if registries.is_empty() { &[RegistryProfile::MultiRange] } else { registries };
    let mut views: Vec<View> = Vec::new();
    for &client in clients {
        for &registry in client.registries(registries) {
            let view = View { client, registry };
            if !views.contains(&view) {
                views.push(view);
            }
        }
    }
    views
}
