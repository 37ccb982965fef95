use std::fmt::Write as _;

use crate::check::{CheckReport, CheckedLayer};
use crate::report::names::printable;
use crate::report::units::{plural, size};

use super::{green, heading, red};

/// A line for each layer with what is wrong with it below, then the answer.
pub fn check(report: &CheckReport) -> String {
    let mut out = String::new();
    for problem in &report.problems {
        let _ = writeln!(out, "{}: {}", red("problem"), printable(problem));
    }
    for image in &report.images {
        out.push_str(&heading(image.platform.as_ref(), None));
        for layer in &image.layers {
            out.push_str(&layer_text(layer));
        }
    }
    let layers = || report.images.iter().flat_map(|image| &image.layers);
    let among = plural(layers().count() as u64, "layer", "layers");
    let in_layers: usize = layers().map(|layer| layer.problems.len()).sum();
    let problems = (report.problems.len() + in_layers) as u64;
    let _ = match report.is_clean() {
        true => writeln!(out, "{}: {among}", green("no problems")),
        false if report.images.is_empty() => {
            writeln!(out, "{}, no layer could be reached", red(&plural(problems, "problem", "problems")))
        }
        false => writeln!(out, "{} in {among}", red(&plural(problems, "problem", "problems"))),
    };
    out
}

fn layer_text(layer: &CheckedLayer) -> String {
    let answer = if layer.problems.is_empty() { green("ok") } else { red("bad") };
    let mut facts = vec![plural(layer.entries, "entry", "entries")];
    if layer.frames > 0 {
        facts.push(plural(layer.frames, "frame", "frames"));
        facts.push(format!("gaps up to {}", size(layer.largest_gap)));
    }
    let (digest, bytes) = (layer.digest.short(), size(layer.size));
    let mut out = format!("{digest}  {bytes:>7}  {answer}  {}\n", layer.kind);
    let _ = writeln!(out, "  {}", facts.join(", "));
    for problem in &layer.problems {
        let _ = writeln!(out, "  {}: {}", red("problem"), printable(problem));
    }
    for remark in &layer.remarks {
        let _ = writeln!(out, "  remark: {}", printable(remark));
    }
    out
}
