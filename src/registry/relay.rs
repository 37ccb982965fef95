//! One request whose answer is handed on, whatever it is.

use std::io::{self, Read};

use super::client::{Client, Repository, Wanted};
use super::endpoint::Secret;
use super::error::RegistryError;
use super::reply::Reply;

/// A registry's answer as it came, once permission was asked for and redirects were followed.
pub struct Relayed(pub(super) Reply);

impl Relayed {
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Of the last place that answered.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    /// Of the body, in bytes.
    pub fn length(&self) -> Option<u64> {
        self.0.length()
    }

    /// As the error that it is, which says whether it may pass.
    pub fn into_failure(self, expected: &'static str, what: &str) -> RegistryError {
        self.0.refused(expected, what)
    }
}

impl Read for Relayed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.body.read(buf)
    }
}

impl Client<'_> {
    /// The answer to `/v2/`: what somebody who shows this has to show. No token is asked for.
    pub fn relay_root(&self, shown: Option<&Secret>) -> Result<Relayed, RegistryError> {
        self.unpermitted(&Wanted { shown, ..Wanted::new("GET", "") }).map(Relayed)
    }
}

impl Repository<'_, '_> {
    /// `path` stands behind `/v2/NAME/`. Asked once; statuses are answers, also 401.
    pub fn relay(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Relayed, RegistryError> {
        let path = format!("{}/{path}", self.name);
        let wanted = Wanted { headers, long: true, shown: self.shown.as_ref(), ..Wanted::new(method, &path) };
        self.client.answered(&wanted, &self.to_read()).map(Relayed)
    }
}
