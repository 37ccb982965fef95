//! podman's store, read in place: podman says where an image's layers are, and their tars are put together from their
//! files. Nothing is written, and no other program reads the image first.
//!
//! How the store looks inside is c/storage's own affair. Whatever is not as expected here, skopeo can still read; and what
//! is read here is proven by its DiffID.

mod tar;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use oci_spec::image::MediaType;
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;

use super::program::{Program, ProgramError};
use super::{Image, Layer, Place, SourceError, select};
use crate::bytes::Bytes;
use crate::codec::Sha256Stream;
use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{Config, Descriptor, Manifest, Platform, Reference, Transport};
use crate::progress::Progress;
use crate::registry::names::Name;
use crate::span::Span;

use self::tar::Tar;

#[derive(Debug)]
pub(super) struct Stored {
    digest: BlobDigest,
    config: Vec<u8>,
    layers: Vec<StoredLayer>,
}

#[derive(Debug, Clone)]
pub(super) struct StoredLayer {
    /// The directory with its files.
    files: Arc<OwnedFd>,
    /// All bytes of its tar but the files' contents.
    tar_split: PathBuf,
    size: u64,
}

/// What `podman image inspect` says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GraphDriver {
    name: String,
    data: Dirs,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dirs {
    upper_dir: PathBuf,
    /// The next one first.
    #[serde(default)]
    lower_dir: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    layers: Vec<String>,
}

impl Stored {
    /// What podman has to say where another program has to read it.
    pub fn look(reference: &Reference, progress: &Progress) -> Result<Result<Self, Podman>, SourceError> {
        let name = (reference.transport() == Transport::ContainersStorage)
            .then(|| full_name(reference.path().to_str()?))
            .flatten();
        let found = name.ok_or(Podman::Silent).and_then(|name| {
            let inspected = inspect(&name, progress)?;
            Self::open(&inspected, progress).ok_or(Podman::Silent)
        });
        progress.check()?;
        Ok(found)
    }

    fn open(inspected: &[u8], progress: &Progress) -> Option<Self> {
        let [image] = serde_json::from_slice::<[Inspected; 1]>(inspected).ok()?;
        if image.graph_driver.name != "overlay" {
            return None;
        }
        let digest = format!("sha256:{}", image.id).parse::<BlobDigest>().ok()?;
        let Dirs { upper_dir, lower_dir } = image.graph_driver.data;
        let lower = lower_dir.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let mut dirs: Vec<PathBuf> = [upper_dir].into_iter().chain(lower).collect();
        dirs.reverse();
        if dirs.len() != image.root_fs.layers.len() || dirs.len() > limits::LAYERS {
            return None;
        }
        let config = config(LayerPlace::of(dirs.last()?)?.root, digest)?;
        let layers = dirs.iter().map(|dir| StoredLayer::open(dir, progress)).collect::<Option<_>>()?;
        Some(Self { digest, config, layers })
    }

    pub fn images(&self, reference: &Reference, wanted: Option<&Platform>) -> Result<Vec<Image>, SourceError> {
        let oci = |source| SourceError::Oci { place: reference.to_string(), source };
        let what = format!("config {}", self.digest);
        let config = Config::parse(&self.config, &what).map_err(oci)?;
        config.check_layers(self.layers.len(), &what).map_err(oci)?;
        let layers = config.diff_ids().iter().zip(&self.layers).enumerate().map(|(at, (&diff_id, layer))| Layer {
            descriptor: None,
            diff_id: Some(diff_id),
            compression: Compression::None,
            place: Place::Stored { at, size: layer.size },
        });
        let descriptor = Descriptor::new(MediaType::ImageConfig.as_ref(), self.digest, self.config.len() as u64);
        let image = Image {
            manifest: Manifest::new(descriptor),
            manifest_digest: None,
            layers: layers.collect(),
            platform: config.platform(),
            config,
            index_descriptor: None,
            index: None,
            twin: None,
        };
        select::by_platform(vec![image], Vec::new(), Vec::new(), wanted, reference)
    }

