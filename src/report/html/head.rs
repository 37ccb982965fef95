//! The answer first.

use crate::diff::{Diff, Outcome};
use crate::digest::BlobDigest;
use crate::order::changes::Counts;
use crate::order::cost::{Client, Pull, PullOutcome};
use crate::report::cost::{ONCE, without_layers};
use crate::report::units::{count, percent, plural, size};

use super::Text;

/// Whom the sentence is about. Not docker: with a graph driver it pulls layers again that it has.
const NAMES: [(Client, &str); 2] =
    [(Client::Podman, "podman with partial pulls"), (Client::Plain, "clients that reuse whole layers")];

/// What one update costs, and from what to what it is.
pub(super) fn head(outcome: &Outcome, diff: &Diff, level: u8) -> String {
    format!(
        "<header>\n<h{level}>{}</h{level}>\n<dl class=\"refs\">\n{}{}{}</dl>\n{}</header>\n",
        sentence(outcome, diff),
        reference("from", &diff.old, diff.old_digest.as_ref()),
        reference("to", &outcome.new, outcome.new_digest.as_ref()),
        outcome
            .platform
            .as_ref()
            .map(|platform| term("for", &Text(&platform.to_string()).to_string()))
            .unwrap_or_default(),
        facts(diff),
    )
}

/// The head of a page about updates from several images.
pub(super) fn several(outcome: &Outcome) -> String {
    let link = |(at, diff): (usize, &Diff)| {
        format!("<li><a href=\"#update-{at}\">from <bdi>{}</bdi></a></li>\n", Text(&diff.old))
    };
    let links: String = outcome.diffs.iter().enumerate().map(link).collect();
    let updates = plural(outcome.diffs.len() as u64, "update", "updates");
    format!(
        "<header>\n<h1>{updates} to <bdi>{}</bdi></h1>\n<nav aria-label=\"Updates\"><ul>\n{links}</ul></nav>\n</header>\n",
        Text(&outcome.new)
    )
}

fn sentence(outcome: &Outcome, diff: &Diff) -> String {
    if let Some(told) = without_layers(diff) {
        return format!("{told}.");
    }
    let costs = match told(outcome, diff).as_slice() {
        [(podman, a), (plain, b)] => match (bytes(a).map(size), bytes(b).map(size)) {
            (Some(a), Some(b)) if a == b => costs(&a, &format!("{podman} and to {plain}")),
            (Some(a), Some(b)) => format!("{} and <b class=\"key\">{b}</b> to {plain}", costs(&a, podman)),
            _ => format!("{}; {}", cost(podman, a), cost(plain, b)),
        },
        told => told.iter().map(|(name, pull)| cost(name, pull)).collect(),
    };
    format!("{costs}. <span class=\"also\"><b>{}</b> changed.</span>", size(diff.changes.changed_bytes))
}

fn cost(to: &str, pull: &Pull) -> String {
    match bytes(pull) {
        Some(bytes) => costs(&size(bytes), to),
        None => format!("This update <b class=\"key\">fails</b> for {to} on {}", pull.registry.name()),
    }
}

fn costs(bytes: &str, to: &str) -> String {
    format!("This update costs <b class=\"key\">{bytes}</b> to {to}")
}

/// `None` for a pull that fails.
fn bytes(pull: &Pull) -> Option<u64> {
    (pull.outcome != PullOutcome::Failed).then(|| pull.blob_bytes())
}

/// The pulls of the sentence: podman's and a plain client's, unless others were asked for.
fn told<'a>(outcome: &Outcome, diff: &'a Diff) -> Vec<(&'static str, &'a Pull)> {
    let shown = || diff.pulls.iter().filter(|pull| outcome.choice.shows(pull));
    let of = |(client, name)| Some((name, shown().find(|pull| pull.client == client)?));
    let told: Vec<_> = NAMES.into_iter().filter_map(of).collect();
    match told.is_empty() {
        true => shown().take(1).map(|pull| (pull.client.name(), pull)).collect(),
        false => told,
    }
}

fn reference(what: &str, name: &str, digest: Option<&BlobDigest>) -> String {
    let digest =
        digest.map(|digest| format!(" <code title=\"{digest}\">{}</code>", digest.short())).unwrap_or_default();
    term(what, &format!("<bdi>{}</bdi>{digest}", Text(name)))
}

/// `about` is markup.
fn term(term: &str, about: &str) -> String {
    format!("<div><dt>{term}</dt><dd>{about}</dd></div>\n")
}

fn facts(diff: &Diff) -> String {
    let changes = &diff.changes;
    let (pulled, avoidable) = (changes.parts.bytes(), changes.parts.avoidable());
    let share = if pulled == 0 { 0.0 } else { avoidable as f64 / pulled as f64 };
    let files = plural(changes.changed_files(), "file", "files");
    let word = if diff.is_first { ONCE } else { "avoidable" };
    let facts = [
        (size(changes.changed_bytes), format!("new to clients, in {files}")),
        (size(avoidable), format!("{word}: {} of what a plain client pulls", percent(share))),
        (count(paths(&changes.counts)), entries(&changes.counts)),
    ];
    let facts: String =
        facts.into_iter().map(|(number, about)| format!("<li><b>{number}</b> <span>{about}</span></li>\n")).collect();
    format!("<ul class=\"facts\">\n{facts}</ul>\n")
}

/// Paths of which something is another thing than before.
const fn paths(counts: &Counts) -> u64 {
    counts.added + counts.removed + counts.changed + counts.metadata + counts.times
}

fn entries(counts: &Counts) -> String {
    let told = [
        (counts.added, "added"),
        (counts.removed, "removed"),
        (counts.changed, "changed"),
        (counts.metadata, "mode or owner"),
        (counts.times, "only times"),
    ];
    let told: Vec<String> =
        told.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(n))).collect();
    let colon = if told.is_empty() { "" } else { ": " };
    format!("paths differ{colon}{}; {} stay", told.join(", "), count(counts.same))
}
