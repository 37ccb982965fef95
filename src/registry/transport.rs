//! One request and its answer; no redirects, no credentials of its own, no second try.

use std::cell::Cell;
use std::io::{self, Read, Take};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ureq::http::request::Builder;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, AsSendBody, Body, BodyReader, SendBody};

use super::address::Address;
use super::endpoint::Endpoint;
use super::error::{Fault, RegistryError, Request};
use super::text::{Said, shown};
use super::{Options, retry};
use crate::limits;
use crate::progress::Progress;

/// How long a request waits for what.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    connect: Duration,
    /// For the next bytes.
    read: Duration,
    /// For all bytes of a small document.
    body: Duration,
}

/// What went over the network: bytes of bodies, and requests, tokens and redirects included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    pub requests: u64,
    pub sent: u64,
    pub received: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic { requests: read(&self.requests), sent: read(&self.sent), received: read(&self.received) }
    }
}

pub(super) type Open<'a> = &'a dyn Fn() -> io::Result<Box<dyn Read + Send>>;

/// A body to send. It is opened anew for each time that it is sent.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub size: u64,
    pub open: Open<'a>,
    /// Is told how many bytes passed.
    pub seen: &'a dyn Fn(u64),
}

pub(super) struct Call<'a> {
    pub method: &'static str,
    pub address: &'a Address,
    pub headers: &'a [(&'static str, String)],
    pub content: Option<Content<'a>>,
    /// The registry itself, and not where it sent the client to.
    pub own: bool,
    /// The answer's body is a blob: it takes what it takes.
    pub long: bool,
}

pub(super) struct Transport {
    own: Agent,
    others: Agent,
    options: Options,
    pub counters: Arc<Counters>,
    /// False once something on the way could not do it (417).
    expects: AtomicBool,
}

impl Transport {
    pub fn new(endpoint: &Endpoint, options: &Options) -> Result<Self, RegistryError> {
        let bad = |reason| RegistryError::Endpoint { host: endpoint.host.clone(), reason };
        let [own, others] = super::tls::configs(&endpoint.tls).map_err(bad)?.map(|tls| {
            let config = Agent::config_builder().tls_config(tls).http_status_as_error(false).max_redirects(0);
            let config = config.max_redirects_will_error(false).accept_encoding("identity");
            let config = config.max_response_header_size(limits::REGISTRY_HEADER_BYTES);
            let config = config.input_buffer_size(128 << 10).output_buffer_size(128 << 10);
            let config = config.user_agent(concat!("restrata/", env!("CARGO_PKG_VERSION")));
            let connect = Some(options.connect_timeout);
            let config = config.timeout_connect(connect).timeout_resolve(connect);
            config.timeout_per_write(Some(options.read_timeout)).build().new_agent()
        });
        let (counters, expects) = (Arc::default(), AtomicBool::new(true));
        Ok(Self { own, others, options: options.clone(), counters, expects })
    }

    pub fn call(&self, call: &Call, progress: &Progress) -> Result<Reply, RegistryError> {
        progress.check()?;
        let request = call.address.request(call.method);
        let failed = |fault| RegistryError::failed(request.clone(), fault);
        let mut builder = ureq::http::Request::builder().method(call.method).uri(call.address.uri());
        for (name, value) in call.headers {
            builder = builder.header(*name, value);
        }
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let unreadable = Cell::new(None);
        let answered = if matches!(call.method, "POST" | "PUT" | "PATCH") {
            let size = call.content.map_or(0, |content| content.size);
            builder = builder.header("Content-Length", size);
            // A registry that refuses says so before it gets it all.
            if size >= EXPECT_FROM && self.expects.load(Ordering::Relaxed) {
                builder = builder.header("Expect", "100-continue");
            }
            let opened = call.content.map_or_else(|| Ok(Box::new(io::empty()) as Box<_>), |content| (content.open)());
            let inner = opened.map_err(|source| RegistryError::Source { request: request.clone(), source })?.take(size);
            let seen: &dyn Fn(u64) = call.content.map_or(&|_| (), |content| content.seen);
            let mut source = Source { inner, unreadable: &unreadable, seen, progress, counters: &self.counters };
            self.run(call, builder, SendBody::from_reader(&mut source))
        } else {
            self.run(call, builder, ())
        };
        if let Some(source) = unreadable.take() {
            progress.check()?;
            return Err(RegistryError::Source { request, source });
        }
        let waits = self.waits(call);
        let (parts, body) = answered.map_err(|error| failed(fault(error, waits)))?.into_parts();
        let status = parts.status.as_u16();
        if status == 417 && self.expects.swap(false, Ordering::Relaxed) {
            return self.call(call, progress);
        }
        let body = ReplyBody { reader: body.into_reader(), counters: self.counters.clone(), waits };
        let (address, own) = (call.address.clone(), call.own);
        Ok(Reply { request, address, own, status, headers: parts.headers, body })
    }

