use std::fmt::Write as _;

use crate::check::{CheckReport, CheckedImage, CheckedLayer, CheckedTwin};
use crate::remark;
use crate::report::facts::WHO_TAKES_TWIN;
use crate::report::names::printable;
use crate::report::units::{count, plural, size};

use super::{LISTED, Listing, fill, green, heading, red};

/// A line for each layer with what is wrong with it below, then the answer. The short list has what is bad first, and
/// remarks of several layers in one line.
pub fn check(report: &CheckReport, listing: Listing) -> String {
    let mut out = String::new();
    for problem in &report.problems {
        let _ = writeln!(out, "{}: {}", red("problem"), printable(problem));
    }
    for image in &report.images {
        out.push_str(&heading(image.platform.as_ref(), None));
        match listing {
            Listing::All => image.layers.iter().for_each(|layer| out.push_str(&in_full(layer))),
            Listing::Short => out.push_str(&short(&image.layers)),
        }
        out.extend(image.twin.as_ref().map(|twin| twin_text(twin, listing)));
    }
    let layers = report.images.iter().flat_map(CheckedImage::all_layers);
    let among = plural(layers.count() as u64, "layer", "layers");
    let in_images = report.images.iter().flat_map(CheckedImage::problems).count();
    let problems = (report.problems.len() + in_images) as u64;
    let _ = match report.is_clean() {
        true => writeln!(out, "{}: {among}", green("no problems")),
        false if report.images.is_empty() => {
            writeln!(out, "{}, no layer could be reached", red(&plural(problems, "problem", "problems")))
        }
        false => writeln!(out, "{} in {among}", red(&plural(problems, "problem", "problems"))),
    };
    out
}

/// Sound layers of a twin are listed on request: they are those of the image above.
fn twin_text(twin: &CheckedTwin, listing: Listing) -> String {
    let among = plural(twin.layers.len() as u64, "layer", "layers");
    let mut out = fill(&format!("gzip twin, {among}: {WHO_TAKES_TWIN}"));
    out.push_str(&problems(&twin.problems));
    match listing {
        Listing::All => twin.layers.iter().for_each(|layer| out.push_str(&in_full(layer))),
        Listing::Short => {
            let bad: Vec<CheckedLayer> =
                twin.layers.iter().filter(|layer| !layer.problems.is_empty()).cloned().collect();
            out.push_str(&short(&bad));
        }
    }
    out
}

fn short(layers: &[CheckedLayer]) -> String {
    let mut listed: Vec<usize> = (0..layers.len()).collect();
    listed.sort_by_key(|&at| layers[at].problems.is_empty());
    let left_out = listed.split_off(listed.len().min(LISTED));
    listed.sort_unstable();
    let mut out = String::new();
    let mut room = LISTED;
    for layer in listed.iter().map(|&at| &layers[at]) {
        let _ = writeln!(out, "{}", first_line(layer));
        let told = layer.problems.len().min(room);
        out.push_str(&problems(&layer.problems[..told]));
        room -= told;
    }
    let bad = left_out.iter().filter(|&&at| !layers[at].problems.is_empty()).count() as u64;
    let all: usize = layers.iter().map(|layer| layer.problems.len()).sum();
    let problems = all - (LISTED - room);
    for (number, what) in
        [(left_out.len(), format!("more layers, {} of them bad", count(bad))), (problems, "more problems".to_owned())]
    {
        if number > 0 {
            let _ = writeln!(out, "and {} {what} (--all lists them)", count(number as u64));
        }
    }
    out + &remarks(layers)
}

fn in_full(layer: &CheckedLayer) -> String {
    let mut out = first_line(layer) + "\n";
    if layer.frames > 0 {
        let frames = plural(layer.frames, "frame", "frames");
        let _ = writeln!(out, "  {frames}, gaps up to {}", size(layer.largest_gap));
    }
    out.push_str(&problems(&layer.problems));
    for remark in &layer.remarks {
        let _ = writeln!(out, "  remark: {}", printable(&remark.to_string()));
    }
    out
}

fn first_line(layer: &CheckedLayer) -> String {
    let answer = if layer.problems.is_empty() { green("ok ") } else { red("bad") };
    let (digest, bytes, entries) = (layer.digest.short(), size(layer.size), plural(layer.entries, "entry", "entries"));
    format!("{digest}  {bytes:>7}  {answer}  {}, {entries}", layer.kind)
}

fn problems(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("  {}: {}\n", red("problem"), printable(problem))).collect()
}

/// Each kind of remark once, however many layers it is about.
fn remarks(layers: &[CheckedLayer]) -> String {
    let named = |layer: &CheckedLayer| format!("layer {}", layer.digest.short());
    let all = layers.iter().flat_map(|layer| layer.remarks.iter().map(move |remark| (named(layer), remark)));
    let lines = remark::lines(all);
    let mut out: String = lines.iter().take(LISTED).map(|line| fill(&format!("remark: {}", printable(line)))).collect();
    if let left @ 1.. = lines.len().saturating_sub(LISTED) as u64 {
        let _ = writeln!(out, "and {} more remarks (--all lists them)", count(left));
    }
    out
}
