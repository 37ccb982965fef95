//! An archive as a file that can be read anywhere: as it stands, or unpacked once into a temporary file.

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read, Seek as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};

use super::program::Program;
use super::{Notes, SourceError};
use crate::codec::decompress;
use crate::compression::Compression;
use crate::limits;
use crate::oci::Reference;
use crate::progress::{Interrupted, Phase, Progress};
use crate::spool::Spool;
use crate::units;

/// Where an archive is unpacked that can't be read in place, and who may stop that.
#[derive(Clone, Copy)]
pub(super) struct Scratch<'a> {
    pub dir: &'a Path,
    pub progress: &'a Progress,
    pub notes: &'a Notes,
}

/// A tar that can be read anywhere.
#[derive(Debug)]
pub(super) struct PlainFile {
    pub file: Arc<File>,
    pub size: u64,
    /// It was compressed or came through a pipe.
    is_unpacked: bool,
}

impl PlainFile {
    /// Where it ends, for messages.
    pub(super) fn end(&self) -> String {
        let of = if self.is_unpacked { " of what it unpacks to" } else { "" };
        format!("{}{of}", self.size)
    }
}

/// A reference's archive, with a name for people.
pub(super) fn open(reference: &Reference, scratch: Scratch<'_>) -> Result<(PathBuf, PlainFile), SourceError> {
    if let Some(program) = Program::of(reference, scratch.dir) {
        let place = PathBuf::from(reference.to_string());
        return from_program(&place, &program, scratch).map(|tar| (place, tar));
    }
    if reference.is_stdio() {
        let place = PathBuf::from("standard input");
        return from_stdin(&place, scratch).map(|tar| (place, tar));
    }
    let path = reference.path();
    at(path, scratch).map(|tar| (path.to_owned(), tar))
}

/// A program that fails says more about it than what it wrote until then.
fn from_program(place: &Path, program: &Program, scratch: Scratch<'_>) -> Result<PlainFile, SourceError> {
    let failed = |source| SourceError::Program { reference: place.display().to_string(), source };
    let mut running = program.start(scratch.progress).map_err(failed)?;
    let unpacked = unpack(place, "a program's output", &mut running, None, scratch);
    let ended = running.end().map_err(failed);
    scratch.progress.check()?;
    ended.and(unpacked)
}

fn from_stdin(place: &Path, scratch: Scratch<'_>) -> Result<PlainFile, SourceError> {
    let io = |source| io_error(place, "opening the archive", source);
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(io)?);
    let meta = file.metadata().map_err(io)?;
    match meta.file_type() {
        // Whoever had it before may have read a part.
        kind if kind.is_file() && (&file).stream_position().map_err(io)? == 0 => in_place(file, place, &meta, scratch),
        kind if kind.is_file() || kind.is_fifo() || kind.is_socket() => {
            unpack(place, "a pipe", Pipe { file, progress: scratch.progress }, None, scratch)
        }
        kind => Err(no_tar(place, name(kind))),
    }
}

/// The tar at `path`.
fn at(path: &Path, scratch: Scratch<'_>) -> Result<PlainFile, SourceError> {
    let io = |source| io_error(path, "opening the archive", source);
    let meta = std::fs::metadata(path).map_err(io)?;
    let file = match meta.file_type() {
        kind if kind.is_socket() => stdin(path).map_err(io)?.ok_or_else(|| no_tar(path, "a socket")),
        kind if kind.is_file() || kind.is_fifo() => open_at_once(path).map_err(io).map(File::from),
        kind => Err(no_tar(path, name(kind))),
    }?;
    // Asked again: something else may stand there by now.
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        let pipe = Pipe { file, progress: scratch.progress };
        return unpack(path, "a pipe", pipe, None, scratch);
    }
    in_place(file, path, &meta, scratch)
}

fn in_place(file: File, path: &Path, meta: &Metadata, scratch: Scratch<'_>) -> Result<PlainFile, SourceError> {
    match packing(&file, path, meta)? {
        Compression::None => Ok(PlainFile { file: Arc::new(file), size: meta.len(), is_unpacked: false }),
        packed => unpack(path, packed.name(), file, Some(meta.len()), scratch),
    }
}

