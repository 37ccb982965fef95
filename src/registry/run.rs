//! One run of a blob's bytes as a reader: a body that is cut goes on by range.

use std::io::{self, Read};

use super::blob::whole;
use super::client::{Repository, Wanted};
use super::error::{Fault, RegistryError};
use super::multipart::ContentRange;
use super::ranges::range_header;
use super::relay::Relayed;
use super::reply::Reply;
use super::retry::Tries;
use super::text::shown;
use crate::digest::BlobDigest;
use crate::span::Span;
use crate::units;

pub struct Run<'c, 'p> {
    repository: Repository<'c, 'p>,
    digest: BlobDigest,
    size: u64,
    at: u64,
    end: u64,
    /// Dropped unread, it ends its connection.
    reply: Option<Reply>,
    tries: Tries<'c>,
}

/// How a registry answered a request for one range.
pub enum Ranged<'c, 'p> {
    Run(Run<'c, 'p>),
    /// Neither 206 nor 200, and no status that may pass.
    Other(Relayed),
}

impl<'c, 'p> Repository<'c, 'p> {
    /// The bytes of `span`, which is not empty, as far as the blob has them. Its size is what `size` says, or else what the
    /// registry does. The bytes are not proven: a digest covers the whole blob only.
    ///
    /// A registry that sends the whole blob is hung up on behind the last byte of the span.
    pub fn run(&self, digest: BlobDigest, span: Span, size: Option<u64>) -> Result<Ranged<'c, 'p>, RegistryError> {
        let headers = [("Range", range_header(std::iter::once(&span)))];
        self.begin(digest, &headers, |reply| {
            let (reply, size) = match reply.status {
                206 => part(reply, span, size)?,
                _ => from_whole(reply, span, size)?,
            };
            Ok(Run::begun(self, digest, size, Span::between(span.start(), span.end().min(size)), reply))
        })
    }

    /// The whole blob, unproven, whose size the registry says.
    pub fn whole(&self, digest: BlobDigest) -> Result<Ranged<'c, 'p>, RegistryError> {
        self.begin(digest, &[], |reply| match (reply.status, reply.length()) {
            (200, Some(size)) => Ok(Run::begun(self, digest, size, Span::between(0, size), reply)),
            (status, _) => {
                let found = format!("status {status} without it");
                Err(reply.error(Fault::Malformed { expected: "a whole blob with its Content-Length", found }))
            }
        })
    }

