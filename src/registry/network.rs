//! What the network, TLS or the HTTP library failed with, in words of this room.

use std::io;
use std::time::Duration;

use super::elsewhere::{NotPublic, PUBLIC};
use super::error::Fault;
use super::text::shown;
use crate::limits;

/// How long a request waits for what.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    pub connect: Duration,
    /// For the next bytes.
    pub read: Duration,
    /// For all bytes of a small document.
    pub body: Duration,
}

/// What reading a [`ReplyBody`] failed with, where the body is inside of another reader.
pub(super) fn read_fault(error: io::Error, waits: Waits) -> Fault {
    fault(ureq::Error::from(error), waits)
}

pub(super) fn fault(error: ureq::Error, waits: Waits) -> Fault {
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
        Error::Other(error) if error.is::<NotPublic>() => {
            Fault::Redirect { expected: PUBLIC, found: error.to_string() }
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
    let shown = shown(&error.to_string());
    // What `openssl req -x509` makes; Go takes it from a server, too.
    let reason = match shown.contains("CaUsedAsEndEntity") {
        true => "the server shows a CA's own certificate (CA:TRUE); expected one that a CA signed, or one with \
                 basicConstraints CA:FALSE"
            .to_owned(),
        false => shown,
    };
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Fault::Certificate { reason },
        _ => Fault::NotTls { reason },
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs;

    use super::*;

    #[test]
    fn a_ca_as_a_server_is_told_in_plain_words() {
        use rustls::{CertificateError, OtherError};
        let other = std::io::Error::other("CaUsedAsEndEntity");
        let error = rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(std::sync::Arc::new(other))));
        let Fault::Certificate { reason } = tls_fault(&error) else { panic!("{error}") };
        assert!(reason.contains("CA:FALSE") && !reason.contains("EndEntity"), "{reason}");
    }

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
