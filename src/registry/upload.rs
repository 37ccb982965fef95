//! Blobs on their way to a registry. A session is used for one try: registries lose them, and few can go on with one.

use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::sync::atomic::Ordering;

use super::address::Address;
use super::client::{Repository, Wanted};
use super::content::{Content, Opens};
use super::error::{Fault, RegistryError};
use super::redirect::{Ask, next};
use super::reply::Reply;
use super::scope::Scope;
use crate::digest::BlobDigest;
use crate::units;

/// How the bytes are sent, best first. What a registry took is what the next upload begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// All with the request that ends the session.
    Put,
    /// All in one PATCH without a range, as podman and docker do it.
    Patch,
    /// Pieces, each with its range: what has to pass a proxy that limits bodies.
    Pieces,
}

const WAYS: [Way; 3] = [Way::Put, Way::Patch, Way::Pieces];

/// What passes a proxy that limits bodies, and does not take a request for too little.
const PIECE_BYTES: u64 = 16 << 20;

/// It refuses more in a PATCH with a range.
const GHCR_PIECE_BYTES: u64 = 4 << 20;

/// A piece is in memory. No registry is known to want more than 100 MB at least.
const LARGEST_PIECE_BYTES: u64 = 128 << 20;

enum Stopped {
    Failed(RegistryError),
    /// The registry takes no uploads this way.
    Refused(RegistryError),
}

impl From<RegistryError> for Stopped {
    fn from(error: RegistryError) -> Self {
        Self::Failed(error)
    }
}

/// What every step of one upload needs.
struct Job<'a> {
    digest: BlobDigest,
    scope: &'a Scope,
    content: Content<'a>,
}

/// Forgets what has passed when the bytes begin again.
struct Anew<'a> {
    source: &'a dyn Opens,
    passed: &'a Cell<u64>,
}

impl Opens for Anew<'_> {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        self.passed.set(0);
        self.source.open()
    }
}

impl Repository<'_, '_> {
    /// Makes a blob of another repository of the same registry one of this, without sending it. False where the registry does
    /// not do that, or the user may not: then it has to be uploaded.
    pub fn mount(&self, digest: BlobDigest, from: &str) -> Result<bool, RegistryError> {
        match self.ask_to_mount(digest, from) {
            Err(error) if error.status().is_some_and(|status| (400..500).contains(&status)) => Ok(false),
            asked => asked,
        }
    }

    /// False where the registry begins an upload instead, which is ended.
    pub(super) fn ask_to_mount(&self, digest: BlobDigest, from: &str) -> Result<bool, RegistryError> {
        let from = self.client.repository(from)?.name;
        let path = format!("{}/blobs/uploads/?mount={digest}&from={}", self.name, super::address::encoded(&from));
        let scope = Scope { from: Some(from), ..self.to_push() };
        self.client.ask(&Wanted::new("POST", &path), &scope, |reply| match reply.status {
            201 => Ok(true),
            202 => {
                self.give_up(next(&reply).ok(), &scope);
                Ok(false)
            }
            _ => Err(reply.refused("that the blob is mounted", &self.name)),
        })
    }

