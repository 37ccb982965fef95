//! The files of an OCI layout, in a directory or in an archive.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::archive::Archive;
use super::guess::hint;
use super::plain_file::Scratch;
use super::{BlobError, SourceError, VerifyingReader};
use crate::bytes::SpanReader;
use crate::digest::BlobDigest;
use crate::limits;
use crate::oci::{self, Descriptor, Index, Reference};
use crate::span::Span;

#[derive(Debug)]
pub(super) enum Store {
    Dir(PathBuf),
    Archive(Archive),
}

impl Store {
    pub(super) fn open_dir(path: &Path) -> Result<Self, SourceError> {
        let meta = std::fs::metadata(path).map_err(|source| SourceError::Io {
            path: path.to_owned(),
            doing: "opening the layout",
            source,
        })?;
        if !meta.is_dir() {
            return Err(not_a_layout(path, "a file"));
        }
        let store = Self::Dir(path.to_owned());
        store.check()?;
        Ok(store)
    }

    pub(super) fn open_archive(reference: &Reference, scratch: Scratch<'_>) -> Result<Self, SourceError> {
        let store = Self::Archive(Archive::open(reference, scratch)?);
        store.check()?;
        Ok(store)
    }

    fn check(&self) -> Result<(), SourceError> {
        let Some((file, span)) = self.find("oci-layout")? else {
            return Err(not_a_layout(self.path(), "no file oci-layout"));
        };
        let bytes = self.read_small("oci-layout", file, span)?;
        oci::check_layout_file(&bytes, "oci-layout").map_err(|source| self.oci(source))
    }

    pub(super) fn index(&self) -> Result<Index, SourceError> {
        let Some((file, span)) = self.find("index.json")? else {
            return Err(not_a_layout(self.path(), "no file index.json"));
        };
        let bytes = self.read_small("index.json", file, span)?;
        Index::parse(&bytes, "index.json").map_err(|source| self.oci(source))
    }

    /// Where a blob's bytes lie; `what` names it.
    pub(super) fn blob(
        &self,
        digest: BlobDigest,
        what: impl FnOnce() -> String,
    ) -> Result<(Arc<File>, Span), SourceError> {
        match self.find(&format!("blobs/sha256/{}", digest.hex())) {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(self.blob_error(what(), BlobError::Missing)),
            Err(SourceError::Kind { .. }) => Err(self.blob_error(what(), BlobError::NoFile)),
            Err(error) => Err(error),
        }
    }

    /// A manifest, index or config, whole and verified; `what` names it.
    pub(super) fn document(&self, blob: &Descriptor, what: &str) -> Result<Vec<u8>, SourceError> {
        if blob.size > limits::MANIFEST_BYTES {
            return Err(too_large(what, blob.size));
        }
        let (file, span) = self.blob(blob.digest, || what.to_owned())?;
        let mut bytes = Vec::new();
        let read = VerifyingReader::new(SpanReader::new(file, span), blob.digest, blob.size).read_to_end(&mut bytes);
        match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(match BlobError::of(&error) {
                Some(source) => self.blob_error(what.to_owned(), source.clone()),
                None => self.io("reading a blob", error),
            }),
        }
    }

    /// False for a blob that is named only.
    pub(super) fn has(&self, digest: BlobDigest) -> Result<bool, SourceError> {
        let name = format!("blobs/sha256/{}", digest.hex());
        match self {
            Self::Archive(archive) => Ok(archive.find(&name)?.is_some()),
            Self::Dir(_) => match self.find(&name) {
                Err(SourceError::Kind { .. }) => Ok(true),
                found => Ok(found?.is_some()),
            },
        }
    }

    /// True for an archive that docker load reads, too.
    pub(super) fn is_dockers(&self) -> bool {
        matches!(self.find("manifest.json"), Ok(Some(_)))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Dir(path) => path,
            Self::Archive(archive) => archive.path(),
        }
    }

    pub(super) fn oci(&self, source: oci::OciError) -> SourceError {
        SourceError::Oci { place: self.path().display().to_string(), source }
    }

    fn blob_error(&self, what: String, source: BlobError) -> SourceError {
        SourceError::Blob { place: self.path().display().to_string(), what, source }
    }

    fn find(&self, name: &str) -> Result<Option<(Arc<File>, Span)>, SourceError> {
        match self {
            Self::Archive(archive) => Ok(archive.find(name)?.map(|span| (archive.file(), span))),
            Self::Dir(dir) => open_regular(&dir.join(name)),
        }
    }

    fn read_small(&self, name: &str, file: Arc<File>, span: Span) -> Result<Vec<u8>, SourceError> {
        if span.len() > limits::MANIFEST_BYTES {
            return Err(too_large(name, span.len()));
        }
        let mut bytes = Vec::new();
        let read = SpanReader::new(file, span).read_to_end(&mut bytes);
        read.map_err(|error| self.io("reading a layout file", error))?;
        Ok(bytes)
    }

    fn io(&self, doing: &'static str, source: io::Error) -> SourceError {
        SourceError::Io { path: self.path().to_owned(), doing, source }
    }
}

fn open_regular(path: &Path) -> Result<Option<(Arc<File>, Span)>, SourceError> {
    let io = |source| SourceError::Io { path: path.to_owned(), doing: "opening", source };
    // Asked before opening, which would wait for ever on a FIFO.
    let other = |found: &str| SourceError::Kind {
        path: path.to_owned(),
        expected: "a regular file",
        found: found.to_owned(),
        hint: String::new(),
    };
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Err(other("something else")),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
            return Err(other("a symbolic link that leads to itself"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    }
    let file = File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    Ok(Span::new(0, len).map(|span| (Arc::new(file), span)))
}

pub(super) fn too_large(what: &str, found: u64) -> SourceError {
    SourceError::TooLarge { what: what.to_owned(), limit: limits::MANIFEST_BYTES, found }
}

fn not_a_layout(path: &Path, found: &str) -> SourceError {
    let (path, hint) = (path.to_owned(), hint(path));
    SourceError::Kind { path, expected: "an OCI layout", found: found.to_owned(), hint }
}
