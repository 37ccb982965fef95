//! What each client pulls from each registry.

use crate::diff::{Diff, Outcome};
use crate::order::cost::{Client, PullOutcome};
use crate::report::cost::{Row, rows};

use super::{Text, percent, section};

const LEAD: &str = "Registries that cost a client the same share a row.";

pub(super) fn costs(outcome: &Outcome, diff: &Diff, level: u8) -> String {
    let rows = rows(diff, &outcome.choice);
    let most = rows.iter().map(bytes).max().unwrap_or_default();
    let rows: String = rows.iter().map(|row| markup(row, most)).collect();
    let table = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Pull costs\"><table class=\"costs\">
<thead><tr><th scope=\"col\">client</th><th scope=\"col\" class=\"num\">pulls</th><th class=\"bar\" aria-hidden=\"true\"></th>\
<th scope=\"col\" class=\"num\">requests</th><th scope=\"col\" class=\"num\">ranges</th><th scope=\"col\">registries</th></tr></thead>
<tbody>\n{rows}</tbody>\n</table></div>\n{LEGEND}"
    );
    section(level, "What each client pulls", LEAD, &table)
}

fn markup(row: &Row<'_>, most: u64) -> String {
    let pull = row.pull;
    let why = pull
        .failure()
        .map(|(layer, why)| format!("<small>layer {layer}: {}</small>", Text(&why.to_string())))
        .unwrap_or_default();
    format!(
        "<tr><th scope=\"row\">{}<small>{}</small></th><td class=\"num\">{}</td><td class=\"bar\"><i style=\"width:{}\"></i></td>\
<td class=\"num\">{}</td><td class=\"num\">{}</td><td>{}{why}</td></tr>\n",
        pull.client.name(),
        about(pull.client),
        row.pulled(),
        percent(bytes(row), most),
        row.requests(),
        row.ranges(),
        Text(&row.registries),
    )
}

fn bytes(row: &Row<'_>) -> u64 {
    match row.pull.outcome {
        PullOutcome::Failed => 0,
        _ => row.pull.blob_bytes(),
    }
}

const fn about(client: Client) -> &'static str {
    match client {
        Client::Plain => "docker, containerd, podman as it is installed",
        Client::Podman => "with partial pulls",
        Client::PodmanReflink => "the same, on a store with reflinks",
        Client::Composefs => "the same, on a store with use_composefs",
    }
}

const LEGEND: &str = "<details><summary>Which registry is which</summary>
<dl class=\"legend\">
<dt>multi-range</dt><dd>serves any number of ranges: distribution on a file system, quay.io</dd>
<dt>ranges-299</dt><dd>serves up to 299 ranges, else the whole blob: Cloudflare, Docker Hub</dd>
<dt>ranges-16</dt><dd>serves up to 16 ranges, else none: zot</dd>
<dt>whole-200</dt><dd>sends the whole blob, and the client hangs up when it has enough: S3, MinIO, ECR</dd>
<dt>refuse-400</dt><dd>answers 400, and the client pulls the whole layer: Google Artifact Registry</dd>
<dt>refuse-501</dt><dd>answers 501, and a pull with ranges fails: ghcr.io</dd>
</dl></details>
";
