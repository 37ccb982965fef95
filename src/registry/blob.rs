//! A blob as a reader: a body that is cut goes on by range, and at the end length and SHA-256 are what they should be.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::client::{Repository, Wanted};
use super::error::{Fault, RegistryError};
use super::reply::Reply;
use super::run::Run;
use crate::digest::BlobDigest;
use crate::span::Span;
use crate::units;

pub struct Blob<'c, 'p> {
    run: Run<'c, 'p>,
    sha: Sha256,
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
        let run = Run::begun(self, digest, size, Span::between(0, size), reply);
        Blob { run, sha: Sha256::new(), checked: false, is_proving: true }
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

impl Blob<'_, '_> {
    /// For who proves the bytes himself: another digest is no error.
    pub fn unproven(mut self) -> Self {
        self.is_proving = false;
        self
    }

    fn check(&mut self) -> Result<(), RegistryError> {
        self.checked = true;
        let Some(mut reply) = self.run.end() else { return Ok(()) };
        // Where the length was not said before, more may come.
        if reply.length().is_none() && matches!(reply.body.read(&mut [0]), Ok(1)) {
            let fault = Fault::Length { place: "the blob", expected: self.run.size(), found: "more".to_owned() };
            return Err(reply.error(fault));
        }
        if !self.is_proving {
            return Ok(());
        }
        let found = BlobDigest::from_bytes(self.sha.clone().finalize().into());
        if found != self.run.digest() {
            let (expected, found) = (self.run.digest(), found.to_string());
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
        let got = self.run.read(buf)?;
        if self.is_proving {
            self.sha.update(&buf[..got]);
        }
        if self.run.is_read() {
            self.check()?;
        }
        Ok(got)
    }
}
