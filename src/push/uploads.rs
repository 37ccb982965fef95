//! What a job hands in while it works.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use super::bytes::Bytes;
use super::queue::{Queue, Task};
use super::{Push, PushError, Written};
use crate::bytes::FileBytes;
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::limits;
use crate::origin::Origin;
use crate::registry::Repository;
use crate::span::Span;
use crate::spool::Spool;
use crate::threads::lock;

/// Takes blobs, from several threads at once. `'s` is how long kept layers can be read.
#[derive(Debug)]
pub struct Uploads<'s, 'u> {
    push: &'u Push<'u>,
    queue: &'u Queue<'s>,
}

/// Who waits for a blob waits for an upload.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Small writes (headers between frames) are gathered up to this.
const BUFFER: usize = 1 << 18;

impl<'s, 'u> Uploads<'s, 'u> {
    pub(super) fn new(push: &'u Push<'u>, queue: &'u Queue<'s>) -> Self {
        Self { push, queue }
    }

    /// A new blob, hashed while it is written to a file without a name. Dropped unfinished, it leaves nothing.
    pub fn blob(&self) -> Result<UploadWriter<'s, '_>, PushError> {
        self.expect_more()?;
        let spool = Spool::new(&self.push.spool_dir)?;
        Ok(UploadWriter { uploads: self, spool, buffer: Vec::new(), hash: Sha256Stream::new() })
    }

    /// A layer that stays as it is. It is never stored on its way.
    pub fn keep(&self, from: &Origin<'s>, digest: BlobDigest, size: u64) -> Result<(), PushError> {
        self.add(digest, size, Bytes::Kept(from.clone()))
    }

    /// Waits until the registry has a blob that was handed in, and gives the repository that has it.
    pub fn arrived(&self, digest: BlobDigest) -> Result<Repository<'_, 'u>, PushError> {
        while lock(&self.push.blobs).get(&digest) == Some(&false) {
            self.expect_more()?;
            thread::sleep(LOOK_AGAIN);
        }
        self.push.repository().map_err(|source| PushError::blob(source, self.push.unchanged()))
    }

    pub fn put_config(&self, bytes: &[u8]) -> Result<(BlobDigest, u64), PushError> {
        let (digest, size) = self.document(bytes)?;
        self.add(digest, size, Bytes::Memory(bytes.to_vec()))?;
        Ok((digest, size))
    }

    /// Is sent by [`Push::commit`], when its blobs are there.
    pub fn put_manifest(&self, media_type: &str, bytes: &[u8]) -> Result<(BlobDigest, u64), PushError> {
        let (digest, size) = self.document(bytes)?;
        let written = Written { media_type: media_type.to_owned(), bytes: bytes.to_vec() };
        lock(&self.push.manifests).insert(digest, written);
        Ok((digest, size))
    }

    fn document(&self, bytes: &[u8]) -> Result<(BlobDigest, u64), PushError> {
        self.expect_more()?;
        self.push.check_document(bytes)?;
        Ok((BlobDigest::from_bytes(Sha256Stream::of(bytes)), bytes.len() as u64))
    }

    /// A blob that stands twice goes up once.
    fn add(&self, digest: BlobDigest, size: u64, bytes: Bytes<'s>) -> Result<(), PushError> {
        self.expect_more()?;
        let mut blobs = lock(&self.push.blobs);
        if blobs.contains_key(&digest) {
            return Ok(());
        }
        blobs.insert(digest, false);
        drop(blobs);
        self.push.progress.expect_transfer(size);
        self.queue.add(Task { digest, size, bytes });
        Ok(())
    }

    /// No work is done for a push that has failed.
    fn expect_more(&self) -> Result<(), PushError> {
        if self.queue.is_over() { Err(PushError::Ended) } else { Ok(()) }
    }
}

impl Push<'_> {
    /// Fails for a manifest, index or config that no client would read.
    pub(super) fn check_document(&self, bytes: &[u8]) -> Result<(), PushError> {
        let (limit, found) = (limits::MANIFEST_BYTES, bytes.len() as u64);
        match found > limit {
            true => Err(PushError::TooLarge { place: self.place.clone(), limit, found }),
            false => Ok(()),
        }
    }
}

/// Writes a blob and finds its digest.
pub struct UploadWriter<'s, 'u> {
    uploads: &'u Uploads<'s, 'u>,
    spool: Spool,
    buffer: Vec<u8>,
    hash: Sha256Stream,
}

impl UploadWriter<'_, '_> {
    /// Hands the blob in. Its room on the disk is free again when it has arrived.
    pub fn finish(mut self) -> Result<(BlobDigest, u64), PushError> {
        self.empty_buffer()?;
        let size = self.hash.bytes();
        let digest = BlobDigest::from_bytes(self.hash.finish());
        let file = FileBytes::new(self.spool.into_file(), Span::between(0, size));
        self.uploads.add(digest, size, Bytes::Spooled(file))?;
        Ok((digest, size))
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), PushError> {
        self.hash.update(bytes);
        if self.buffer.len() + bytes.len() > BUFFER {
            self.empty_buffer()?;
        }
        match bytes.len() >= BUFFER {
            true => drop(self.spool.append(bytes)?),
            false => self.buffer.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn empty_buffer(&mut self) -> Result<(), PushError> {
        self.uploads.expect_more()?;
        self.spool.append(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// The error inside is a [`PushError`].
impl Write for UploadWriter<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.empty_buffer().map_err(io::Error::other)
    }
}
