//! What podman and CRI-O have to be told, as text.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::registry::names::Name;

use super::listen::Listen;

/// Registries that everybody knows by one host, and from which no partial pull works without a bridge: ghcr.io answers 501
/// to several ranges, gcr.io (Artifact Registry) 400. quay.io answers any number of ranges and Docker Hub up to 299, so
/// a bridge would only be one more way for a pull to fail there.
pub const DEFAULT_HOSTS: &[&str] = &["ghcr.io", "gcr.io"];

/// The first line of each file that the bridge writes. A file without it is somebody else's.
pub(super) const MARK: &str = "# Made by 'restrata bridge'.";

/// What switches partial pulls on. podman takes strings alone here.
pub(super) const PULL_OPTIONS: &str = r#"pull_options = {enable_partial_images = "true"}"#;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{listen}: podman and CRI-O reach a mirror at ADDR:PORT only; expected such an address in --listen")]
    Unreachable { listen: String },
    #[error("{listen}: podman and CRI-O fail on a mirror at an IPv6 address; expected an IPv4 address in --listen")]
    Ipv6 { listen: String },
    #[error("{host:?}: expected a registry's host as image names have it, such as ghcr.io")]
    Host { host: String },
    #[error(
        "{host}: a client names the registry in the path of its requests, where only a-z, 0-9, '.' and '-' may stand; \
         serve this one alone: --upstream {host}"
    )]
    NotInPath { host: String },
    #[error("with --upstream {upstream}, the files are for {upstream} alone; leave out {host}")]
    BesideUpstream { upstream: String, host: String },
}

/// The bridge and its registries as clients see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    listen: Listen,
    /// Each registry, and where its repositories are.
    mirrors: Vec<(String, String)>,
    upstream: Option<String>,
}

impl ClientConfig {
    /// Without hosts those of [`DEFAULT_HOSTS`], or the only upstream.
    pub fn new(listen: &Listen, hosts: &[String], upstream: Option<&str>) -> Result<Self, ConfigError> {
        let Listen::Address(address) = listen else {
            return Err(ConfigError::Unreachable { listen: listen.to_string() });
        };
        let bridge = reached(*address).ok_or_else(|| ConfigError::Ipv6 { listen: listen.to_string() })?;
        let hosts: Vec<&str> = match (hosts, upstream) {
            ([], Some(upstream)) => vec![upstream],
            ([], None) => DEFAULT_HOSTS.to_vec(),
            (hosts, _) => hosts.iter().map(String::as_str).collect(),
        };
        let mut mirrors: Vec<(String, String)> = Vec::new();
        for host in hosts {
            let mirror = (host.to_owned(), location(&bridge, host, upstream)?);
            if !mirrors.contains(&mirror) {
                mirrors.push(mirror);
            }
        }
        Ok(Self { listen: listen.clone(), mirrors, upstream: upstream.map(str::to_owned) })
    }

    /// The registries.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.mirrors.iter().map(|(host, _)| host.as_str())
    }

    /// A file of registries.conf.d(5).
    pub fn registries(&self) -> String {
        let mut text = format!(
            "{MARK} podman and CRI-O then pull through it.
# The place of this file, for podman and CRI-O alike: /etc/containers/registries.conf.d/60-restrata-bridge.conf
# For one user without root: ~/.config/containers/registries.conf.d/60-restrata-bridge.conf
# CRI-O reads it after: systemctl reload crio
# To remove the bridge: delete this file. While the bridge does not answer, clients ask the registry itself.
# This file is for: {}\n",
            self.command()
        );
        text += match self.listen.is_local() {
            true => "# insecure = true: the bridge speaks plain HTTP, and only on this machine.\n",
            false => {
                "# insecure = true: the bridge speaks plain HTTP. Whoever is on the way to it can read what clients send, also
# passwords and tokens, and can answer for a tag with another image.\n"
            }
        };
        for (host, location) in &self.mirrors {
            let _ = write!(
                text,
                "\n[[registry]]\nlocation = \"{host}\"\n\n[[registry.mirror]]\nlocation = \"{location}\"\ninsecure = true\n"
            );
        }
        text
    }

    /// A file of storage.conf.d, or what belongs into storage.conf(5).
    pub fn storage() -> String {
        format!(
            "{MARK} podman and CRI-O then pull single files of zstd:chunked layers.
# The place of this file: /etc/containers/storage.conf.d/60-restrata-bridge.conf
# Only containers/storage 1.63 or newer reads that directory. For older ones, put the line into the table
# [storage.options] of the storage.conf that they read.
# To remove the bridge: delete this file.

[storage.options]
{PULL_OPTIONS}\n"
        )
    }

    fn command(&self) -> String {
        let mut command = format!("restrata bridge --listen {}", self.listen);
        match &self.upstream {
            Some(upstream) => command += &format!(" --upstream {upstream}"),
            None => self.mirrors.iter().for_each(|(host, _)| command += &format!(" --allow {host}")),
        }
        command
    }
}

/// How this machine's clients reach it. They take IPv6 addresses for no host, and then pull nothing at all from the registry.
fn reached(address: SocketAddr) -> Option<String> {
    let port = address.port();
    match address.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Some(format!("{}:{port}", Ipv4Addr::LOCALHOST)),
        IpAddr::V4(ip) => Some(format!("{ip}:{port}")),
        IpAddr::V6(ip) if ip.is_unspecified() || ip.is_loopback() => Some(format!("localhost:{port}")),
        IpAddr::V6(_) => None,
    }
}

/// The host stands in the path: podman before 6.1 has no other way to say which registry it means.
fn location(bridge: &str, host: &str, upstream: Option<&str>) -> Result<String, ConfigError> {
    if !is_place(host, "repository/name") {
        return Err(ConfigError::Host { host: host.to_owned() });
    }
    match upstream {
        Some(upstream) if upstream == host => Ok(bridge.to_owned()),
        Some(upstream) => Err(ConfigError::BesideUpstream { upstream: upstream.to_owned(), host: host.to_owned() }),
        None if is_place(bridge, &format!("{host}/repository/name")) => Ok(format!("{bridge}/{host}")),
        None => Err(ConfigError::NotInPath { host: host.to_owned() }),
    }
}

/// Whether clients take it for this repository of this host.
fn is_place(host: &str, repository: &str) -> bool {
    format!("{host}/{repository}")
        .parse::<Name>()
        .is_ok_and(|name| name.host() == host && name.repository() == repository)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
