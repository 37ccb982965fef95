//! What follows `docker://`, by the grammar of distribution's reference package as podman and skopeo read it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::digest::BlobDigest;

use super::shown::shown;

/// Which of a repository's images.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Which {
    Tag(String),
    /// Of a manifest or an index.
    Digest(BlobDigest),
}

/// An image in a registry. Its text names host and repository in full: `alpine` is `docker.io/library/alpine:latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    host: String,
    repository: String,
    which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("expected a name [HOST[:PORT]/]REPOSITORY, found nothing")]
    Empty,
    /// Without the text: it can hold a password.
    #[error(
        "expected [HOST[:PORT]/]REPOSITORY[:TAG|@DIGEST], found an @ with no digest behind it; --creds takes a password"
    )]
    At,
    #[error("{found}: expected [HOST[:PORT]/]REPOSITORY[:TAG|@DIGEST] without https:// before it")]
    Scheme { found: String },
    #[error(
        "{found}: expected a host of letters, digits, -, _ and . or an IPv6 address in brackets, with or without a port \
         of 1 to 65535, found {host}"
    )]
    Host { found: String, host: String },
    #[error("{found}: expected the name of a repository, found 64 hexadecimal digits, which are no name")]
    Id { found: String },
    #[error("{found}: expected a repository in lower case, found {repository}")]
    UpperCase { found: String, repository: String },
    #[error(
        "{found}: expected a repository of a-z and 0-9, joined by single . or _, by __ or by -, with / between parts, \
         found {repository}"
    )]
    Repository { found: String, repository: String },
    #[error("{found}: expected a host and a repository of {} characters at most, found more", Name::MOST)]
    TooLong { found: String },
    #[error("{found}: expected a tag of at most 128 letters, digits, _ . and -, not first . or -, found {tag}")]
    Tag { found: String, tag: String },
    #[error("{found}: expected a digest sha256:HEX with 64 digits in lower case, found {digest}")]
    Digest { found: String, digest: String },
    #[error("{found}: expected a tag or a digest, found both; leave out the tag")]
    TagAndDigest { found: String },
}

const DOCKER: &str = "docker.io";

impl Name {
    /// Characters of host and repository (distribution's `NameTotalLengthMax`).
    pub const MOST: usize = 255;

    /// `HOST[:PORT]` as users name it: `docker.io` where the API answers at another host.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn which(&self) -> &Which {
        &self.which
    }

    /// The place without tag and digest, as configuration files name it.
    pub fn place(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// Another repository of the same host, which is named without host, tag and digest.
    pub fn beside(&self, repository: &str) -> Option<Self> {
        let names_host = repository.strip_prefix(&self.host).is_some_and(|rest| rest.starts_with('/'));
        let has_more = names_host || repository.contains([':', '@']);
        let name: Self = format!("{}/{repository}", self.host).parse().ok()?;
        (!has_more && name.host == self.host).then_some(name)
    }

    /// Where the API of a host answers.
    pub(super) fn api_host(host: &str) -> &str {
        if host == DOCKER { "registry-1.docker.io" } else { host }
    }

    /// The same image at another place, which has to be named in full.
    pub(super) fn at(&self, place: &str) -> Option<Self> {
        let moved = Self { which: self.which.clone(), ..place.parse().ok()? };
        (moved.place() == place).then_some(moved)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if hides_a_password(text) {
            return Err(NameError::At);
        }
        let found = shown(text);
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.contains("://") {
            return Err(NameError::Scheme { found });
        }
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(NameError::Id { found });
        }
        let (host, rest) = split_host(text);
        if !is_host(host) {
            return Err(NameError::Host { found, host: shown(host) });
        }
        let (rest, digest) = rest.split_once('@').map_or((rest, None), |(rest, digest)| (rest, Some(digest)));
        let (path, tag) = rest.split_once(':').map_or((rest, None), |(path, tag)| (path, Some(tag)));
        let repository = repository(host, path, &found)?;
        let which = match (tag, digest) {
            (Some(_), Some(_)) => return Err(NameError::TagAndDigest { found }),
            (None, None) => Which::Tag("latest".to_owned()),
            (Some(tag), None) if is_tag(tag) => Which::Tag(tag.to_owned()),
            (Some(tag), None) => return Err(NameError::Tag { found, tag: shown(tag) }),
            (None, Some(digest)) => match digest.parse() {
                Ok(digest) => Which::Digest(digest),
                Err(_) => return Err(NameError::Digest { found, digest: shown(digest) }),
            },
        };
        Ok(Self { host: host.to_owned(), repository, which })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        match &self.which {
            Which::Tag(tag) => write!(f, ":{tag}"),
            Which::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// `USER:PASSWORD@HOST` is what some try.
fn hides_a_password(text: &str) -> bool {
    text.split_once('@').is_some_and(|(_, rest)| {
        let is_digest = ["sha256:", "sha384:", "sha512:"].iter().any(|algorithm| rest.starts_with(algorithm));
        !is_digest || rest.contains(['/', '@'])
    })
}

fn split_host(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some(("index.docker.io", rest)) => (DOCKER, rest),
        Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => (host, rest),
        _ => (DOCKER, text),
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            match rest.strip_prefix(':') {
                None if rest.is_empty() => return true,
                None => return false,
                Some(port) => (None, Some(port)),
            }
        }
        None => match host.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(host), None),
        },
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|number| number > 0)
    };
    // The grammar has no _, but podman takes such a host for a part of the repository and asks it all the same.
    let is_label = |label: &str| {
        let ends = label.bytes().next().zip(label.bytes().last());
        ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.is_none_or(|name| name.split('.').all(is_label)) && port.is_none_or(is_port)
}

