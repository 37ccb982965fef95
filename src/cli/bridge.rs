//! The options of `bridge`, and how it runs.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use restrata::bridge::{Keep, Listen, Listener, Request, bridge};
use restrata::progress::Progress;
use restrata::report::printable;

use super::access::AccessArgs;
use super::run::say;
use super::{exit, signals, values};

#[derive(Debug, Args)]
pub struct Bridge {
    /// Wait for clients at this address
    ///
    /// Without it, a socket that systemd hands over is used, or else 127.0.0.1:7080. Only clients of this machine may use
    /// the credentials of the user who runs the bridge: on a loopback address and on a Unix socket. On any other address
    /// the bridge has no credentials of its own, and passes on those that a client sends.
    #[arg(long, value_name = "ADDR:PORT|unix:PATH")]
    listen: Option<Listen>,

    /// Ask this registry where a request names none
    #[arg(long, value_name = "HOST")]
    upstream: Option<String>,

    /// Serve this registry; repeat for more
    ///
    /// Also a host that a registry redirects to, if it has no public address or no HTTPS. The bridge asks no other host
    /// than these, and public ones that they redirect to.
    #[arg(long, value_name = "HOST")]
    allow: Vec<String>,

    /// Ask a registry for up to N ranges at once, for one request of a client
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    parallel: u8,

    /// Keep ranges of layers in this directory for other clients
    ///
    /// Ten nodes behind one bridge then fetch a range once. The directory is made if it is not there; no other bridge may use
    /// it at the same time. Clients check all that comes from it, as they check what comes from a registry. On an address
    /// that other machines reach, the bridge first asks the registry whether the client may read the layer.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// Keep at most so much; what was not used for the longest time goes first
    ///
    /// A range that is larger than a quarter of it is not kept.
    #[arg(long, value_name = "SIZE", default_value = "1GB", value_parser = values::cache_size, requires = "cache")]
    cache_size: u64,

    #[command(flatten)]
    access: AccessArgs,
}

pub fn run(arguments: &Bridge, quiet: bool) -> anyhow::Result<u8> {
    if arguments.allow.is_empty() && arguments.upstream.is_none() {
        bail!("expected a registry to serve: --allow HOST or --upstream HOST");
    }
    let request = Request {
        upstream: arguments.upstream.clone(),
        allowed: arguments.allow.clone(),
        parallel: arguments.parallel.into(),
        keep: arguments.cache.clone().map(|dir| Keep { dir, size: arguments.cache_size }),
        reach: arguments.access.reach(),
    };
    let handed = if arguments.listen.is_none() { Listener::handed()? } else { None };
    let listener = match handed {
        Some(handed) => handed,
        None => Listener::bind(&arguments.listen.clone().unwrap_or_default())?,
    };
    let progress = Arc::new(Progress::new());
    signals::end_on_signal(Arc::clone(&progress))?;
    let tell = |line: &str| {
        if !quiet {
            say(format_args!("restrata: {}", printable(line)));
        }
    };
    let whose = if listener.is_local() { "with the user's credentials" } else { "with the clients' credentials" };
    tell(&format!("the bridge listens at {} and asks registries {whose}", listener.at()));
    bridge(&request, &listener, &tell, &progress)?;
    tell("the bridge ends");
    Ok(exit::DONE)
}
