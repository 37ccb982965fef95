//! How a user names a registry's image, and what is looked up to reach it. Nothing here speaks to a registry.
//!
//! Rules and their order are those of podman and skopeo: containers-transports(5) for names, containers-auth.json(5)
//! for credentials, registries.conf(5) for mirrors and other locations, containers-certs.d(5) for certificates.

mod auth_file;
mod certs;
mod conf;
mod credentials;
mod environment;
mod files;
pub mod fuzz;
mod helper;
mod name;
mod registries;
mod shown;

#[cfg(test)]
mod auth_tests;
#[cfg(test)]
mod certs_tests;
#[cfg(test)]
mod conf_tests;
#[cfg(test)]
mod helper_tests;
#[cfg(test)]
mod resolve_tests;
#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod world;

use std::path::PathBuf;

use super::endpoint::{Credentials, Endpoint, Tls};

pub use auth_file::AuthFault;
pub use certs::CertsError;
pub use conf::ConfFault;
pub use credentials::{CredentialsError, CredsError};
pub use environment::Environment;
pub use files::FileError;
pub use helper::HelperError;
pub use name::{Name, NameError, Which, is_tag};
pub use registries::RegistriesError;

/// What a user says of a registry beside its name. `--src-` and `--dest-` forms fill one each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// `--creds`.
    pub credentials: Option<Credentials>,
    /// `--authfile`.
    pub authfile: Option<PathBuf>,
    /// `--tls-verify`.
    pub tls_verify: Option<bool>,
    /// `--cert-dir`.
    pub cert_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Read,
    Write,
}

/// A repository at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub endpoint: Endpoint,
    pub repository: String,
}

#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error(transparent)]
    Registries(#[from] RegistriesError),
    #[error("looking for credentials: {0}")]
    Credentials(#[from] CredentialsError),
    #[error("looking for certificates: {0}")]
    Certs(#[from] CertsError),
}

/// Where an image is read or written, in the order in which places are tried. There is at least one.
pub fn resolve(
    name: &Name,
    access: &Access,
    environment: &Environment,
    purpose: Purpose,
) -> Result<Vec<Target>, LookupError> {
    let registries = registries::Registries::load(environment)?;
    let helpers = registries.helpers();
    let lookup = credentials::Lookup { environment, authfile: access.authfile.as_deref(), helpers: &helpers };
    let target = |source: registries::Source| {
        let host = source.name.host();
        // What the user gave is for the host that the user named, not for a mirror.
        let credentials = match &access.credentials {
            Some(credentials) if host == name.host() => Some(credentials.clone()),
            _ => lookup.find(&source.name.place())?,
        };
        let certs = certs::Certs::load(host, access.cert_dir.as_deref(), environment)?;
        let verify = access.tls_verify.unwrap_or(!source.insecure);
        let endpoint = Endpoint {
            host: Name::api_host(host).to_owned(),
            may_be_plain_http: !verify,
            tls: Tls { verify, roots: certs.roots, client: certs.client },
            credentials,
        };
        Ok(Target { endpoint, repository: source.name.repository().to_owned() })
    };
    registries.sources(name, purpose)?.into_iter().map(target).collect()
}
