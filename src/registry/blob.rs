//! A blob as a reader: a body that is cut goes on by range, and at the end length and SHA-256 are what they should be.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::client::{Repository, Wanted};
use super::error::{Fault, RegistryError};
use super::multipart::ContentRange;
use super::reply::Reply;
use super::retry::Tries;
use crate::digest::BlobDigest;
use crate::units;

pub struct Blob<'c, 'p> {
    repository: Repository<'c, 'p>,
    digest: BlobDigest,
    size: u64,
    at: u64,
    /// Dropped unread, it ends its connection.
    reply: Option<Reply>,
    sha: Sha256,
    tries: Tries<'c>,
    checked: bool,
    is_proving: bool,
}

impl<'c, 'p> Repository<'c, 'p> {
    pub(super) fn blob_path(&self, digest: BlobDigest) -> String {
        format!("{}/blobs/{digest}", self.name)
    }

    /// The size of a blob. `None` if it is not there, or if the registry does not say how large it is.
    pub fn has_blob(&self, digest: BlobDigest) -> Result<Option<u64>, RegistryError> {
        self.head_blob(digest).map(Option::flatten)
    }

    /// False for a blob that is there, even if the registry does not say how large it is.
    pub fn lacks_blob(&self, digest: BlobDigest) -> Result<bool, RegistryError> {
        self.head_blob(digest).map(|found| found.is_none())
    }

    fn head_blob(&self, digest: BlobDigest) -> Result<Option<Option<u64>>, RegistryError> {
        let path = self.blob_path(digest);
        self.client.ask(&Wanted::new("HEAD", &path), &self.to_read(), |reply| match reply.status {
            200 => Ok(Some(reply.length())),
            404 => Ok(None),
            _ => Err(reply.refused("a blob", &format!("the blob {digest}"))),
        })
    }

    /// The whole blob. Its reader fails before it hands out the last bytes if they are not those of the digest: nobody needs
    /// to read on to the end.
    pub fn blob(&self, digest: BlobDigest, size: u64) -> Result<Blob<'c, 'p>, RegistryError> {
        let path = self.blob_path(digest);
        let wanted = Wanted { long: true, ..Wanted::new("GET", &path) };
        let reply = self.client.ask(&wanted, &self.to_read(), |reply| match reply.status {
            200 => whole(reply, size),
            _ => Err(reply.refused("a blob", &format!("the blob {digest}"))),
        })?;
        Ok(self.begun(digest, size, reply))
    }

    pub(super) fn begun(&self, digest: BlobDigest, size: u64, reply: Reply) -> Blob<'c, 'p> {
        let (reply, tries) = (Some(reply), self.client.tries());
        let repository = self.clone();
        Blob { repository, digest, size, at: 0, reply, sha: Sha256::new(), tries, checked: false, is_proving: true }
    }
}

/// A 200 that does not say at once that it is something else.
pub(super) fn whole(reply: Reply, size: u64) -> Result<Reply, RegistryError> {
    match reply.length() {
        Some(found) if found != size => {
            if reply.media_type() == "text/html" {
                let found = "text/html".to_owned();
                return Err(reply.error(Fault::NotARegistry { expected: "a blob", found }));
            }
            let found = units::count(found);
            Err(reply.error(Fault::Length { place: "the blob's Content-Length", expected: size, found }))
        }
        _ => Ok(reply),
    }
}

fn ended(at: u64, size: u64) -> Fault {
    Fault::Cut { reason: format!("after {} of {} bytes", units::count(at), units::count(size)) }
}

impl Blob<'_, '_> {
    /// For who proves the bytes himself: another digest is no error.
    pub fn unproven(mut self) -> Self {
        self.is_proving = false;
        self
    }

    fn read_some(&mut self, buf: &mut [u8]) -> Result<usize, RegistryError> {
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let len = buf.len().min(left);
        loop {
            self.repository.client.progress.check()?;
            let error = match &mut self.reply {
                None => match self.go_on() {
                    Ok(reply) => {
                        self.reply = Some(reply);
                        continue;
                    }
                    Err(error) => error,
                },
                Some(reply) => match reply.body.read(&mut buf[..len]) {
                    Ok(0) => reply.error(ended(self.at, self.size)),
                    Ok(got) => return Ok(self.took(&buf[..got])),
                    Err(error) => reply.error(reply.body.fault(error)),
                },
            };
            self.reply = None;
            self.tries.failed(error)?;
        }
    }

    fn took(&mut self, bytes: &[u8]) -> usize {
        if self.is_proving {
            self.sha.update(bytes);
        }
        self.at += bytes.len() as u64;
        self.tries.took(bytes.len() as u64);
        bytes.len()
    }

    /// A new body that begins where the last one was cut.
    fn go_on(&self) -> Result<Reply, RegistryError> {
        let path = self.repository.blob_path(self.digest);
        let headers = [("Range", format!("bytes={}-{}", self.at, self.size - 1))];
        let wanted = Wanted { headers: &headers, long: true, ..Wanted::new("GET", &path) };
        let mut reply = self.repository.client.once(&wanted, &self.repository.to_read())?;
        match reply.status {
            206 => {
                let range = reply.header("content-range").and_then(ContentRange::parse);
                match range {
                    Some(range) if range.is(self.at, self.size, self.size) => Ok(reply),
                    _ => {
                        let found = super::text::shown(reply.header("content-range").unwrap_or_default());
                        Err(reply.error(Fault::Malformed { expected: "the Content-Range that was asked for", found }))
                    }
                }
            }
            // What is there already passes unseen.
            200 => {
                reply = whole(reply, self.size)?;
                let skipped = io::copy(&mut (&mut reply.body).take(self.at), &mut io::sink());
                match skipped {
                    Ok(skipped) if skipped == self.at => Ok(reply),
                    Ok(_) => Err(reply.error(ended(self.at, self.size))),
                    Err(error) => Err(reply.error(reply.body.fault(error))),
                }
            }
            _ => Err(reply.refused("the rest of a blob", &format!("the blob {}", self.digest))),
        }
    }

    fn check(&mut self) -> Result<(), RegistryError> {
        self.checked = true;
        let Some(mut reply) = self.reply.take() else { return Ok(()) };
        // Where the length was not said before, more may come.
        if reply.length().is_none() && matches!(reply.body.read(&mut [0]), Ok(1)) {
            let fault = Fault::Length { place: "the blob", expected: self.size, found: "more".to_owned() };
            return Err(reply.error(fault));
        }
        if !self.is_proving {
            return Ok(());
        }
        let found = BlobDigest::from_bytes(self.sha.clone().finalize().into());
        if found != self.digest {
            let (expected, found) = (self.digest, found.to_string());
            return Err(reply.error(Fault::Digest { place: "the blob that was sent", expected, found }));
        }
        Ok(())
    }
}

impl Read for Blob<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.checked {
            return Ok(0);
        }
        let got = if self.at < self.size { self.read_some(buf)? } else { 0 };
        if self.at == self.size {
            self.check()?;
        }
        Ok(got)
    }
}
