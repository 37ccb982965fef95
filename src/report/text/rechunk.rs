//! The end of the main job: what was written, what is new, what a pull costs.

use std::fmt::Write as _;

use crate::order::{Reason, State};
use crate::push::{Amount, Counts, Pushed};
use crate::rechunk::{GzipTwin, ImageOutcome, LayerOutcome, Outcome, PlannedLayer};
use crate::registry::Traffic;
use crate::report::facts::waste;
use crate::report::table::{Align, Table};
use crate::report::units::{count, plural, size};

use super::layers::{self, Row};
use super::pulls::pulls;
use super::{Listing, WIDTH, bold, fill, heading, name};

pub fn rechunk(outcome: &Outcome, listing: Listing) -> String {
    let mut out = String::new();
    let several = outcome.images.len() > 1;
    for image in &outcome.images {
        let _ = writeln!(out, "{}", heading(image.platform.as_ref(), several.then_some(&image.digest)));
        out.push_str(&image_text(image, listing));
        out.push('\n');
    }
    out.extend(outcome.published.as_ref().map(published));
    let _ = writeln!(out, "{}  {}", bold("digest"), outcome.digest);
    out
}

/// What travelled.
fn published(pushed: &Pushed) -> String {
    let Pushed { references, counts: Counts { sent, mounted, present }, traffic, .. } = pushed;
    let amount = |Amount { blobs, bytes }: &Amount| format!("{}, {}", plural(*blobs, "blob", "blobs"), size(*bytes));
    let mut out = String::new();
    for (at, reference) in references.iter().enumerate() {
        let title = if at == 0 { bold("published") } else { " ".repeat("published".len()) };
        let _ = writeln!(out, "{title}  {reference}");
    }
    let mut what = vec![format!("sent: {}", amount(sent))];
    if mounted.blobs > 0 {
        what.push(format!("mounted from another repository: {}", amount(mounted)));
    }
    what.push(format!("already there: {}", amount(present)));
    let _ = writeln!(out, "{}", what.join("; "));
    let Traffic { requests, sent: up, received: down } = traffic;
    let requests = plural(*requests, "request", "requests");
    let _ = writeln!(out, "with registries, all in all: {} up, {} down, {requests}\n", size(*up), size(*down));
    out
}

fn image_text(image: &ImageOutcome, listing: Listing) -> String {
    let mut table = Table::new([
        ("layer", Align::Left),
        ("state", Align::Left),
        ("size", Align::Right),
        ("entries", Align::Right),
        ("new files", Align::Right),
        ("new content", Align::Right),
    ]);
    let rows = layers::rows(&image.layers, listing, planned, |layer| layer.size);
    for row in &rows {
        table.row(cells(row.name(|layer| layer.digest.short()), state_text(row), &row.layers));
    }
    if image.layers.len() > 1 {
        let all: Vec<&LayerOutcome> = image.layers.iter().collect();
        table.row(cells("total".to_owned(), plural(all.len() as u64, "layer", "layers"), &all));
    }
    let mut out = layers::with_owners(&table.render(), &rows, planned);
    out.push_str(COLUMNS);
    out.push_str(layers::new_content(image.unread));
    out.push_str(&layers::legend(image.layers.iter().map(planned)));
    if image.layers.iter().any(|layer| layer.planned.state == State::Kept && layer.toc.is_none()) {
        out.push_str(NO_INDEX);
    }
    let _ = writeln!(out, "\n{}", changes(image));
    out.push_str(&pulls("pull cost", &image.pulls));
    out.extend(image.hint.as_ref().map(layers::hint));
    out.extend(image.twin.as_ref().map(|twin| twin_text(twin, image)));
    out
}

fn twin_text(twin: &GzipTwin, image: &ImageOutcome) -> String {
    let (new, all) = (size(twin.new_bytes()), size(twin.bytes()));
    let what = match image.pulls.iter().any(|pull| pull.from.is_some()) {
        true if twin.new_bytes() == twin.bytes() => format!("{all}, and all of it is new to clients."),
        true => format!("{new} of its {all} are new to clients that have the previous gzip image."),
        false => format!("{all}."),
    };
    let what = format!("The same layers as gzip, for clients that take the first image of an index: {what}");
    format!("{}  {}\n{}", bold("gzip twin"), twin.digest, fill(&what))
}

const COLUMNS: &str = "size: the compressed layer, with its index\n";

const NO_INDEX: &str = "kept, no index: podman can take the layer whole, and no single file from it\n";

const fn planned(layer: &LayerOutcome) -> &PlannedLayer {
    &layer.planned
}

fn cells(name: String, state: String, layers: &[&LayerOutcome]) -> [String; 6] {
    let sum = |value: fn(&LayerOutcome) -> u64| layers.iter().map(|layer| value(layer)).sum::<u64>();
    [
        name,
        state,
        size(sum(|layer| layer.size)),
        count(sum(|layer| layer.planned.entries)),
        count(sum(|layer| layer.planned.new.files)),
        size(sum(|layer| layer.planned.new.bytes)),
    ]
}

fn state_text(row: &Row<'_, LayerOutcome>) -> String {
    let state = row.common(|layer| layer.planned.word());
    match row.layers.iter().filter(|layer| layer.toc.is_none()).count() {
        0 => state.to_owned(),
        all if all == row.layers.len() => format!("{state}, no index"),
        some => format!("{state}, {} without index", count(some as u64)),
    }
}

/// The difference to what clients have.
fn changes(image: &ImageOutcome) -> String {
    let layers: Vec<&PlannedLayer> = image.layers.iter().map(|layer| &layer.planned).collect();
    let files = plural(layers.iter().map(|layer| layer.new.files).sum(), "file", "files");
    let bytes = size(layers.iter().map(|layer| layer.new.bytes).sum());
    let mut out = match image.pulls.iter().find_map(|pull| pull.from.as_deref()) {
        Some(from) => {
            let kept = layers.iter().filter(|layer| layer.is_had()).count() as u64;
            let (kept, changes) = (layers::kept(kept, layers.len()), layers::changes(&layers, &image.dropped));
            // A line of its own, with the colon.
            let from = name(from, WIDTH - 3);
            let new = fill(&match image.unread {
                0 => format!("New to clients that have {from}: {files}, {bytes} compressed."),
                _ => format!(
                    "New, or in layers of {from} that have no index: {files}, {bytes} compressed. restrata diff compares \
                     those layers, too."
                ),
            });
            format!("{kept}\n{changes}{}", new.trim_end())
        }
        None => match layers.iter().filter(|layer| layer.reason == Reason::Base).count() as u64 {
            0 => format!("A first layout, without a previous image: {files}, {bytes} compressed."),
            base => format!(
                "A first layout on a base image: {} of the {} layers {} the base's.\n\
                 New to clients that have the base: {files}, {bytes} compressed.",
                count(base),
                count(layers.len() as u64),
                if base == 1 { "is" } else { "are" }
            ),
        },
    };
    let waste = layers::waste(waste(&image.layers));
    if !waste.is_empty() {
        let _ = write!(out, "\n{waste}");
    }
    out
}
