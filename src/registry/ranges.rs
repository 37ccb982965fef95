//! Runs of bytes of a blob, in one request where the registry can do that.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::blob::{Blob, whole};
use super::client::{Repository, Wanted};
use super::error::{Fault, RegistryError, Request};
use super::multipart::{ContentRange, Multipart, Trouble, boundary};
use super::network::{Waits, read_fault};
use super::reply::{Reply, ReplyBody};
use super::retry::Tries;
use super::text::shown;

use crate::digest::BlobDigest;
use crate::span::Span;
use crate::units;

/// How a registry answered a request for ranges.
pub enum Answer<'c, 'p> {
    Parts(Parts<'c, 'p>),
    /// The whole blob from its start. Dropped early, it is not sent to its end.
    Whole(Blob<'c, 'p>),
    /// It can't do that: 400, 416 or 501 mostly. Fewer ranges, or one, may work.
    Refused(u16),
}

/// The spans that were asked for, one after the other. How the registry joined or cut them is not seen.
pub struct Parts<'c, 'p> {
    repository: Repository<'c, 'p>,
    digest: BlobDigest,
    size: u64,
    /// What of the span is not read yet.
    rest: Span,
    todo: VecDeque<Span>,
    wire: Option<Wire>,
    tries: Tries<'c>,
}

/// One answer with parts.
pub(super) struct Wire {
    request: Request,
    waits: Waits,
    frames: Frames,
    /// What of the part is not read yet.
    part: Span,
}

enum Frames {
    Single(Option<ContentRange>, ReplyBody),
    Several(Multipart<ReplyBody>),
}

enum Got {
    Wire(Box<Wire>),
    Whole(Box<Reply>),
    Refused(u16),
}

impl<'c, 'p> Repository<'c, 'p> {
    /// `spans` ascend, do not overlap, are not empty and lie inside of the blob. Every part's range is checked; its bytes are
    /// not, since a digest covers the whole blob only.
    pub fn ranges(&self, digest: BlobDigest, size: u64, spans: &[Span]) -> Result<Answer<'c, 'p>, RegistryError> {
        let mut end = 0;
        let sound =
            spans.iter().all(|span| !span.is_empty() && span.start() >= std::mem::replace(&mut end, span.end()));
        if !sound || end > size || spans.is_empty() {
            let expected = "ranges of a blob that ascend";
            let host = self.client.host().to_owned();
            return Err(RegistryError::Name { host, expected, found: "others".to_owned() });
        }
        let path = self.blob_path(digest);
        let headers = [("Range", range_header(spans.iter()))];
        let wanted = Wanted { headers: &headers, long: true, ..Wanted::new("GET", &path) };
        let got = self.client.ask(&wanted, &self.to_read(), |reply| self.judge(reply, digest, size))?;
        let (repository, tries) = (self.clone(), self.client.tries());
        let (rest, todo) = (Span::between(0, 0), spans.iter().copied().collect());
        Ok(match got {
            Got::Wire(wire) => Answer::Parts(Parts { repository, digest, size, rest, todo, wire: Some(*wire), tries }),
            Got::Whole(reply) => Answer::Whole(self.begun(digest, size, *reply)),
            Got::Refused(status) => Answer::Refused(status),
        })
    }

