//! What a client gets for each request.

use std::io::{self, Read};

use crate::digest::BlobDigest;
use crate::limits;
use crate::progress::Progress;
use crate::registry::{Client, RegistryError, Relayed, Repository, Secret};

use super::Request;
use super::ahead::Permits;
use super::blob::BlobAnswer;
use super::counts::Counts;
use super::http::{Asked, Method, Wire};
use super::kept::Kept;
use super::route::{Known, Place, Refused, Route, route};
use super::upstream::Upstreams;

pub(super) struct Server<'p> {
    upstream: Option<String>,
    allowed: Vec<String>,
    pub parallel: usize,
    pub is_local: bool,
    /// No web page reaches it.
    is_unix: bool,
    upstreams: Upstreams<'p>,
    pub permits: Permits,
    pub counts: Counts,
    pub kept: Option<Kept<'p>>,
    /// What nobody outside knows.
    pub secret: u64,
}

/// One request, and where its answer goes.
pub(super) struct Exchange<'a> {
    pub asked: &'a Asked,
    pub wire: &'a mut Wire,
    /// The client's address.
    pub client: &'a str,
}

/// From a registry to a client, as they are.
const DOCUMENT_HEADERS: &[&str] = &[
    "Content-Type",
    "Docker-Content-Digest",
    "Docker-Distribution-Api-Version",
    "ETag",
    "Last-Modified",
    "OCI-Filters-Applied",
    "OCI-Subject",
    "Retry-After",
    "WWW-Authenticate",
];

