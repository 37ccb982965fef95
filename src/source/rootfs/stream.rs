//! The tree's tar as a reader.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::walk::{Entry, Walk};
use crate::source::{Notes, SourceError};
use crate::tar;
use crate::units;

/// Why a tree can't be read; inside the reader's [`io::Error`].
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("{path} changed while it was read: expected {expected} bytes, found {found}", path = path.display(), expected = units::count(*expected))]
    Resized { path: PathBuf, expected: u64, found: String },
    #[error("{path} was replaced while it was read: expected the same file or directory", path = path.display())]
    Replaced { path: PathBuf },
    #[error("{path}: the extended attribute {xattr:?} has a \"=\", which a tar can't hold", path = path.display())]
    XattrName { path: PathBuf, xattr: String },
}

impl From<RootfsError> for io::Error {
    fn from(error: RootfsError) -> Self {
        let kind = match &error {
            RootfsError::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

pub struct TarStream {
    walk: Walk,
    /// Header or padding that waits to be handed out, from `at` on.
    pending: Vec<u8>,
    at: usize,
    content: Option<Content>,
    done: bool,
}

struct Content {
    file: File,
    name: Vec<u8>,
    size: u64,
    read: u64,
}

impl TarStream {
    pub(in crate::source) fn open(root: &Path, notes: Notes) -> Result<Self, SourceError> {
        let (walk, entry) = Walk::open(root, notes).map_err(|error| SourceError::Io {
            path: root.to_owned(),
            doing: "reading the root file system",
            source: error.into(),
        })?;
        let mut stream = Self { walk, pending: Vec::new(), at: 0, content: None, done: false };
        stream.begin(entry);
        Ok(stream)
    }

    fn begin(&mut self, entry: Entry) {
        self.pending = tar::encode(&entry.header);
        self.at = 0;
        let (name, size) = (entry.header.name, entry.header.size);
        self.content = entry.file.map(|file| Content { file, name, size, read: 0 });
    }

    fn advance(&mut self) -> io::Result<()> {
        match self.walk.next()? {
            Some(entry) => self.begin(entry),
            None => {
                self.pending = vec![0; 1024];
                self.at = 0;
                self.done = true;
            }
        }
        Ok(())
    }

    /// Bytes of the current file; at its end `content` becomes `None` and the padding waits.
    fn read_content(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(content) = &mut self.content else { return Ok(0) };
        let left = content.size - content.read;
        let want = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let path = || self.walk.full(&content.name);
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::Interrupted => source,
            _ => RootfsError::Io { path: path(), doing: "reading", source }.into(),
        };
        let got = content.file.read(&mut buf[..want]).map_err(io)?;
        let resized = |found| RootfsError::Resized { path: path(), expected: content.size, found };
        if got == 0 {
            return Err(resized(content.read.to_string()).into());
        }
        if got as u64 == left {
            if content.file.read(&mut [0]).map_err(io)? != 0 {
                return Err(resized("more".to_owned()).into());
            }
            self.pending = vec![0; (512 - (content.size % 512) as usize) % 512];
            self.at = 0;
            self.content = None;
        } else {
            content.read += got as u64;
        }
        Ok(got)
    }
}

impl Read for TarStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if self.at < self.pending.len() {
                let got = buf.len().min(self.pending.len() - self.at);
                buf[..got].copy_from_slice(&self.pending[self.at..self.at + got]);
                self.at += got;
                return Ok(got);
            }
            if self.content.is_some() {
                return self.read_content(buf);
            }
            if self.done {
                return Ok(0);
            }
            self.advance()?;
        }
    }
}
