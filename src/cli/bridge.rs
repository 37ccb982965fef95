//! The options of `bridge`, and how it runs.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use restrata::bridge::{ClientConfig, DEFAULT_HOSTS, Keep, Listen, Listener, Request, bridge, install};
use restrata::progress::Progress;
use restrata::report::printable;

use super::access::AccessArgs;
use super::run::{print, say};
use super::{exit, signals, values};

#[derive(Debug, Args)]
pub struct Bridge {
    /// Wait for clients at this address
    ///
    /// [default: 127.0.0.1:7080] A socket from systemd takes precedence. On a loopback address and on a Unix socket,
    /// every client may use the credentials of the user who runs the bridge. On any other address the bridge has no
    /// credentials of its own, and passes on those that a client sends.
    #[arg(long, value_name = "ADDR:PORT|unix:PATH")]
    listen: Option<Listen>,

    /// The registry for requests that name none
    #[arg(long, value_name = "HOST", value_parser = host)]
    upstream: Option<String>,

    /// Serve this registry; repeat for more [default: ghcr.io and gcr.io, or what --upstream names]
    ///
    /// Also needed for a host that a registry redirects to, if it has no public address or no HTTPS. The bridge asks no other host
    /// than these, and public ones that they redirect to.
    #[arg(long, value_name = "HOST", value_parser = host)]
    allow: Vec<String>,

    /// Ask a registry for up to N ranges at once, for one request of a client
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    parallel: u8,

    /// Print the files that podman and CRI-O need, for these registries or for those of --allow, and do nothing else
    #[arg(long, conflicts_with = "write_config")]
    print_config: bool,

    /// Write these files below DIR, usually /etc/containers, and do nothing else
    ///
    /// A file that the bridge did not write is never replaced. The command prints what it wrote. To stop using the
    /// bridge, remove those files.
    #[arg(long, value_name = "DIR")]
    write_config: Option<PathBuf>,

    /// With --print-config or --write-config: the registries [default: those of --allow]
    #[arg(value_name = "HOST")]
    hosts: Vec<String>,

    /// Keep ranges of layers in this directory for other clients
    ///
    /// Ten machines behind one bridge then fetch a range once. The bridge makes the directory. Each bridge needs its own.
    /// On an address that other machines reach, the bridge first asks the registry whether the client may read the layer.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// Keep at most this much; what was not used for the longest time goes first
    ///
    /// A range larger than a quarter of it is not kept.
    #[arg(long, value_name = "SIZE", default_value = "1GB", value_parser = values::cache_size, requires = "cache")]
    cache_size: u64,

    #[command(flatten)]
    access: AccessArgs,
}

impl Bridge {
    fn configures(&self) -> bool {
        self.print_config || self.write_config.is_some()
    }

    /// Hosts are for the clients' files alone.
    pub fn misplaced(&self) -> Option<&'static str> {
        let is_misplaced = !self.hosts.is_empty() && !self.configures();
        is_misplaced.then_some("HOST goes with --print-config or --write-config; a bridge serves those of --allow")
    }
}

/// Anything else would match no registry, and the bridge would refuse every request.
fn host(text: &str) -> Result<String, String> {
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    match !text.is_empty() && text.bytes().all(is_host) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("expected HOST or HOST:PORT without https:// and path, such as ghcr.io".to_owned()),
    }
}

pub fn run(arguments: &Bridge, quiet: bool) -> anyhow::Result<u8> {
    if arguments.configures() {
        return configure(arguments);
    }
    let allowed = match (&arguments.allow[..], &arguments.upstream) {
        ([], None) => DEFAULT_HOSTS.iter().map(|host| (*host).to_owned()).collect(),
        (allowed, _) => allowed.to_vec(),
    };
    let request = Request {
        upstream: arguments.upstream.clone(),
        allowed,
        parallel: arguments.parallel.into(),
        keep: arguments.cache.clone().map(|dir| Keep { dir, size: arguments.cache_size }),
        reach: arguments.access.reach(),
    };
    let listener = match Listener::handed()? {
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
    arguments.access.check_bridge(listener.is_local())?;
    bridge(&request, &listener, &tell, &progress)?;
    tell("the bridge ends");
    Ok(exit::DONE)
}

fn configure(arguments: &Bridge) -> anyhow::Result<u8> {
    let listen = arguments.listen.clone().unwrap_or_default();
    let hosts = if arguments.hosts.is_empty() { &arguments.allow } else { &arguments.hosts };
    let config = ClientConfig::new(&listen, hosts, arguments.upstream.as_deref())?;
    match &arguments.write_config {
        Some(dir) => print(&install(dir, &config)?.to_string())?,
        None => print(&format!("{}\n{}", config.registries(), ClientConfig::storage()))?,
    }
    Ok(exit::DONE)
}