    /// The bytes of one span, however the registry sends them. The caller bounds their number.
    pub fn read_at(&self, digest: BlobDigest, size: u64, span: Span) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let read = match self.ranges(digest, size, &[span])? {
            Answer::Parts(mut parts) => {
                parts.next_span()?;
                parts.read_to_end(&mut bytes)
            }
            Answer::Whole(mut blob) => io::copy(&mut (&mut blob).take(span.start()), &mut io::sink())
                .and_then(|_| blob.take(span.len()).read_to_end(&mut bytes)),
            Answer::Refused(found) => {
                let path = format!("/v2/{}", self.blob_path(digest));
                let request = self.client.base()?.join(&path).map(|address| address.request("GET"));
                let request = request.unwrap_or(Request { method: "GET", host: self.client.host().to_owned(), path });
                let (said, retry_after) = (Default::default(), None);
                let fault = Fault::Status { expected: "a range of a blob", found, said, retry_after };
                return Err(RegistryError::failed(request, fault));
            }
        };
        match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// What a reader of this repository failed with, as it was.
    pub fn failure(&self, error: io::Error) -> RegistryError {
        match error.downcast::<RegistryError>() {
            Ok(error) => error,
            Err(error) => match crate::progress::Stop::of(&error) {
                Some(crate::progress::Stop::Interrupted(interrupted)) => interrupted.into(),
                _ => {
                    let request =
                        Request { method: "GET", host: self.client.host().to_owned(), path: self.name.clone() };
                    RegistryError::failed(request, Fault::Cut { reason: shown(&error.to_string()) })
                }
            },
        }
    }

    fn judge(&self, reply: Reply, digest: BlobDigest, size: u64) -> Result<Got, RegistryError> {
        match reply.status {
            206 => Wire::new(reply).map(|wire| Got::Wire(Box::new(wire))),
            200 => whole(reply, size).map(|reply| Got::Whole(Box::new(reply))),
            404 => Err(reply.refused("ranges of a blob", &format!("the blob {digest}"))),
            status => {
                let error = reply.refused("ranges of a blob", &format!("the blob {digest}"));
                if error.is_temporary() { Err(error) } else { Ok(Got::Refused(status)) }
            }
        }
    }
}

pub(super) fn range_header<'a>(spans: impl Iterator<Item = &'a Span>) -> String {
    let ranges: Vec<String> = spans.map(|span| format!("{}-{}", span.start(), span.end() - 1)).collect();
    format!("bytes={}", ranges.join(","))
}

impl Wire {
    pub(super) fn new(reply: Reply) -> Result<Self, RegistryError> {
        let frames = match reply.header("content-type").and_then(boundary) {
            Some(boundary) => Ok(boundary),
            None => Err(reply.header("content-range").and_then(ContentRange::parse)),
        };
        if let Err(None) = frames {
            let found = shown(reply.header("content-range").unwrap_or_default());
            return Err(reply.error(Fault::Malformed { expected: "a Content-Range or multipart/byteranges", found }));
        }
        let (request, waits) = (reply.request, reply.body.waits());
        let frames = match frames {
            Ok(boundary) => Frames::Several(Multipart::new(reply.body, &boundary)),
            Err(range) => Frames::Single(range, reply.body),
        };
        Ok(Self { request, waits, frames, part: Span::between(0, 0) })
    }

    pub(super) fn next(&mut self) -> Result<Option<ContentRange>, RegistryError> {
        let next = match &mut self.frames {
            Frames::Single(range, _) => Ok(range.take()),
            Frames::Several(multipart) => multipart.next(),
        };
        next.map_err(|trouble| self.error(trouble))
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, RegistryError> {
        let len = buf.len().min(usize::try_from(self.part.len()).unwrap_or(usize::MAX));
        let got = match &mut self.frames {
            Frames::Several(multipart) => multipart.read(&mut buf[..len]),
            Frames::Single(_, body) => match body.read(&mut buf[..len]) {
                Ok(0) => Err(Trouble::Cut),
                Ok(got) => Ok(got),
                Err(error) => Err(Trouble::Io(error)),
            },
        };
        let got = got.map_err(|trouble| self.error(trouble))?;
        self.part = Span::between(self.part.start() + got as u64, self.part.end());
        match &mut self.frames {
            Frames::Single(_, body) if self.part.is_empty() => body.end(),
            _ => {}
        }
        Ok(got)
    }

    /// Reads the part that [`next`](Self::next) told, and drops it.
    pub(super) fn pass(&mut self, part: Span) -> Result<(), RegistryError> {
        self.part = part;
        let mut unread = [0; 64];
        while !self.part.is_empty() {
            self.read(&mut unread)?;
        }
        Ok(())
    }

    fn not_asked(&self, found: String) -> RegistryError {
        let fault = Fault::Malformed { expected: "the ranges that were asked for", found };
        RegistryError::failed(self.request.clone(), fault)
    }

    fn error(&self, trouble: Trouble) -> RegistryError {
        let fault = match trouble {
            Trouble::Io(error) => read_fault(error, self.waits),
            Trouble::Cut => Fault::Cut { reason: "before the last part's end".to_owned() },
            Trouble::Malformed(found) => Fault::Malformed { expected: "multipart/byteranges", found: found.to_owned() },
        };
        RegistryError::failed(self.request.clone(), fault)
    }
}

impl Parts<'_, '_> {
    /// The next span; [`Read`] gives its bytes. What of the one before was not read is left out.
    pub fn next_span(&mut self) -> Result<Option<Span>, RegistryError> {
        let Some(next) = self.todo.pop_front() else {
            self.rest = Span::between(0, 0);
            return Ok(None);
        };
        self.rest = next;
        Ok(Some(next))
    }

