//! What an update costs, as text, Markdown and the page have it: one row for all clients and registries that cost the same, and
//! what a plain client's bytes are.

use std::fmt;

use crate::diff::{Choice, Diff};
use crate::order::changes::{FileState, Stores};
use crate::order::cost::{Client, Pull, PullOutcome, RegistryProfile, Upstream, Why};

use super::units::{plural, size};

/// Registries that a row names one by one.
const NAMED: usize = 3;

/// A registry's bytes beside those that podman reads are told from this part of them on.
const SENT_MORE: u64 = 20;

/// The clients of a row that differ in their stores alone.
const STORES: [Client; 3] = [Client::Podman, Client::PodmanReflink, Client::Composefs];

/// All of [`STORES`].
pub(super) const ANY_STORE: &str = "podman, any store";

pub(super) const ANY_STORE_MEANS: &str = "podman, any store: podman, podman-reflink and composefs, with partial pulls.";

pub(super) struct Row<'a> {
    pub pull: &'a Pull,
    /// In the order of [`Client::ALL`].
    pub clients: Vec<Client>,
    /// All that cost the same, that one first.
    pub alike: Vec<&'a Pull>,
    /// Which registries it holds for, in words.
    pub registries: String,
}

impl Row<'_> {
    pub fn client(&self) -> String {
        names(&self.clients)
    }

    pub fn is_for_any_store(&self) -> bool {
        are_any_store(&self.clients)
    }

    /// As the table shows it.
    fn is_like(&self, other: &Self) -> bool {
        let shown = |row: &Self| (row.pulled(), row.requests(), row.ranges());
        self.registries == other.registries && shown(self) == shown(other)
    }

    /// Bytes, or that there is no pull.
    pub fn pulled(&self) -> String {
        match self.pull.outcome {
            PullOutcome::Failed => "fails".to_owned(),
            _ => size(self.pull.blob_bytes()),
        }
    }

    pub fn requests(&self) -> String {
        self.unless_failed(self.pull.cost.requests)
    }

    pub fn ranges(&self) -> String {
        match self.pull.client.asks_for_ranges() {
            false => "-".to_owned(),
            true => self.unless_failed(self.pull.cost.ranges),
        }
    }

    fn unless_failed(&self, number: u64) -> String {
        match self.pull.outcome {
            PullOutcome::Failed => "-".to_owned(),
            _ => super::count(number),
        }
    }
}

fn are_any_store(clients: &[Client]) -> bool {
    STORES.iter().all(|store| clients.contains(store))
}

fn names(clients: &[Client]) -> String {
    let any_store = are_any_store(clients);
    let named = clients.iter().filter(|client| !any_store || !STORES.contains(client));
    let names: Vec<&str> = named.map(|client| client.name()).chain(any_store.then_some(ANY_STORE)).collect();
    names.join(", ")
}

/// The pulls that were asked for. Rows of the same clients stand together.
pub(super) fn rows<'a>(diff: &'a Diff, choice: &Choice) -> Vec<Row<'a>> {
    let mut joined: Vec<Row<'a>> = Vec::new();
    for row in of_clients(diff, choice) {
        match joined.iter_mut().find(|other| other.is_like(&row)) {
            Some(other) => {
                other.clients.extend(row.clients);
                other.alike.extend(row.alike);
            }
            None => joined.push(row),
        }
    }
    // In the order in which the clients of a row first come.
    let groups: Vec<Vec<Client>> = joined.iter().map(|row| row.clients.clone()).collect();
    joined.sort_by_key(|row| groups.iter().position(|group| *group == row.clients));
    joined
}

/// A row for each client, and for the registries that cost it the same.
fn of_clients<'a>(diff: &'a Diff, choice: &Choice) -> Vec<Row<'a>> {
    let shown: Vec<&Pull> = diff.pulls.iter().filter(|pull| choice.shows(pull)).collect();
    let mut rows = Vec::new();
    for of_client in shown.chunk_by(|a, b| a.client == b.client) {
        let mut left = of_client.to_vec();
        while let Some(&first) = left.first() {
            let (alike, others): (Vec<&Pull>, Vec<&Pull>) = left.iter().partition(|pull| is_alike(first, pull));
            let outside: Vec<&Pull> = of_client.iter().filter(|pull| !is_alike(first, pull)).copied().collect();
            let registries = registries(&alike, &outside, choice);
            rows.push(Row { pull: first, clients: vec![first.client], alike, registries });
            left = others;
        }
    }
    rows
}

