//! Whether the two images of a platform are the same one.

use crate::source::Image;

/// What a client of the gzip image gets that one of the zstd image does not. Layers are the same when their tars are.
pub(super) fn differences(zstd: &Image, gzip: &Image) -> Vec<String> {
    let (expected, found) = (zstd.layers.len(), gzip.layers.len());
    if expected != found {
        return vec![format!("the gzip image has {found} layers: expected {expected}, as the zstd image has")];
    }
    let layers = zstd.layers.iter().zip(&gzip.layers).enumerate();
    let different = layers.filter(|(_, (zstd, gzip))| zstd.diff_id != gzip.diff_id);
    let mut problems: Vec<String> = different
        .map(|(at, _)| format!("layer {at} of the gzip image has another DiffID than that of the zstd image"))
        .collect();
    if problems.is_empty() && zstd.manifest.config().digest != gzip.manifest.config().digest {
        problems.push("the gzip image has another config than the zstd image".to_owned());
    }
    problems
}
