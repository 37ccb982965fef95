//! What is shown to a registry: nothing, a password, or a token that a token server gives for a scope.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::address::{Address, encoded};
use super::challenge::{self, Challenge};
use super::content::Content;
use super::endpoint::{Credentials, Endpoint, Secret};
use super::error::{Fault, RegistryError};
use super::reply::Reply;
use super::scope::Scope;
use super::transport::{Call, Transport};
use crate::limits;
use crate::progress::Progress;

#[derive(Default)]
pub(super) struct Auth {
    challenge: Option<Challenge>,
    tokens: HashMap<String, Token>,
    /// Whose turn it is to ask for a token, by scope.
    turns: HashMap<String, Arc<Mutex<()>>>,
}

/// What there is to show for a scope.
pub(super) enum Permission {
    Known(Option<Secret>),
    /// A token is to be asked for, by one at a time.
    Wanted(Bearer, Arc<Mutex<()>>),
}

/// How a registry wants tokens to be asked for.
#[derive(Clone)]
pub(super) struct Bearer {
    realm: String,
    service: Option<String>,
}

/// Scopes of which tokens are remembered.
const SCOPES: usize = 1024;

pub(super) struct Token {
    secret: Secret,
    good_until: Instant,
}

/// Tokens that say nothing of it are good for a minute (distribution's token specification).
const LEAST_SECONDS: u64 = 60;
const MOST_SECONDS: u64 = 24 * 3600;
/// Room for clocks and for the way.
const MARGIN: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
}

impl Auth {
    /// The `Authorization` for a request, where the registry is known to want one.
    pub fn header(&mut self, endpoint: &Endpoint, scope: &Scope) -> Permission {
        match (&self.challenge, &endpoint.credentials) {
            (Some(Challenge::Basic), Some(Credentials::Basic { user, password })) => {
                Permission::Known(Some(basic(user, password)))
            }
            (None | Some(Challenge::Basic), _) => Permission::Known(None),
            (Some(Challenge::Bearer { realm, service }), _) => {
                let key = scope.names().join(" ");
                let now = Instant::now();
                if let Some(token) = self.tokens.get(&key).filter(|token| token.good_until > now) {
                    return Permission::Known(Some(token.secret.clone()));
                }
                if self.turns.len() >= SCOPES {
                    self.tokens.retain(|_, token| token.good_until > now);
                    self.turns.retain(|_, turn| Arc::strong_count(turn) > 1);
                }
                let turn = Arc::clone(self.turns.entry(key).or_default());
                Permission::Wanted(Bearer { realm: realm.clone(), service: service.clone() }, turn)
            }
        }
    }

    pub fn keep(&mut self, scope: &Scope, token: Token) -> Secret {
        let secret = token.secret.clone();
        self.tokens.insert(scope.names().join(" "), token);
        secret
    }

    /// How the registry wants to be asked is learned anew.
    pub fn forget(&mut self) {
        self.challenge = None;
    }

    /// The same without asking a token server.
    pub fn known(&self, endpoint: &Endpoint, scope: &Scope) -> Option<Secret> {
        match (self.challenge.as_ref()?, &endpoint.credentials) {
            (Challenge::Basic, Some(Credentials::Basic { user, password })) => Some(basic(user, password)),
            (Challenge::Basic, _) => None,
            (Challenge::Bearer { .. }, _) => Some(self.tokens.get(&scope.names().join(" "))?.secret.clone()),
        }
    }

    /// So much later, for what a token's end is.
    #[cfg(test)]
    pub fn age(&mut self, by: Duration) {
        self.tokens.values_mut().for_each(|token| token.good_until -= by);
    }

    /// Takes in what the registry asks for with a 401. True if there is something else to show than `shown`.
    pub fn learn(&mut self, reply: &Reply, shown: Option<&Secret>, endpoint: &Endpoint) -> bool {
        if let Some(shown) = shown {
            self.tokens.retain(|_, token| token.secret != *shown);
        }
        let headers = reply.headers.get_all("www-authenticate").iter();
        let found = challenge::parse(headers.filter_map(|value| value.to_str().ok()));
        let can_basic = matches!(endpoint.credentials, Some(Credentials::Basic { .. }));
        let usable = |challenge: &Challenge| matches!(challenge, Challenge::Bearer { .. }) || can_basic;
        let Some(first) = found.into_iter().find(usable) else { return false };
        let is_basic = first == Challenge::Basic;
        self.challenge = Some(first);
        !(is_basic && shown.is_some_and(|shown| shown.expose().starts_with("Basic ")))
    }
}

fn basic(user: &str, password: &Secret) -> Secret {
    let both = format!("{user}:{}", password.expose());
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(both)))
}

