//! A blob for a client: whole, one range, or several ranges that are single ones for the registry.

use std::io::{self, Read};

use crate::digest::BlobDigest;
use crate::order::cost::bridge::{Group, groups};
use crate::registry::{Ranged, RegistryError, Relayed, Repository};
use crate::span::Span;

use super::ahead::Ahead;
use super::answer::{Exchange, Server, passed, shown};
use super::counts::Moved;
use super::http::Method;
use super::kept::{Drawn, Shelf, Supply};
use super::multipart::{Multipart, content_range};
use super::route::{Place, Refused};
use super::wanted::Wanted;

pub(super) struct BlobAnswer<'s, 'p> {
    pub server: &'s Server<'p>,
    pub place: &'s Place,
    pub digest: BlobDigest,
}

const HEADERS: &[&str] = &["Docker-Content-Digest", "ETag", "WWW-Authenticate", "Retry-After"];

/// What a client gets instead of a blob.
enum Stop {
    /// Nothing was sent yet.
    Registry(RegistryError),
    Relayed(Box<Relayed>),
    /// No range lies in the blob, which is so large.
    NoneInside(u64),
    /// More bytes than the blob has.
    TooMuch,
    /// The registry does not know ranges, and each of several would cost the blob up to its end.
    OnlyWhole,
    /// Not what can stand in a Range header, or too much of it.
    NoRanges,
    /// The answer has begun.
    Cut(io::Error),
}

impl From<RegistryError> for Stop {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Cut(error)
    }
}

impl BlobAnswer<'_, '_> {
    pub fn answer(&self, repository: &Repository<'_, '_>, mut exchange: Exchange) -> io::Result<()> {
        let range = range(&exchange);
        let client = exchange.client;
        self.server.counts.begin(client, self.place);
        let mut moved = Moved::default();
        let done = match (exchange.asked.method, &range) {
            (Method::Head, _) => self.head(repository, &mut exchange),
            (_, Some(range)) => self.ranges(repository, range, &mut exchange, &mut moved),
            (_, None) => self.whole(repository, &mut exchange, &mut moved),
        };
        moved.failed = u64::from(matches!(done, Err(Stop::Registry(_) | Stop::Relayed(_) | Stop::Cut(_))));
        self.server.counts.end(client, self.place, self.digest, moved);
        match done {
            Ok(()) => Ok(()),
            Err(stop) => self.stopped(&mut exchange, stop, range.is_some()),
        }
    }

    /// What there is no way to the registry for.
    pub fn unreachable(&self, exchange: &mut Exchange, message: &str) -> io::Result<()> {
        match range(exchange) {
            Some(_) => self.no_ranges(exchange, message),
            None => self.server.bad_gateway(exchange, self.place, message),
        }
    }

    /// podman then pulls the layer whole. At 500 and above podman 6.1 goes on to the registry itself, which a bridge is there
    /// to avoid.
    fn no_ranges(&self, exchange: &mut Exchange, message: &str) -> io::Result<()> {
        self.server.counts.failed(self.place, message);
        self.unsupported(exchange, message)
    }

    fn unsupported(&self, exchange: &mut Exchange, message: &str) -> io::Result<()> {
        let refused = Refused { status: 400, code: "UNSUPPORTED", message: message.to_owned() };
        self.server.refuse(exchange, &refused, &[])
    }

    fn stopped(&self, exchange: &mut Exchange, stop: Stop, are_ranges: bool) -> io::Result<()> {
        let server = self.server;
        match stop {
            Stop::Cut(error) => {
                // A client that hangs up is no fault of the registry's.
                if let Some(fault) = RegistryError::of(&error) {
                    server.counts.failed(self.place, &fault.to_string());
                }
                Err(error)
            }
            Stop::NoneInside(size) => {
                let message = "no range lies within the blob".to_owned();
                let refused = Refused { status: 416, code: "RANGE_INVALID", message };
                server.refuse(exchange, &refused, &[("Content-Range", format!("bytes */{size}"))])
            }
            Stop::TooMuch => self.unsupported(exchange, "the ranges add up to more bytes than the blob has"),
            Stop::OnlyWhole => self.no_ranges(exchange, "the registry sends the whole blob instead of a range"),
            Stop::NoRanges => self.unsupported(exchange, "expected Range: bytes=FIRST-LAST,.. with up to 4,096 ranges"),
            Stop::Relayed(relayed) if are_ranges && !matches!(relayed.status(), 401 | 403 | 404) => {
                self.no_ranges(exchange, &format!("the registry answers {} to a single range", relayed.status()))
            }
            Stop::Relayed(relayed) => {
                let (status, headers) = (relayed.status(), passed(&relayed, HEADERS));
                let code = match status {
                    401 | 403 => "DENIED",
                    404 => "BLOB_UNKNOWN",
                    _ => "UNKNOWN",
                };
                let message = format!("the registry answers {status}");
                server.refuse(exchange, &Refused { status, code, message }, &headers)
            }
            Stop::Registry(error) if are_ranges => self.no_ranges(exchange, &error.to_string()),
            Stop::Registry(error) if error.status() == Some(429) => {
                let refused = Refused { status: 429, code: "TOOMANYREQUESTS", message: error.to_string() };
                server.refuse(exchange, &refused, &[])
            }
            Stop::Registry(error) => server.bad_gateway(exchange, self.place, &error.to_string()),
        }
    }

