//! A blob's bytes on their way: from memory, from a file, or from another registry.

use std::io::{self, Cursor, Read};

use super::PushError;
use super::queue::{Queue, Task};
use crate::bytes::{Bytes as _, FileBytes};
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::origin::Origin;
use crate::registry::Opens;
use crate::span::Span;
use crate::watch::Unsteady;

#[derive(Debug)]
pub(super) enum Bytes<'s> {
    Memory(Vec<u8>),
    /// Of this program: nobody else can write to it.
    Spooled(FileBytes),
    Kept(Origin<'s>),
}

/// Opens a task's bytes for the client, as long as the queue wants them sent.
pub(super) struct Source<'a, 's> {
    pub task: &'a Task<'s>,
    pub queue: &'a Queue<'s>,
}

impl Opens for Source<'_, '_> {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let Task { digest, size, bytes } = self.task;
        let inner: Box<dyn Read + Send + '_> = match bytes {
            Bytes::Memory(bytes) => Box::new(Cursor::new(bytes.as_slice())),
            Bytes::Spooled(file) => file.pass(Span::between(0, *size))?,
            Bytes::Kept(Origin::File(watched)) => {
                Box::new(Proving::new(watched.bytes().pass(Span::between(0, *size))?, *digest, *size))
            }
            Bytes::Kept(Origin::Registry(stored)) => Box::new(stored.open()?),
        };
        Ok(Box::new(Ending { inner, queue: self.queue }))
    }
}

struct Ending<'a, 's, R> {
    inner: R,
    queue: &'a Queue<'s>,
}

impl<R: Read> Read for Ending<'_, '_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.queue.is_over() {
            true => Err(io::Error::other(PushError::Ended)),
            false => self.inner.read(buf),
        }
    }
}

/// Fails before it hands out the last bytes of a file that others wrote to: the registry never gets all of a wrong blob.
/// A registry need not check it.
struct Proving<R> {
    inner: R,
    hash: Sha256Stream,
    digest: BlobDigest,
    size: u64,
}

impl<R: Read> Proving<R> {
    fn new(inner: R, digest: BlobDigest, size: u64) -> Self {
        Self { inner, hash: Sha256Stream::new(), digest, size }
    }
}

impl<R: Read> Read for Proving<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buf)?;
        self.hash.update(&buf[..got]);
        let is_short = got == 0 && !buf.is_empty() && self.hash.bytes() < self.size;
        let is_wrong = || BlobDigest::from_bytes(self.hash.clone().finish()) != self.digest;
        if is_short || got > 0 && self.hash.bytes() >= self.size && is_wrong() {
            return Err(io::Error::other(Unsteady::Written { digest: self.digest }));
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_bytes_are_never_all_handed_out() {
        let digest = BlobDigest::from_bytes(Sha256Stream::of(b"abc"));
        let read = |bytes: &[u8]| {
            let mut read = Vec::new();
            let mut proving = Proving::new(bytes, digest, 3);
            let mut one = [0];
            let done = loop {
                match proving.read(&mut one) {
                    Ok(0) => break true,
                    Ok(_) => read.extend(one),
                    Err(error) => {
                        assert!(error.to_string().contains("was written to while it was copied"), "{error}");
                        break false;
                    }
                }
            };
            (done, read)
        };
        assert_eq!(read(b"abc"), (true, b"abc".to_vec()));
        assert_eq!(read(b"abd"), (false, b"ab".to_vec()));
        assert_eq!(read(b"ab"), (false, b"ab".to_vec()));
    }
}
