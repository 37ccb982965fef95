//! Where images go: an OCI layout in a directory or in an archive. Nothing is seen there before [`Sink::commit`].

mod archive;
mod blob;
mod copy;
mod disk;
mod error;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod kill_tests;
mod layout;
mod output;
#[cfg(test)]
mod power_cut_tests;
mod stage;
mod syncer;
mod unfinished;
mod upkeep;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::bytes::FileBytes;
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{Descriptor, Index, Reference, Top, Transport, Which};
use crate::origin::Origin;
use crate::progress::Progress;
use crate::registry::StoredBlob;
use crate::span::Span;
use crate::spool;
use crate::threads::lock;
use crate::watch::{Trace, Used, Watched, steady};

pub use blob::{BlobWriter, RawBlobWriter};
pub use error::SinkError;
pub use unfinished::exit_at_once;
pub use upkeep::{Leftover, LockedLayout};

use stage::{Durable, Sibling, Stage};
use syncer::Syncer;

/// A destination that is being filled. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub struct Sink {
    reference: Reference,
    stage: Stage,
    target: Target,
    /// Blobs of the layout that the image needs as they are.
    own: Mutex<Vec<(BlobDigest, u64)>>,
    /// Of sinks that are committed before this one.
    siblings: Vec<Sibling>,
}

#[derive(Debug)]
enum Target {
    /// The stage becomes the layout.
    NewLayout,
    /// The stage's blobs move into a layout that is there (or into an empty directory).
    Layout,
    Archive,
    /// An archive that goes to standard output.
    Output,
}

impl Target {
    fn look(reference: &Reference) -> Result<Self, SinkError> {
        let path = reference.path();
        if !matches!(reference.which(), None | Some(Which::Tag(_))) {
            return Err(SinkError::Transport { reference: reference.to_string() });
        }
        match reference.transport() {
            Transport::Oci => match layout::look(path, reference)? {
                layout::Found::Nothing => Ok(Self::NewLayout),
                layout::Found::Layout => Ok(Self::Layout),
            },
            Transport::OciArchive if reference.is_stdio() => Ok(Self::Output),
            Transport::OciArchive => archive::look(path).map(|()| Self::Archive),
            Transport::DockerArchive
            | Transport::Dir
            | Transport::Docker
            | Transport::ContainersStorage
            | Transport::DockerDaemon => Err(SinkError::Transport { reference: reference.to_string() }),
        }
    }
}

impl Sink {
    /// As [`create_with`](Self::create_with), with the usual place for temporary files.
    pub fn create(reference: &Reference, progress: &Progress) -> Result<Self, SinkError> {
        Self::create_with(reference, &spool::default_dir(), progress)
    }

    /// Fails up front when the destination can't take an image. Blobs wait beside it, and in `temp_dir` for standard
    /// output.
    pub fn create_with(reference: &Reference, temp_dir: &Path, progress: &Progress) -> Result<Self, SinkError> {
        Self::create_beside(reference, temp_dir, &[], progress)
    }

    /// The same beside others, which are committed first. Blobs that they have need no copy where one file can have two names,
    /// and all share the threads that write through to the disk.
    pub fn create_beside(
        reference: &Reference,
        temp_dir: &Path,
        others: &[&Self],
        progress: &Progress,
    ) -> Result<Self, SinkError> {
        let syncer =
            others.first().map_or_else(|| Arc::new(Syncer::default()), |other| Arc::clone(other.stage.syncer()));
        let target = Target::look(reference)?;
        let path = match target {
            Target::Output => &output::place(temp_dir)?,
            _ => reference.path(),
        };
        // Nobody may remove blobs of a layout while a stage stands in it.
        let lock = matches!(target, Target::Layout).then(|| layout::lock(path, progress)).transpose()?;
        stage::sweep(path);
        let stage = match target {
            Target::NewLayout => Stage::beside(path, Durable::Blobs, &syncer)?,
            Target::Archive => Stage::beside(path, Durable::Archive, &syncer)?,
            Target::Output => output::stage(path, &syncer)?,
            Target::Layout => Stage::inside(path, &syncer)?,
        };
        drop(lock);
        let siblings = others.iter().map(|other| other.stage.sibling()).collect();
        Ok(Self { reference: reference.clone(), stage, target, own: Mutex::default(), siblings })
    }