    fn read_some(&mut self, buf: &mut [u8]) -> Result<usize, RegistryError> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.go_on()?,
        };
        self.seek(&mut wire)?;
        let len = buf.len().min(usize::try_from(self.rest.len()).unwrap_or(usize::MAX));
        let got = wire.read(&mut buf[..len])?;
        self.rest = Span::between(self.rest.start() + got as u64, self.rest.end());
        self.wire = Some(wire);
        self.tries.took(got as u64);
        Ok(got)
    }

    /// Moves on to the next byte that is wanted, over what stands between.
    fn seek(&self, wire: &mut Wire) -> Result<(), RegistryError> {
        let wanted = self.rest.start();
        let mut unread = [0; 8192];
        while wire.part.is_empty() || wire.part.start() < wanted {
            if !wire.part.is_empty() {
                let gap = (wanted - wire.part.start()).min(unread.len() as u64) as usize;
                wire.read(&mut unread[..gap])?;
                continue;
            }
            let Some(range) = wire.next()? else {
                return Err(wire.not_asked(format!("no part with byte {}", units::count(wanted))));
            };
            if let Some(found) = range.size.filter(|size| *size != self.size) {
                let (place, expected, found) = ("the blob", self.size, units::count(found));
                return Err(RegistryError::failed(wire.request.clone(), Fault::Length { place, expected, found }));
            }
            // A server may join neighbours; what it joins begins and ends as they do. What lies before was left out.
            let ends = |span: &Span| range.end == span.end();
            let ends_as_asked = range.end <= wanted || ends(&self.rest) || self.todo.iter().any(ends);
            let begins_as_asked = range.start >= wire.part.end() && range.start <= wanted;
            let is_of_it = range.end <= self.size;
            if !begins_as_asked || !ends_as_asked || !is_of_it {
                let size = range.size.map_or("*".to_owned(), |size| size.to_string());
                return Err(wire.not_asked(format!("bytes {}-{}/{size}", range.start, range.end - 1)));
            }
            wire.part = Span::between(range.start, range.end);
        }
        Ok(())
    }

    /// Asks for what is still missing.
    fn go_on(&self) -> Result<Wire, RegistryError> {
        let repository = &self.repository;
        let path = repository.blob_path(self.digest);
        let headers = [("Range", range_header(std::iter::once(&self.rest).chain(&self.todo)))];
        let wanted = Wanted { headers: &headers, long: true, ..Wanted::new("GET", &path) };
        let reply = repository.client.once(&wanted, &repository.to_read())?;
        match reply.status {
            206 => Wire::new(reply),
            _ => Err(reply.refused("ranges of a blob, as before", &format!("the blob {}", self.digest))),
        }
    }
}

impl Read for Parts<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.rest.is_empty() {
            return Ok(0);
        }
        loop {
            self.repository.client.progress.check().map_err(RegistryError::from)?;
            match self.read_some(buf) {
                Ok(got) => return Ok(got),
                Err(error) => self.tries.failed(error)?,
            }
        }
    }
}