/// Pulls that fail for one reason.
pub(super) struct Failure {
    pub clients: Vec<Client>,
    pub registry: RegistryProfile,
    /// Counted from 0, the lowest.
    pub layer: usize,
    pub why: Why,
}

impl Failure {
    pub fn client(&self) -> String {
        names(&self.clients)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}, layer {}: {}", self.client(), self.registry.name(), self.layer, self.why)
    }
}

/// Why pulls fail: those that share a row can have reasons of their own.
pub(super) fn failures(rows: &[Row<'_>]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for pull in rows.iter().flat_map(|row| &row.alike) {
        let Some((layer, why)) = pull.failure() else { continue };
        let is_same =
            |failure: &&mut Failure| (failure.registry, failure.layer, failure.why) == (pull.registry, layer, why);
        match failures.iter_mut().find(is_same) {
            Some(failure) => failure.clients.push(pull.client),
            None => failures.push(Failure { clients: vec![pull.client], registry: pull.registry, layer, why }),
        }
    }
    failures
}

/// What a registry sends that does not heed ranges: more than podman reads, by the name of the registry.
pub(super) fn sent(rows: &[Row<'_>]) -> Vec<String> {
    let mut most: Vec<(RegistryProfile, u64)> = Vec::new();
    for pull in rows.iter().flat_map(|row| &row.alike).filter(|pull| pull.outcome != PullOutcome::Failed) {
        let (read, unread) = (pull.blob_bytes(), pull.cost.hang_up_bytes);
        if unread <= read / SENT_MORE {
            continue;
        }
        match most.iter_mut().find(|(registry, _)| *registry == pull.registry) {
            Some((_, sent)) => *sent = (*sent).max(read + unread),
            None => most.push((pull.registry, read + unread)),
        }
    }
    let line = |(registry, sent): (RegistryProfile, u64)| {
        format!("{}: the registry sends up to {} before podman hangs up", registry.name(), size(sent))
    };
    most.into_iter().map(line).collect()
}

/// What stores do with the layers of an update, in sentences.
pub(super) fn stores(diff: &Diff) -> Vec<String> {
    let Stores { largest, new_disk_bytes, moved, moved_disk_bytes, .. } = &diff.changes.stores;
    let (disk, moved_disk) = (size(*new_disk_bytes), size(*moved_disk_bytes));
    let largest = largest.map(|(number, bytes)| {
        format!("The largest layer to pull has {} (layer {number}). What is pulled unpacks to {disk}.", size(bytes))
    });
    let layers = plural(moved.len() as u64, "layer stays, but stands", "layers stay, but stand");
    let docker = match docker_moved(diff) {
        0 => String::new(),
        bytes => format!("docker with a graph driver pulls {} for that; ", size(bytes)),
    };
    let moved = (!moved.is_empty()).then(|| {
        format!(
            "{layers} above the lowest changed one. {docker}podman copies the files in its store, and containerd unpacks \
             them again: {moved_disk} more on disk."
        )
    });
    largest.into_iter().chain(moved).collect()
}

/// Bytes of layers that stay and that docker with a graph driver pulls. Of an index with a gzip image, those are gzip layers.
fn docker_moved(diff: &Diff) -> u64 {
    let bytes = |client| diff.pull(client, RegistryProfile::MultiRange).map(Pull::blob_bytes);
    match (bytes(Client::Docker), bytes(Client::PlainGzip)) {
        (Some(docker), Some(others)) => docker.saturating_sub(others),
        _ => diff.changes.stores.moved_bytes,
    }
}

/// What goes to the registry behind a bridge, in words, for all clients for which that is the same.
pub(super) fn upstream(rows: &[Row<'_>]) -> Vec<String> {
    let mut asked: Vec<(Vec<Client>, Upstream)> = Vec::new();
    for pull in rows.iter().flat_map(|row| &row.alike) {
        let Some(upstream) = pull.upstream() else { continue };
        match asked.iter_mut().find(|(_, other)| *other == upstream) {
            Some((clients, _)) => clients.push(pull.client),
            None => asked.push((vec![pull.client], upstream)),
        }
    }
    let line = |(clients, Upstream { requests, bytes }): (Vec<Client>, Upstream)| {
        let requests = plural(requests, "request", "requests");
        format!("{} on bridge: the bridge sends the registry {requests} and reads {}", names(&clients), size(bytes))
    };
    asked.into_iter().map(line).collect()
}

/// As far as a table shows it.
fn is_alike(a: &Pull, b: &Pull) -> bool {
    let cost = |pull: &Pull| (pull.cost.requests, pull.cost.ranges, size(pull.blob_bytes()));
    a.outcome == b.outcome && (a.outcome == PullOutcome::Failed || cost(a) == cost(b))
}

fn registries(alike: &[&Pull], outside: &[&Pull], choice: &Choice) -> String {
    let names = |pulls: &[&Pull]| pulls.iter().map(|pull| pull.registry.name()).collect::<Vec<_>>().join(", ");
    let is_there = |registry: &RegistryProfile| alike.iter().any(|pull| pull.registry == *registry);
    let asks_none = alike.iter().any(|pull| !pull.client.asks_for_ranges());
    match outside.is_empty() {
        true if asks_none || RegistryProfile::ALL.iter().all(is_there) => "any".to_owned(),
        _ if alike.len() <= NAMED => names(alike),
        true => "all that were chosen".to_owned(),
        false if choice.registries.is_empty() => format!("all but {}", names(outside)),
        false => format!("all chosen but {}", names(outside)),
    }
}

/// What is said of an update for which clients have every layer: it costs the config alone.
pub(super) fn without_layers(diff: &Diff) -> Option<String> {
    let config = diff.pulls.first().map_or(0, |pull| pull.config_bytes);
    let costs = match config {
        0 => "nothing".to_owned(),
        config => format!("the config alone, {}", size(config)),
    };
    (diff.changes.parts.bytes() == 0).then(|| format!("This update costs {costs}: clients have every layer"))
}

/// What became of a new file, in the words of docs/layers.md.
pub(super) const fn state(state: FileState) -> &'static str {
    match state {
        FileState::Added | FileState::Changed => state.name(),
        FileState::Hidden => "dead",
    }
}

/// A part of a plain client's bytes.
pub(super) struct Part {
    pub bytes: u64,
    pub kind: Kind,
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    New,
    Avoidable,
    Index,
    Rest,
}

/// What is said of avoidable bytes where [`Diff::is_first`].
pub(super) const ONCE: &str = "once: layers of another tool are rewritten";

/// What a plain client's bytes are, in words. Parts of which there are none are left out.
pub(super) fn parts(diff: &Diff) -> impl Iterator<Item = Part> {
    let (parts, is_first) = (&diff.changes.parts, diff.is_first);
    let told = [
        (parts.new, Kind::New, "content that clients lack"),
        (parts.same.unchanged, Kind::Avoidable, "files that did not change, in layers that did"),
        (parts.same.times, Kind::Avoidable, "files of which only the time changed"),
        (parts.same.other, Kind::Avoidable, "content that clients have elsewhere"),
        (parts.repeated, Kind::Avoidable, "new content that comes more than once"),
        (parts.hidden, Kind::Avoidable, "new content of dead entries, which a layer above hides"),
        (parts.recompressed, Kind::Avoidable, "layers that were only compressed again"),
        (parts.index, Kind::Index, "indexes (TOC and tar-split)"),
        (parts.rest, Kind::Rest, "headers and padding"),
    ];
    let prefix = move |kind| match kind {
        Kind::Avoidable if is_first => "once: ",
        Kind::Avoidable => "avoidable: ",
        Kind::New | Kind::Index | Kind::Rest => "",
    };
    let part = move |(bytes, kind, what)| Part { bytes, kind, what: format!("{}{what}", prefix(kind)) };
    told.into_iter().filter(|(bytes, ..)| *bytes > 0).map(part)
}
