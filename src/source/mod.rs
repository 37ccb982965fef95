//! Where images come from: layouts, archives and directories, each seen as a manifest, a config and layers.

mod ahead;
mod archive;
mod attached;
mod brought;
mod choice;
mod copied;
mod docker;
mod documents;
mod error;
mod find;
mod guess;
mod index;
mod layout;
mod near;
mod notes;
mod plain_file;
mod program;
mod read;
mod remote;
mod rootfs;
mod select;
mod store;
mod stored;
mod twins;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{Bytes, FileBytes, SpanReader};
use crate::cache::Cache;
use crate::compression::Compression;
use crate::digest::{BlobDigest, DiffId};
use crate::oci::{Config, Descriptor, Index, Manifest, Platform, Reference, Transport};
use crate::origin::Origin;
use crate::progress::Progress;
use crate::registry::{Reach, Traffic};
use crate::span::Span;
use crate::spool;
use crate::watch::Watched;

pub use attached::{Artifact, Attached};
pub use copied::{bytes_of, read_of};
pub use error::{BlobError, SourceError};
pub use find::{Found, find};
pub use guess::{Guess, guess};
pub use index::IndexError;
pub use program::{ProgramError, end_programs};
pub use read::VerifyingReader;

use archive::Archive;
use notes::Notes;
use plain_file::Scratch;
use remote::Remote;
use rootfs::Rootfs;
use store::Store;
use stored::Stored;

/// One image for one platform.
#[derive(Debug)]
pub struct Image {
    pub manifest: Manifest,
    /// `None` for images that came without a manifest (docker-archive, a directory).
    pub manifest_digest: Option<BlobDigest>,
    pub config: Config,
    pub platform: Option<Platform>,
    pub layers: Vec<Layer>,
    /// The entry that led to the manifest, with its annotations and platform.
    pub index_descriptor: Option<Descriptor>,
    /// The image index that the entry stands in; `None` when a tag leads straight to the manifest.
    pub index: Option<Arc<Index>>,
    /// The gzip image of the same index and platform, which other clients take.
    pub twin: Option<Box<Image>>,
}

impl Image {
    /// The twin's layer with the same tar in the same place.
    pub fn twin_layer(&self, index: usize) -> Option<&Layer> {
        let twin = self.twin.as_ref()?.layers.get(index)?;
        let is_same = twin.diff_id.is_some() && twin.diff_id == self.layers.get(index)?.diff_id;
        (is_same && twin.compression == Compression::Gzip).then_some(twin)
    }
}

#[derive(Debug)]
pub struct Layer {
    /// `None` where the source has no blobs (docker-archive, a directory).
    pub descriptor: Option<Descriptor>,
    /// `None` for a directory: its tar is made while it is read.
    pub diff_id: Option<DiffId>,
    /// As the media type claims; where there is none, as the first bytes tell.
    pub compression: Compression,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Blob(Descriptor),
    Member(Span),
    Rootfs,
    Stored { at: usize, size: u64 },
}

/// An opened reference.
#[derive(Debug)]
pub struct Source<'p> {
    reference: Reference,
    kind: Kind<'p>,
    notes: Notes,
}

#[derive(Debug)]
enum Kind<'p> {
    Layout(Store),
    Remote(Box<Remote<'p>>),
    Docker(Archive),
    Stored(Stored),
    Rootfs(Rootfs),
}

impl<'p> Source<'p> {
    /// As [`open_file`](Self::open_file), with the usual place for temporary files and nobody to stop it.
    pub fn open(reference: &Reference) -> Result<Self, SourceError> {
        Self::open_file(reference, &spool::default_dir(), &Progress::new())
    }

    /// An archive that is compressed or comes through a pipe, or what a program takes from a store, is unpacked into a temporary file in `spool_dir`. A registry
    /// is reached as `reach` says.
    pub fn open_any(
        reference: &Reference,
        spool_dir: &Path,
        reach: &Reach,
        progress: &'p Progress,
    ) -> Result<Self, SourceError> {
        if let Some(name) = reference.name() {
            let kind = Kind::Remote(Box::new(Remote::open(name, reach, progress)?));
            return Ok(Self { reference: reference.clone(), kind, notes: Notes::default() });
        }
        Self::open_file(reference, spool_dir, progress)
    }

    /// The same for files alone.
    pub fn open_file(reference: &Reference, spool_dir: &Path, progress: &Progress) -> Result<Self, SourceError> {
        let (path, notes) = (reference.path(), Notes::default());
        let scratch = Scratch { dir: spool_dir, progress, notes: &notes };
        let kind = match reference.transport() {
            Transport::Oci => Kind::Layout(Store::open_dir(path)?),
            Transport::OciArchive => Kind::Layout(Store::open_archive(reference, scratch)?),
            Transport::ContainersStorage | Transport::DockerDaemon | Transport::DockerArchive => {
                match Stored::look(reference, progress)? {
                    Ok(stored) => Kind::Stored(stored),
                    Err(podman) => {
                        Kind::Docker(Archive::open(reference, scratch).map_err(|error| podman.explain(error))?)
                    }
                }
            }
            Transport::Dir => Kind::Rootfs(Rootfs::open(path)?),
            Transport::Docker => return Err(SourceError::NoFile { reference: reference.to_string() }),
        };
        Ok(Self { reference: reference.clone(), kind, notes })
    }

