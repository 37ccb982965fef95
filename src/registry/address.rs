//! Where a request goes. Whatever a registry sends as a location becomes one of these, or an error.

use std::net::IpAddr;

use ureq::http::Uri;

use super::error::Request;

/// An absolute URL of HTTP or HTTPS, without a user's name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    uri: Uri,
    pub secure: bool,
    /// Lower case.
    host: String,
    port: u16,
}

impl Address {
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if secure => 443,
            None => 80,
        };
        let host = authority.host().to_ascii_lowercase();
        Some(Self { uri, secure, host, port })
    }

    pub fn of(secure: bool, host: &str, path: &str) -> Option<Self> {
        let scheme = if secure { "https" } else { "http" };
        Self::parse(&format!("{scheme}://{host}{path}")).filter(|address| address.is_at(host))
    }

    /// The text is a host and a port, and nothing of it became a path or a query.
    fn is_at(&self, host: &str) -> bool {
        self.uri.authority().is_some_and(|authority| authority.as_str() == host)
    }

    /// What a `Location` or a `Link` that came from here means.
    pub fn join(&self, location: &str) -> Option<Self> {
        let (path, authority) = (self.uri.path(), self.uri.authority()?);
        let scheme = if self.secure { "https" } else { "http" };
        if location.is_empty() {
            return None;
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        if location.starts_with('/') {
            return Self::parse(&format!("{scheme}://{authority}{location}"));
        }
        if location.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':')) {
            return Self::parse(location);
        }
        let folder = match location.starts_with('?') {
            true => path,
            false => &path[..=path.rfind('/')?],
        };
        Self::parse(&format!("{scheme}://{authority}{folder}{location}"))
    }

    /// Adds to the query and keeps what stands there.
    pub fn with_query(&self, query: &str) -> Option<Self> {
        let sign = if self.uri.query().is_some() { '&' } else { '?' };
        Self::parse(&format!("{}{sign}{query}", self.uri))
    }

    pub fn same_origin(&self, other: &Self) -> bool {
        (self.secure, &self.host, self.port) == (other.secure, &other.host, other.port)
    }

    /// No proxy is asked for it, as in Go's clients.
    pub fn is_loopback(&self) -> bool {
        let ip = self.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }

    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    pub fn request(&self, method: &'static str) -> Request {
        let host = self.uri.authority().map(|authority| authority.as_str().chars().take(300).collect());
        let path = self.uri.path();
        let cut = path.char_indices().nth(500).map_or(path.len(), |(at, _)| at);
        Request { method, host: host.unwrap_or_default(), path: path[..cut].to_owned() }
    }
}

/// Everything but letters, digits and `-._~` as `%XX`.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        let base = Address::parse("https://Reg.example:5000/v2/a/blobs/uploads/?x=1").unwrap();
        for (location, whole) in [
            ("/v2/b?c=d", "https://reg.example:5000/v2/b?c=d"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("http://cdn.example/x", "http://cdn.example/x"),
            ("77?state=a:b", "https://reg.example:5000/v2/a/blobs/uploads/77?state=a:b"),
            ("?n=5", "https://reg.example:5000/v2/a/blobs/uploads/?n=5"),
        ] {
            assert_eq!(
                base.join(location).map(|a| a.uri.to_string().to_lowercase()).as_deref(),
                Some(whole),
                "{location}"
            );
        }
        for none in [
            "",
            "ftp://a/b",
            "file:///etc/passwd",
            "https://user:pw@host/",
            "https://",
            "a b",
            "\u{fc}\n",
            "http://a:99999/",
        ] {
            assert!(base.join(none).is_none_or(|address| address.same_origin(&base)), "{none}");
        }
        assert!(base.join("https://user:pw@host/").is_none() && base.join("ftp://a/b").is_none());
    }

    #[test]
    fn origins() {
        let at = |text| Address::parse(text).unwrap();
        assert!(at("https://a/x").same_origin(&at("https://A:443/y?z")));
        for other in ["http://a/x", "https://a:5000/x", "https://b/x", "https://a.b/x"] {
            assert!(!at("https://a/x").same_origin(&at(other)), "{other}");
        }
        assert!(Address::of(true, "host:5000", "/v2/").is_some() && Address::of(false, "[::1]:5000", "/v2/").is_some());
        for host in ["", "a/b", "a?b", "u@a", "a b", "a#", "a:x"] {
            assert!(Address::of(true, host, "/v2/").is_none(), "{host}");
        }
    }

    #[test]
    fn loopback() {
        let is = |host| Address::of(false, host, "/").unwrap().is_loopback();
        assert!(["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"].into_iter().all(is));
        assert!(!["localhost.example", "10.0.0.1", "[fe80::1]", "a"].into_iter().any(is));
    }

    #[test]
    fn queries() {
        let at = |text| Address::parse(text).unwrap();
        assert_eq!(at("https://a/x").with_query("d=1").unwrap().uri.to_string(), "https://a/x?d=1");
        assert_eq!(at("https://a/x?s=t").with_query("d=1").unwrap().uri.to_string(), "https://a/x?s=t&d=1");
        assert_eq!(at("https://a/x?secret=1").request("GET").to_string(), "GET a/x");
        assert_eq!(encoded("a b:c/\u{fc}"), "a%20b%3Ac%2F%C3%BC");
    }
}
