//! An image in a registry. Manifests and configs are read when it is opened and listed; of layers only what is asked for.

use std::io::{self, Read};

use super::ahead::Ahead;
use super::documents::Documents;
use super::layout::{chosen, walk};
use super::near;
use super::{BlobError, Image, Notes, SourceError, choice};
use crate::bytes::Bytes;
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{Descriptor, Index, Platform, Reference, Which};
use crate::progress::Progress;
use crate::registry::names::{self, Name, Purpose, Target, resolve};
use crate::registry::{self, Answer, Blob, Client, Document, Reach, RegistryError, Repository};
use crate::span::Span;

#[derive(Debug)]
pub(super) struct Remote<'p> {
    client: Client<'p>,
    repository: String,
    place: String,
    root: Document,
    ahead: Ahead,
}

impl<'p> Remote<'p> {
    /// Reads the manifest or index that the name leads to, at the first place that has it.
    pub fn open(
        reference: &Reference,
        name: &Name,
        reach: &Reach,
        progress: &'p Progress,
    ) -> Result<Self, SourceError> {
        let place = format!("docker://{name}");
        let failed = |source| SourceError::Registry { place: place.clone(), source };
        let targets = resolve(name, &reach.access, &reach.environment, Purpose::Read)
            .map_err(|source| SourceError::Lookup { place: place.clone(), source: Box::new(source) })?;
        let which = match name.which() {
            names::Which::Tag(tag) => registry::Which::Tag(tag),
            names::Which::Digest(digest) => registry::Which::Digest(*digest),
        };
        let mut failure = None;
        for Target { endpoint, repository } in targets {
            let client = Client::new(endpoint, reach.options.clone(), progress).map_err(failed)?;
            let repository = client.repository(&repository).map_err(failed)?;
            match repository.manifest(&which) {
                Ok(root) => {
                    let repository = repository.name().to_owned();
                    return Ok(Self { client, repository, place, root, ahead: Ahead::default() });
                }
                Err(error @ RegistryError::Interrupted(_)) => return Err(failed(error)),
                // A mirror's failure is told only where the next place fails as well.
                Err(error) => failure = Some(untagged(reference, &repository, &error).unwrap_or_else(|| failed(error))),
            }
        }
        Err(failure.unwrap_or(SourceError::Internal("a name without a place")))
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

    pub fn blob_bytes(&self, blob: &Descriptor) -> Result<RemoteBytes<'_, 'p>, SourceError> {
        Ok(RemoteBytes { repository: self.repository()?, ahead: &self.ahead, digest: blob.digest, size: blob.size })
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

/// What a repository without the tag has instead, if it tells.
fn untagged(reference: &Reference, repository: &Repository<'_, '_>, error: &RegistryError) -> Option<SourceError> {
    let which = reference.which().filter(|which| matches!(which, Which::Tag(_)) && error.is_not_found())?;
    let tags = repository.tags().ok().filter(|tags| !tags.is_empty())?;
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    Some(choice::none(reference, which, near::first(&which.to_string(), &names), &names))
}

fn expect_size(blob: &Descriptor, what: &str) -> Result<(), SourceError> {
    match blob.size > limits::MANIFEST_BYTES {
        true => Err(super::store::too_large(what, blob.size)),
        false => Ok(()),
    }
}

/// A blob's bytes by range requests.
#[derive(Debug)]
pub(super) struct RemoteBytes<'c, 'p> {
    repository: Repository<'c, 'p>,
    ahead: &'c Ahead,
    digest: BlobDigest,
    size: u64,
}

impl Bytes for RemoteBytes<'_, '_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let span = Span::new(at, out.len() as u64).filter(|span| span.fits_in(self.size));
        let Some(span) = span else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        if !span.is_empty() {
            let fetch = |span: Span| -> io::Result<Vec<u8>> {
                let bytes = self.repository.read_at(self.digest, self.size, span)?;
                match bytes.len() as u64 == span.len() {
                    true => Ok(bytes),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            };
            self.ahead.read((self.digest, self.size), out, at, fetch)?;
        }
        Ok(())
    }

    fn pass(&self, span: Span) -> io::Result<Box<dyn Read + Send + '_>> {
        let end = span.end().min(self.size);
        let span = Span::between(span.start().min(end), end);
        if span.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        if span == Span::between(0, self.size) {
            return Ok(Box::new(self.repository.blob(self.digest, self.size)?.unproven()));
        }
        match self.repository.ranges(self.digest, self.size, &[span])? {
            Answer::Parts(mut parts) => {
                parts.next_span()?;
                Ok(Box::new(parts))
            }
            Answer::Whole(blob) => part(blob, span),
            Answer::Refused(_) => part(self.repository.blob(self.digest, self.size)?, span),
        }
    }
}

/// What comes before is thrown away.
fn part<'a>(mut blob: Blob<'a, 'a>, span: Span) -> io::Result<Box<dyn Read + Send + 'a>> {
    io::copy(&mut (&mut blob).take(span.start()), &mut io::sink())?;
    Ok(Box::new(blob.unproven().take(span.len())))
}