    /// Gives a root file system a config. Every other image has its own.
    pub fn with_config(mut self, config: Option<Config>) -> Self {
        if let (Kind::Rootfs(root), Some(config)) = (&mut self.kind, config) {
            root.config = Some(config);
        }
        self
    }

    /// Indexes of layers in a registry come from this cache where it has them, and go there.
    pub fn with_cache(mut self, cache: &Cache) -> Self {
        if let Kind::Remote(remote) = &mut self.kind {
            remote.cache = cache.clone();
        }
        self
    }

    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The images that the reference leads to: one for each platform, or only those for `platform`.
    pub fn images(&self, platform: Option<&Platform>) -> Result<Vec<Image>, SourceError> {
        match &self.kind {
            Kind::Layout(store) => layout::images(store, &self.reference, platform, &self.notes),
            Kind::Remote(remote) => remote.images(&self.reference, platform, &self.notes),
            Kind::Docker(archive) => docker::images(archive, &self.reference, platform),
            Kind::Stored(stored) => stored.images(&self.reference, platform),
            Kind::Rootfs(root) => Ok(vec![root.image(&self.reference, platform)?]),
        }
    }

    /// A layer's bytes as stored, checked against its descriptor while they are read (see [`VerifyingReader`]).
    pub fn open_layer(&self, layer: &Layer) -> Result<Box<dyn Read + Send + '_>, SourceError> {
        if let Kind::Rootfs(root) = &self.kind {
            return Ok(Box::new(rootfs::TarStream::open(&root.path, self.notes.clone())?));
        }
        if let (Kind::Remote(remote), Place::Blob(blob)) = (&self.kind, &layer.place)
            && remote.file(blob).is_none()
        {
            return remote.open_blob(blob);
        }
        if let (Kind::Stored(stored), Place::Stored { at, .. }) = (&self.kind, &layer.place) {
            return Ok(Box::new(stored.layer(*at)?.tar().map_err(|source| self.unread(source))?));
        }
        let Some((file, span)) = self.span(&layer.place)? else { return Ok(Box::new(std::io::empty())) };
        let reader = SpanReader::new(file, span);
        Ok(match &layer.place {
            Place::Blob(blob) => Box::new(VerifyingReader::new(reader, blob.digest, blob.size)),
            _ => Box::new(reader),
        })
    }

    /// A layer's bytes as stored, unchecked but for the size. `None` for a directory.
    pub fn layer_bytes(&self, layer: &Layer) -> Result<Option<Box<dyn Bytes + '_>>, SourceError> {
        if let (Kind::Remote(remote), Place::Blob(blob)) = (&self.kind, &layer.place)
            && remote.file(blob).is_none()
        {
            return Ok(Some(Box::new(remote.blob_bytes(blob)?)));
        }
        if let (Kind::Stored(stored), Place::Stored { at, .. }) = (&self.kind, &layer.place) {
            return Ok(Some(Box::new(stored.layer(*at)?.clone())));
        }
        Ok(self.file(&layer.place)?.map(|bytes| Box::new(bytes) as Box<dyn Bytes + '_>))
    }

    /// The file that they are in, where there is one.
    fn file(&self, place: &Place) -> Result<Option<FileBytes>, SourceError> {
        let Some((file, span)) = self.span(place)? else { return Ok(None) };
        if let Place::Blob(blob) = place {
            let (expected, found) = (blob.size, span.len());
            let source = match found.cmp(&expected) {
                std::cmp::Ordering::Less => BlobError::Short { expected, found },
                std::cmp::Ordering::Greater => BlobError::Long { expected },
                std::cmp::Ordering::Equal => return Ok(Some(FileBytes { file, span })),
            };
            return Err(SourceError::Blob { place: self.reference.to_string(), what: layer_name(blob), source });
        }
        Ok(Some(FileBytes { file, span }))
    }

    /// Where a layer's blob can be copied from. `None` for a layer that is made while it is read.
    pub fn origin(&self, layer: &Layer) -> Result<Option<Origin<'_>>, SourceError> {
        self.origin_of(&layer.place)
    }

    fn origin_of(&self, place: &Place) -> Result<Option<Origin<'_>>, SourceError> {
        if let (Kind::Remote(remote), Place::Blob(blob)) = (&self.kind, place)
            && remote.file(blob).is_none()
        {
            return Ok(Some(Origin::Registry(remote.stored(blob)?)));
        }
        let watched = |bytes| Watched::new(bytes).map_err(|_| SourceError::Internal("an open file can't be looked at"));
        Ok(self.file(place)?.map(watched).transpose()?.map(Origin::File))
    }

    fn unread(&self, source: std::io::Error) -> SourceError {
        SourceError::Io { path: self.reference.to_string().into(), doing: "reading a layer", source }
    }

    /// The names of the images in a layout that have another tag than this one.
    pub fn other_images(&self, tag: Option<&str>) -> Result<Vec<String>, SourceError> {
        match &self.kind {
            Kind::Layout(store) => Ok(choice::others(&store.index()?, tag)),
            _ => Ok(Vec::new()),
        }
    }

    /// The other tags in a layout, those that lead to one image.
    pub fn other_tags(&self, tag: Option<&str>) -> Result<Vec<String>, SourceError> {
        match &self.kind {
            Kind::Layout(store) => Ok(choice::other_tags(&store.index()?, tag)),
            _ => Ok(Vec::new()),
        }
    }

    /// True for an image in a registry.
    pub fn is_remote(&self) -> bool {
        matches!(self.kind, Kind::Remote(_))
    }

    /// What refers to an image in a registry, as [`Repository::artifacts`](crate::registry::Repository::artifacts) says it,
    /// if it is none of `others`.
    pub fn artifacts_about(&self, others: &[BlobDigest]) -> Option<(BlobDigest, Vec<String>)> {
        match &self.kind {
            Kind::Remote(remote) => remote.artifacts(others),
            Kind::Layout(_) | Kind::Docker(_) | Kind::Stored(_) | Kind::Rootfs(_) => None,
        }
    }

    /// What went over the network for it.
    pub fn traffic(&self) -> Traffic {
        match &self.kind {
            Kind::Remote(remote) => remote.traffic(),
            Kind::Layout(_) | Kind::Docker(_) | Kind::Stored(_) | Kind::Rootfs(_) => Traffic::default(),
        }
    }

    /// How many layers' indexes are worth reading at the same time: a registry takes its time for each.
    pub fn at_once(&self) -> usize {
        if self.is_remote() { REQUESTS } else { 1 }
    }

    /// What was skipped since the last call, for the user to know.
    pub fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    /// What stands in an index beside the images.
    pub fn take_attached(&self) -> Vec<Attached> {
        self.notes.take_attached()
    }

    /// Those of them that say which platforms an index names in vain.
    pub fn take_absent(&self) -> Vec<String> {
        self.notes.take_absent()
    }

    /// Fails if the layer's blob is not there. For layers of which nothing else is asked.
    pub fn expect_layer(&self, layer: &Layer) -> Result<(), SourceError> {
        match (&self.kind, &layer.place) {
            (Kind::Remote(remote), Place::Blob(blob)) if remote.is_missing(blob)? => Err(SourceError::Blob {
                place: self.reference.to_string(),
                what: layer_name(blob),
                source: BlobError::Missing,
            }),
            _ => Ok(()),
        }
    }

    /// Makes sure that parts of a layer can be read: from a registry that sends none, the whole layer comes into a
    /// temporary file in `spool_dir`, once.
    pub fn bring(&self, layer: &Layer, spool_dir: &Path) -> Result<(), SourceError> {
        match (&self.kind, &layer.place) {
            (Kind::Remote(remote), Place::Blob(blob)) if !remote.does_ranges(blob)? => remote.bring(blob, spool_dir),
            _ => Ok(()),
        }
    }

    fn span(&self, place: &Place) -> Result<Option<(Arc<File>, Span)>, SourceError> {
        Ok(match (&self.kind, place) {
            (Kind::Remote(remote), Place::Blob(blob)) => remote.file(blob).map(|FileBytes { file, span }| (file, span)),
            (Kind::Layout(store), Place::Blob(blob)) => Some(store.blob(blob.digest, || layer_name(blob))?),
            (Kind::Docker(archive), Place::Member(span)) => Some((archive.file(), *span)),
            _ => None,
        })
    }
}

/// Requests to one registry at once.
const REQUESTS: usize = 8;

/// What layers have in the source; `None` where one is made while it is read.
pub fn stored_bytes<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> Option<u64> {
    let bytes = |layer: &Layer| match &layer.place {
        Place::Blob(blob) => Some(blob.size),
        Place::Member(span) => Some(span.len()),
        Place::Stored { size, .. } => Some(*size),
        Place::Rootfs => None,
    };
    layers.into_iter().map(bytes).try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))
}

/// With links resolved as far as the path is there.
pub fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = whole.ancestors().find_map(|dir| Some((dir, dir.canonicalize().ok()?)));
    match there {
        Some((dir, real)) => whole.strip_prefix(dir).map_or(real.clone(), |rest| real.join(rest)),
        None => whole,
    }
}

fn layer_name(blob: &Descriptor) -> String {
    format!("layer {}", blob.digest)
}
