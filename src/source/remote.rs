//! An image in a registry. Manifests and configs are read when it is opened and listed; of layers only what is asked for.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::ahead::Ahead;
use super::brought::{BringError, Brought};
use super::documents::Documents;
use super::find::{Found, find};
use super::layout::{chosen, walk};
use super::{BlobError, Image, Notes, SourceError};
use crate::bytes::{Bytes, FileBytes};
use crate::cache::Cache;
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{Descriptor, Index, Platform, Reference};
use crate::progress::Progress;
use crate::registry::names::Name;
use crate::registry::{self, Answer, Blob, Client, Document, Reach, RegistryError, Repository, StoredBlob, Traffic};
use crate::span::Span;

#[derive(Debug)]
pub(super) struct Remote<'p> {
    client: Client<'p>,
    repository: String,
    place: String,
    root: Document,
    ahead: Arc<Ahead>,
    brought: Brought,
    pub cache: Cache,
}

impl<'p> Remote<'p> {
    pub fn open(name: &Name, reach: &Reach, progress: &'p Progress) -> Result<Self, SourceError> {
        let Found { client, repository, root, .. } = find(name, reach, progress)?;
        let (place, ahead, brought) = (format!("docker://{name}"), Arc::default(), Brought::default());
        Ok(Self { client, repository, place, root, ahead, brought, cache: Cache::default() })
    }

    pub fn images(
        &self,
        reference: &Reference,
        wanted: Option<&Platform>,
        notes: &Notes,
    ) -> Result<Vec<Image>, SourceError> {
        let Document { bytes, media_type, digest } = &self.root;
        let mut index = Index::default();
        index.replace_tag(Descriptor::new(media_type, *digest, bytes.len() as u64), None);
        let found = walk(self, index.manifests().collect(), "the registry's answer", reference, wanted, notes)?;
        chosen(found, reference, wanted, notes)
    }

    /// The bytes of a layer's blob, checked while they are read.
    pub fn open_blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send + '_>, SourceError> {
        let repository = self.repository()?;
        let opened = repository.blob(blob.digest, blob.size).map_err(|source| self.failed(source))?;
        Ok(Box::new(opened))
    }

    pub fn blob_bytes(&self, blob: &Descriptor) -> Result<RemoteBytes<'_>, SourceError> {
        Ok(RemoteBytes { blob: self.stored(blob)?, ahead: Arc::clone(&self.ahead) })
    }

    /// A file with the blob's bytes, if they were brought.
    pub fn file(&self, blob: &Descriptor) -> Option<FileBytes> {
        self.brought.file(blob.digest)
    }

    /// True if the registry says that it does not have the blob.
    pub fn is_missing(&self, blob: &Descriptor) -> Result<bool, SourceError> {
        self.repository()?.lacks_blob(blob.digest).map_err(|source| self.failed(source))
    }

    /// Whether parts of blobs can be read, as one of them tells.
    pub fn does_ranges(&self, blob: &Descriptor) -> Result<bool, SourceError> {
        self.brought.does_ranges(&self.stored(blob)?).map_err(|source| self.failed(source))
    }

    /// Reads the blob into a temporary file. All reading is from there then.
    pub fn bring(&self, blob: &Descriptor, spool_dir: &Path) -> Result<(), SourceError> {
        self.brought.bring(&self.stored(blob)?, spool_dir).map_err(|error| match error {
            BringError::Registry(source) => self.failed(source),
            BringError::Spool(source) => SourceError::Spool { archive: self.place.clone().into(), source },
        })
    }

    /// Where others can copy it from.
    pub fn stored(&self, blob: &Descriptor) -> Result<StoredBlob<'_>, SourceError> {
        Ok(StoredBlob { repository: self.repository()?, digest: blob.digest, size: blob.size })
    }

    pub fn artifacts(&self, others: &[BlobDigest]) -> Option<(BlobDigest, Vec<String>)> {
        let root = Some(&self.root).filter(|root| !others.contains(&root.digest))?;
        Some((root.digest, self.repository().ok()?.artifacts(root)))
    }

    pub fn traffic(&self) -> Traffic {
        self.client.traffic()
    }

    fn repository(&self) -> Result<Repository<'_, 'p>, SourceError> {
        self.client.repository(&self.repository).map_err(|source| self.failed(source))
    }

    /// A part of an image that is missing is damage, and not an image that is not there.
    fn lacks(&self, what: &str, source: RegistryError) -> SourceError {
        match source.is_not_found() {
            true => SourceError::Blob { place: self.place.clone(), what: what.to_owned(), source: BlobError::Missing },
            false => self.failed(source),
        }
    }

    fn failed(&self, source: RegistryError) -> SourceError {
        SourceError::Registry { place: self.place.clone(), source }
    }
}