    fn head(&self, repository: &Repository<'_, '_>, exchange: &mut Exchange) -> Result<(), Stop> {
        let relayed = repository.relay("HEAD", &format!("blobs/{}", self.digest), &[])?;
        let mut headers = passed(&relayed, HEADERS);
        headers.extend(relayed.length().map(|length| ("Content-Length", length.to_string())));
        headers.push(("Accept-Ranges", "bytes".to_owned()));
        let keeps = exchange.asked.keeps && relayed.length().is_some();
        Ok(exchange.wire.head(relayed.status(), &headers, keeps)?)
    }

    fn whole(&self, repository: &Repository<'_, '_>, exchange: &mut Exchange, moved: &mut Moved) -> Result<(), Stop> {
        moved.whole = 1;
        let mut run = match repository.whole(self.digest)? {
            Ranged::Run(run) => run,
            Ranged::Other(relayed) => return Err(Stop::Relayed(Box::new(relayed))),
        };
        let headers = [
            ("Content-Type", "application/octet-stream".to_owned()),
            ("Docker-Content-Digest", self.digest.to_string()),
            ("Accept-Ranges", "bytes".to_owned()),
            ("Content-Length", run.size().to_string()),
        ];
        exchange.wire.head(200, &headers, exchange.asked.keeps)?;
        let size = run.size();
        let copied = copy(&mut run, size, &mut |bytes| exchange.wire.body(bytes));
        moved.sent = size - run.rest().len();
        moved.read = moved.sent;
        Ok(copied?)
    }

    fn ranges(
        &self,
        repository: &Repository<'_, '_>,
        header: &str,
        exchange: &mut Exchange,
        moved: &mut Moved,
    ) -> Result<(), Stop> {
        let Some(wanted) = Wanted::parse(header) else { return Err(Stop::NoRanges) };
        let shows = shown(exchange.asked).is_some();
        let kept = self.server.kept.as_ref();
        let shelf = Shelf::new(kept, self.digest, &self.place.host, self.server.is_local, shows);
        let (run, parts, groups) = self.open(repository, &shelf, &wanted)?;
        let size = run.size();
        (moved.requests, moved.ranges, moved.singles) = (1, parts.len() as u64, groups.len() as u64);
        moved.size = Some(size);
        // What came before the range was read, too.
        moved.read = if run.is_of_whole() { run.rest().start() } else { 0 };
        let seed =
            [&self.server.secret.to_le_bytes()[..], self.digest.to_string().as_bytes(), header.as_bytes()].concat();
        let multipart = (wanted.count() > 1).then(|| Multipart::new(size, &seed));
        let (content_type, length, range) = match &multipart {
            Some(multipart) => (multipart.content_type(), multipart.length(&parts), None),
            None => {
                let range = content_range(parts[0], size);
                ("application/octet-stream".to_owned(), parts[0].len(), Some(("Content-Range", range)))
            }
        };
        let mut headers = vec![
            ("Content-Type", content_type),
            ("Docker-Content-Digest", self.digest.to_string()),
            ("Accept-Ranges", "bytes".to_owned()),
            ("Content-Length", length.to_string()),
        ];
        headers.extend(range);
        exchange.wire.head(206, &headers, exchange.asked.keeps)?;
        let sent = self.send(repository, &shelf, run, &parts, &groups, multipart.as_ref(), exchange, moved);
        moved.came_from_cache(shelf.tally());
        sent
    }

