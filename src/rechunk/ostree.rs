//! Images that carry an ostree commit: bootc and rpm-ostree read it from the layers that the config names, so that other
//! layers would break it.

use crate::error::Error;
use crate::order::Entry;
use crate::source::Image;
use crate::tar::TarPath;

use super::Request;
use super::composefs::planned_labels;

const LABELS: [&str; 2] = ["ostree.commit", "ostree.final-diffid"];
const OBJECTS: &[u8] = b"sysroot/ostree/repo/objects";

/// Fails for a config that says so.
pub(super) fn check_config(request: &Request, image: &Image) -> Result<(), Error> {
    let config = image.config.with_labels(&planned_labels(request));
    match LABELS.into_iter().find(|label| config.label(label).is_some()) {
        Some(label) => Err(refused(request, format!("the label {label}"))),
        None => Ok(()),
    }
}

/// Fails for files that are there twice, as a tree and as the commit's objects.
pub(super) fn check_entries(request: &Request, layers: &[&[Entry]]) -> Result<(), Error> {
    let Ok(objects) = TarPath::new(OBJECTS) else { return Ok(()) };
    let mut paths = layers.iter().copied().flatten().map(|entry| &entry.path);
    let is_pruned = |path: &TarPath| request.layers.prune.iter().any(|prune| prune.takes(path));
    match paths.find(|path| path.is_below(&objects) && !is_pruned(path)) {
        Some(_) => Err(refused(request, format!("objects in {objects}"))),
        None => Ok(()),
    }
}

fn refused(request: &Request, found: String) -> Error {
    Error::Ostree { reference: request.new.to_string(), found }
}