impl Documents for Remote<'_> {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn manifest(&self, entry: &Descriptor, what: &str) -> Result<Vec<u8>, SourceError> {
        if entry.digest == self.root.digest {
            return Ok(self.root.bytes.clone());
        }
        expect_size(entry, what)?;
        let document = self.repository()?.manifest(&registry::Which::Digest(entry.digest));
        Ok(document.map_err(|source| self.lacks(what, source))?.bytes)
    }

    fn config(&self, blob: &Descriptor, what: &str) -> Result<Vec<u8>, SourceError> {
        expect_size(blob, what)?;
        let mut bytes = Vec::new();
        let opened = self.repository()?.blob(blob.digest, blob.size).map_err(|source| self.lacks(what, source));
        match opened?.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(match error.downcast::<RegistryError>() {
                Ok(source) => self.failed(source),
                Err(source) => SourceError::Io { path: self.place.clone().into(), doing: "reading a blob", source },
            }),
        }
    }

    /// Asking for each would take a request. What is missing is told when it is read.
    fn has(&self, _: BlobDigest) -> Result<bool, SourceError> {
        Ok(true)
    }

    fn is_dockers(&self) -> bool {
        false
    }
}

fn expect_size(blob: &Descriptor, what: &str) -> Result<(), SourceError> {
    match blob.size > limits::MANIFEST_BYTES {
        true => Err(super::store::too_large(what, blob.size)),
        false => Ok(()),
    }
}

/// A blob's bytes by range requests.
#[derive(Debug)]
pub(super) struct RemoteBytes<'a> {
    blob: StoredBlob<'a>,
    ahead: Arc<Ahead>,
}

impl<'a> RemoteBytes<'a> {
    pub fn new(blob: StoredBlob<'a>) -> Self {
        Self { blob, ahead: Arc::default() }
    }
}

impl Bytes for RemoteBytes<'_> {
    fn size(&self) -> u64 {
        self.blob.size
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let StoredBlob { repository, digest, size } = &self.blob;
        let span = Span::new(at, out.len() as u64).filter(|span| span.fits_in(*size));
        let Some(span) = span else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        if !span.is_empty() {
            let fetch = |span: Span| -> io::Result<Vec<u8>> {
                let bytes = repository.read_at(*digest, *size, span)?;
                match bytes.len() as u64 == span.len() {
                    true => Ok(bytes),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            };
            self.ahead.read((*digest, *size), out, at, fetch)?;
        }
        Ok(())
    }

    fn pass(&self, span: Span) -> io::Result<Box<dyn Read + Send + '_>> {
        let StoredBlob { repository, digest, size } = &self.blob;
        let end = span.end().min(*size);
        let span = Span::between(span.start().min(end), end);
        if span.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        if span == Span::between(0, *size) {
            return Ok(Box::new(self.blob.open()?.unproven()));
        }
        match repository.ranges(*digest, *size, &[span])? {
            Answer::Parts(mut parts) => {
                parts.next_span()?;
                Ok(Box::new(parts))
            }
            Answer::Whole(blob) => part(blob, span),
            Answer::Refused(_) => part(self.blob.open()?, span),
        }
    }
}

/// What comes before is thrown away.
fn part<'a>(mut blob: Blob<'a, 'a>, span: Span) -> io::Result<Box<dyn Read + Send + 'a>> {
    io::copy(&mut (&mut blob).take(span.start()), &mut io::sink())?;
    Ok(Box::new(blob.unproven().take(span.len())))
}
