//! A layer's bytes, by offset or front to back, unchecked.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::bytes::Bytes;
use crate::error::Error;
use crate::source::SourceError;
use crate::span::Span;

/// The bytes, and where they are from, for errors.
pub struct Blob<'a> {
    bytes: Box<dyn Bytes + 'a>,
    path: PathBuf,
}

/// A part of a blob, front to back.
pub(super) type BlobReader<'a> = Box<dyn Read + Send + 'a>;

impl<'a> Blob<'a> {
    pub fn new(bytes: Box<dyn Bytes + 'a>, path: &Path) -> Self {
        Self { bytes, path: path.to_owned() }
    }

    pub fn len(&self) -> u64 {
        self.bytes.size()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fills `out`. The caller has seen that the bytes are inside.
    pub fn read_exact_at(&self, out: &mut [u8], at: u64) -> Result<(), Error> {
        self.bytes.read_exact_at(out, at).map_err(|error| self.error(error))
    }

    /// The part of `span` that is inside the blob, front to back.
    pub(super) fn reader(&self, span: Span) -> Result<BlobReader<'_>, Error> {
        self.bytes.pass(span).map_err(|error| self.error(error))
    }

    pub fn error(&self, source: io::Error) -> Error {
        SourceError::Io { path: self.path.clone(), doing: "reading a layer", source }.into()
    }
}
