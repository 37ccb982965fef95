//! Where a registry answers, and what is shown to it.

use std::fmt;

/// A password or a token. No output shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// For the request that carries it, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What a user has for a registry (containers-auth.json(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    Basic {
        user: String,
        password: Secret,
    },
    /// Of an OAuth2 token server.
    IdentityToken(Secret),
}

/// One place that serves a registry's repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `HOST[:PORT]`, as it is asked: `registry-1.docker.io` for `docker.io`.
    pub host: String,
    /// HTTP is tried where HTTPS does not answer.
    pub may_be_plain_http: bool,
    pub tls: Tls,
    pub credentials: Option<Credentials>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// False: any certificate is taken.
    pub verify: bool,
    /// Root certificates beside the system's, in PEM.
    pub roots: Vec<Vec<u8>>,
    /// A certificate and its key, in PEM.
    pub client: Option<ClientCertificate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub certificate: Vec<u8>,
    pub key: Secret,
}
