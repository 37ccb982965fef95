//! One registry, as requests see it: permission, redirects and tries are what no caller has to think of.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::address::Address;
use super::content::Content;
use super::endpoint::{Endpoint, Secret};
use super::error::{Fault, RegistryError};
use super::redirect::{Ask, follow};
use super::reply::Reply;
use super::retry::Tries;
use super::scope::{Action, Scope};
use super::sessions::Sessions;
use super::token::{Auth, Permission};
use super::transport::{Call, Traffic, Transport};
use super::{Options, text};
use crate::progress::Progress;
use crate::threads::lock;

pub struct Client<'p> {
    endpoint: Endpoint,
    options: Options,
    pub(super) progress: &'p Progress,
    pub(super) transport: Transport,
    pub(super) auth: Mutex<Auth>,
    /// With the scheme by which it answers.
    base: Mutex<Option<Address>>,
    /// The way to upload that the registry took last.
    pub(super) way: AtomicUsize,
    pub(super) sessions: Sessions,
}

impl fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, options, .. } = self;
        f.debug_struct("Client").field("endpoint", endpoint).field("options", options).finish_non_exhaustive()
    }
}

/// Less than the program waits for a job that is to stop.
const AT_THE_END: Duration = Duration::from_millis(400);

/// A request to the registry, before its address is known.
pub(super) struct Wanted<'a> {
    pub method: &'static str,
    /// Behind `/v2/`.
    pub path: &'a str,
    pub headers: &'a [(&'static str, String)],
    pub content: Option<Content<'a>>,
    pub long: bool,
    /// Instead of what the client has for the registry.
    pub shown: Option<&'a Secret>,
}

impl<'a> Wanted<'a> {
    pub fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, headers: &[], content: None, long: false, shown: None }
    }
}

impl<'p> Client<'p> {
    /// Sends nothing yet.
    pub fn new(endpoint: Endpoint, options: Options, progress: &'p Progress) -> Result<Self, RegistryError> {
        if Address::of(true, &endpoint.host, "/v2/").is_none() {
            let (host, expected) = (text::shown(&endpoint.host), "HOST or HOST:PORT");
            return Err(RegistryError::Name { host, expected, found: endpoint.host });
        }
        let transport = Transport::new(&endpoint, &options)?;
        let (auth, base, way) = (Mutex::default(), Mutex::default(), AtomicUsize::new(0));
        Ok(Self { endpoint, options, progress, transport, auth, base, way, sessions: Sessions::default() })
    }

    pub fn repository(&self, name: &str) -> Result<Repository<'_, 'p>, RegistryError> {
        let component = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if name.len() > 255 || !name.split('/').all(component) {
            let expected = "a repository's name: letters, digits, and ._-/ between them";
            return Err(RegistryError::Name { host: self.endpoint.host.clone(), expected, found: name.to_owned() });
        }
        Ok(Repository { client: self, name: name.to_owned(), reading: Action::Pull, asks_once: false, shown: None })
    }

    /// What this client sent and received so far.
    pub fn traffic(&self) -> Traffic {
        self.transport.counters.traffic()
    }

    pub(super) fn host(&self) -> &str {
        &self.endpoint.host
    }