/// Never waits: a FIFO without a writer would hold the run where Ctrl-C can't reach it.
fn open_at_once(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Sockets can't be opened by their path. Standard input is open already.
fn stdin(path: &Path) -> io::Result<Option<File>> {
    let is_stdin = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| path == Path::new(name));
    is_stdin.then(|| io::stdin().as_fd().try_clone_to_owned().map(File::from)).transpose()
}

fn packing(file: &File, path: &Path, meta: &Metadata) -> Result<Compression, SourceError> {
    if meta.len() == 0 {
        return Err(no_tar(path, "an empty file"));
    }
    let mut magic = [0; Compression::MAGIC];
    let got = file.read_at(&mut magic, 0).map_err(|source| io_error(path, "reading the archive", source))?;
    Ok(Compression::detect(&magic[..got]))
}

/// `what` says why the archive can't be read in place. `bytes` are what `from` has, where that is known before.
fn unpack(
    path: &Path,
    what: &'static str,
    from: impl Read + Send,
    bytes: Option<u64>,
    scratch: Scratch<'_>,
) -> Result<PlainFile, SourceError> {
    let spooled = |source| SourceError::Spool { archive: path.to_owned(), source };
    let packed = |source: io::Error| match scratch.progress.check() {
        Err(Interrupted) => SourceError::Interrupted(Interrupted),
        Ok(()) if source.kind() == io::ErrorKind::UnexpectedEof => {
            let of = if bytes.is_some() { "its compressed data" } else { "what came through the pipe" };
            let place = format!("{} of {of}", scratch.progress.now().done);
            SourceError::CutShort { archive: path.to_owned(), place }
        }
        Ok(()) => SourceError::Packed { archive: path.to_owned(), what, source },
    };
    scratch.progress.begin(Phase::Opening, bytes);
    let spool = Spool::new(scratch.dir).map_err(spooled)?;
    let (mut tar, _) = decompress(scratch.progress.watch_blob(from)).map_err(packed)?;
    let (mut piece, mut size) = (vec![0; PIECE], 0);
    loop {
        scratch.progress.check()?;
        let got = match tar.read(&mut piece) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(packed)?,
        };
        size += got as u64;
        if size > limits::UNPACKED_ARCHIVE_BYTES {
            let what = format!("{}, unpacked", path.display());
            return Err(SourceError::TooLarge { what, limit: limits::UNPACKED_ARCHIVE_BYTES, found: size });
        }
        spool.append(&piece[..got]).map_err(spooled)?;
    }
    scratch.progress.begin(Phase::Opening, None);
    if size == 0 {
        return Err(no_tar(path, "nothing in it"));
    }
    scratch.notes.add(format!(
        "{}: unpacked into a temporary file of {size} in {}, since {what} can't be read in parts",
        path.display(),
        scratch.dir.display(),
        size = units::size(size)
    ));
    Ok(PlainFile { file: Arc::new(spool.into_file()), size, is_unpacked: true })
}

const PIECE: usize = 1 << 20;

/// A pipe that is read only when there is something to read, so that an interrupt is seen in time.
struct Pipe<'a> {
    file: File,
    progress: &'a Progress,
}

impl Read for Pipe<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wait = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        loop {
            self.progress.check().map_err(io::Error::other)?;
            let mut polled = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut polled, Some(&wait)) {
                Ok(0) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
            match self.file.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

fn name(kind: FileType) -> &'static str {
    if kind.is_dir() { "a directory" } else { "a device" }
}

pub(super) fn no_tar(path: &Path, found: &'static str) -> SourceError {
    let hint = super::guess::hint(path);
    SourceError::Kind { path: path.to_owned(), expected: "a tar file", found: found.to_owned(), hint }
}

fn io_error(path: &Path, doing: &'static str, source: io::Error) -> SourceError {
    SourceError::Io { path: path.to_owned(), doing, source }
}
