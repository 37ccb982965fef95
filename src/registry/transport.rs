//! One request and its answer; no redirects, no credentials of its own, no second try.

use std::cell::Cell;
use std::io::{self, Read, Take};
use std::iter::Sum;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ureq::http::Response;
use ureq::http::request::Builder;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, AsSendBody, Body, SendBody};

use super::Options;
use super::address::Address;
use super::content::Content;
use super::elsewhere::{Elsewhere, Looking, PUBLIC};
use super::endpoint::Endpoint;
use super::error::{Fault, RegistryError};
use super::network::{Waits, fault};
use super::reply::{Reply, ReplyBody};
use crate::limits;
use crate::progress::Progress;

/// What went over the network: bytes of bodies, and requests, tokens and redirects included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    pub requests: u64,
    pub sent: u64,
    pub received: u64,
}

impl Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            requests: sum.requests + it.requests,
            sent: sum.sent + it.sent,
            received: sum.received + it.received,
        })
    }
}

#[derive(Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic { requests: read(&self.requests), sent: read(&self.sent), received: read(&self.received) }
    }
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
    /// For all of it, where nobody waits longer.
    pub within: Option<Duration>,
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
        let agent = |tls, elsewhere| {
            let config = Agent::config_builder().tls_config(tls).http_status_as_error(false).max_redirects(0);
            let config = config.max_redirects_will_error(false).accept_encoding("identity");
            let config = config.max_response_header_size(limits::REGISTRY_HEADER_BYTES);
            let config = config.input_buffer_size(options.buffer).output_buffer_size(options.buffer);
            let config = config.max_idle_connections(options.idle_connections);
            let config = config.max_idle_connections_per_host(options.idle_connections);
            let config = config.user_agent(concat!("restrata/", env!("CARGO_PKG_VERSION")));
            let connect = Some(options.connect_timeout);
            let config = config.timeout_connect(connect).timeout_resolve(connect);
            let config = config.timeout_per_write(Some(options.read_timeout)).build();
            let looking = Looking { elsewhere, inner: DefaultResolver::default() };
            Agent::with_parts(config, DefaultConnector::default(), looking)
        };
        let [own, others] = super::tls::configs(&endpoint.tls).map_err(bad)?;
        let (own, others) = (agent(own, Elsewhere::Anywhere), agent(others, options.elsewhere.clone()));
        let (counters, expects) = (Arc::default(), AtomicBool::new(true));
        Ok(Self { own, others, options: options.clone(), counters, expects })
    }

    pub fn call(&self, call: &Call, progress: &Progress) -> Result<Reply, RegistryError> {
        progress.check()?;
        let request = call.address.request(call.method);
        let failed = |fault| RegistryError::failed(request.clone(), fault);
        if !call.own && !self.options.elsewhere.may_lead_to(call.address) {
            let (expected, found) = (PUBLIC, "another address".to_owned());
            return Err(failed(Fault::Redirect { expected, found }));
        }
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
            let opened =
                call.content.map_or_else(|| Ok(Box::new(io::empty()) as Box<_>), |content| content.source.open());
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
        let body = ReplyBody::new(body.into_reader(), self.counters.clone(), waits);
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
        agent.run(config.timeout_recv_body((!call.long).then_some(waits.body)).timeout_global(call.within).build())
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
    inner: Take<Box<dyn Read + Send + 'a>>,
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
