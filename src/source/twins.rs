//! Two images of one platform in an index: a zstd one for clients that look for its mark, and a gzip one for all others.

use std::sync::Arc;

use super::Image;
use crate::oci::marks::ZSTD;

/// Images, each zstd one with its gzip twin, where it has one. c/image takes the marked one of a platform; docker,
/// containerd and kaniko take the first.
pub(super) fn paired(images: Vec<Image>) -> Vec<Image> {
    let mut paired: Vec<Image> = Vec::with_capacity(images.len());
    for image in images {
        match paired.iter_mut().find(|other| are_twins(other, &image)) {
            Some(first) if is_marked(first) => first.twin = Some(Box::new(image)),
            Some(first) => {
                let gzip = std::mem::replace(first, image);
                first.twin = Some(Box::new(gzip));
            }
            None => paired.push(image),
        }
    }
    paired
}

impl Image {
    /// What a client of the gzip image gets that one of the zstd image does not; empty without a twin. Layers are the same when
    /// their tars are.
    pub fn twin_differences(&self) -> Vec<String> {
        let Some(gzip) = &self.twin else { return Vec::new() };
        let (expected, found) = (self.layers.len(), gzip.layers.len());
        if expected != found {
            return vec![format!("the gzip image has {found} layers: expected {expected}, as the zstd image has")];
        }
        let layers = self.layers.iter().zip(&gzip.layers).enumerate();
        let different = layers.filter(|(_, (zstd, gzip))| zstd.diff_id != gzip.diff_id);
        let mut problems: Vec<String> = different
            .map(|(at, _)| format!("layer {at} of the gzip image has another DiffID than that of the zstd image"))
            .collect();
        if problems.is_empty() && self.manifest.config().digest != gzip.manifest.config().digest {
            problems.push("the gzip image has another config than the zstd image".to_owned());
        }
        problems
    }

    /// The zstd image stands first in the index, where docker, containerd and kaniko take it.
    pub fn hides_twin(&self) -> bool {
        let place = |image: &Image| {
            let digest = image.manifest_digest?.to_string();
            self.index.as_ref()?.manifests().position(|entry| entry.name() == digest)
        };
        self.twin.as_ref().is_some_and(|twin| place(self) < place(twin))
    }
}

fn are_twins(one: &Image, other: &Image) -> bool {
    let is_free = one.twin.is_none() && other.twin.is_none();
    let share_index = match (&one.index, &other.index) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    };
    let share_platform = one.platform.is_some() && one.platform == other.platform;
    is_free && share_index && share_platform && is_marked(one) != is_marked(other)
}

fn is_marked(image: &Image) -> bool {
    image.index_descriptor.as_ref().and_then(|entry| entry.annotation(ZSTD)) == Some("true")
}
