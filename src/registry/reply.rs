//! A registry's answer.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ureq::BodyReader;
use ureq::http::HeaderMap;

use super::address::Address;
use super::error::{Fault, RegistryError, Request, is_passing};
use super::network::{Waits, read_fault};
use super::retry;
use super::text::Said;
use super::transport::Counters;
use crate::limits;

pub(super) struct ReplyBody {
    reader: BodyReader<'static>,
    counters: Arc<Counters>,
    waits: Waits,
}

impl ReplyBody {
    pub fn new(reader: BodyReader<'static>, counters: Arc<Counters>, waits: Waits) -> Self {
        Self { reader, counters, waits }
    }

    /// What a read failed with.
    pub fn fault(&self, error: io::Error) -> Fault {
        read_fault(error, self.waits)
    }

    /// To be called behind the last byte: the HTTP library keeps a connection for the next request once it has seen the end.
    pub fn end(&mut self) {
        let _ = self.reader.read(&mut [0]);
    }

    pub fn waits(&self) -> Waits {
        self.waits
    }
}

impl Read for ReplyBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buf)?;
        self.counters.received(got);
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

    /// With this status, the same request may succeed a little later.
    pub fn may_pass(&self) -> bool {
        is_passing(self.status)
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