    /// Sends a blob. `seen` is told of bytes that went out for
    /// the first time.
    pub fn upload(
        &self,
        digest: BlobDigest,
        size: u64,
        source: &dyn Opens,
        seen: &dyn Fn(u64),
    ) -> Result<(), RegistryError> {
        let (passed, furthest) = (Cell::new(0), Cell::new(0));
        let source = Anew { source, passed: &passed };
        let seen_first = |bytes: u64| {
            passed.set(passed.get() + bytes);
            let new = u64::saturating_sub(passed.get(), furthest.get());
            furthest.set(furthest.get() + new);
            if new > 0 {
                seen(new);
            }
        };
        let scope = self.to_push();
        let job = Job { digest, scope: &scope, content: Content { size, source: &source, seen: &seen_first } };
        let mut tries = self.client.tries();
        let mut way = self.client.way.load(Ordering::Relaxed);
        loop {
            match self.send(&job, WAYS[way]) {
                Ok(()) => {
                    self.client.way.store(way, Ordering::Relaxed);
                    return Ok(());
                }
                Err(Stopped::Refused(error)) if way + 1 == WAYS.len() => return Err(error),
                Err(Stopped::Refused(_)) => way += 1,
                Err(Stopped::Failed(error)) => {
                    tries.failed(error)?;
                    // The answer may have been lost, and not the blob.
                    if furthest.get() >= size && self.has_arrived(digest, size) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Fails if the user may not push. Nothing is sent: a session is begun and ended.
    pub fn expect_push(&self) -> Result<(), RegistryError> {
        let path = format!("{}/blobs/uploads/", self.name);
        let scope = self.to_push();
        let begun = self.client.ask(&Wanted::new("POST", &path), &scope, |reply| match reply.status {
            202 => Ok(next(&reply).ok()),
            _ => Err(reply.refused("an upload to begin", &format!("the repository {}", self.name))),
        })?;
        self.give_up(begun, &scope);
        Ok(())
    }

    fn has_arrived(&self, digest: BlobDigest, size: u64) -> bool {
        let reply = self.client.once(&Wanted::new("HEAD", &self.blob_path(digest)), &self.to_read());
        reply.is_ok_and(|reply| reply.status == 200 && reply.length() == Some(size))
    }

    fn send(&self, job: &Job, way: Way) -> Result<(), Stopped> {
        let begin = format!("{}/blobs/uploads/", self.name);
        let reply = self.client.once(&Wanted::new("POST", &begin), job.scope)?;
        if reply.status != 202 {
            return Err(reply.refused("an upload to begin", &format!("the repository {}", self.name)).into());
        }
        let session = next(&reply)?;
        self.client.sessions.add(&session, job.scope);
        let least = reply.header("oci-chunk-min-length").and_then(|least| least.trim().parse().ok()).unwrap_or(0);
        let sent = match way {
            Way::Put => self.finish(job, &session, Some(job.content)),
            Way::Patch => {
                let patched = self.patch(job, session.clone(), job.content, None);
                patched.and_then(|session| self.finish(job, &session, None))
            }
            Way::Pieces => {
                let piece = if self.client.host() == "ghcr.io" { GHCR_PIECE_BYTES } else { PIECE_BYTES };
                let pieces = self.pieces(job, session.clone(), piece.max(least));
                pieces.and_then(|session| self.finish(job, &session, None))
            }
        };
        if self.client.sessions.remove(&session) && sent.is_err() {
            self.give_up(Some(session), job.scope);
        }
        sent
    }

    fn pieces(&self, job: &Job, mut session: Address, piece: u64) -> Result<Address, Stopped> {
        if piece > LARGEST_PIECE_BYTES {
            let request = session.request("PATCH");
            let fault = Fault::TooMuch { what: "bytes of a piece that the registry wants", limit: LARGEST_PIECE_BYTES };
            return Err(RegistryError::failed(request, fault).into());
        }
        let unread = |source| RegistryError::Source { request: session.request("PATCH"), source };
        let mut reader = job.content.source.open().map_err(unread)?.take(job.content.size);
        let mut at = 0;
        while at < job.content.size {
            let mut bytes = Vec::new();
            let got = (&mut reader).take(piece).read_to_end(&mut bytes);
            let got = got.map_err(|source| RegistryError::Source { request: session.request("PATCH"), source })? as u64;
            if got == 0 {
                let source = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(RegistryError::Source { request: session.request("PATCH"), source }.into());
            }
            let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(bytes.clone()))) };
            // Counted once, however often it is sent.
            let content = Content { size: got, source: &open, seen: &|_| () };
            session = self.patch(job, session, content, Some(at))?;
            (job.content.seen)(got);
            at += got;
        }
        Ok(session)
    }

    /// Sends bytes, with their range if they are a piece; gives where the session goes on.
    fn patch(&self, job: &Job, session: Address, content: Content, from: Option<u64>) -> Result<Address, Stopped> {
        let mut headers = vec![("Content-Type", "application/octet-stream".to_owned())];
        let end = from.unwrap_or(0) + content.size;
        if let Some(from) = from {
            headers.push(("Content-Range", format!("{from}-{}", end - 1)));
        }
        let ask = Ask { method: "PATCH", address: &session, headers: &headers, content: Some(content), long: false };
        let reply = self.client.at(&ask, job.scope)?;
        if !matches!(reply.status, 200..=204) {
            return Err(stopped(reply, "that the blob's bytes are taken"));
        }
        let taken = reply.header("range").and_then(|range| range.rsplit('-').next()?.trim().parse::<u64>().ok());
        if content.size > 0 && taken.is_some_and(|last| last.checked_add(1) != Some(end)) {
            let found =
                format!("{} of {} bytes", units::count(taken.unwrap_or(0).saturating_add(1)), units::count(end));
            return Err(reply.error(Fault::Cut { reason: format!("the registry took {found}") }).into());
        }
        match reply.header("location") {
            Some(_) => Ok(next(&reply)?),
            None => Ok(session),
        }
    }

    fn finish(&self, job: &Job, session: &Address, content: Option<Content>) -> Result<(), Stopped> {
        let digest = job.digest;
        let Some(address) = session.with_query(&format!("digest={}", super::address::encoded(&digest.to_string())))
        else {
            let fault = Fault::Redirect { expected: "a URL of HTTP or HTTPS", found: "another".to_owned() };
            return Err(RegistryError::failed(session.request("PUT"), fault).into());
        };
        let headers = [("Content-Type", "application/octet-stream".to_owned())];
        let headers = if content.is_some() { &headers[..] } else { &[] };
        let ask = Ask { method: "PUT", address: &address, headers, content, long: false };
        let reply = self.client.at(&ask, job.scope)?;
        if !matches!(reply.status, 200..=204) {
            return Err(stopped(reply, "that the blob is taken"));
        }
        match reply.header("docker-content-digest").and_then(|found| found.trim().parse::<BlobDigest>().ok()) {
            Some(found) if found != digest => {
                let (expected, found) = (digest, found.to_string());
                Err(reply.error(Fault::Digest { place: "the registry's answer", expected, found }).into())
            }
            _ => Ok(()),
        }
    }

    /// Nobody waits for it, and a registry that can't do it forgets the session some day.
    fn give_up(&self, session: Option<Address>, scope: &Scope) {
        if let Some(session) = session {
            let ask = Ask { method: "DELETE", address: &session, headers: &[], content: None, long: false };
            if let Err(RegistryError::Interrupted(_)) = self.client.at(&ask, scope) {
                let _ = self.client.at_the_end(&ask, scope);
            }
        }
    }
}

/// A status that says no to the bytes, to the way they came, or to the session.
fn stopped(reply: Reply, expected: &'static str) -> Stopped {
    let status = reply.status;
    let error = reply.refused(expected, "the upload session");
    let wrong_bytes = match error.fault() {
        Some(Fault::Status { said, .. }) => said.has_code("DIGEST_INVALID") || said.has_code("SIZE_INVALID"),
        _ => false,
    };
    match (status, error) {
        (400 | 405 | 411 | 413 | 415 | 416 | 501, error) if !wrong_bytes => Stopped::Refused(error),
        (404, RegistryError::Failed(failure)) => {
            let fault = Fault::Cut {
                reason: format!(
                    "the registry does not know the upload any more{}",
                    match &failure.fault {
                        Fault::NotFound { said, .. } => said.to_string(),
                        _ => String::new(),
                    }
                ),
            };
            Stopped::Failed(RegistryError::failed(failure.request, fault))
        }
        (_, error) => Stopped::Failed(error),
    }
}
