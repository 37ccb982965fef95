//! Files with passwords: auth.json (containers-auth.json(5)), docker's config.json and the old .dockercfg.
//!
//! No error repeats what stands in one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::json::{self, KeyError, Known};
use crate::registry::endpoint::{Credentials, Secret};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Current,
    /// `.dockercfg`: the entries without anything around them.
    Old,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthFault {
    #[error("expected JSON, found something else at line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("expected each key once and in its known case, found one that readers read in different ways")]
    Key,
    #[error("expected {expected} for {place}, found something else")]
    Shape { place: &'static str, expected: &'static str },
    #[error("expected base64 of USER:PASSWORD as \"auth\" of the entry that counts for {wanted}; log in again")]
    Auth { wanted: String },
}

/// What a file says of a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Credentials(Credentials),
    /// `docker-credential-NAME` is asked for the server.
    Helper {
        name: String,
        server: String,
    },
    /// The same where it was named for all registries, so that it may not know this one.
    Store {
        name: String,
        server: String,
    },
}

pub(super) struct AuthFile {
    format: Format,
    auths: Map<String, Value>,
    helpers: Map<String, Value>,
    store: Option<String>,
}

/// It holds passwords.
impl fmt::Debug for AuthFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFile").finish_non_exhaustive()
    }
}

static ENTRY: Known = Known::Object(&[("auth", &Known::Nothing), ("identitytoken", &Known::Nothing)]);
static OLD: Known = Known::Each(&ENTRY);
static CURRENT: Known =
    Known::Object(&[("auths", &OLD), ("credHelpers", &Known::Nothing), ("credsStore", &Known::Nothing)]);

/// Docker Hub's key since docker's first version.
const HUB: &str = "https://index.docker.io/v1/";

impl AuthFile {
    pub(super) fn parse(bytes: &[u8], format: Format) -> Result<Self, AuthFault> {
        let syntax = |error: &serde_json::Error| AuthFault::Json { line: error.line(), column: error.column() };
        json::check(bytes, if format == Format::Old { &OLD } else { &CURRENT }).map_err(|error| match error {
            KeyError::Syntax(error) => syntax(&error),
            KeyError::Key { .. } => AuthFault::Key,
        })?;
        let value: Value = serde_json::from_slice(bytes).map_err(|error| syntax(&error))?;
        let mut top = object(Some(value), "the document")?;
        if format == Format::Old {
            return Ok(Self { format, auths: top, helpers: Map::new(), store: None });
        }
        Ok(Self {
            format,
            auths: object(top.remove("auths"), "auths")?,
            helpers: object(top.remove("credHelpers"), "credHelpers")?,
            store: text(top.get("credsStore"), "credsStore")?.filter(|name| !name.is_empty()).map(str::to_owned),
        })
    }

    /// What counts for `HOST/REPOSITORY`. A helper for the host comes first, then the longest key that is a part of the
    /// place (podman knows those for repositories, docker does not), then the helper for all.
    pub(super) fn find(&self, place: &str) -> Result<Found, AuthFault> {
        let host = place.split('/').next().unwrap_or(place);
        let names = if hub(host) == HUB_HOST { &["docker.io", HUB_HOST, HUB][..] } else { &[host] };
        for server in names {
            if let Some(name) = text(self.helpers.get(*server), "an entry of credHelpers")? {
                return Ok(Found::Helper { name: name.to_owned(), server: (*server).to_owned() });
            }
        }
        if let Some(credentials) = self.entry(place, host)?.map(|entry| decode(entry, place)).transpose()?.flatten() {
            return Ok(Found::Credentials(credentials));
        }
        let server = if hub(host) == HUB_HOST { HUB } else { host };
        Ok(self
            .store
            .as_ref()
            .map_or(Found::Nothing, |name| Found::Store { name: name.clone(), server: server.to_owned() }))
    }

    /// The first that exists counts, though it be empty.
    fn entry(&self, place: &str, host: &str) -> Result<Option<Map<String, Value>>, AuthFault> {
        let mut key = if self.format == Format::Old { host } else { place };
        loop {
            if let Some(entry) = self.auths.get(key) {
                return object(Some(entry.clone()), "an entry of auths").map(Some);
            }
            match key.rsplit_once('/') {
                Some((shorter, _)) => key = shorter,
                None => break,
            }
        }
        let written_otherwise = self.auths.iter().find(|(key, _)| self.host_of(key) == hub(host));
        written_otherwise.map(|(_, entry)| object(Some(entry.clone()), "an entry of auths")).transpose()
    }

    /// docker stored addresses of APIs as keys, `https://HOST/v1/`, and any address that a user gave.
    fn host_of<'a>(&self, key: &'a str) -> &'a str {
        let stripped = key.strip_prefix("http://").unwrap_or(key);
        let stripped = stripped.strip_prefix("https://").unwrap_or(stripped);
        let is_address = self.format == Format::Old || stripped.len() < key.len();
        hub(if is_address { stripped.split('/').next().unwrap_or(stripped) } else { stripped })
    }
}

const HUB_HOST: &str = "index.docker.io";

/// The name under which docker keeps a host.
fn hub(host: &str) -> &str {
    if matches!(host, "docker.io" | "registry-1.docker.io") { HUB_HOST } else { host }
}

fn decode(entry: Map<String, Value>, place: &str) -> Result<Option<Credentials>, AuthFault> {
    let wrong = || AuthFault::Auth { wanted: place.to_owned() };
    let token = text(entry.get("identitytoken"), "identitytoken")?.unwrap_or_default();
    let auth: String = text(entry.get("auth"), "auth")?.unwrap_or_default().split(['\r', '\n']).collect();
    if !token.is_empty() {
        return Ok(Some(Credentials::IdentityToken(Secret::new(token.to_owned()))));
    }
    // docker writes an empty entry for what a helper keeps.
    if auth.is_empty() {
        return Ok(None);
    }
    let decoded = STANDARD.decode(auth).map_err(|_| wrong())?;
    let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
    let (user, password) = decoded.split_once(':').ok_or_else(wrong)?;
    let password = password.trim_matches('\0');
    let is_empty = user.is_empty() && password.is_empty();
    let credentials = || Credentials::Basic { user: user.to_owned(), password: Secret::new(password.to_owned()) };
    Ok((!is_empty).then(credentials))
}

fn object(value: Option<Value>, place: &'static str) -> Result<Map<String, Value>, AuthFault> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(AuthFault::Shape { place, expected: "an object" }),
    }
}

fn text<'a>(value: Option<&'a Value>, place: &'static str) -> Result<Option<&'a str>, AuthFault> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(AuthFault::Shape { place, expected: "a text" }),
    }
}
