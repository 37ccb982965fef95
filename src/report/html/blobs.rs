//! Where in the blobs podman reads.

use std::fmt::Write as _;

use crate::diff::{Diff, Mostly, NewLayer, Outcome};
use crate::order::cost::{Client, LayerPull, PullOutcome, RegistryProfile};
use crate::report::facts::CHANGES_ALWAYS;
use crate::report::names::no_package;
use crate::report::units::{count, plural, size};
use crate::span::Span;

use super::{Text, section};

/// Layers that are shown at once; the smaller ones unfold.
const FIRST: usize = 12;

/// What a drawing is divided into, across.
const UNITS: u64 = 4_000;

const LEAD: &str = "Where podman with partial pulls reads, on a registry that serves any number of ranges.";

const KEYS: &str = "<p class=\"keys\"><span class=\"key\"><i class=\"index\"></i>index</span> <span class=\"key\"><i class=\"new\"></i>fetched</span> \
<span class=\"key\"><i class=\"has\"></i>not fetched</span></p>
";

/// A layer, and what podman does about it.
struct Shown<'a> {
    /// Counted from 0, the lowest.
    number: usize,
    layer: &'a NewLayer,
    pull: &'a LayerPull,
}

impl Shown<'_> {
    fn is_fetched(&self) -> bool {
        self.pull.outcome != PullOutcome::Reused
    }
}

pub(super) fn blobs(outcome: &Outcome, diff: &Diff, level: u8) -> String {
    let Some(pull) = diff.pull(Client::Podman, RegistryProfile::MultiRange) else { return String::new() };
    let layers = outcome.layers.iter().zip(&pull.layers).enumerate();
    let layers: Vec<Shown<'_>> = layers.map(|(number, (layer, pull))| Shown { number, layer, pull }).collect();
    let mut fetched: Vec<&Shown<'_>> = layers.iter().filter(|shown| shown.is_fetched()).collect();
    fetched.sort_by_key(|shown| (std::cmp::Reverse(shown.layer.size), shown.number));
    let scale = fetched.first().map_or(0, |shown| shown.layer.size);
    let row = |shown: &&Shown<'_>| row(shown, scale);
    let (first, others) = fetched.split_at(fetched.len().min(FIRST));
    let content = [
        KEYS.to_owned(),
        overview(&layers),
        list(first.iter().map(row)),
        match others {
            [] => String::new(),
            others => format!(
                "<details class=\"more\"><summary>{}</summary>\n{}</details>\n",
                plural(others.len() as u64, "smaller layer", "smaller layers"),
                list(others.iter().map(row))
            ),
        },
    ];
    section(level, "Where the bytes lie", LEAD, &content.concat())
}

