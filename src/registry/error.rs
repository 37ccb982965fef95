//! Why a registry does not give what it was asked for. No message has a credential, a query or an unescaped byte of an answer.

use std::fmt;
use std::io;
use std::time::Duration;

use super::text::{Said, shown};
use crate::digest::BlobDigest;
use crate::progress::Interrupted;
use crate::units;

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    /// Its certificates or keys are of no use.
    #[error("registry {host}: {reason}")]
    Endpoint { host: String, reason: String },
    #[error("registry {host}: expected {expected}, found {found}", found = shown(found))]
    Name { host: String, expected: &'static str, found: String },
    /// What is to be uploaded can't be read.
    #[error("{request}: reading what is to be sent: {source}")]
    Source { request: Request, source: io::Error },
    #[error("{0}")]
    Failed(Box<Failure>),
}

/// One request as errors show it: without its query, which may have a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: &'static str,
    pub host: String,
    pub path: String,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.host.escape_debug(), self.path.escape_debug())
    }
}

#[derive(Debug)]
pub struct Failure {
    pub request: Request,
    pub fault: Fault,
    /// How often it was tried.
    pub tries: u32,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.fault)?;
        if self.tries > 1 { write!(f, " (tried {} times)", self.tries) } else { Ok(()) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("no such host; check the name and the network")]
    UnknownHost,
    #[error("the connection is refused; check the name, the port and whether the registry runs")]
    Refused,
    #[error(
        "the certificate is not accepted: {reason}; if the registry has a CA of its own, put it into \
         /etc/containers/certs.d/HOST:PORT/ca.crt or into --cert-dir; or use --tls-verify=false"
    )]
    Certificate { reason: String },
    #[error("expected HTTPS, found something else ({reason}); for a registry without TLS use --tls-verify=false")]
    NotTls { reason: String },
    #[error("no answer within {} s", after.as_secs_f32())]
    Timeout { after: Duration },
    #[error("the transfer was cut short: {reason}")]
    Cut { reason: String },
    #[error("expected HTTP, found something else: {reason}")]
    NotHttp { reason: String },
    #[error("expected {expected}, found a web page ({found}); is this the host of a registry?")]
    NotARegistry { expected: &'static str, found: String },
    #[error("expected {expected}, found the status {found}{said}")]
    Status { expected: &'static str, found: u16, said: Said, retry_after: Option<Duration> },
    #[error("{what} is not there{said}")]
    NotFound { what: String, said: Said },
    #[error("no permission to {action} (scope {scope:?}), status {status}{said}; {hint}")]
    Denied { action: String, scope: String, status: u16, said: Said, hint: String },
    #[error("the token server's answer is of no use: expected {expected}, found {found}")]
    Token { expected: &'static str, found: String },
    #[error("expected the digest {expected}, found {found} in {place}")]
    Digest { place: &'static str, expected: BlobDigest, found: String },
    #[error("expected {expected} bytes, found {found} in {place}", expected = units::count(*expected))]
    Length { place: &'static str, expected: u64, found: String },
    #[error("expected {expected}, found {found}")]
    Malformed { expected: &'static str, found: String },
    #[error("{what}: expected at most {limit}, found more", limit = units::count(*limit))]
    TooMuch { what: &'static str, limit: u64 },
    #[error("redirect: expected {expected}, found {found}")]
    Redirect { expected: &'static str, found: String },
}

impl Fault {
    /// The same request may succeed a little later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Cut { .. } => true,
            Self::Status { found, .. } => is_passing(*found),
            _ => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// 501 and 505 are what a registry can't do, today or tomorrow.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504 | 506..=599)
}

impl RegistryError {
    pub(super) fn failed(request: Request, fault: Fault) -> Self {
        Self::Failed(Box::new(Failure { request, fault, tries: 1 }))
    }

    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Failed(failure) => Some(&failure.fault),
            _ => None,
        }
    }

    pub fn status(&self) -> Option<u16> {
        match self.fault()? {
            Fault::Status { found, .. } => Some(*found),
            Fault::Denied { status, .. } => Some(*status),
            Fault::NotFound { .. } => Some(404),
            _ => None,
        }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self.fault(), Some(Fault::NotFound { .. }))
    }

    pub fn is_denied(&self) -> bool {
        matches!(self.fault(), Some(Fault::Denied { .. }))
    }

    /// What came is not what was asked for, however good the connection is.
    pub fn is_damage(&self) -> bool {
        matches!(self.fault(), Some(Fault::Digest { .. } | Fault::Length { .. } | Fault::NotFound { .. }))
    }

    pub fn is_temporary(&self) -> bool {
        self.fault().is_some_and(Fault::is_temporary)
    }

    pub(super) fn with_tries(mut self, tries: u32) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.tries = tries;
        }
        self
    }

    /// What a reader of this room failed with.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// An interruption stays one that [`Stop::of`](crate::progress::Stop::of) knows.
impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Interrupted(interrupted) => Self::other(interrupted),
            error => Self::other(error),
        }
    }
}
