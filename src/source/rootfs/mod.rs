//! A root file system as an image of one layer, whose tar is made while it is read.

mod stream;
#[cfg(test)]
mod tests;
mod walk;

use std::path::{Path, PathBuf};

use oci_spec::image::MediaType;

use super::guess::{Guess, guess, hint};
use super::{Image, Layer, Place, SourceError};
use crate::codec::Sha256Stream;
use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::oci::{Config, Descriptor, Manifest, Platform, Reference, Transport};

pub use stream::{RootfsError, TarStream};

#[derive(Debug)]
pub(super) struct Rootfs {
    pub path: PathBuf,
    /// What the user says of the image; the tree itself says nothing.
    pub config: Option<Config>,
}

impl Rootfs {
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        check(path).map(|path| Self { path, config: None })
    }

    /// The platform is the one that the config names, else what the caller asks for, else the host's.
    pub fn image(&self, reference: &Reference, wanted: Option<&Platform>) -> Result<Image, SourceError> {
        let said = self.config.as_ref().and_then(Config::platform);
        if let (Some(said), Some(wanted)) = (&said, wanted)
            && !(said.is_same(wanted) || (wanted.variant.is_none() && said.is_same_family(wanted)))
        {
            return Err(SourceError::NoPlatform {
                reference: reference.to_string(),
                wanted: wanted.to_string(),
                available: vec![said.to_string()],
                absent: Vec::new(),
            });
        }
        let platform = said.or_else(|| wanted.cloned()).unwrap_or_else(Platform::host);
        let config = self.config.as_ref().map_or_else(|| Config::minimal(&platform), |config| config.on(&platform));
        let bytes = config.to_bytes();
        let digest = BlobDigest::from_bytes(Sha256Stream::of(&bytes));
        Ok(Image {
            manifest: Manifest::new(Descriptor::new(MediaType::ImageConfig.as_ref(), digest, bytes.len() as u64)),
            manifest_digest: None,
            config,
            platform: Some(platform),
            layers: vec![Layer {
                descriptor: None,
                diff_id: None,
                compression: Compression::None,
                place: Place::Rootfs,
            }],
            index_descriptor: None,
            index: None,
            twin: None,
        })
    }
}

/// Fails for what is no directory, and for the layouts that are directories too.
fn check(path: &Path) -> Result<PathBuf, SourceError> {
    let meta = std::fs::metadata(path).map_err(|source| SourceError::Io {
        path: path.to_owned(),
        doing: "opening the root file system",
        source,
    })?;
    let found = match guess(path) {
        _ if !meta.is_dir() => "a file",
        Some(Guess::Reads(Transport::Oci)) => "an OCI layout",
        Some(Guess::SkopeoDir) => "an image in skopeo's dir: format",
        _ => return Ok(path.to_owned()),
    };
    let (path, hint) = (path.to_owned(), hint(path));
    Err(SourceError::Kind { path, expected: "a root file system", found: found.to_owned(), hint })
}