    /// A blob that was written here, and is not committed yet.
    pub fn written(&self, digest: BlobDigest) -> Result<Watched, SinkError> {
        let path = self.stage.blob_path(digest);
        let open = || {
            let file = File::open(&path)?;
            let span = Span::between(0, file.metadata()?.len());
            Watched::new(FileBytes::new(file, span))
        };
        open().map_err(SinkError::io(&path, "opening a blob that was written"))
    }

    /// As [`create`](Self::create) fails, without touching the destination.
    pub fn check(reference: &Reference) -> Result<(), SinkError> {
        Target::look(reference).map(drop)
    }

    /// True when the blob needs not be written: it was put here before, or the layout has it.
    pub fn has(&self, digest: BlobDigest) -> bool {
        self.stage.has(digest) || self.there(digest).is_some()
    }

    /// The size of a blob that was in the layout before.
    fn there(&self, digest: BlobDigest) -> Option<u64> {
        let is_layout = matches!(self.target, Target::Layout);
        is_layout.then(|| layout::blob_size(self.reference.path(), digest)).flatten()
    }

    /// A new blob, hashed while it is written. Several may be open at once, in several threads.
    pub fn blob(&self) -> Result<BlobWriter, SinkError> {
        self.raw_blob().map(BlobWriter::new)
    }

    /// A new blob whose writer knows the digest itself.
    pub fn raw_blob(&self) -> Result<RawBlobWriter, SinkError> {
        RawBlobWriter::create(&self.stage)
    }