    fn run(&self, call: &Call, builder: Builder, body: impl AsSendBody) -> Result<Response<Body>, ureq::Error> {
        let agent = if call.own { &self.own } else { &self.others };
        let waits = self.waits(call);
        let mut config = agent.configure_request(builder.body(body)?).timeout_per_read(Some(waits.read));
        if call.address.is_loopback() {
            config = config.proxy(None);
        }
        agent.run(config.timeout_recv_body((!call.long).then_some(waits.body)).build())
    }

    /// What ends an upload may take long before it is answered.
    fn waits(&self, call: &Call) -> Waits {
        let Options { connect_timeout: connect, read_timeout, answer_timeout: body, .. } = self.options;
        let ends_upload = call.content.is_some() || call.method == "PUT";
        Waits { connect, read: if ends_upload { body } else { read_timeout }, body }
    }
}

/// Below this a body is sent sooner than the registry could say no.
const EXPECT_FROM: u64 = 1 << 20;

/// Keeps what its reader failed with, so that it is not taken for the network's fault.
struct Source<'a> {
    inner: Take<Box<dyn Read + Send>>,
    unreadable: &'a Cell<Option<io::Error>>,
    seen: &'a dyn Fn(u64),
    progress: &'a Progress,
    counters: &'a Counters,
}

impl Read for Source<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.progress.check().map_err(io::Error::other).and_then(|()| self.inner.read(buf));
        // The HTTP library would wait for the rest for ever.
        let is_short = |got: usize| got == 0 && self.inner.limit() > 0 && !buf.is_empty();
        match read.and_then(|got| if is_short(got) { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(got) }) {
            Ok(got) => {
                self.counters.sent.fetch_add(got as u64, Ordering::Relaxed);
                (self.seen)(got as u64);
                Ok(got)
            }
            Err(error) => {
                self.unreadable.set(Some(error));
                Err(io::Error::other("unreadable"))
            }
        }
    }
}

pub(super) struct ReplyBody {
    reader: BodyReader<'static>,
    counters: Arc<Counters>,
    waits: Waits,
}

impl ReplyBody {
    /// What a read failed with.
    pub fn fault(&self, error: io::Error) -> Fault {
        read_fault(error, self.waits)
    }

    pub fn waits(&self) -> Waits {
        self.waits
    }
}

impl Read for ReplyBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buf)?;
        self.counters.received.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

pub(super) struct Reply {
    pub request: Request,
    pub address: Address,
    pub own: bool,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: ReplyBody,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Of the body, if the registry says so.
    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Without parameters, in lower case.
    pub fn media_type(&self) -> String {
        let all = self.header("content-type").unwrap_or_default();
        all.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The whole body, at most `limit` bytes.
    pub fn read(&mut self, what: &'static str, limit: u64) -> Result<Vec<u8>, Fault> {
        let too_much = Fault::TooMuch { what, limit };
        if self.length().is_some_and(|length| length > limit) {
            return Err(too_much);
        }
        let mut bytes = Vec::new();
        let read = (&mut self.body).take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.body.fault(error))?;
        if bytes.len() as u64 > limit { Err(too_much) } else { Ok(bytes) }
    }

