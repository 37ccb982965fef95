//! What a request is for: a path of the distribution spec, and the registry that it means.

use crate::digest::BlobDigest;
use crate::registry::names::Name;

/// What clients ask a registry for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`, with the registry that the client names, if it does.
    Ping(Option<String>),
    Metrics,
    Blob(Place, BlobDigest),
    /// A manifest, a list of tags or of referrers. The rest of the path, with its query, as the registry gets it.
    Document(Place, String),
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As image names have it: `docker.io`.
    pub host: String,
    pub repository: String,
    /// What stands in the request's path instead of the repository.
    pub asked_as: String,
}

impl Place {
    /// What is no repository's.
    pub fn root(host: &str) -> Self {
        let name = "bridge".to_owned();
        Self { host: host.to_owned(), repository: name.clone(), asked_as: name }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub status: u16,
    /// Of the distribution spec.
    pub code: &'static str,
    pub message: String,
}

/// Which registries there are.
pub(super) struct Known<'a> {
    pub upstream: Option<&'a str>,
    pub allowed: &'a [String],
}

pub(super) fn route(target: &str, known: &Known) -> Result<Route, Refused> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let no_such = || refused(404, "UNSUPPORTED", "expected /v2/.. as registries have it, or /metrics".to_owned());
    let path = decoded(path).ok_or_else(no_such)?;
    if path == "/metrics" {
        return Ok(Route::Metrics);
    }
    let rest = path.strip_prefix("/v2/").or((path == "/v2").then_some("")).ok_or_else(no_such)?;
    let mut named = None;
    let mut left = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.strip_prefix("ns=") {
            Some(host) => named = Some(decoded(host).ok_or_else(no_such)?),
            None => left.push(pair),
        }
    }
    if rest.is_empty() {
        if let Some(host) = &named {
            known.check(host)?;
        }
        return Ok(Route::Ping(named));
    }
    let split = |what: &str| rest.rsplit_once(what).map(|(name, rest)| (name.to_owned(), rest.to_owned()));
    if let Some((name, digest)) = split("/blobs/") {
        let bad = |_| refused(400, "DIGEST_INVALID", "expected a digest sha256:HEX".to_owned());
        return Ok(Route::Blob(known.place(&name, named)?, digest.parse().map_err(bad)?));
    }
    let (name, path) = match (split("/manifests/"), split("/referrers/"), rest.strip_suffix("/tags/list")) {
        (Some((name, which)), ..) => (name, format!("manifests/{which}")),
        (_, Some((name, which)), _) => (name, format!("referrers/{which}")),
        (.., Some(name)) => (name.to_owned(), "tags/list".to_owned()),
        _ => return Err(no_such()),
    };
    let last = path.split_once('/').map_or("", |(_, last)| last);
    if last.is_empty()
        || !last.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b'/'))
    {
        return Err(refused(400, "MANIFEST_INVALID", "expected a tag or a digest".to_owned()));
    }
    let query = if left.is_empty() { String::new() } else { format!("?{}", left.join("&")) };
    Ok(Route::Document(known.place(&name, named)?, format!("{path}{query}")))
}

impl Known<'_> {
    fn has(&self, host: &str) -> bool {
        self.upstream == Some(host) || self.allowed.iter().any(|allowed| allowed == host)
    }

    fn check(&self, host: &str) -> Result<(), Refused> {
        match self.has(host) {
            true => Ok(()),
            false => {
                Err(refused(403, "DENIED", format!("this bridge does not serve {}; see --allow", host.escape_debug())))
            }
        }
    }

    fn place(&self, name: &str, named: Option<String>) -> Result<Place, Refused> {
        let (host, repository) = match (named, name.split_once('/'), self.upstream) {
            (Some(host), ..) => (host, name),
            (None, Some((first, rest)), _) if self.has(first) => (first.to_owned(), rest),
            (None, Some((first, rest)), None) if first.contains(['.', ':']) || first == "localhost" => {
                (first.to_owned(), rest)
            }
            (None, _, Some(upstream)) => (upstream.to_owned(), name),
            (None, _, None) => {
                let message =
                    "expected a registry before the repository's name, such as /v2/ghcr.io/..; or use --upstream";
                return Err(refused(404, "NAME_UNKNOWN", message.to_owned()));
            }
        };
        self.check(&host)?;
        // By the grammar of image names, so that nothing of it can be another path or another host.
        let bad = || refused(400, "NAME_INVALID", "expected a repository's name".to_owned());
        let parsed: Name = format!("{host}/{repository}").parse().map_err(|_| bad())?;
        if parsed.host() != host {
            return Err(bad());
        }
        Ok(Place { host, repository: parsed.repository().to_owned(), asked_as: name.to_owned() })
    }
}