    pub(super) fn tries(&self) -> Tries<'_> {
        Tries::new(&self.options.retries, self.progress)
    }

    /// Asks until `read` takes the answer, as long as a failure may pass.
    pub(super) fn ask<T>(
        &self,
        wanted: &Wanted,
        scope: &Scope,
        read: impl Fn(Reply) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut tries = self.tries();
        loop {
            match self.once(wanted, scope).and_then(&read) {
                Ok(value) => return Ok(value),
                Err(error) => tries.failed(error)?,
            }
        }
    }

    /// One try, with new permission where the old one has run out.
    pub(super) fn once(&self, wanted: &Wanted, scope: &Scope) -> Result<Reply, RegistryError> {
        self.answered(wanted, scope).and_then(|reply| self.permitted(reply, scope))
    }

    /// The same where a registry's no is an answer, too.
    pub(super) fn answered(&self, wanted: &Wanted, scope: &Scope) -> Result<Reply, RegistryError> {
        let base = self.base()?;
        let bad = || base.request(wanted.method);
        let address = base.join(&format!("/v2/{}", wanted.path)).ok_or_else(|| {
            RegistryError::failed(bad(), Fault::Malformed { expected: "a path", found: text::shown(wanted.path) })
        })?;
        let Wanted { method, headers, content, long, shown, .. } = *wanted;
        self.answered_at(&Ask { method, address: &address, headers, content, long }, scope, shown)
    }

    /// The same for an address that the registry gave.
    pub(super) fn at(&self, ask: &Ask, scope: &Scope) -> Result<Reply, RegistryError> {
        self.answered_at(ask, scope, None).and_then(|reply| self.permitted(reply, scope))
    }

    fn answered_at(&self, ask: &Ask, scope: &Scope, shown: Option<&Secret>) -> Result<Reply, RegistryError> {
        let base = self.base()?;
        if let Some(shown) = shown {
            return follow(self, ask, &base, Some(shown));
        }
        let mut renewed = false;
        loop {
            let header = self.permission(&base, scope)?;
            let reply = follow(self, ask, &base, header.as_ref())?;
            let may_renew = reply.own && reply.status == 401 && !renewed;
            if !may_renew || !lock(&self.auth).learn(&reply, header.as_ref(), &self.endpoint) {
                return Ok(reply);
            }
            renewed = true;
        }
    }

    /// The `Authorization` for a request, where the registry is known to want one. Nobody with another scope waits while a
    /// token server is asked.
    fn permission(&self, base: &Address, scope: &Scope) -> Result<Option<Secret>, RegistryError> {
        let turn = match lock(&self.auth).header(&self.endpoint, scope) {
            Permission::Known(header) => return Ok(header),
            Permission::Wanted(_, turn) => turn,
        };
        let _turn = lock(&turn);
        // Who was here before may have it by now.
        let wanted = match lock(&self.auth).header(&self.endpoint, scope) {
            Permission::Known(header) => return Ok(header),
            Permission::Wanted(wanted, _) => wanted,
        };
        match wanted.token(&self.endpoint, base, scope, &self.transport, self.progress) {
            Ok(token) => Ok(Some(lock(&self.auth).keep(scope, token))),
            Err(error) => {
                // A token server that can't be asked may be this repository's alone: others are to ask the registry again how
                // it wants to be asked. One that says no is the right one.
                if !error.is_denied() {
                    lock(&self.auth).forget();
                }
                Err(error)
            }
        }
    }

    /// Without anything that the client knows or could learn.
    pub(super) fn unpermitted(&self, wanted: &Wanted) -> Result<Reply, RegistryError> {
        let address = self.base()?;
        let Wanted { method, headers, content, long, shown, .. } = *wanted;
        follow(self, &Ask { method, address: &address, headers, content, long }, &address, shown)
    }

    fn permitted(&self, mut reply: Reply, scope: &Scope) -> Result<Reply, RegistryError> {
        if !reply.own || !matches!(reply.status, 401 | 403) {
            return Ok(reply);
        }
        let said = reply.said();
        // distribution answers 401 to whom it does not know, and to whom it knows and who may do too little.
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        let known = reply.status == 403 || challenge.contains("error=\"insufficient_scope\"");
        Err(reply.error(scope.denied(reply.status, said, self.endpoint.credentials.is_some(), known)))
    }

    /// One request of a job that is to stop, for what a registry would else keep. It has the time that the program has left.
    pub(super) fn at_the_end(&self, ask: &Ask, scope: &Scope) -> Result<Reply, RegistryError> {
        let base = self.base()?;
        let own = ask.address.same_origin(&base);
        let header = if own { lock(&self.auth).known(&self.endpoint, scope) } else { None };
        let mut headers = ask.headers.to_vec();
        headers.extend(header.map(|secret| ("Authorization", secret.expose().to_owned())));
        let Ask { method, address, content, long, .. } = *ask;
        let call = Call { method, address, headers: &headers, content, own, long, within: Some(AT_THE_END) };
        self.transport.call(&call, &Progress::new())
    }

    /// By HTTPS; where the user allows it and HTTPS is not spoken, by HTTP.
    pub(super) fn base(&self) -> Result<Address, RegistryError> {
        let mut known = lock(&self.base);
        if let Some(base) = &*known {
            return Ok(base.clone());
        }
        let at = |secure| {
            let address = Address::of(secure, &self.endpoint.host, "/v2/");
            address.ok_or_else(|| RegistryError::Name {
                host: text::shown(&self.endpoint.host),
                expected: "HOST or HOST:PORT",
                found: self.endpoint.host.clone(),
            })
        };
        let mut base = at(true)?;
        if self.endpoint.may_be_plain_http {
            let ping = |address: &Address| {
                let call =
                    Call { method: "GET", address, headers: &[], content: None, own: true, long: false, within: None };
                self.transport.call(&call, self.progress)
            };
            match ping(&base) {
                Ok(_) => {}
                Err(error) if matches!(error.fault(), Some(Fault::Certificate { .. }) | None) => return Err(error),
                Err(error) => {
                    let plain = at(false)?;
                    match ping(&plain) {
                        // What a server with TLS says to those who speak without.
                        Ok(reply) if reply.status == 400 => return Err(error),
                        Ok(_) => base = plain,
                        Err(RegistryError::Interrupted(interrupted)) => return Err(interrupted.into()),
                        // Then it speaks HTTP, but says no more.
                        Err(plain) if matches!(error.fault(), Some(Fault::NotTls { .. })) => return Err(plain),
                        Err(_) => return Err(error),
                    }
                }
            }
        }
        *known = Some(base.clone());
        Ok(base)
    }
}

/// A repository of a registry.
#[derive(Debug, Clone)]
pub struct Repository<'c, 'p> {
    pub(super) client: &'c Client<'p>,
    pub(super) name: String,
    reading: Action,
    pub(super) asks_once: bool,
    pub(super) shown: Option<Secret>,
}

impl Repository<'_, '_> {
    /// The same for who will write to it: reading has the scope of a push, too. Some registries give no other one for a
    /// repository that is not there yet.
    pub fn for_push(self) -> Self {
        Self { reading: Action::Push, ..self }
    }

    /// The same for who can do without an answer: manifests, lists and samples are asked for once, whatever the failure.
    pub fn asking_once(self) -> Self {
        Self { asks_once: true, ..self }
    }

    /// The same with this as `Authorization` for relays and runs, instead of what the client has for the registry.
    pub fn showing(self, shown: Secret) -> Self {
        Self { shown: Some(shown), ..self }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `HOST[:PORT]` of its registry.
    pub fn host(&self) -> &str {
        self.client.host()
    }

    /// To read, as [`Client::ask`] does it.
    pub(super) fn ask<T>(
        &self,
        wanted: &Wanted,
        read: impl Fn(Reply) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        match self.asks_once {
            true => self.client.once(wanted, &self.to_read()).and_then(read),
            false => self.client.ask(wanted, &self.to_read(), read),
        }
    }

    pub(super) fn to_read(&self) -> Scope {
        Scope { repository: self.name.clone(), action: self.reading, from: None }
    }

    pub(super) fn to_push(&self) -> Scope {
        Scope { repository: self.name.clone(), action: Action::Push, from: None }
    }
}
