//! As much of HTTP/1.1 as a mirror needs that only reads: heads of requests without bodies, heads of answers.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::limits::{BRIDGE_HEAD_BYTES, BRIDGE_HEADERS};
use crate::progress::Progress;

/// A connection without a request is closed after this; Go's clients keep theirs for 90 seconds.
const IDLE: Duration = Duration::from_secs(120);
/// From a head's first byte to its last.
const HEAD: Duration = Duration::from_secs(30);
/// For a client that takes nothing.
const WRITE: Duration = Duration::from_secs(60);
/// How soon a connection notices that the bridge ends.
const SLICE: Duration = Duration::from_millis(200);

pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SLICE))?;
                stream.set_write_timeout(Some(WRITE))
            }
            Self::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(SLICE))?;
                stream.set_write_timeout(Some(WRITE))
            }
        }
    }

    fn shut(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Unix(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buf),
            Self::Unix(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Other,
}

/// A request's head.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub method: Method,
    pub target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub keeps: bool,
}

impl Asked {
    /// After which the connection ends.
    pub fn unread() -> Self {
        Self { method: Method::Get, target: String::new(), headers: Vec::new(), keeps: false }
    }

    /// The values of all headers of this name, joined as HTTP joins lists.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

pub(super) enum Head {
    Asked(Asked),
    /// The client has hung up, or says nothing more.
    End,
    /// Not what this server reads; the status to answer with.
    Bad(u16, &'static str),
}

pub(super) struct Wire {
    stream: Stream,
    read: Vec<u8>,
    ended: bool,
}

/// Ends a connection, so that the client sees at once that no more comes.
pub(super) struct Shutter(Stream);

impl Shutter {
    pub fn shut(&self) {
        self.0.shut();
    }
}

impl Wire {
    pub fn new(stream: Stream) -> io::Result<Self> {
        stream.prepare()?;
        Ok(Self { stream, read: Vec::new(), ended: false })
    }

    pub fn next(&mut self, progress: &Progress) -> io::Result<Head> {
        let waits = Instant::now();
        let mut begun = (!self.read.is_empty()).then(Instant::now);
        loop {
            match parse(&self.read) {
                Ok(Some((asked, len))) => {
                    self.read.drain(..len);
                    return Ok(Head::Asked(asked));
                }
                Ok(None) if self.read.len() >= BRIDGE_HEAD_BYTES => {
                    return Ok(Head::Bad(431, "expected a request's head of at most 128 KiB, found a longer one"));
                }
                Ok(None) => {}
                Err((status, why)) => return Ok(Head::Bad(status, why)),
            }
            let late = begun.map_or(waits.elapsed() > IDLE, |begun| begun.elapsed() > HEAD);
            if late || progress.is_cancelled() {
                return Ok(Head::End);
            }
            let mut more = [0; 8192];
            match self.stream.read(&mut more) {
                Ok(0) => return Ok(Head::End),
                Ok(got) => {
                    self.read.extend(&more[..got]);
                    begun = begun.or_else(|| Some(Instant::now()));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// An answer's head. `keeps`: another request may follow.
    pub fn head(&mut self, status: u16, headers: &[(&str, String)], keeps: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers {
            // What a registry said is not trusted to be one line.
            if value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        self.ended = !keeps;
        if !keeps {
            head += "Connection: close\r\n";
        }
        self.stream.write_all(format!("{head}\r\n").as_bytes())
    }

    pub fn body(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// For who is to end the connection while another one writes to it.
    pub fn shutter(&self) -> io::Result<Shutter> {
        Ok(Shutter(match &self.stream {
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone()?),
            Stream::Unix(stream) => Stream::Unix(stream.try_clone()?),
        }))
    }

    /// The last head said that nothing follows.
    pub fn is_ended(&self) -> bool {
        self.ended
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        _ => "Answer",
    }
}

type Bad = (u16, &'static str);

/// `None`: more is to come. With the head's length.
fn parse(bytes: &[u8]) -> Result<Option<(Asked, usize)>, Bad> {
    let mut headers = [httparse::EMPTY_HEADER; BRIDGE_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err((431, "expected at most 64 headers, found more")),
        Err(_) => return Err((400, "expected a request of HTTP/1.1, found something else")),
    };
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let mut named = Vec::new();
    for header in request.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| (400, "expected headers in ASCII, found others"))?;
        named.push((header.name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked {
        method,
        target: request.path.unwrap_or_default().to_owned(),
        headers: named,
        keeps: request.version == Some(1),
    };
    let connection = asked.header("connection").unwrap_or_default().to_ascii_lowercase();
    let has_body = asked.header("transfer-encoding").is_some()
        || asked.header("content-length").is_some_and(|length| length != "0");
    // What follows a body would be taken for a request.
    if method == Method::Other || has_body || connection.split(',').any(|word| word.trim() == "close") {
        asked.keeps = false;
    }
    Ok(Some((asked, len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let text = b"GET /v2/?ns=a HTTP/1.1\r\nHost: x\r\nACCEPT: a\r\naccept: b\r\n\r\nGET ";
        let (asked, len) = parse(text).unwrap().unwrap();
        assert_eq!(
            (asked.method, asked.target.as_str(), asked.keeps, len),
            (Method::Get, "/v2/?ns=a", true, text.len() - 4)
        );
        assert_eq!(asked.header("accept").as_deref(), Some("a, b"));
        assert!(parse(&text[..30]).unwrap().is_none());
        for (text, keeps) in [
            ("HEAD / HTTP/1.1\r\nConnection: Close\r\n\r\n", false),
            ("HEAD / HTTP/1.0\r\n\r\n", false),
            ("POST / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", false),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap().unwrap().0.keeps, keeps, "{text}");
        }
        assert!(parse(b"GET / SPDY/9\r\n\r\n").is_err() && parse(b"\x16\x03\x01\x00\xa5").is_err());
    }
}
