//! What both renderers say in the same words.

use crate::order::Reason;
use crate::rechunk::{LayerOutcome, PlannedLayer};

use super::units::count;

/// How a layer is called whose owners do not tell it from others: most of it is package databases, caches and the like.
pub(super) const CHANGES_ALWAYS: &str = "expected to change with every version";

/// Of an index with a gzip image and a zstd one.
pub(super) const WHO_TAKES_TWIN: &str = "docker, containerd 1.7 and kaniko take it; podman, buildah, CRI-O and skopeo take the zstd image; containerd 2 takes \
     either";

/// Whose costs are those of which image, for clients that go from one image to another.
pub(super) const fn who_takes(old_has_gzip: bool, new_has_gzip: bool) -> Option<&'static str> {
    match (old_has_gzip, new_has_gzip) {
        (false, false) => None,
        (true, true) => Some("docker and plain-gzip take the gzip image of the index, the others the zstd image."),
        (false, true) => Some(
            "docker and plain-gzip take the gzip image of the index, the others the zstd image. The old image has no gzip \
             image, so they pull all of it, once.",
        ),
        (true, false) => Some(
            "docker and plain-gzip took the gzip image of the old index. The new image has none, so they pull all of it.",
        ),
    }
}

/// Removed paths that people are shown.
pub(super) const REMOVED: usize = 5;

/// What is to be known where files are gone and their content is not.
pub(super) fn readable(files: u64) -> Option<String> {
    let files = match files {
        0 => return None,
        1 => "a removed file".to_owned(),
        files => format!("{} removed files", count(files)),
    };
    Some(format!(
        "Whoever pulls this image can read {files} in layers that it keeps. rechunk --purge PATH rewrites them."
    ))
}

// Names in JSON and text are fixed: programs read them.

/// Compressed bytes of dead entries, as shares of the image.
#[derive(Clone, Copy)]
pub(super) struct Waste {
    pub all: f64,
    /// In layers of the base, which no option cleans.
    pub base: f64,
}

pub(super) fn waste(layers: &[LayerOutcome]) -> Waste {
    share(layers.iter().map(|layer| (&layer.planned, layer.size)))
}

/// The same before the layers are written, when their content stands for them.
pub(super) fn planned_waste(layers: &[PlannedLayer]) -> Waste {
    share(layers.iter().map(|layer| (layer, layer.kept().map_or(layer.live_bytes, |blob| blob.size))))
}

fn share<'a>(layers: impl Iterator<Item = (&'a PlannedLayer, u64)>) -> Waste {
    let (mut all, mut base, mut size) = (0, 0, 0);
    for (layer, bytes) in layers {
        all += layer.dead_bytes;
        base += if layer.reason == Reason::Base { layer.dead_bytes } else { 0 };
        size += bytes;
    }
    let share = |dead: u64| if size == 0 { 0.0 } else { dead as f64 / size as f64 };
    Waste { all: share(all), base: share(base) }
}

/// Why a layer is as it is, in a few words that fit in a table.
pub(super) const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Live => "still shown",
        Reason::StoodOn => "others stand on it",
        Reason::Base => "base image",
        Reason::Shared => "other images have it",
        Reason::NotShown => "in no kept layer",
        Reason::Waste => "too much waste",
        Reason::Purge => "holds purged content",
        Reason::CannotHide => "can't hide what is gone",
        Reason::Broken => "can't be extracted",
        Reason::Limit => "too many layers",
    }
}
