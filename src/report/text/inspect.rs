use std::fmt::Write as _;

use crate::inspect::{BigFile, InspectedImage, InspectedLayer, InspectedTwin, Inspection};
use crate::report::facts::{CHANGES_ALWAYS, WHO_TAKES_TWIN};
use crate::report::names::printable;
use crate::report::table::{Align, Table};
use crate::report::units::{count, plural, size};

use super::{WIDTH, bold, fill, heading, name};

/// The layers with their indexes, then the files that weigh most.
pub fn inspect(inspection: &Inspection) -> String {
    let images: Vec<String> = inspection.images.iter().map(image_text).collect();
    images.join("\n")
}

fn image_text(image: &InspectedImage) -> String {
    let mut out = format!("{}\n", bold(&name(&image.reference, WIDTH)));
    out.push_str(&heading(image.platform.as_ref(), image.digest.as_ref()));
    let _ = write!(out, "\n{}", layers(&image.layers));
    if image.layers.iter().any(|layer| layer.entries.is_some()) {
        out.push_str(COLUMNS);
    }
    if image.layers.iter().any(|layer| layer.owners.is_some() && !layer.changes_always) {
        out.push_str(OWNERS);
    }
    out.extend(image.twin.as_ref().map(twin_text));
    if !image.biggest.is_empty() {
        let _ = write!(out, "\n{}", biggest(&image.biggest));
    }
    out
}

fn twin_text(twin: &InspectedTwin) -> String {
    let among = plural(twin.layers.len() as u64, "layer", "layers");
    let bytes = size(twin.layers.iter().map(|(_, size)| *size).fold(0, u64::saturating_add));
    let digest = twin.digest.map_or_else(unknown, |digest| digest.to_string());
    format!("\ngzip twin  {digest}\n{}", fill(&format!("{among}, {bytes}: {WHO_TAKES_TWIN}")))
}

const COLUMNS: &str = "\
index: its compressed size, and where it stands in the layer
content: uncompressed bytes of the files
";

/// An annotation has no room for more.
const OWNERS: &str = "\
packages: the 5 largest at most, as rechunk noted them; there may be more, and
files of no package
";

fn layers(layers: &[InspectedLayer]) -> String {
    let mut table = Table::new([
        ("#", Align::Right),
        ("layer", Align::Left),
        ("size", Align::Right),
        ("type", Align::Left),
        ("index", Align::Right),
        ("entries", Align::Right),
        ("chunks", Align::Right),
        ("content", Align::Right),
    ]);
    for (number, layer) in layers.iter().enumerate() {
        table.row([
            number.to_string(),
            layer.digest.map_or_else(unknown, |digest| digest.short()),
            layer.size.map_or_else(unknown, size),
            layer.form().to_owned(),
            layer.entries.map_or_else(unknown, |_| format!("{} {}", size(layer.index_bytes), printable(&layer.index))),
            layer.entries.map_or_else(unknown, count),
            layer.chunks.map_or_else(unknown, count),
            layer.content_bytes.map_or_else(unknown, size),
        ]);
    }
    let table = table.render();
    let owners = layers.iter().map(|layer| match layer.changes_always {
        true => Some(CHANGES_ALWAYS.to_owned()),
        false => layer.owners.as_ref().map(|owners| format!("packages: {owners}")),
    });
    let lines = table.lines().zip([None].into_iter().chain(owners));
    let line = |(line, owners): (&str, Option<String>)| match owners {
        Some(owners) => format!("{line}\n    {}\n", name(&owners, WIDTH - 4)),
        None => format!("{line}\n"),
    };
    lines.map(line).collect()
}

fn unknown() -> String {
    "-".to_owned()
}

fn biggest(files: &[BigFile]) -> String {
    let mut table = Table::new([
        ("compressed", Align::Right),
        ("content", Align::Right),
        ("#", Align::Right),
        ("biggest files", Align::Left),
    ]);
    for file in files {
        table.row([size(file.compressed), size(file.size), file.layer.to_string(), printable(&file.path)]);
    }
    table.render()
}
