//! A mirror on this machine that lets podman and CRI-O pull single files from registries that don't answer several ranges.
//!
//! | file | does |
//! | --- | --- |
//! | `config`, `install` | what podman and CRI-O are told; where it is written |
//! | `listen`, `accept` | where clients are waited for; a thread for each connection |
//! | `http` | a request's head, and an answer's |
//! | `route` | what a request is for; pure |
//! | `wanted`, `multipart` | the ranges that a client wants; the answer that holds them; pure |
//! | `upstream` | the registries, as whom they are asked, and where they may lead |
//! | `answer`, `blob` | what a client gets: documents as they are, blobs whole or in ranges |
//! | `kept` | runs of blobs that are kept for other clients, in a directory |
//! | `ahead` | single ranges read ahead, and given on in order |
//! | `counts` | what `/metrics` and the log say |

mod accept;
mod ahead;
mod answer;
mod blob;
mod config;
mod counts;
mod http;
mod install;
mod kept;
mod listen;
mod multipart;
mod route;
mod upstream;
mod wanted;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use crate::progress::Progress;
use crate::registry::{Elsewhere, Options, Reach};

pub use accept::Listener;
pub use config::{ClientConfig, ConfigError, DEFAULT_HOSTS};
pub use install::{InstallError, Installed, install};
pub use listen::{Listen, ListenError};

#[derive(Debug, Clone)]
pub struct Request {
    /// The registry of requests that name none.
    pub upstream: Option<String>,
    /// Registries, and hosts that they may redirect to. Others are not asked.
    pub allowed: Vec<String>,
    /// Requests to a registry at once, for one request of a client.
    pub parallel: usize,
    /// Where runs of blobs are kept for other clients.
    pub keep: Option<Keep>,
    pub reach: Reach,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    pub dir: PathBuf,
    /// Of all that is kept together, in bytes.
    pub size: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    #[error("{listen} is in use; name another address with --listen, or end what uses it")]
    InUse { listen: String },
    #[error("listening at {listen}: {source}")]
    Listen { listen: String, source: io::Error },
    #[error("expected at most one socket from systemd, a TCP or Unix stream socket that listens; found {found}")]
    Handed { found: String },
    #[error("the cache {dir:?}: expected a directory, found something else")]
    NoDirectory { dir: PathBuf },
    #[error("the cache {dir:?}: {source}")]
    Cache { dir: PathBuf, source: io::Error },
    #[error("the cache {dir:?}: another bridge uses it; name another directory (--cache DIR)")]
    CacheInUse { dir: PathBuf },
    #[error("waiting for clients: {0}")]
    Accept(io::Error),
}

/// Serves until `progress` is cancelled. `tell` gets a line when it begins, for each pull, and for each fault of a registry.
pub fn bridge(
    request: &Request,
    listener: &Listener,
    tell: &(dyn Fn(&str) + Sync),
    progress: &Progress,
) -> Result<(), BridgeError> {
    let allowed = request.allowed.iter().cloned().chain(request.upstream.clone()).collect();
    let elsewhere = Elsewhere::Public { allowed };
    // Many clients at once have many connections. Each buffer holds what a fast line brings while a client takes it.
    let options = Options { elsewhere, idle_connections: 16, buffer: 32 << 10, ..request.reach.options.clone() };
    let request = Request { reach: Reach { options, ..request.reach.clone() }, ..request.clone() };
    let mut server = answer::Server::new(&request, listener.is_local(), listener.is_unix(), progress);
    server.kept = request.keep.as_ref().map(|keep| kept::Kept::open(keep, progress)).transpose()?;
    let whose = if listener.is_local() { "with your logins, if there are any" } else { "with the clients' logins" };
    tell(&format!("the bridge listens at {} and asks registries {whose}", listener.at()));
    accept::serve(listener, &server, tell, progress)
}
