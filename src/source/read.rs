//! The check of a blob while it is read.

use std::io::{self, Read};

use super::BlobError;
use crate::bytes::{FileBytes, SpanReader};
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;

/// A blob that lies in a part of a file, checked while it is read.
pub(super) fn blob_reader(bytes: FileBytes, digest: BlobDigest) -> impl Read + Send {
    let FileBytes { file, span } = bytes;
    VerifyingReader::new(SpanReader::new(file, span), digest, span.len())
}

/// Passes a blob through and fails before its last bytes are handed out if size or digest are wrong.
///
/// Nothing is proved until everything was read: who stops early (a decoder at its end mark) must drain the rest.
pub struct VerifyingReader<R> {
    inner: R,
    digest: BlobDigest,
    size: u64,
    seen: u64,
    state: State,
}

enum State {
    Reading(Sha256Stream),
    Good,
    /// Stays bad: a caller that reads on after an error must not see a clean end.
    Bad(BlobError),
}

impl<R: Read> VerifyingReader<R> {
    pub fn new(inner: R, digest: BlobDigest, size: u64) -> Self {
        Self { inner, digest, size, seen: 0, state: State::Reading(Sha256Stream::new()) }
    }

    /// Called with all expected bytes read.
    fn verdict(&mut self, hash: Sha256Stream) -> io::Result<State> {
        if retry(|| self.inner.read(&mut [0]))? != 0 {
            return Ok(State::Bad(BlobError::Long { expected: self.size }));
        }
        let found = BlobDigest::from_bytes(hash.finish());
        Ok(if found == self.digest { State::Good } else { State::Bad(BlobError::Digest { found }) })
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let hash = match &mut self.state {
            State::Good => return Ok(0),
            State::Bad(error) => return Err(error.clone().wrap()),
            State::Reading(_) if buf.is_empty() => return Ok(0),
            State::Reading(hash) => hash,
        };
        let want = buf.len().min(usize::try_from(self.size - self.seen).unwrap_or(usize::MAX));
        let got = self.inner.read(&mut buf[..want])?;
        hash.update(&buf[..got]);
        self.seen += got as u64;
        if self.seen == self.size {
            let hash = hash.clone();
            self.state = self.verdict(hash)?;
        } else if got == 0 {
            self.state = State::Bad(BlobError::Short { expected: self.size, found: self.seen });
        }
        match &self.state {
            State::Bad(error) => Err(error.clone().wrap()),
            _ => Ok(got),
        }
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8]) -> BlobDigest {
        BlobDigest::from_bytes(Sha256Stream::of(bytes))
    }

    fn read(bytes: &[u8], of: &[u8]) -> Result<Vec<u8>, BlobError> {
        let mut out = Vec::new();
        let mut reader = VerifyingReader::new(bytes, digest(of), of.len() as u64);
        match reader.read_to_end(&mut out) {
            Ok(_) => Ok(out),
            Err(error) => Err(BlobError::of(&error).cloned().expect("a blob error")),
        }
    }

    #[test]
    fn passes_good_blobs() {
        assert_eq!(read(b"hello", b"hello").unwrap(), b"hello");
        assert_eq!(read(b"", b"").unwrap(), b"");
    }

    #[test]
    fn tells_what_is_wrong() {
        assert!(matches!(read(b"hell", b"hello"), Err(BlobError::Short { expected: 5, found: 4 })));
        assert!(matches!(read(b"hello!", b"hello"), Err(BlobError::Long { expected: 5 })));
        assert!(matches!(read(b"hallo", b"hello"), Err(BlobError::Digest { found }) if found == digest(b"hallo")));
        assert!(matches!(read(b"x", b""), Err(BlobError::Long { expected: 0 })));
    }

    #[test]
    fn never_hands_out_the_end_of_a_bad_blob() {
        for bad in [&b"hallo"[..], b"hell", b"hello!"] {
            let mut reader = VerifyingReader::new(bad, digest(b"hello"), 5);
            while reader.read(&mut [0; 64]).is_ok() {}
            assert!(reader.read(&mut [0; 64]).is_err());
        }
    }
}