/// All layers in one bar, the lowest first. An image of one layer has it below.
fn overview(layers: &[Shown<'_>]) -> String {
    if layers.len() < 2 {
        return String::new();
    }
    let size_of = |layers: &[&Shown<'_>]| -> u64 { layers.iter().map(|shown| shown.layer.size).sum() };
    let (fetched, reused): (Vec<&Shown<'_>>, Vec<&Shown<'_>>) = layers.iter().partition(|shown| shown.is_fetched());
    let all = size_of(&fetched) + size_of(&reused);
    let clients_have = match (fetched.len(), reused.len() as u64) {
        (_, 0) => "Clients have none of them as a whole.".to_owned(),
        (0, _) => "Clients have all of them.".to_owned(),
        (_, number) => format!(
            "Clients have {} of them as a whole, {}; the others follow, the biggest first and all to one scale.",
            count(number),
            size(size_of(&reused))
        ),
    };
    format!(
        "<figure class=\"image\">\n{}<figcaption>The image: {} of {}, the lowest on the left. {clients_have}</figcaption>\n</figure>\n",
        Drawing::of(layers.iter(), all).svg("All layers of the image to scale"),
        plural(layers.len() as u64, "layer", "layers"),
        size(all),
    )
}

fn list(rows: impl Iterator<Item = String>) -> String {
    format!("<ol class=\"blobs\">\n{}</ol>\n", rows.collect::<String>())
}

fn row(shown: &Shown<'_>, scale: u64) -> String {
    let layer = shown.layer;
    let mostly = |owner: &str| format!(" <small>mostly <bdi>{}</bdi></small>", Text(owner));
    let owner = match &layer.mostly {
        _ if layer.changes_always => format!(" <small>{CHANGES_ALWAYS}</small>"),
        Some(Mostly::Package(name)) => mostly(name),
        Some(Mostly::NoPackage(dir)) => mostly(&no_package(dir)),
        None => String::new(),
    };
    format!(
        "<li><span class=\"name\"><code title=\"{}\">{}</code>{owner}</span><span class=\"about\">{}</span>{}</li>\n",
        layer.digest,
        layer.digest.short(),
        about(shown),
        Drawing::of([shown].into_iter(), scale).svg(&format!("Layer {} to scale", shown.number)),
    )
}

fn about(shown: &Shown<'_>) -> String {
    let (all, pull) = (size(shown.layer.size), shown.pull);
    match (pull.outcome, pull.why) {
        (PullOutcome::Partial, _) => format!(
            "<b>{}</b> of {all}: {}",
            size(pull.cost.blob_bytes()),
            match pull.cost.ranges {
                0 => "the index alone".to_owned(),
                ranges => format!("{}, index {}", plural(ranges, "range", "ranges"), size(pull.cost.index_bytes)),
            }
        ),
        (PullOutcome::Failed, Some(why)) => format!("fails: {}", Text(&why.to_string())),
        (_, Some(why)) => format!("<b>{all}</b>, whole: {}", Text(&why.to_string())),
        (..) => format!("<b>{all}</b>, whole"),
    }
}

/// Paths of one colour each, in a box that is stretched to the width of the page.
#[derive(Default)]
struct Drawing {
    blobs: String,
    fetched: String,
    index: String,
}

impl Drawing {
    /// Layers side by side. The whole width stands for `scale` bytes.
    fn of<'a>(layers: impl Iterator<Item = &'a Shown<'a>>, scale: u64) -> Self {
        let mut drawing = Self::default();
        let mut at = 0;
        for Shown { layer, pull, .. } in layers {
            let span = |span: &Span| (at + span.start(), at + span.end().min(layer.size));
            let index = layer.index.as_ref().filter(|_| pull.outcome == PullOutcome::Partial);
            let index = index.into_iter().flatten().map(span);
            drawing.blobs += &path([(at, at + layer.size)].into_iter(), scale);
            drawing.fetched += &path(pull.fetched.iter().map(span), scale);
            drawing.index += &path(index, scale);
            at += layer.size;
        }
        drawing
    }

    fn svg(&self, label: &str) -> String {
        let path = |class: &str, path: &str, title: &str| match path.is_empty() {
            true => String::new(),
            false => format!("<path class=\"{class}\" d=\"{path}\"><title>{title}</title></path>"),
        };
        format!(
            "<svg role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {UNITS} 10\" preserveAspectRatio=\"none\">{}{}{}</svg>\n",
            path("has", &self.blobs, "not fetched"),
            path("new", &self.fetched, "fetched"),
            path("index", &self.index, "index"),
        )
    }
}

/// Bars from and to these bytes. What falls into the same units is one.
fn path(spans: impl Iterator<Item = (u64, u64)>, scale: u64) -> String {
    let unit = |byte: u64| (u128::from(byte) * u128::from(UNITS)).checked_div(u128::from(scale)).unwrap_or_default();
    let mut bars: Vec<(u128, u128)> = Vec::new();
    for (start, end) in spans {
        let (start, end) = (unit(start), unit(end).max(unit(start) + 1));
        match bars.last_mut().filter(|last| start <= last.1) {
            Some(last) => last.1 = last.1.max(end),
            None => bars.push((start, end)),
        }
    }
    bars.iter().fold(String::new(), |mut path, (start, end)| {
        let _ = write!(path, "M{start} 0h{0}v10h-{0}z", end - start);
        path
    })
}
