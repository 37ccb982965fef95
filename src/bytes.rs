//! Where a blob's bytes are.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::span::Span;

/// A blob's bytes as stored, unchecked. Offsets count from the first one.
pub trait Bytes: fmt::Debug + Send + Sync {
    /// How many there are.
    fn size(&self) -> u64;

    /// Fills `out` with those from `at` on. An error where the blob ends before.
    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()>;

    /// The part of `span` that is inside the blob, front to back.
    fn pass(&self, span: Span) -> io::Result<Box<dyn Read + Send + '_>>;
}

/// Those of a file, or of a part of one: a layout's blob, a member of an archive. The file's cursor is not used.
#[derive(Debug, Clone)]
pub struct FileBytes {
    pub file: Arc<File>,
    pub span: Span,
}

impl FileBytes {
    pub fn new(file: File, span: Span) -> Self {
        Self { file: Arc::new(file), span }
    }
}

impl Bytes for FileBytes {
    fn size(&self) -> u64 {
        self.span.len()
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let is_inside = at.checked_add(out.len() as u64).is_some_and(|end| end <= self.span.len());
        if !is_inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(out, self.span.start() + at)
    }

    fn pass(&self, span: Span) -> io::Result<Box<dyn Read + Send + '_>> {
        let end = self.span.end();
        let at = |offset: u64| self.span.start().saturating_add(offset).min(end);
        Ok(Box::new(SpanReader { file: Arc::clone(&self.file), at: at(span.start()), end: at(span.end()) }))
    }
}

/// Reads a span with `pread`, so that many can share one open file.
#[derive(Debug)]
pub struct SpanReader {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl SpanReader {
    pub fn new(file: Arc<File>, span: Span) -> Self {
        Self { file, at: span.start(), end: span.end() }
    }
}

impl Read for SpanReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let want = buf.len().min(left);
        let got = self.file.read_at(&mut buf[..want], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_file_ends_where_the_part_ends() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"_abc_").unwrap();
        let bytes = FileBytes::new(file.reopen().unwrap(), Span::new(1, 3).unwrap());
        assert_eq!(bytes.size(), 3);
        let mut two = [0; 2];
        bytes.read_exact_at(&mut two, 1).unwrap();
        assert_eq!(&two, b"bc");
        for at in [2, 4, u64::MAX] {
            assert_eq!(bytes.read_exact_at(&mut two, at).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        let passed = |start, end| {
            let mut read = Vec::new();
            bytes.pass(Span::between(start, end)).unwrap().read_to_end(&mut read).unwrap();
            read
        };
        assert_eq!((passed(0, 3), passed(1, 9), passed(7, 9)), (b"abc".to_vec(), b"bc".to_vec(), Vec::new()));
    }

    #[test]
    fn readers_share_an_open_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"0123456789").unwrap();
        let file = Arc::new(file.reopen().unwrap());
        let (mut a, mut b) = (String::new(), String::new());
        SpanReader::new(Arc::clone(&file), Span::new(2, 3).unwrap()).read_to_string(&mut a).unwrap();
        // The file is shorter than it was.
        SpanReader::new(file, Span::new(8, 9).unwrap()).read_to_string(&mut b).unwrap();
        assert_eq!((a.as_str(), b.as_str()), ("234", "89"));
    }
}