impl<'p> Server<'p> {
    pub fn new(request: &Request, is_local: bool, is_unix: bool, progress: &'p Progress) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        Self {
            upstream: request.upstream.clone(),
            allowed: request.allowed.clone(),
            parallel: request.parallel.max(1),
            is_local,
            is_unix,
            upstreams: Upstreams::new(request.reach.clone(), is_local, progress),
            permits: Permits::new(limits::BRIDGE_AHEAD),
            counts: Counts::default(),
            kept: None,
            secret: RandomState::new().hash_one(0),
        }
    }

    /// An error ends the connection: the client has half an answer.
    pub fn answer(&self, mut exchange: Exchange) -> io::Result<()> {
        self.counts.requests.add(1);
        if exchange.asked.method == Method::Other {
            let message = "this bridge only reads: expected GET or HEAD".to_owned();
            let refused = Refused { status: 405, code: "UNSUPPORTED", message };
            return self.refuse(&mut exchange, &refused, &[("Allow", "GET, HEAD".to_owned())]);
        }
        if self.is_local && !self.is_unix && !is_local_host(exchange.asked.header("host").as_deref()) {
            // A web page whose name leads to this machine would else read what the user may.
            let message = "expected a Host of this machine: localhost or a loopback address".to_owned();
            return self.refuse(&mut exchange, &Refused { status: 403, code: "DENIED", message }, &[]);
        }
        let known = Known { upstream: self.upstream.as_deref(), allowed: &self.allowed };
        match route(&exchange.asked.target, &known) {
            Err(refused) => self.refuse(&mut exchange, &refused, &[]),
            Ok(Route::Metrics) => {
                let text = self.counts.metrics();
                let headers = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8".to_owned())];
                whole(&mut exchange, 200, &headers, text.as_bytes())
            }
            Ok(Route::Ping(named)) => self.ping(&mut exchange, named.or_else(|| self.upstream.clone())),
            Ok(Route::Document(place, path)) => self.document(&mut exchange, &place, &path),
            Ok(Route::Blob(place, digest)) => self.blob(exchange, &place, digest),
        }
    }

    /// On this machine nobody has to log in. Elsewhere a client logs in where the registry says.
    fn ping(&self, exchange: &mut Exchange, host: Option<String>) -> io::Result<()> {
        let headers = [
            ("Content-Type", "application/json".to_owned()),
            ("Docker-Distribution-Api-Version", "registry/2.0".to_owned()),
        ];
        let Some(host) = host.filter(|_| !self.is_local) else { return whole(exchange, 200, &headers, b"{}") };
        let place = Place::root(&host);
        let shown = shown(exchange.asked);
        let answered = self.upstreams.root(&host).and_then(|client| Ok(client.relay_root(shown.as_ref())?));
        match answered {
            Ok(relayed) => self.relay(exchange, &place, relayed, &[]),
            Err(error) => self.bad_gateway(exchange, &place, &error.to_string()),
        }
    }

    fn document(&self, exchange: &mut Exchange, place: &Place, path: &str) -> io::Result<()> {
        let method = if exchange.asked.method == Method::Head { "HEAD" } else { "GET" };
        let mut headers = Vec::new();
        for name in ["Accept", "If-None-Match"] {
            headers.extend(exchange.asked.header(&name.to_ascii_lowercase()).map(|value| (name, value)));
        }
        let asked = self.upstreams.find(place).and_then(|(client, name)| {
            let relayed = repository(&client, &name, exchange.asked)?.relay(method, path, &headers)?;
            Ok((relayed, name))
        });
        match asked {
            Ok((relayed, name)) => {
                // What leads to the next page of a list leads through the bridge.
                let own = format!("</v2/{name}/");
                let link = relayed.header("link").and_then(|link| link.strip_prefix(&own));
                let link = link.map(|rest| ("Link", format!("</v2/{}/{rest}", place.asked_as)));
                self.relay(exchange, place, relayed, link.as_slice())
            }
            // The client then asks the registry itself.
            Err(error) => self.bad_gateway(exchange, place, &error.to_string()),
        }
    }

    fn blob(&self, mut exchange: Exchange, place: &Place, digest: BlobDigest) -> io::Result<()> {
        let answer = BlobAnswer { server: self, place, digest };
        let found = self.upstreams.find(place);
        let asked = exchange.asked;
        match found.as_ref().map(|(client, name)| repository(client, name, asked)) {
            Ok(Ok(repository)) => answer.answer(&repository, exchange),
            Ok(Err(error)) => answer.unreachable(&mut exchange, &error.to_string()),
            Err(error) => answer.unreachable(&mut exchange, &error.to_string()),
        }
    }

    /// Read whole before it is sent: what is cut is no answer.
    fn relay(
        &self,
        exchange: &mut Exchange,
        place: &Place,
        mut relayed: Relayed,
        more: &[(&'static str, String)],
    ) -> io::Result<()> {
        let mut body = Vec::new();
        let length = relayed.length();
        if exchange.asked.method == Method::Get {
            match (&mut relayed).take(limits::MANIFEST_BYTES + 1).read_to_end(&mut body) {
                Ok(_) if body.len() as u64 > limits::MANIFEST_BYTES => {
                    return self.bad_gateway(exchange, place, "the registry sends a document of more than 4 MiB");
                }
                Ok(_) if length.is_none_or(|length| length == body.len() as u64) => {}
                Ok(_) => return self.bad_gateway(exchange, place, "the registry's answer was cut short"),
                Err(error) => return self.bad_gateway(exchange, place, &error.to_string()),
            }
        }
        let mut headers = passed(&relayed, DOCUMENT_HEADERS);
        headers.extend_from_slice(more);
        let status = relayed.status();
        if exchange.asked.method == Method::Head {
            headers.extend(length.map(|length| ("Content-Length", length.to_string())));
            return exchange.wire.head(status, &headers, exchange.asked.keeps && (length.is_some() || status == 304));
        }
        whole(exchange, status, &headers, &body)
    }

    pub fn bad_gateway(&self, exchange: &mut Exchange, place: &Place, message: &str) -> io::Result<()> {
        self.counts.failed(place, message);
        self.refuse(exchange, &Refused { status: 502, code: "UNAVAILABLE", message: message.to_owned() }, &[])
    }

    pub fn refuse(
        &self,
        exchange: &mut Exchange,
        refused: &Refused,
        more: &[(&'static str, String)],
    ) -> io::Result<()> {
        self.counts.refused.add(1);
        let Refused { status, code, message } = refused;
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string();
        let mut headers = vec![("Content-Type", "application/json".to_owned())];
        headers.extend_from_slice(more);
        whole(exchange, *status, &headers, body.as_bytes())
    }
}

impl Server<'_> {
    /// For a request that can't be read.
    pub fn refuse_unread(&self, wire: &mut Wire, refused: &Refused) -> io::Result<()> {
        let asked = Asked::unread();
        self.refuse(&mut Exchange { asked: &asked, wire, client: "" }, refused, &[])
    }
}

/// What the client shows, for the registry alone.
pub(super) fn shown(asked: &Asked) -> Option<Secret> {
    asked.header("authorization").map(Secret::new)
}

/// Asked with what the client shows, if it shows anything.
fn repository<'c, 'p>(client: &'c Client<'p>, name: &str, asked: &Asked) -> Result<Repository<'c, 'p>, RegistryError> {
    let repository = client.repository(name)?;
    Ok(match shown(asked) {
        Some(shown) => repository.showing(shown),
        None => repository,
    })
}

pub(super) fn passed(relayed: &Relayed, names: &[&'static str]) -> Vec<(&'static str, String)> {
    let value = |name: &&'static str| Some((*name, relayed.header(&name.to_ascii_lowercase())?.to_owned()));
    names.iter().filter_map(value).collect()
}

fn whole(exchange: &mut Exchange, status: u16, headers: &[(&'static str, String)], body: &[u8]) -> io::Result<()> {
    let mut headers = headers.to_vec();
    headers.push(("Content-Length", body.len().to_string()));
    exchange.wire.head(status, &headers, exchange.asked.keeps)?;
    if exchange.asked.method == Method::Head {
        return Ok(());
    }
    exchange.wire.body(body)
}

/// `localhost` or a loopback address, with or without a port. Old clients and those of a Unix socket send what they like.
fn is_local_host(host: Option<&str>) -> bool {
    let Some(host) = host else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let ip = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine() {
        for local in
            ["127.0.0.1:7080", "127.9.9.9", "localhost:7080", "LOCALHOST", "[::1]:7080", "[::ffff:127.0.0.1]:1"]
        {
            assert!(is_local_host(Some(local)), "{local}");
        }
        for other in ["evil.example:7080", "127.0.0.1.evil.example", "localhost.evil.example:7080", "10.0.0.1:7080", ""]
        {
            assert!(!is_local_host(Some(other)), "{other}");
        }
    }
}
