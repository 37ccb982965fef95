//! How patient a client is.

use std::time::Duration;

use super::elsewhere::Elsewhere;
use super::retry::Retries;

#[derive(Debug, Clone)]
pub struct Options {
    pub retries: Retries,
    /// For the name, and for the connection with TLS.
    pub connect_timeout: Duration,
    /// For the next bytes, either way.
    pub read_timeout: Duration,
    /// For the answer to an upload, which a registry may copy first, and for the whole of a small document.
    pub answer_timeout: Duration,
    /// Where redirects and token servers may be.
    pub elsewhere: Elsewhere,
    /// Connections that are kept for the next request.
    pub idle_connections: usize,
    /// For each direction of a connection, in bytes.
    pub buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retries: Retries::default(),
            connect_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(300),
            elsewhere: Elsewhere::default(),
            // Indexes are read eight at once.
            idle_connections: 8,
            buffer: 128 << 10,
        }
    }
}
