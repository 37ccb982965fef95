//! A sequence of versions in the words that text and Markdown share.

use crate::history::{LayoutHistory, Version};
use crate::order::cost::{Client, PullOutcome};
use crate::order::layouts::{Cell, Layout, View};

use super::names::printable;
use super::units::size;

/// What all references start with, up to a separator; empty where that is little. And what is left of each.
pub(super) fn names(versions: &[Version]) -> (String, Vec<String>) {
    let all: Vec<String> = versions.iter().map(|version| printable(&version.reference)).collect();
    let common = all.iter().skip(1).fold(all.first().map_or("", String::as_str), |common, other| {
        let same = common.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
        &common[..same.map_or(common.len().min(other.len()), |((at, _), _)| at)]
    });
    let common = common.rfind(['/', ':']).map_or("", |at| &common[..=at]).to_owned();
    let names = all.iter().map(|name| name[common.len()..].to_owned()).collect();
    (common, names)
}

/// What all references start with, as an image: without the colon that a tag follows.
pub(super) fn image(common: &str) -> &str {
    common.strip_suffix(':').filter(|image| image.contains(':')).unwrap_or(common)
}

pub(super) fn view(view: View) -> String {
    match view.client {
        Client::Plain => "plain client".to_owned(),
        Client::PlainGzip => "plain client of the gzip image".to_owned(),
        Client::Docker => "docker with a graph driver".to_owned(),
        client => format!("{}, {}", client.name(), view.registry.name()),
    }
}

pub(super) const fn layout(history: &LayoutHistory) -> &'static str {
    match history.layout {
        None => "as published",
        Some(Layout::OneLayer) => "one layer",
        Some(Layout::Owners) => "layer per owner",
        Some(Layout::Nixpkgs) => "nixpkgs",
        Some(Layout::Nix2container) => "nix2container",
        Some(Layout::Planned) => "restrata",
    }
}

/// Bytes, or that there is no pull.
pub(super) fn pulled(cell: &Cell) -> String {
    match cell.outcome {
        PullOutcome::Failed => "fails".to_owned(),
        _ => size(cell.blob_bytes),
    }
}

/// All updates together, and how many times what changed that is.
pub(super) fn updates(history: &LayoutHistory, view: usize, changed: u64) -> (String, String) {
    if history.updates(view).any(|cell| cell.outcome == PullOutcome::Failed) {
        return ("fails".to_owned(), "-".to_owned());
    }
    let bytes: u64 = history.updates(view).map(|cell| cell.blob_bytes).sum();
    let times = if changed == 0 { "-".to_owned() } else { format!("{:.2}x", bytes as f64 / changed as f64) };
    (size(bytes), times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(references: &[&str]) -> (String, Vec<String>) {
        let version = |reference: &&str| Version {
            reference: (*reference).to_owned(),
            gzip: None,
            digest: None,
            layers: 0,
            size: 0,
            config_bytes: 0,
            added_bytes: 0,
            changed_bytes: None,
            first_pull: Vec::new(),
            updates: Vec::new(),
        };
        names(&references.iter().map(version).collect::<Vec<_>>())
    }

    #[test]
    fn no_colon_dangles() {
        assert_eq!((image("oci:a:"), image("oci:x/"), image("oci:"), image("")), ("oci:a", "oci:x/", "oci:", ""));
    }

    #[test]
    fn what_all_names_start_with_is_said_once() {
        for (references, common, rest) in [
            (&["oci:a:v1", "oci:a:v2"][..], "oci:a:", &["v1", "v2"][..]),
            (&["oci:x/a:v1", "oci:x/ab:v1"], "oci:x/", &["a:v1", "ab:v1"]),
            (&["oci:a", "docker-archive:b"], "", &["oci:a", "docker-archive:b"]),
            (&["oci:a:v1", "oci:a:v1"], "oci:a:", &["v1", "v1"]),
            (&["oci:é:1", "oci:è:1"], "oci:", &["é:1", "è:1"]),
            (&["oci:a:v1", "oci:a:v10"], "oci:a:", &["v1", "v10"]),
        ] {
            let rest: Vec<String> = rest.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(split(references), (common.to_owned(), rest));
        }
    }
}