fn refused(status: u16, code: &'static str, message: String) -> Refused {
    Refused { status, code, message }
}

/// `%XX` as bytes. Only what can stand in names and digests comes out.
fn decoded(text: &str) -> Option<String> {
    let (mut out, mut bytes) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(out).ok()?;
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@' | b'\\')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn ask(target: &str, upstream: Option<&str>) -> Result<Route, Refused> {
        let allowed = ["ghcr.io", "docker.io", "reg.corp:5000"].map(str::to_owned);
        route(target, &Known { upstream, allowed: &allowed })
    }

    fn place(target: &str, upstream: Option<&str>) -> (String, String) {
        match ask(target, upstream) {
            Ok(Route::Document(place, _) | Route::Blob(place, _)) => (place.host, place.repository),
            other => panic!("{target}: {other:?}"),
        }
    }

    #[test]
    fn which_registry_is_meant() {
        for (target, upstream, host, repository) in [
            ("/v2/ghcr.io/a/b/manifests/1", None, "ghcr.io", "a/b"),
            ("/v2/ghcr.io/a/b/manifests/1", Some("quay.io"), "ghcr.io", "a/b"),
            ("/v2/a/b/manifests/1", Some("quay.io"), "quay.io", "a/b"),
            ("/v2/a.b/c/manifests/1", Some("quay.io"), "quay.io", "a.b/c"),
            ("/v2/a/b/manifests/1?ns=ghcr.io", Some("quay.io"), "ghcr.io", "a/b"),
            ("/v2/a/tags/list?n=5&ns=reg.corp%3A5000", None, "reg.corp:5000", "a"),
            ("/v2/docker.io/library/alpine/manifests/latest", None, "docker.io", "library/alpine"),
            ("/v2/ghcr.io/manifests/manifests/1", None, "ghcr.io", "manifests"),
        ] {
            assert_eq!(place(target, upstream), (host.to_owned(), repository.to_owned()), "{target}");
        }
    }

    #[test]
    fn what_is_asked() {
        let Ok(Route::Document(place, path)) = ask("/v2/ghcr.io/a/tags/list?n=5&ns=ghcr.io&last=x", None) else {
            panic!()
        };
        assert_eq!((path.as_str(), place.asked_as.as_str()), ("tags/list?n=5&last=x", "ghcr.io/a"));
        assert!(matches!(ask(&format!("/v2/ghcr.io/a/blobs/{DIGEST}"), None), Ok(Route::Blob(..))));
        assert!(matches!(ask(&format!("/v2/ghcr.io/a/referrers/{DIGEST}"), None), Ok(Route::Document(..))));
        assert_eq!(ask("/v2/", None), Ok(Route::Ping(None)));
        assert_eq!(ask("/v2", None), Ok(Route::Ping(None)));
        assert_eq!(ask("/v2/?ns=ghcr.io", None), Ok(Route::Ping(Some("ghcr.io".to_owned()))));
        assert_eq!(ask("/metrics", None), Ok(Route::Metrics));
    }

    #[test]
    fn what_is_refused() {
        for (target, status) in [
            ("/", 404),
            ("/v1/x", 404),
            ("/v2/evil.example/a/manifests/1", 403),
            ("/v2/169.254.169.254/a/manifests/1", 403),
            ("/v2/a/manifests/1?ns=169.254.169.254", 403),
            ("/v2/?ns=evil.example", 403),
            ("/v2/a/b/manifests/1", 404),
            ("/v2/ghcr.io/../x/manifests/1", 400),
            ("/v2/ghcr.io/A/manifests/1", 400),
            ("/v2/ghcr.io/a@b/manifests/1", 404),
            ("/v2/ghcr.io/a%2f%2e%2e/manifests/1", 400),
            ("/v2/ghcr.io/a/manifests/", 400),
            ("/v2/ghcr.io/a/manifests/1%0d%0aX:y", 404),
            ("/v2/ghcr.io/a/blobs/sha256:1", 400),
            ("/v2/ghcr.io/a/blobs/uploads/", 400),
        ] {
            assert_eq!(ask(target, None).map_err(|refused| refused.status), Err(status), "{target}");
        }
    }
}
