//! Where images go: an OCI layout in a directory or in an archive. Nothing is seen there before [`Sink::commit`].

mod archive;
mod blob;
mod copy;
mod error;
mod layout;
mod stage;
mod unfinished;

#[cfg(test)]
mod tests;

use std::fs::File;

use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::oci::{Descriptor, Index, Reference, Transport, Which};
use crate::span::Span;

pub use blob::{BlobWriter, RawBlobWriter};
pub use error::SinkError;
pub use unfinished::exit_at_once;

use stage::Stage;

/// A destination that is being filled. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub struct Sink {
    reference: Reference,
    stage: Stage,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// The stage becomes the layout.
    NewLayout,
    /// The stage's blobs move into a layout that is there (or into an empty directory).
    Layout,
    Archive,
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
            Transport::OciArchive => archive::look(path).map(|()| Self::Archive),
            Transport::DockerArchive | Transport::Dir => Err(SinkError::Transport { reference: reference.to_string() }),
        }
    }
}

impl Sink {
    /// Fails up front when the destination can't take an image.
    pub fn create(reference: &Reference) -> Result<Self, SinkError> {
        let path = reference.path();
        let target = Target::look(reference)?;
        let stage = match target {
            Target::NewLayout | Target::Archive => Stage::beside(path)?,
            Target::Layout => Stage::inside(path)?,
        };
        Ok(Self { reference: reference.clone(), stage, target })
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
        let mut blob = self.raw_blob()?;
        blob.push(bytes)?;
        let digest = BlobDigest::from_bytes(Sha256Stream::of(bytes));
        blob.finish_as(digest, bytes.len() as u64)?;
        Ok((digest, bytes.len() as u64))
    }

    /// Stores a blob that lies in a file, sharing its extents where the file system can. The caller vouches for its
    /// digest. A layout that has this very file needs no copy.
    pub fn copy_sound_blob(&self, file: &File, span: Span, digest: BlobDigest) -> Result<(), SinkError> {
        if self.stage.has(digest) || self.is_own_blob(file, digest) {
            return Ok(());
        }
        let mut blob = self.raw_blob()?;
        blob.append_from(file, span)?;
        blob.finish_as(digest, span.len())
    }

    fn is_own_blob(&self, file: &File, digest: BlobDigest) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let own = match self.target {
            Target::Layout => std::fs::metadata(layout::blob_path(self.reference.path(), digest)).ok(),
            Target::NewLayout | Target::Archive => None,
        };
        let place = |meta: &std::fs::Metadata| (meta.dev(), meta.ino());
        own.is_some_and(|own| file.metadata().is_ok_and(|file| place(&file) == place(&own)))
    }

    /// Makes the images visible under the reference's tag and returns the digest that the tag then points at.
    ///
    /// One manifest is tagged itself; several, or one with an `index` that led to it, get an index of their own.
    /// `index` lends its annotations and unknown fields.
    pub fn commit(self, images: Vec<Descriptor>, index: Option<&Index>) -> Result<BlobDigest, SinkError> {
        if let Some(image) = images.iter().find(|image| !self.has(image.digest)) {
            return Err(SinkError::NoManifest { digest: image.digest });
        }
        let entry = self.entry(images, index)?;
        let _committing = unfinished::committing();
        let (digest, path, tag) = (entry.digest, self.reference.path(), self.reference.tag());
        match self.target {
            Target::NewLayout => layout::create(self.stage, entry, tag, path)?,
            Target::Layout => layout::extend(&self.stage, entry, tag, path)?,
            Target::Archive => archive::write(&self.stage, entry, tag, path)?,
        }
        Ok(digest)
    }

    /// What index.json shall hold for the tag.
    fn entry(&self, mut images: Vec<Descriptor>, index: Option<&Index>) -> Result<Descriptor, SinkError> {
        for image in &mut images {
            NAMES.iter().for_each(|name| image.remove_annotation(name));
        }
        match (images.len(), index) {
            (0, _) => Err(SinkError::NoImages { reference: self.reference.to_string() }),
            (1, None) => Ok(images.remove(0).into_oci()),
            _ => {
                let index = index.cloned().unwrap_or_default().to_oci_with(images);
                let (digest, size) = self.put_bytes(&index.to_bytes())?;
                Ok(Descriptor::new(INDEX, digest, size))
            }
        }
    }
}

/// Names that an index entry had where it came from; the second is containerd's.
const NAMES: [&str; 2] = [oci_spec::image::ANNOTATION_REF_NAME, "io.containerd.image.name"];
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