    /// The first run of the registry, and what the client gets: none of it is known before the blob's size is.
    fn open<'s, 'c, 'p>(
        &self,
        repository: &Repository<'c, 'p>,
        shelf: &'s Shelf,
        wanted: &Wanted,
    ) -> Result<(Supply<'s, 'c, 'p>, Vec<Span>, Vec<Group>), Stop> {
        let mut size = if wanted.needs_size() { Some(self.size(repository)?) } else { None };
        loop {
            let parts = wanted.spans(size);
            if let Some(size) = size {
                self.check(&parts, size)?;
            }
            let planned = groups(&parts);
            let Some(first) = planned.first() else { return Err(Stop::NoRanges) };
            let run = match shelf.run(repository, first.span, size)? {
                Drawn::Supply(run) => run,
                // It may lie behind the blob's end.
                Drawn::Other(relayed) if relayed.status() == 416 && size.is_none() => {
                    size = Some(self.size(repository)?);
                    continue;
                }
                Drawn::Other(relayed) => return Err(Stop::Relayed(relayed)),
            };
            if planned.len() > 1 && run.is_of_whole() {
                return Err(Stop::OnlyWhole);
            }
            if size.is_some() {
                return Ok((run, parts, planned));
            }
            let parts = wanted.spans(Some(run.size()));
            self.check(&parts, run.size())?;
            let planned = groups(&parts);
            if planned.first().is_some_and(|first| first.span == run.rest()) {
                return Ok((run, parts, planned));
            }
            size = Some(run.size());
        }
    }

    /// Ranges that overlap could make a small blob a huge answer.
    fn check(&self, parts: &[Span], size: u64) -> Result<(), Stop> {
        let sum = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.len()));
        match () {
            () if parts.is_empty() => Err(Stop::NoneInside(size)),
            () if sum > size => Err(Stop::TooMuch),
            () => Ok(()),
        }
    }

    fn size(&self, repository: &Repository<'_, '_>) -> Result<u64, Stop> {
        let relayed = repository.relay("HEAD", &format!("blobs/{}", self.digest), &[])?;
        match (relayed.status(), relayed.length()) {
            (200, Some(length)) => Ok(length),
            _ => Err(Stop::Relayed(Box::new(relayed))),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one answer's parts")]
    fn send<'s, 'c, 'p>(
        &self,
        repository: &Repository<'c, 'p>,
        shelf: &'s Shelf,
        first: Supply<'s, 'c, 'p>,
        parts: &[Span],
        groups: &[Group],
        multipart: Option<&Multipart>,
        exchange: &mut Exchange,
        moved: &mut Moved,
    ) -> Result<(), Stop> {
        let size = first.size();
        let open = |at: usize| match shelf.run(repository, groups[at].span, Some(size))? {
            Drawn::Supply(run) => Ok(run),
            Drawn::Other(relayed) => Err(relayed.into_failure("a range of a blob", "the blob")),
        };
        let shutter = exchange.wire.shutter()?;
        let ahead = Ahead { parallel: self.server.parallel, permits: &self.server.permits, failed: &|| shutter.shut() };
        let wire = &mut *exchange.wire;
        let mut take = |at: usize, reader: &mut dyn Read| -> io::Result<()> {
            let group = &groups[at];
            let mut read_to = group.span.start();
            for number in group.ranges.clone() {
                let part = parts[number];
                copy(reader, part.start() - read_to, &mut |_| Ok(()))?;
                if let Some(multipart) = multipart {
                    wire.body(multipart.before(part, number == 0).as_bytes())?;
                }
                copy(reader, part.len(), &mut |bytes| {
                    moved.sent += bytes.len() as u64;
                    wire.body(bytes)
                })?;
                read_to = part.end();
            }
            moved.read += group.span.len();
            Ok(())
        };
        ahead.each(first, groups.len(), &open, &mut take)?;
        if let Some(multipart) = multipart {
            exchange.wire.body(multipart.end().as_bytes())?;
        }
        Ok(())
    }
}

fn range(exchange: &Exchange) -> Option<String> {
    exchange.asked.header("range").filter(|_| exchange.asked.method == Method::Get)
}

/// So many bytes and no fewer.
fn copy(from: &mut dyn Read, mut count: u64, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buf = vec![0; 32 << 10];
    while count > 0 {
        let len = usize::try_from(count).unwrap_or(usize::MAX).min(buf.len());
        match from.read(&mut buf[..len]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => {
                to(&buf[..got])?;
                count -= got as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
