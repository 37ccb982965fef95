//! A layer's bytes, by offset or front to back, unchecked.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::source::SourceError;
use crate::span::Span;

/// Offsets count from the blob's first byte, wherever in the file that is.
pub struct Blob {
    file: File,
    span: Span,
    path: PathBuf,
}

impl Blob {
    pub fn new(file: File, span: Span, path: &Path) -> Self {
        Self { file, span, path: path.to_owned() }
    }

    pub fn len(&self) -> u64 {
        self.span.len()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fills `out`. The caller has seen that the bytes are inside.
    pub fn read_exact_at(&self, out: &mut [u8], at: u64) -> Result<(), Error> {
        self.file.read_exact_at(out, self.span.start() + at).map_err(|error| self.error(error))
    }

    /// The part of `span` that is inside the blob, front to back.
    pub(super) fn reader(&self, span: Span) -> BlobReader<'_> {
        let end = self.span.end();
        let at = |offset: u64| self.span.start().saturating_add(offset).min(end);
        BlobReader { file: &self.file, at: at(span.start()), end: at(span.end()) }
    }

    pub fn error(&self, source: io::Error) -> Error {
        SourceError::Io { path: self.path.clone(), doing: "reading a layer", source }.into()
    }
}

pub(super) struct BlobReader<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = buf.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let got = self.file.read_at(&mut buf[..want], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}