    /// Asks until `read` takes a 200 or 206, as long as a failure may pass.
    fn begin(
        &self,
        digest: BlobDigest,
        headers: &[(&'static str, String)],
        read: impl Fn(Reply) -> Result<Run<'c, 'p>, RegistryError>,
    ) -> Result<Ranged<'c, 'p>, RegistryError> {
        let path = self.blob_path(digest);
        let wanted = Wanted { headers, long: true, shown: self.shown.as_ref(), ..Wanted::new("GET", &path) };
        let mut tries = self.client.tries();
        loop {
            let error = match self.client.answered(&wanted, &self.to_read()) {
                Ok(reply) if matches!(reply.status, 200 | 206) => match read(reply) {
                    Ok(run) => return Ok(Ranged::Run(run)),
                    Err(error) => error,
                },
                Ok(reply) if !reply.may_pass() => return Ok(Ranged::Other(Relayed(reply))),
                Ok(reply) => reply.refused("a blob, or a range of it", &format!("the blob {digest}")),
                Err(error) => error,
            };
            tries.failed(error)?;
        }
    }
}

impl<'c, 'p> Run<'c, 'p> {
    pub(super) fn begun(
        repository: &Repository<'c, 'p>,
        digest: BlobDigest,
        size: u64,
        span: Span,
        reply: Reply,
    ) -> Self {
        let (repository, tries) = (repository.clone(), repository.client.tries());
        Self { repository, digest, size, at: span.start(), end: span.end(), reply: Some(reply), tries }
    }

    /// Of the blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What is not read yet.
    pub fn rest(&self) -> Span {
        Span::between(self.at, self.end)
    }

    /// The registry began to send the whole blob, though it was asked for a range.
    pub fn is_of_whole(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.status == 200)
    }

    pub(super) fn digest(&self) -> BlobDigest {
        self.digest
    }

    pub(super) fn is_read(&self) -> bool {
        self.at == self.end
    }

    pub(super) fn end(&mut self) -> Option<Reply> {
        self.reply.take()
    }

    fn read_some(&mut self, buf: &mut [u8]) -> Result<usize, RegistryError> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
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
                    Ok(got) => {
                        self.at += got as u64;
                        self.tries.took(got as u64);
                        let is_all = reply.status == 206 || self.end == self.size;
                        if self.at == self.end && is_all && reply.length().is_some() {
                            reply.body.end();
                        }
                        return Ok(got);
                    }
                    Err(error) => reply.error(reply.body.fault(error)),
                },
            };
            self.reply = None;
            self.tries.failed(error)?;
        }
    }

    /// A new body that begins where the last one was cut.
    fn go_on(&self) -> Result<Reply, RegistryError> {
        let repository = &self.repository;
        let (path, rest) = (repository.blob_path(self.digest), self.rest());
        let headers = [("Range", range_header(std::iter::once(&rest)))];
        let shown = repository.shown.as_ref();
        let wanted = Wanted { headers: &headers, long: true, shown, ..Wanted::new("GET", &path) };
        let reply = repository.client.once(&wanted, &repository.to_read())?;
        let going_on = match reply.status {
            206 => part(reply, rest, Some(self.size)),
            // What is there already passes unseen.
            200 => from_whole(reply, rest, Some(self.size)),
            _ => Err(reply.refused("the rest of a blob", &format!("the blob {}", self.digest))),
        };
        Ok(going_on?.0)
    }
}

impl Read for Run<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.is_read() {
            return Ok(0);
        }
        Ok(self.read_some(buf)?)
    }
}

/// A 206 with the span as far as the blob has it, and the blob's size.
fn part(reply: Reply, span: Span, size: Option<u64>) -> Result<(Reply, u64), RegistryError> {
    let range = reply.header("content-range").and_then(ContentRange::parse);
    let whole = range.and_then(|range| range.size.or(size));
    let fits = |size: u64| {
        let end = span.end().min(size);
        let is_long = reply.length().is_none_or(|length| length == end.saturating_sub(span.start()));
        range.is_some_and(|range| range.is(span.start(), end, size)) && is_long
    };
    match whole {
        Some(found) if size.is_none_or(|size| size == found) && fits(found) => Ok((reply, found)),
        _ => {
            let range = shown(reply.header("content-range").unwrap_or_default());
            let found =
                reply.length().map_or(range.clone(), |length| format!("{range} with {} bytes", units::count(length)));
            Err(reply.error(Fault::Malformed { expected: "the Content-Range that was asked for", found }))
        }
    }
}

/// A 200, read up to where the span starts.
fn from_whole(reply: Reply, span: Span, size: Option<u64>) -> Result<(Reply, u64), RegistryError> {
    let Some(size) = size.or_else(|| reply.length()) else {
        let found = "the whole blob, without its length".to_owned();
        return Err(reply.error(Fault::Malformed { expected: "a range of a blob", found }));
    };
    let mut reply = whole(reply, size)?;
    if span.start() >= size {
        let found = format!("a blob of {} bytes", units::count(size));
        return Err(reply.error(Fault::Malformed { expected: "a range of a blob", found }));
    }
    match io::copy(&mut (&mut reply.body).take(span.start()), &mut io::sink()) {
        Ok(skipped) if skipped == span.start() => Ok((reply, size)),
        Ok(skipped) => Err(reply.error(ended(skipped, size))),
        Err(error) => Err(reply.error(reply.body.fault(error))),
    }
}

fn ended(at: u64, size: u64) -> Fault {
    Fault::Cut { reason: format!("after {} of {} bytes", units::count(at), units::count(size)) }
}