fn repository(host: &str, path: &str, found: &str) -> Result<String, NameError> {
    let found = found.to_owned();
    if path.chars().any(|c| c.is_uppercase()) {
        return Err(NameError::UpperCase { found, repository: shown(path) });
    }
    if !path.split('/').all(is_part) {
        return Err(NameError::Repository { found, repository: shown(path) });
    }
    let prefix = if host == DOCKER && !path.contains('/') { "library/" } else { "" };
    if host.len() + 1 + prefix.len() + path.len() > Name::MOST {
        return Err(NameError::TooLong { found });
    }
    Ok(format!("{prefix}{path}"))
}

fn is_part(part: &str) -> bool {
    let is_letter = |c: char| matches!(c, 'a'..='z' | '0'..='9');
    part.starts_with(is_letter)
        && part.ends_with(is_letter)
        && part
            .split(is_letter)
            .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

/// A registry's tag (distribution spec, "Pulling manifests").
pub fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn name(text: &str) -> Name {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn error(text: &str) -> String {
        text.parse::<Name>().expect_err(text).to_string()
    }

    #[test]
    fn short_names_are_docker_hubs() {
        for (text, full) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.19", "docker.io/library/alpine:3.19"),
            ("user/app", "docker.io/user/app:latest"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            ("index.docker.io/alpine", "docker.io/library/alpine:latest"),
            ("index.docker.io/user/app:1", "docker.io/user/app:1"),
            ("docker.io/user/app", "docker.io/user/app:latest"),
            ("quay.io/app", "quay.io/app:latest"),
            ("host:5000", "docker.io/library/host:5000"),
        ] {
            assert_eq!(name(text).to_string(), full);
            assert_eq!(name(full), name(text));
        }
    }

    #[test]
    fn hosts_are_told_from_repositories() {
        for (text, host, repository) in [
            ("localhost/app", "localhost", "app"),
            ("localhost:5000/a/b", "localhost:5000", "a/b"),
            ("host:5000/app", "host:5000", "app"),
            ("host/app", "docker.io", "host/app"),
            ("Quay.IO/a", "Quay.IO", "a"),
            ("127.0.0.1:80/a", "127.0.0.1:80", "a"),
            ("my_registry.local/a", "my_registry.local", "a"),
            ("[::1]/a", "[::1]", "a"),
            ("[2001:db8::1]:5000/a/b", "[2001:db8::1]:5000", "a/b"),
            ("registry-1.docker.io/library/a", "registry-1.docker.io", "library/a"),
            ("a--b.c/d__e/f_g/h---i.j", "a--b.c", "d__e/f_g/h---i.j"),
        ] {
            let name = name(text);
            assert_eq!((name.host(), name.repository()), (host, repository));
            assert_eq!(name.place(), format!("{host}/{repository}"));
        }
        assert_eq!((Name::api_host("docker.io"), Name::api_host("quay.io")), ("registry-1.docker.io", "quay.io"));
    }

    #[test]
    fn tags_and_digests() {
        let digest: BlobDigest = format!("sha256:{HEX}").parse().unwrap();
        assert_eq!(name(&format!("q.io/a@{digest}")).which(), &Which::Digest(digest));
        assert_eq!(name(&format!("q.io/a@{digest}")).to_string(), format!("q.io/a@{digest}"));
        let longest = format!("_{}", "A".repeat(127));
        for tag in ["_", "V1.2-rc_1", &longest] {
            assert_eq!(name(&format!("a:{tag}")).which(), &Which::Tag(tag.to_owned()));
        }
        for tag in ["", ".a", "-a", "a+b", "a:b", "ü", &"a".repeat(129)] {
            assert!(error(&format!("q.io/a:{tag}")).contains("expected a tag of at most 128"), "{tag}");
        }
        for digest in ["sha256:", "sha256:ab", &format!("sha512:{HEX}{HEX}"), &format!("sha256:{}", HEX.to_uppercase())]
        {
            assert!(error(&format!("q.io/a@{digest}")).contains("expected a digest sha256:HEX"), "{digest}");
        }
        assert!(error(&format!("q.io/a:1@{digest}")).contains("found both"));
    }

    #[test]
    fn refuses_what_is_no_name() {
        assert!(error("").contains("found nothing"));
        assert!(error(HEX).contains("64 hexadecimal digits"));
        assert!(error("https://quay.io/a").contains("without https://"));
        for text in ["q.io/A", "User/app", "q.io/É"] {
            assert!(error(text).contains("expected a repository in lower case"), "{text}");
        }
        for text in ["q.io/", "/a", "q.io//a", "q.io/a/", "a..b", "a_-b", "a___b", "-a", "a-", "a b", "q.io/a\n", ":1"]
        {
            assert!(error(text).contains("expected a repository of a-z"), "{text}");
        }
        for text in [
            "a..b/c",
            "-a.b/c",
            "a.b-/c",
            "a.:1/c",
            "a.b_/c",
            "h:/a",
            "h:0/a",
            "h:65536/a",
            "h:+1/a",
            "[::g]/a",
            "[::1/a",
        ] {
            assert!(error(text).contains("expected a host"), "{text}");
        }
        for text in ["[fe80::1%eth0]/a", "[::1]x:1/a", "[::1]:/a", "a.b:1:2/c"] {
            assert!(error(text).contains("expected a host"), "{text}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let longest = format!("q.io/{}", "a".repeat(250));
        assert_eq!(name(&longest).place(), longest);
        assert!(error(&format!("{longest}a")).contains("255 characters at most"));
        assert!(error(&"a".repeat(242)).contains("255 characters at most"), "docker.io/library/ counts");
        let long = error(&"A\n".repeat(1 << 20));
        assert!(long.len() < 2000 && long.contains("...") && !long.contains('\n'));
    }

    #[test]
    fn a_password_in_a_name_is_not_shown() {
        for text in [
            "user:hunter2@q.io/a",
            "hunter2@q.io",
            "https://user:hunter2@q.io/a",
            "user:hunter2@sha256:ab/c",
            "user:hun@ter2@q.io/a@sha256:ab",
        ] {
            let shown = error(text);
            assert!(shown.contains("--creds") && !shown.contains("hun") && !shown.contains("ter2"), "{shown}");
        }
    }

    #[test]
    fn a_repository_beside_another_is_named_without_host_and_tag() {
        let beside = |text: &str, repository| name(text).beside(repository).map(|name| name.place());
        assert_eq!(beside("q.io/a:v1", "team/b"), Some("q.io/team/b".to_owned()));
        assert_eq!(beside("localhost:5000/a", "docker.io/b"), Some("localhost:5000/docker.io/b".to_owned()));
        assert_eq!(beside("alpine", "b"), Some("docker.io/library/b".to_owned()));
        assert_eq!(beside("q.io/a", "q.iota/b"), Some("q.io/q.iota/b".to_owned()));
        for repository in
            ["", "/b", "B", "b/", "q.io/b", "b:v1", "b@sha256:ab", "me:hunter2@b", "docker://q.io/b", ".."]
        {
            assert_eq!(beside("q.io/a", repository), None, "{repository}");
        }
        assert_eq!(beside("h:5000/a", "h:5000/b"), None);
    }

    #[test]
    fn a_place_is_taken_in_full_only() {
        let name = name("example.com/a/b:1");
        assert_eq!(name.at("mirror.io/x/b").unwrap().to_string(), "mirror.io/x/b:1");
        for place in ["alpine", "docker.io/alpine", "mirror/x", "q.io/A", "q.io/a:1"] {
            assert_eq!(name.at(place), None, "{place}");
        }
    }
}
