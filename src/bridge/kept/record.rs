//! A record: a file with a run of a blob, and behind it the SHA-256 over its name and the run. What does not fit is no record.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{CWD, Mode, OFlags, openat};
use tempfile::TempPath;

use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::span::Span;

const SUM: u64 = 32;
/// What a file takes on a disk at least, in bytes.
const BLOCK: u64 = 4096;
const BUFFER: usize = 64 << 10;

/// A blob, and from where: one registry's bytes are never another one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::bridge) struct Blob {
    pub digest: BlobDigest,
    /// A SHA-256 of what tells registries apart.
    pub whence: [u8; 32],
}

/// What a record's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bridge) struct Key {
    pub blob: Blob,
    pub span: Span,
    /// Of the blob.
    pub size: u64,
}

impl Key {
    pub fn name(&self) -> String {
        let Self { blob, span, size } = self;
        let whence = faster_hex::hex_string(&blob.whence);
        format!("{}.{whence}.{}-{}-{size}.run", blob.digest.hex(), span.start(), span.end())
    }

    /// `None` for every other name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".run")?.split('.');
        let hex = |text: &str| format!("sha256:{text}").parse::<BlobDigest>().ok();
        let (digest, whence) = (hex(parts.next()?)?, *hex(parts.next()?)?.as_bytes());
        let mut numbers = parts.next()?.split('-').map(str::parse::<u64>);
        let mut number = || numbers.next()?.ok();
        let (start, end, size) = (number()?, number()?, number()?);
        let key = Self { blob: Blob { digest, whence }, span: Span::between(start, end), size };
        (start < end && end <= size && key.name() == name).then_some(key)
    }

    /// Of the file, in bytes.
    pub fn len(&self) -> u64 {
        self.span.len().saturating_add(SUM)
    }

    /// What it takes on the disk.
    pub fn room(&self) -> u64 {
        self.len().checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX)
    }

    fn sum(&self) -> Sha256Stream {
        let mut sum = Sha256Stream::new();
        sum.update(self.name().as_bytes());
        sum
    }
}

/// The bytes of a record that a client wants, from a file that was checked.
pub(in crate::bridge) struct Record {
    file: File,
    size: u64,
    rest: Span,
}

impl Record {
    /// Reads all of it first. It counts as used now. `None`: not what its name says, or not there.
    pub fn open(dir: &Path, key: &Key, wanted: Span) -> Option<Self> {
        // A pipe would block, and a link leads anywhere.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(openat(CWD, dir.join(key.name()), flags, Mode::empty()).ok()?);
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || metadata.len() != key.len() {
            return None;
        }
        let (mut sum, mut left, mut buf) = (key.sum(), key.span.len(), vec![0; BUFFER]);
        while left > 0 {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
            file.read_exact(&mut buf[..len]).ok()?;
            sum.update(&buf[..len]);
            left -= len as u64;
        }
        let mut found = [0; SUM as usize];
        file.read_exact(&mut found).ok()?;
        if found != sum.finish() {
            return None;
        }
        // Its age is what the next bridge knows of its use.
        let _ = file.set_modified(SystemTime::now());
        let rest = Span::between(wanted.start(), wanted.end().min(key.size));
        file.seek(SeekFrom::Start(rest.start().checked_sub(key.span.start())?)).ok()?;
        Some(Self { file, size: key.size, rest })
    }

    /// Of the blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn rest(&self) -> Span {
        self.rest
    }
}

impl Read for Record {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.rest.len()).unwrap_or(usize::MAX).min(buf.len());
        if len == 0 {
            return Ok(0);
        }
        match self.file.read(&mut buf[..len])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                self.rest = Span::between(self.rest.start() + got as u64, self.rest.end());
                Ok(got)
            }
        }
    }
}

/// What unfinished records are named, until they have all their bytes.
pub(super) const UNFINISHED: &str = ".restrata-bridge-";

/// Opens a new file in a directory.
pub(super) type Create = fn(&Path) -> io::Result<(Box<dyn Write + Send>, TempPath)>;

pub(super) fn create(dir: &Path) -> io::Result<(Box<dyn Write + Send>, TempPath)> {
    let (file, path) = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(dir)?.into_parts();
    Ok((Box::new(file), path))
}

/// A record that is not whole yet. Dropped, it leaves nothing.
pub(super) struct Writer {
    file: Box<dyn Write + Send>,
    path: TempPath,
    sum: Sha256Stream,
}

impl Writer {
    pub fn begin(dir: &Path, key: &Key, create: Create) -> io::Result<Self> {
        let (file, path) = create(dir)?;
        Ok(Self { file, path, sum: key.sum() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.file.write_all(bytes)
    }

    /// All but the name.
    pub fn finish(self) -> io::Result<TempPath> {
        let Self { mut file, path, sum } = self;
        file.write_all(&sum.finish())?;
        file.flush()?;
        Ok(path)
    }
}

/// A record that is there, or what a killed bridge left of one.
pub(super) enum Found {
    Record(Key, SystemTime),
    /// Nobody will ever use it.
    Left,
}

/// `None` for what is no bridge's.
pub(super) fn look(entry: &fs::DirEntry) -> Option<Found> {
    let name = entry.file_name().into_string().ok()?;
    let key = Key::parse(&name);
    if key.is_none() && !name.starts_with(UNFINISHED) {
        return None;
    }
    let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    Some(match key.filter(|key| key.len() == metadata.len()) {
        Some(key) => Found::Record(key, metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)),
        None => Found::Left,
    })
}
