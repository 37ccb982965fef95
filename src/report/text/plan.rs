//! What a run would do.

use std::fmt::Write as _;

use crate::order::State;
use crate::order::cost::Client;
use crate::rechunk::{Planned, PlannedImage, PlannedLayer};
use crate::report::facts::{planned_waste, why};
use crate::report::table::{Align, Table};
use crate::report::units::{plural, size};

use super::pulls::pulls;
use super::{Listing, bold, heading, layers};

pub fn plan(planned: &Planned, listing: Listing) -> String {
    let mut out = String::new();
    for image in &planned.images {
        let _ = write!(out, "{}\n{}\n", heading(image.platform.as_ref(), None), image_text(image, listing));
    }
    let _ = writeln!(out, "{}", bold("A dry run: nothing is written."));
    out
}

fn image_text(image: &PlannedImage, listing: Listing) -> String {
    let rows = layers::rows(&image.layers, listing, |layer| layer, |layer| layer.live_bytes);
    let mut table = Table::new([
        ("layer", Align::Left),
        ("state", Align::Left),
        ("why", Align::Left),
        ("live", Align::Right),
        ("dead", Align::Right),
        ("new content", Align::Right),
    ]);
    for row in &rows {
        let (state, why) = (row.common(|layer| layer.word()), row.common(|layer| why(layer.reason)));
        table.row(cells(row.name(name), state, why, &row.layers));
    }
    let all: Vec<&PlannedLayer> = image.layers.iter().collect();
    table.row(cells("total".to_owned(), "", &plural(all.len() as u64, "layer", "layers"), &all));
    let mut out = layers::with_owners(&table.render(), &rows, |layer| layer);
    out.push_str(COLUMNS);
    out.push_str(layers::new_content(image.unread));
    out.push_str(&layers::legend(&image.layers));
    let _ = write!(out, "\n{}{}", summary(image), pulls("predicted pull cost", &image.pulls));
    if image.pulls.iter().any(|pull| pull.client == Client::PlainGzip) {
        out.push_str(ESTIMATE);
    }
    out.extend(image.hint.as_ref().map(layers::hint));
    out
}

const ESTIMATE: &str = "The gzip sizes of new layers are estimates.\n";

const COLUMNS: &str = "live, dead: compressed content that the image shows, and that of dead entries\n";

/// A layer that is yet to be written has no digest: one that is cleaned goes by its old one.
fn name(layer: &PlannedLayer) -> String {
    match (layer.state, layer.old.as_slice()) {
        (State::Kept | State::Cleaned, [old]) => old.digest.short(),
        _ => "new".to_owned(),
    }
}

fn cells(name: String, state: &str, why: &str, layers: &[&PlannedLayer]) -> [String; 6] {
    let sum = |value: fn(&PlannedLayer) -> u64| size(layers.iter().map(|layer| value(layer)).sum());
    [
        name,
        state.to_owned(),
        why.to_owned(),
        sum(|layer| layer.live_bytes),
        sum(|layer| layer.dead_bytes),
        sum(|layer| layer.new.bytes),
    ]
}

fn summary(image: &PlannedImage) -> String {
    let all: Vec<&PlannedLayer> = image.layers.iter().collect();
    let written: Vec<&&PlannedLayer> = all.iter().filter(|layer| layer.state != State::Kept).collect();
    let bytes = size(written.iter().map(|layer| layer.live_bytes).sum());
    let mut out = layers::kept(all.iter().filter(|layer| layer.is_had()).count() as u64, all.len()) + "\n";
    out.push_str(&layers::changes(&all, &image.dropped));
    let written = plural(written.len() as u64, "layer", "layers");
    let _ = writeln!(out, "To write: {written}, {bytes} of compressed content.");
    let waste = layers::waste(planned_waste(&image.layers));
    if !waste.is_empty() {
        let _ = writeln!(out, "{waste}");
    }
    out
}
