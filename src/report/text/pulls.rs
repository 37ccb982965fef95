//! What pulls cost, for the two kinds of clients that most people have.

use std::fmt::Write as _;

use crate::order::cost::{Client, Pull, PullOutcome, RegistryProfile};
use crate::report::units::{plural, size};

use super::{WIDTH, bold, name};

/// `what` is said of each kind of pull.
pub(super) fn pulls(what: &str, pulls: &[Pull]) -> String {
    let mut out = String::new();
    let mut group: Option<&Option<String>> = None;
    // The others are for programs that read the JSON.
    let is_shown =
        |pull: &&Pull| matches!(pull.client, Client::Plain | Client::PlainGzip | Client::Docker | Client::Podman);
    for pull in pulls.iter().filter(is_shown).filter(|pull| pull.registry == RegistryProfile::MultiRange) {
        if group != Some(&pull.from) {
            let title = match &pull.from {
                Some(from) => {
                    let title = format!("{what}, update from ");
                    let room = WIDTH - title.len();
                    title + &name(from, room)
                }
                None => format!("{what}, first pull"),
            };
            let _ = writeln!(out, "\n{}", bold(&title));
            group = Some(&pull.from);
        }
        let client = match pull.client {
            Client::Plain => "plain client".to_owned(),
            Client::PlainGzip => "plain client, gzip".to_owned(),
            Client::Docker => "docker, graph driver".to_owned(),
            Client::Podman | Client::PodmanReflink | Client::Composefs => format!("podman, {}", pull.registry.name()),
        };
        let _ = writeln!(out, "  {client:<22}{:>8}  {}", size(pull.blob_bytes()), how(pull));
    }
    if !out.is_empty() {
        out.push_str(LEGEND);
        if pulls.iter().any(|pull| pull.client == Client::PlainGzip) {
            out.push_str(GZIP);
        }
    }
    out
}

const LEGEND: &str = "
plain client: containerd, docker with its image store, podman as installed.
docker, graph driver: pulls every layer above the lowest changed one again.
podman, multi-range: with partial pulls, from a registry that serves ranges.
";

/// Where the new image or an old one has a gzip image.
const GZIP: &str = "plain client, gzip: containerd 1.7, and docker with its image store.
docker and these take the gzip image of an index with two, all others the zstd
image. containerd 2 takes either.
";

fn how(pull: &Pull) -> String {
    let requests = plural(pull.cost.requests, "request", "requests");
    match pull.outcome {
        PullOutcome::Reused => format!("{requests}, every layer reused"),
        _ if !pull.client.asks_for_ranges() => requests,
        _ => format!("{requests}, {}", plural(pull.cost.ranges, "data range", "data ranges")),
    }
}
