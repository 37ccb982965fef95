//! A root file system as an image of one layer, whose tar is made while it is read.

mod stream;
#[cfg(test)]
mod tests;
mod walk;

use std::path::{Path, PathBuf};

use oci_spec::image::MediaType;

use super::{Image, Layer, Place, SourceError};
use crate::codec::Sha256Stream;
use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::oci::{Config, Descriptor, Manifest, Platform};

pub use stream::{RootfsError, TarStream};

/// Fails for what is no directory, and for the layouts that are directories too.
pub(super) fn check(path: &Path) -> Result<PathBuf, SourceError> {
    let meta = std::fs::metadata(path).map_err(|source| SourceError::Io {
        path: path.to_owned(),
        doing: "opening the root file system",
        source,
    })?;
    let (found, hint) = if !meta.is_dir() {
        ("a file", " (perhaps oci-archive:FILE or docker-archive:FILE was meant)")
    } else if path.join("oci-layout").is_file() && path.join("index.json").is_file() {
        ("an OCI layout", " (perhaps oci:DIR was meant)")
    } else if path.join("manifest.json").is_file() && path.join("version").is_file() {
        ("an image in skopeo's dir: format", " (convert it: skopeo copy dir:IN oci:OUT)")
    } else {
        return Ok(path.to_owned());
    };
    Err(SourceError::Kind { path: path.to_owned(), expected: "a root file system", found: found.to_owned(), hint })
}

/// A tree says nothing about its platform, so it is what the caller asks for, else the host's.
pub(super) fn image(platform: Option<&Platform>) -> Image {
    let platform = platform.cloned().unwrap_or_else(Platform::host);
    let config = Config::minimal(&platform);
    let bytes = config.to_bytes();
    let digest = BlobDigest::from_bytes(Sha256Stream::of(&bytes));
    Image {
        manifest: Manifest::new(Descriptor::new(MediaType::ImageConfig.as_ref(), digest, bytes.len() as u64)),
        manifest_digest: None,
        config,
        platform: Some(platform),
        layers: vec![Layer { descriptor: None, diff_id: None, compression: Compression::None, place: Place::Rootfs }],
        index_descriptor: None,
        index: None,
    }
}