impl Bearer {
    /// Asks the token server.
    pub fn token(
        &self,
        endpoint: &Endpoint,
        base: &Address,
        scope: &Scope,
        transport: &Transport,
        progress: &Progress,
    ) -> Result<Token, RegistryError> {
        let (service, credentials) = (self.service.as_deref(), endpoint.credentials.as_ref());
        TokenServer { realm: &self.realm, service, credentials, base, scope }.token(transport, progress, Instant::now())
    }
}

struct TokenServer<'a> {
    realm: &'a str,
    service: Option<&'a str>,
    credentials: Option<&'a Credentials>,
    base: &'a Address,
    scope: &'a Scope,
}

impl TokenServer<'_> {
    fn token(&self, transport: &Transport, progress: &Progress, now: Instant) -> Result<Token, RegistryError> {
        let bad =
            |expected, found: String| RegistryError::failed(self.base.request("GET"), Fault::Token { expected, found });
        let realm = Address::parse(self.realm);
        let realm = realm.ok_or_else(|| bad("the token server's URL", "something else".to_owned()))?;
        if self.base.secure && !realm.secure {
            return Err(bad("a token server with HTTPS", "one with HTTP".to_owned()));
        }
        let mut query: Vec<String> = self.scope.names().iter().map(|name| format!("scope={}", encoded(name))).collect();
        query.extend(self.service.map(|service| format!("service={}", encoded(service))));
        let reply = match self.credentials {
            Some(Credentials::IdentityToken(token)) => self.post(&realm, token, transport, progress)?,
            Some(Credentials::Basic { user, password }) => {
                query.push(format!("account={}", encoded(user)));
                let header = ("Authorization", basic(user, password).expose().to_owned());
                self.get(&realm, &query, &[header], transport, progress)?
            }
            None => self.get(&realm, &query, &[], transport, progress)?,
        };
        self.read(reply, now)
    }

    fn get(
        &self,
        realm: &Address,
        query: &[String],
        headers: &[(&'static str, String)],
        transport: &Transport,
        progress: &Progress,
    ) -> Result<Reply, RegistryError> {
        let address = realm.with_query(&query.join("&"));
        let address = address.unwrap_or_else(|| realm.clone());
        let own = address.same_origin(self.base);
        transport.call(
            &Call { method: "GET", address: &address, headers, content: None, own, long: false, within: None },
            progress,
        )
    }

    /// OAuth2, which knows one `scope`, with spaces.
    fn post(
        &self,
        realm: &Address,
        token: &Secret,
        transport: &Transport,
        progress: &Progress,
    ) -> Result<Reply, RegistryError> {
        let form = format!(
            "grant_type=refresh_token&client_id=restrata&service={}&scope={}&refresh_token={}",
            encoded(self.service.unwrap_or_default()),
            encoded(&self.scope.names().join(" ")),
            encoded(token.expose())
        );
        let headers = [("Content-Type", "application/x-www-form-urlencoded".to_owned())];
        let size = form.len() as u64;
        let open = || -> std::io::Result<Box<dyn std::io::Read + Send>> {
            Ok(Box::new(std::io::Cursor::new(form.clone().into_bytes())))
        };
        let content = Some(Content { size, source: &open, seen: &|_| () });
        let own = realm.same_origin(self.base);
        transport.call(
            &Call { method: "POST", address: realm, headers: &headers, content, own, long: false, within: None },
            progress,
        )
    }

    fn read(&self, mut reply: Reply, now: Instant) -> Result<Token, RegistryError> {
        match reply.status {
            200 => {}
            401 | 403 | 400 => {
                let said = reply.said();
                let fault = self.scope.denied(reply.status, said, self.credentials.is_some(), reply.status != 401);
                return Err(reply.error(fault));
            }
            _ => return Err(reply.refused("a token", "the token server")),
        }
        let body = reply.read("bytes of a token server's answer", limits::REGISTRY_TOKEN_BYTES);
        let body = body.map_err(|fault| reply.error(fault))?;
        let bad = |found: &str| reply.error(Fault::Token { expected: "a token in JSON", found: found.to_owned() });
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| bad("something else"))?;
        let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
        let token = token.ok_or_else(|| bad("JSON without one"))?;
        if !token.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            return Err(bad("one with characters that no header can have"));
        }
        // Some send a number, some a text.
        let seconds = match answer.expires_in {
            Some(serde_json::Value::Number(number)) => number.as_u64(),
            Some(serde_json::Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        let good = Duration::from_secs(seconds.unwrap_or(LEAST_SECONDS).clamp(LEAST_SECONDS, MOST_SECONDS));
        Ok(Token { secret: Secret::new(format!("Bearer {token}")), good_until: now + good - MARGIN })
    }
}
