//! One blob on its way to a sink.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::SinkError;
use super::stage::{self, Durable, Stage};
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::span::Span;
use crate::watch::{Stamp, Trace};

/// Small writes (headers between frames) are gathered up to this.
const BUFFER: usize = 1 << 18;

/// The disk gets to work each time that so much was written, so that little is left to do at the end.
const SYNC_EVERY: u64 = 32 << 20;

/// Writes a blob whose digest the caller knows in the end. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct RawBlobWriter {
    stage: Stage,
    file: NamedTempFile,
    buffer: Vec<u8>,
    /// Bytes in the file; what the buffer holds comes behind them.
    flushed: u64,
    /// Bytes when the last sync began; `None` for a blob that is not to be synced.
    synced: Option<u64>,
}

impl RawBlobWriter {
    pub(super) fn create(stage: &Stage) -> Result<Self, SinkError> {
        Self::with_sync(stage, stage.durable() == Durable::Blobs)
    }

    /// For [`persist`](Self::persist).
    pub(super) fn durable(stage: &Stage) -> Result<Self, SinkError> {
        Self::with_sync(stage, true)
    }

    fn with_sync(stage: &Stage, sync: bool) -> Result<Self, SinkError> {
        let file = stage.temp_file()?;
        Ok(Self { stage: stage.clone(), file, buffer: Vec::new(), flushed: 0, synced: sync.then_some(0) })
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
        let copied = self.stage.disk().copy_span(file, span, self.file.as_file(), self.flushed);
        let failed = |error| self.stage.error(self.file.path(), "copying into a blob", span.len(), error);
        let copied = copied.map_err(failed)?;
        if copied != span.len() {
            return Err(SinkError::ShortCopy { expected: span.len(), found: copied });
        }
        self.advance(copied);
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

    /// Renames what was written to a place of its own, when all of it is on the disk.
    pub(super) fn persist(mut self, path: &Path) -> Result<(), SinkError> {
        self.empty_buffer()?;
        let (disk, parent) = (self.stage.disk(), stage::parent(path));
        disk.sync(self.file.as_file()).map_err(SinkError::io(path, "syncing the new file"))?;
        disk.persist(self.file, path).map_err(SinkError::io(path, "renaming the new file into place"))?;
        disk.sync_dir(parent).map_err(SinkError::io(parent, "syncing the directory"))
    }

    fn empty_buffer(&mut self) -> Result<(), SinkError> {
        let bytes = std::mem::take(&mut self.buffer);
        self.put(&bytes)?;
        self.buffer = bytes;
        self.buffer.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let wrote = self.stage.disk().write_at(self.file.as_file(), bytes, self.flushed);
        wrote.map_err(|error| self.stage.error(self.file.path(), "writing a blob", bytes.len() as u64, error))?;
        self.advance(bytes.len() as u64);
        Ok(())
    }

    fn advance(&mut self, bytes: u64) {
        self.flushed += bytes;
        self.stage.advance(bytes);
        if self.synced.is_some_and(|synced| self.flushed - synced >= SYNC_EVERY) {
            self.stage.begin_sync(self.file.as_file());
            self.synced = Some(self.flushed);
        }
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
