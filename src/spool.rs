//! An unnamed temporary file that many threads append to: compressed frames and header bytes on their way
//! from unpack to pack. It goes with the process, however that ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::span::Span;
use crate::units::size;

/// The spool could not be made, written or read; most often the disk is full.
#[derive(Debug, thiserror::Error)]
#[error("temporary files in {}: {}", dir.display(), self.reason())]
pub struct SpoolError {
    dir: PathBuf,
    action: &'static str,
    /// Quoted, as far as it says anything.
    cause: io::Error,
    /// Bytes that the spool would have had.
    needed: u64,
}

impl SpoolError {
    fn reason(&self) -> String {
        let Self { dir, action, cause, needed } = self;
        match (*action, cause.kind()) {
            // In /proc and the like it is there.
            (CREATE, io::ErrorKind::NotFound) if dir.exists() => "no file can be made there".to_owned(),
            (CREATE, io::ErrorKind::NotFound) => "there is no such directory".to_owned(),
            (CREATE, _) if is_full(cause) => format!("no room is left for a file: {}", cause.kind()),
            (CREATE, io::ErrorKind::NotADirectory) => "expected a directory, found something else".to_owned(),
            // The cause names a file that nobody has heard of.
            (CREATE, kind) => format!("no file can be made there: {kind}"),
            _ if is_full(cause) => {
                format!("no room is left ({cause}): {} do not fit, and the run needs more than that", size(*needed))
            }
            (_, io::ErrorKind::FileTooLarge) => {
                format!("the limit for files is reached (ulimit -f): expected {} to be allowed at least", size(*needed))
            }
            _ => format!("{action}: {cause}"),
        }
    }
}

const CREATE: &str = "create";

/// The disk or the user's share of it.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[derive(Debug)]
pub struct Spool {
    file: File,
    dir: PathBuf,
    end: AtomicU64,
}

/// Where spools live: `$TMPDIR`, else `/var/tmp`. Not `/tmp`, which is often memory.
pub fn default_dir() -> PathBuf {
    std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).map_or_else(|| "/var/tmp".into(), PathBuf::from)
}

impl Spool {
    pub fn new(dir: &Path) -> Result<Self, SpoolError> {
        match tempfile::tempfile_in(dir) {
            Ok(file) => Ok(Self { file, dir: dir.to_owned(), end: AtomicU64::new(0) }),
            Err(cause) => Err(SpoolError { dir: dir.to_owned(), action: CREATE, cause, needed: 0 }),
        }
    }

    /// Sets room aside. Whoever reserved it writes it.
    pub fn reserve(&self, len: u64) -> Span {
        let start = self.end.fetch_add(len, Ordering::Relaxed);
        Span::new(start, len).expect("a spool of less than 2^64 bytes")
    }

    pub fn write_at(&self, bytes: &[u8], start: u64) -> Result<(), SpoolError> {
        self.file.write_all_at(bytes, start).map_err(|e| self.error("write", e))
    }

    pub fn append(&self, bytes: &[u8]) -> Result<Span, SpoolError> {
        let span = self.reserve(bytes.len() as u64);
        self.write_at(bytes, span.start())?;
        Ok(span)
    }

    /// Fills `out`, from byte `start` on.
    pub fn read_at(&self, out: &mut [u8], start: u64) -> Result<(), SpoolError> {
        self.file.read_exact_at(out, start).map_err(|e| self.error("read", e))
    }

    /// Appends the span's bytes to `out`.
    pub fn read(&self, span: Span, out: &mut Vec<u8>) -> Result<(), SpoolError> {
        let start = out.len();
        out.resize(start + usize::try_from(span.len()).expect("a span that fits in memory"), 0);
        self.read_at(&mut out[start..], span.start())
    }

    /// The file with what was written to it.
    pub fn into_file(self) -> File {
        self.file
    }

    /// The bytes of several spans, one after the other.
    pub fn read_all(&self, spans: &[Span]) -> Result<Vec<u8>, SpoolError> {
        let len = spans.iter().map(|span| span.len()).sum::<u64>();
        let mut out = Vec::with_capacity(usize::try_from(len).expect("spans that fit in memory"));
        spans.iter().try_for_each(|span| self.read(*span, &mut out))?;
        Ok(out)
    }

    fn error(&self, action: &'static str, cause: io::Error) -> SpoolError {
        SpoolError { dir: self.dir.clone(), action, cause, needed: self.end.load(Ordering::Relaxed) }
    }
}
