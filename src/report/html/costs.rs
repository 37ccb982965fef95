//! What each client pulls from each registry.

use crate::diff::{Choice, Diff, Outcome};
use crate::order::cost::{Client, PullOutcome, RegistryProfile};
use crate::report::cost::{ANY_STORE, Failure, Row, failures, rows, sent, stores, upstream};
use crate::report::facts::who_takes;

use super::{Text, percent, section};

const LEAD: &str = "Clients and registries that cost the same share a row.";

pub(super) fn costs(outcome: &Outcome, diff: &Diff, level: u8) -> String {
    let rows = rows(diff, &outcome.choice);
    // A config has no bar: beside no layers it would fill the column.
    let most = match diff.changes.parts.bytes() {
        0 => 0,
        _ => rows.iter().map(bytes).max().unwrap_or_default(),
    };
    let clients: String = rows.chunk_by(|a, b| a.clients == b.clients).map(|rows| group(rows, most)).collect();
    let told = [sent(&rows), upstream(&rows)].concat().into_iter().map(|told| told + ".").chain(stores(diff));
    let told: String = told.map(|told| format!("<p class=\"lead\">{told}</p>\n")).collect();
    let whose = who_takes(diff.old_gzip.is_some(), outcome.new_gzip.is_some());
    let whose = whose.map(|whose| format!("<p class=\"lead\">{whose}</p>\n")).unwrap_or_default();
    let legend = legend(&outcome.choice);
    let table = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Pull costs\"><table class=\"costs\">
<thead><tr><th scope=\"col\">registries</th><th class=\"bar\" aria-hidden=\"true\"></th><th scope=\"col\" class=\"num\">pulled</th>\
<th scope=\"col\" class=\"num\">requests</th><th scope=\"col\" class=\"num\">ranges</th></tr></thead>
{clients}</table></div>\n{whose}{told}{legend}"
    );
    section(level, "What each client pulls", LEAD, &table)
}

fn group(rows: &[Row<'_>], most: u64) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let any_store = first.is_for_any_store();
    let named = first.clients.iter().filter(|client| !any_store || !client.asks_for_ranges());
    let named = named.map(|client| (client.name(), about(*client)));
    let any_store =
        any_store.then_some((ANY_STORE, "with partial pulls: podman, podman-reflink and composefs cost the same"));
    let line = |(name, about)| format!("<div>{name} <small>{about}</small></div>");
    let names: String = named.chain(any_store).map(line).collect();
    let rows: String = rows.iter().map(|row| markup(row, most)).collect();
    format!("<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"5\">{names}</th></tr>\n{rows}</tbody>\n",)
}

fn markup(row: &Row<'_>, most: u64) -> String {
    format!(
        "<tr><th scope=\"row\">{}</th><td class=\"bar\"><i style=\"width:{}\"></i></td>\
<td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>\n{}",
        Text(&row.registries),
        percent(bytes(row), most),
        row.pulled(),
        row.requests(),
        row.ranges(),
        failures(std::slice::from_ref(row)).iter().map(|failure| why(row, failure)).collect::<String>(),
    )
}

/// Why a pull fails. Clients and registries that share a row can have reasons of their own.
fn why(row: &Row<'_>, failure: &Failure) -> String {
    let Failure { clients, registry, layer, why } = failure;
    let whose = match clients.len() == row.clients.len() {
        true => String::new(),
        false => format!("{} on ", failure.client()),
    };
    let why = format!("{whose}{}, layer {layer}: {why}", registry.name());
    format!("<tr><td colspan=\"5\"><small>{}</small></td></tr>\n", Text(&why))
}

fn bytes(row: &Row<'_>) -> u64 {
    match row.pull.outcome {
        PullOutcome::Failed => 0,
        _ => row.pull.blob_bytes(),
    }
}

const fn about(client: Client) -> &'static str {
    match client {
        Client::Plain => {
            "reuses whole layers: containerd, docker with its containerd image store, podman as it is installed"
        }
        Client::PlainGzip => {
            "reuses whole layers, of the gzip image if there is one: docker with its containerd image store, containerd 1.7"
        }
        Client::Docker => "with a graph driver: pulls every layer above the lowest changed one again",
        Client::Podman => "with partial pulls",
        Client::PodmanReflink => "with partial pulls, on a store with reflinks",
        Client::Composefs => "with partial pulls, on a store with use_composefs",
    }
}

fn legend(choice: &Choice) -> String {
    let bridge = if choice.registries.contains(&RegistryProfile::Bridge) { BRIDGE } else { "" };
    format!("{LEGEND}{bridge}</dl></details>\n")
}

const LEGEND: &str = "<details><summary>Which registry is which</summary>
<dl class=\"legend\">
<dt>multi-range</dt><dd>serves any number of ranges: distribution on a file system, quay.io</dd>
<dt>ranges-299</dt><dd>serves up to 299 ranges, else the whole blob: Cloudflare, Docker Hub</dd>
<dt>ranges-16</dt><dd>serves up to 16 ranges, else none: zot</dd>
<dt>whole-200</dt><dd>sends the whole blob, and the client hangs up when it has enough: S3, MinIO, ECR</dd>
<dt>refuse-400</dt><dd>answers 400, and the client pulls the whole layer: Google Artifact Registry</dd>
<dt>refuse-501</dt><dd>answers 501, and a pull with ranges fails: ghcr.io</dd>
";

const BRIDGE: &str =
    "<dt>bridge</dt><dd>serves any number of ranges, and asks any registry for one at a time: restrata \
bridge on the client's machine</dd>
";