    /// Stores a manifest, index or config.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<(BlobDigest, u64), SinkError> {
        check_document(self.reference.path(), bytes.len() as u64)?;
        let mut blob = self.raw_blob()?;
        blob.push(bytes)?;
        let digest = BlobDigest::from_bytes(Sha256Stream::of(bytes));
        blob.finish_as(digest, bytes.len() as u64)?;
        Ok((digest, bytes.len() as u64))
    }

    /// Stores a blob from where it is. Returns how the blob in the sink is known again, if this call put it there or found
    /// it there.
    pub fn keep(&self, from: &Origin<'_>, digest: BlobDigest) -> Result<Option<Trace>, SinkError> {
        match from {
            Origin::File(file) => self.copy_sound_blob(file, digest),
            Origin::Registry(_) if self.stage.has(digest) => Ok(None),
            Origin::Registry(blob) => self.fetch(blob).map(Some),
        }
    }

    /// Its bytes are checked on the way.
    fn fetch(&self, blob: &StoredBlob<'_>) -> Result<Trace, SinkError> {
        let failed = |error: io::Error| match error.downcast::<SinkError>() {
            Ok(error) => error,
            Err(error) => SinkError::Fetch { source: blob.repository.failure(error) },
        };
        let mut out = self.raw_blob()?;
        let mut from = blob.open().map_err(|source| SinkError::Fetch { source })?;
        io::copy(&mut from, &mut out).map_err(failed)?;
        out.finish_as(blob.digest, blob.size)
    }

    /// Stores a blob that lies in a file, sharing its extents where the file system can. The caller vouches for its
    /// digest as long as the file has the stamp that it is watched with. A layout that has this very file needs no copy.
    pub fn copy_sound_blob(&self, from: &Watched, digest: BlobDigest) -> Result<Option<Trace>, SinkError> {
        self.copy_watched(from, digest, || {})
    }

    /// `copied` is called when the bytes are there and nobody has looked yet whether they are the right ones.
    fn copy_watched(&self, from: &Watched, digest: BlobDigest, copied: impl Fn()) -> Result<Option<Trace>, SinkError> {
        if self.stage.has(digest) || self.siblings.iter().any(|sibling| self.stage.link(sibling, digest)) {
            return Ok(None);
        }
        let is_own = self.is_own_blob(from.file(), digest);
        let mut stamp = None;
        let blob = steady(&[Used { blob: from, digest, is_proven: true }], || {
            stamp = from.stamp();
            let blob = if is_own { None } else { Some(self.copy(from)?) };
            copied();
            Ok::<_, SinkError>(blob)
        })?;
        match blob {
            Some(blob) => blob.finish_as(digest, from.span().len()).map(Some),
            None => {
                self.need(from, digest)?;
                Ok(stamp.map(Trace::Same))
            }
        }
    }

    /// A blob of the layout. Nobody knows whether who wrote it has synced it; if so, it takes no time.
    fn need(&self, own: &Watched, digest: BlobDigest) -> Result<(), SinkError> {
        let path = layout::blob_path(self.reference.path(), digest);
        let file = own.file().try_clone().map_err(SinkError::io(&path, "duplicating the open file"))?;
        lock(&self.own).push((digest, own.span().len()));
        self.stage.sync_later(file, path)
    }

    fn copy(&self, from: &Watched) -> Result<RawBlobWriter, SinkError> {
        let mut blob = self.raw_blob()?;
        blob.append_from(from.file(), from.span())?;
        Ok(blob)
    }

    fn is_own_blob(&self, file: &File, digest: BlobDigest) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let own = match self.target {
            Target::Layout => std::fs::metadata(layout::blob_path(self.reference.path(), digest)).ok(),
            Target::NewLayout | Target::Archive | Target::Output => None,
        };
        let place = |meta: &std::fs::Metadata| (meta.dev(), meta.ino());
        own.is_some_and(|own| file.metadata().is_ok_and(|file| place(&file) == place(&own)))
    }

    /// Makes the images visible under the reference's tag and returns the digest that the tag then points at.
    ///
    /// One manifest is tagged itself; several, or one with an `index` that led to it, get an index of their own.
    /// `index` lends its annotations and unknown fields.
    pub fn commit(
        self,
        images: Vec<Descriptor>,
        index: Option<&Index>,
        progress: &Progress,
    ) -> Result<BlobDigest, SinkError> {
        if let Some(image) = images.iter().find(|image| !self.has(image.digest)) {
            return Err(SinkError::NoManifest { digest: image.digest });
        }
        let entry = self.entry(images, index)?;
        self.stage.wait_for_syncs()?;
        progress.check()?;
        let (digest, path, tag) = (entry.digest, self.reference.path(), self.reference.tag());
        // Whoever reads standard output may never go on.
        let _committing = (!matches!(self.target, Target::Output)).then(unfinished::committing);
        match self.target {
            Target::NewLayout => layout::create(self.stage, entry, tag, path, progress)?,
            Target::Layout => layout::extend(&self.stage, &lock(&self.own), entry, tag, path, progress)?,
            Target::Archive => archive::write(&self.stage, entry, tag, path)?,
            Target::Output => output::write(&self.stage, entry, tag, progress)?,
        }
        Ok(digest)
    }

    /// What index.json shall hold for the tag.
    fn entry(&self, images: Vec<Descriptor>, index: Option<&Index>) -> Result<Descriptor, SinkError> {
        match Top::of(images, index) {
            None => Err(SinkError::NoImages { reference: self.reference.to_string() }),
            Some(Top::Image(image)) => Ok(image),
            Some(Top::Index { media_type, bytes }) => {
                let (digest, size) = self.put_bytes(&bytes)?;
                Ok(Descriptor::new(media_type, digest, size))
            }
        }
    }
}

/// Fails for a manifest, index or config that no client would read.
pub(crate) fn check_document(dest: &Path, bytes: u64) -> Result<(), SinkError> {
    let (what, limit) = ("bytes of a manifest, index or config", limits::MANIFEST_BYTES);
    match bytes > limit {
        true => Err(SinkError::Limit { path: dest.to_owned(), what, limit, found: bytes }),
        false => Ok(()),
    }
}