    pub fn layer(&self, at: usize) -> Result<&StoredLayer, SourceError> {
        self.layers.get(at).ok_or(SourceError::Internal("a layer that the store has not"))
    }
}

/// As skopeo reads a name; `None` for other ways to name an image.
fn full_name(name: &str) -> Option<String> {
    let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Some(name.to_owned()) } else { name.parse::<Name>().ok().map(|name| name.to_string()) }
}

/// Why podman does not say where an image is.
#[derive(Debug)]
pub(super) enum Podman {
    Missing,
    /// The store has no image of this name.
    HasNone(String),
    Silent,
}

impl Podman {
    /// The same error in words of somebody who knows podman alone.
    pub fn explain(self, error: SourceError) -> SourceError {
        let SourceError::Program { reference, source } = error else { return error };
        let source = match (self, source) {
            (Self::Missing, ProgramError::Missing { .. }) => ProgramError::Neither,
            (Self::HasNone(name), source)
                if source.is_not_found() || matches!(source, ProgramError::Missing { .. }) =>
            {
                ProgramError::NotStored { name }
            }
            (_, source) => source,
        };
        SourceError::Program { reference, source }
    }
}

fn inspect(name: &str, progress: &Progress) -> Result<Vec<u8>, Podman> {
    let arguments = ["--log-level=error", "image", "inspect", "--format=json", "--", name];
    let mut podman = Program::new("podman", &arguments).start(progress).map_err(|error| match error {
        ProgramError::Missing { .. } => Podman::Missing,
        _ => Podman::Silent,
    })?;
    let mut said = Vec::new();
    (&mut podman).take(limits::MANIFEST_BYTES).read_to_end(&mut said).map_err(|_| Podman::Silent)?;
    match podman.end() {
        Ok(()) => Ok(said),
        Err(error) if error.is_not_found() => Err(Podman::HasNone(name.to_owned())),
        Err(_) => Err(Podman::Silent),
    }
}

/// `ROOT/overlay/ID/diff`.
struct LayerPlace<'a> {
    root: &'a Path,
    dir: &'a Path,
    id: &'a str,
}

impl<'a> LayerPlace<'a> {
    fn of(diff: &'a Path) -> Option<Self> {
        let dir = diff.parent().filter(|_| diff.ends_with("diff"))?;
        let overlay = dir.parent().filter(|overlay| overlay.ends_with("overlay"))?;
        Some(Self { root: overlay.parent()?, dir, id: dir.file_name()?.to_str()? })
    }
}

fn config(root: &Path, digest: BlobDigest) -> Option<Vec<u8>> {
    let name = format!("={}", BASE64_STANDARD.encode(digest.to_string()));
    let path = root.join("overlay-images").join(digest.hex()).join(name);
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limits::MANIFEST_BYTES).read_to_end(&mut bytes).ok()?;
    (BlobDigest::from_bytes(Sha256Stream::of(&bytes)) == digest).then_some(bytes)
}

impl StoredLayer {
    /// `None` if a file can't be read, as one of another user of a container.
    fn open(diff: &Path, progress: &Progress) -> Option<Self> {
        let place = LayerPlace::of(diff)?;
        // Then its files are named after their content.
        if place.dir.join("composefs-data").exists() {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let files = Arc::new(rustix::fs::open(diff, flags, Mode::empty()).ok()?);
        let tar_split = place.root.join("overlay-layers").join(format!("{}.tar-split.gz", place.id));
        let mut layer = Self { files, tar_split, size: 0 };
        layer.size = Tar::open(&layer).ok()?.measure(progress).ok()?;
        Some(layer)
    }

    pub fn tar(&self) -> io::Result<Tar> {
        Tar::open(self)
    }
}

impl Bytes for StoredLayer {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let span = Span::new(at, out.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.pass(span)?.read_exact(out)
    }

    fn pass(&self, span: Span) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut tar = self.tar()?;
        io::copy(&mut (&mut tar).take(span.start()), &mut io::sink())?;
        Ok(Box::new(tar.take(span.len())))
    }
}
