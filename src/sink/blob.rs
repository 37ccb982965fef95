//! One blob on its way to a sink.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tempfile::NamedTempFile;

use super::stage::Stage;
use super::{SinkError, copy};
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::span::Span;
use crate::watch::{Stamp, Trace};

/// Small writes (headers between frames) are gathered up to this.
const BUFFER: usize = 1 << 18;

/// Writes a blob whose digest the caller knows in the end. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct RawBlobWriter {
    stage: Stage,
    file: NamedTempFile,
    buffer: Vec<u8>,
    /// Bytes in the file; what the buffer holds comes behind them.
    flushed: u64,
}

impl RawBlobWriter {
    pub(super) fn create(stage: &Stage) -> Result<Self, SinkError> {
        let file = stage.temp_file()?;
        Ok(Self { stage: stage.clone(), file, buffer: Vec::new(), flushed: 0 })
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// As `write_all`, with the sink's own errors.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.empty_buffer()?;
        }
        if bytes.len() >= BUFFER {
            return self.put(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends bytes that lie in another file.
    pub fn append_from(&mut self, file: &File, span: Span) -> Result<(), SinkError> {
        self.empty_buffer()?;
        let copied = copy::copy_span(file, span, self.file.as_file(), self.flushed);
        let copied = copied.map_err(SinkError::io(self.file.path(), "copying into a blob"))?;
        if copied != span.len() {
            return Err(SinkError::ShortCopy { expected: span.len(), found: copied });
        }
        self.flushed += copied;
        Ok(())
    }

    /// Stores the blob under a digest that the caller vouches for; only the size is checked. Returns how the
    /// file is known again when it has its name.
    pub fn finish_as(mut self, digest: BlobDigest, size: u64) -> Result<Trace, SinkError> {
        self.empty_buffer()?;
        if self.flushed != size {
            return Err(SinkError::Size { digest, expected: size, found: self.flushed });
        }
        let meta = self.file.as_file().metadata().map_err(SinkError::io(self.file.path(), "looking at a blob"))?;
        self.stage.keep(self.file, digest).map(|()| Trace::Renamed(Stamp::of(&meta)))
    }

    /// Renames what was written to a place of its own.
    pub(super) fn persist(mut self, path: &Path) -> Result<(), SinkError> {
        self.empty_buffer()?;
        let renamed = self.file.persist(path);
        renamed.map(drop).map_err(|error| SinkError::io(path, "renaming the new file into place")(error.error))
    }

    fn empty_buffer(&mut self) -> Result<(), SinkError> {
        let bytes = std::mem::take(&mut self.buffer);
        self.put(&bytes)?;
        self.buffer = bytes;
        self.buffer.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let wrote = self.file.as_file().write_all_at(bytes, self.flushed);
        wrote.map_err(SinkError::io(self.file.path(), "writing a blob"))?;
        self.flushed += bytes.len() as u64;
        Ok(())
    }
}

/// The error inside is a [`SinkError`].
impl Write for RawBlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(into_io)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.empty_buffer().map_err(into_io)
    }
}

/// Writes a blob and finds its digest.
pub struct BlobWriter {
    raw: RawBlobWriter,
    hash: Sha256Stream,
}

impl BlobWriter {
    pub(super) fn new(raw: RawBlobWriter) -> Self {
        Self { raw, hash: Sha256Stream::new() }
    }

    pub fn finish(self) -> Result<(BlobDigest, u64), SinkError> {
        self.finish_traced().map(|(digest, size, _)| (digest, size))
    }

    /// With what [`RawBlobWriter::finish_as`] returns.
    pub fn finish_traced(self) -> Result<(BlobDigest, u64, Trace), SinkError> {
        let size = self.hash.bytes();
        let digest = BlobDigest::from_bytes(self.hash.finish());
        let trace = self.raw.finish_as(digest, size)?;
        Ok((digest, size, trace))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.raw.push(bytes).map_err(into_io)?;
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.raw.flush()
    }
}

fn into_io(error: SinkError) -> io::Error {
    let kind = match &error {
        SinkError::Io { source, .. } => source.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