    pub fn error(&self, fault: Fault) -> RegistryError {
        RegistryError::failed(self.request.clone(), fault)
    }

    /// What the registry says of the error. A body that is cut or has no end says nothing.
    pub fn said(&mut self) -> Said {
        let (mut bytes, mut buf) = (Vec::new(), [0; 4096]);
        let begun = Instant::now();
        while bytes.len() as u64 <= limits::REGISTRY_ERROR_BYTES && begun.elapsed() < self.body.waits.read {
            match self.body.read(&mut buf) {
                Ok(got) if got > 0 => bytes.extend(&buf[..got]),
                _ => break,
            }
        }
        Said::parse(&bytes)
    }

    /// Another status than those that were expected.
    pub fn refused(mut self, expected: &'static str, what: &str) -> RegistryError {
        let retry_after = self.header("retry-after").and_then(|value| retry::retry_after(value, SystemTime::now()));
        let media_type = self.media_type();
        let said = self.said();
        let fault = Fault::Status { expected, found: self.status, said: said.clone(), retry_after };
        let fault = match self.status {
            _ if fault.is_temporary() => fault,
            status if media_type == "text/html" && self.own => {
                Fault::NotARegistry { expected, found: format!("status {status}, text/html") }
            }
            404 => Fault::NotFound { what: what.to_owned(), said },
            _ => fault,
        };
        self.error(fault)
    }
}

/// What reading a [`ReplyBody`] failed with, where the body is inside of another reader.
pub(super) fn read_fault(error: io::Error, waits: Waits) -> Fault {
    fault(ureq::Error::from(error), waits)
}

fn fault(error: ureq::Error, waits: Waits) -> Fault {
    use ureq::{Error, Timeout};
    match error {
        Error::Timeout(of) => Fault::Timeout {
            after: match of {
                Timeout::Resolve | Timeout::Connect => waits.connect,
                Timeout::RecvBody => waits.body,
                _ => waits.read,
            },
        },
        Error::HostNotFound => Fault::UnknownHost,
        Error::Rustls(error) => tls_fault(&error),
        Error::Io(error) => io_fault(&error, waits),
        Error::LargeResponseHeader(..) => {
            Fault::TooMuch { what: "bytes of headers", limit: limits::REGISTRY_HEADER_BYTES as u64 }
        }
        Error::Protocol(error) => Fault::NotHttp { reason: shown(&error.to_string()) },
        Error::ConnectionFailed => Fault::Refused,
        // Its text may have what stands in the proxy's address.
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => {
            Fault::Cut { reason: "the proxy does not let it through".to_owned() }
        }
        error => Fault::NotHttp { reason: shown(&error.to_string()) },
    }
}

fn io_fault(error: &io::Error, waits: Waits) -> Fault {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_fault(error);
    }
    // The standard library has no kind for it.
    if error.to_string().starts_with("failed to lookup address information") {
        return Fault::UnknownHost;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Fault::Timeout { after: waits.read },
        _ => Fault::Cut { reason: shown(&error.to_string()) },
    }
}

fn tls_fault(error: &rustls::Error) -> Fault {
    let reason = shown(&error.to_string());
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Fault::Certificate { reason },
        _ => Fault::NotTls { reason },
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs;

    use super::*;

    /// Not by a request: a proxy would look the name up.
    #[test]
    fn a_host_that_is_none() {
        let second = Duration::from_secs(1);
        let waits = Waits { connect: second, read: second, body: second };
        let error = ("registry.invalid", 443).to_socket_addrs().unwrap_err();
        assert!(matches!(fault(error.into(), waits), Fault::UnknownHost));
        assert!(matches!(fault(io::Error::from(io::ErrorKind::BrokenPipe).into(), waits), Fault::Cut { .. }));
    }
}
