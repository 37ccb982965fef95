//! SHA-256 over what passes by.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// A running SHA-256 with the count of its bytes.
#[derive(Clone, Default)]
pub struct Sha256Stream {
    hasher: Sha256,
    bytes: u64,
}

impl Sha256Stream {
    pub fn new() -> Self {
        Self::default()
    }

    /// The digest of one buffer.
    pub fn of(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn finish(self) -> [u8; 32] {
        self.hasher.finalize().into()
    }
}

/// Hashes what is read through it, unless told not to. Read in large pieces: small ones halve the speed.
pub struct HashingReader<R> {
    inner: R,
    hash: Option<Sha256Stream>,
}

impl<R: Read> HashingReader<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, hash: Some(Sha256Stream::new()) }
    }

    /// Passes everything on without a hash.
    pub fn idle(inner: R) -> Self {
        Self { inner, hash: None }
    }

    /// The digest of all that was read so far; `None` from an idle reader.
    pub fn finish(self) -> Option<[u8; 32]> {
        self.hash.map(Sha256Stream::finish)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&buf[..n]);
        }
        Ok(n)
    }
}
