//! As much of HTTP/1.1 as a test's registry needs.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};

pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

pub type Connection = BufReader<Box<dyn Wire>>;

/// What a client asked, as the test can look at it later.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// An error as the distribution spec has it.
    pub fn error(status: u16, code: &str) -> Self {
        Self::new(status).body(format!(r#"{{"errors":[{{"code":"{code}","message":"of the test"}}]}}"#))
    }
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The request without its body. `None` where the client has hung up.
    pub fn read_head(wire: &mut Connection) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if wire.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut asked = Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Several scopes are one, with a space.
            let value = decoded(value);
            asked.query.entry(name.to_owned()).and_modify(|all| *all += &format!(" {value}")).or_insert(value);
        }
        loop {
            let mut line = String::new();
            wire.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { return Ok(Some(asked)) };
            asked.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }

    pub fn read_body(&mut self, wire: &mut Connection) -> io::Result<()> {
        if self.header("expect").is_some() {
            wire.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length: usize = self.header("content-length").map_or(0, |length| length.parse().unwrap());
        self.body = vec![0; length];
        wire.read_exact(&mut self.body)
    }
}

impl Answer {
    /// As much of the body as `cut` says; a length that is set stays.
    pub fn write(&self, wire: &mut Connection, is_head: bool, cut: Option<usize>) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} of the test\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let has = |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !has("content-length") && !has("transfer-encoding") {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        let wire = wire.get_mut();
        let body = if is_head { &[] } else { &self.body[..cut.unwrap_or(usize::MAX).min(self.body.len())] };
        wire.write_all(&[format!("{head}\r\n").as_bytes(), body].concat())?;
        wire.flush()
    }
}

fn decoded(text: &str) -> String {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(out).unwrap()
}
