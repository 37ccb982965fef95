//! Where the bridge waits for clients.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    Address(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?}: expected ADDR:PORT with an IP address and a port above 0, such as {DEFAULT}, or unix:PATH")]
pub struct ListenError {
    found: String,
}

const DEFAULT: &str = "127.0.0.1:7080";

impl Listen {
    /// Whether only this machine's users reach it. They may use what the bridge's own user may.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self::Address(SocketAddr::from(([127, 0, 0, 1], 7080)))
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let found = || ListenError { found: text.to_owned() };
        match text.strip_prefix("unix:") {
            Some("") => Err(found()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => match text.parse::<SocketAddr>() {
                Ok(address) if address.port() > 0 => Ok(Self::Address(address)),
                _ => Err(found()),
            },
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen() {
        for (text, is_local) in [
            (DEFAULT, true),
            ("127.8.0.1:80", true),
            ("[::1]:7080", true),
            ("[::ffff:127.0.0.1]:7080", true),
            ("unix:/run/bridge.sock", true),
            ("10.0.0.5:7080", false),
            ("0.0.0.0:7080", false),
            ("[::]:7080", false),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!((listen.to_string().as_str(), listen.is_local()), (text, is_local));
        }
        assert_eq!(Listen::default().to_string(), DEFAULT);
        for text in ["", "7080", "127.0.0.1", "127.0.0.1:0", "localhost:7080", "unix:", "::1:7080"] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains("expected ADDR:PORT") && error.starts_with(&format!("{text:?}")), "{error}");
        }
    }
}
