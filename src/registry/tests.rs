//! Manifests and lists, against a registry in this process; and what the other tests share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::digest::BlobDigest;
use crate::progress::Progress;

#[path = "../../tests/registry/mod.rs"]
pub(crate) mod stub;

use stub::{Answer, Fault as Wrong, Registry};

/// What a client that is tested waited, without having done so.
pub(crate) type Waits = Arc<Mutex<Vec<u64>>>;

pub(crate) fn endpoint(registry: &Registry) -> Endpoint {
    let tls = Tls { verify: true, roots: vec![stub::CA.into()], client: None };
    Endpoint { host: registry.host(), may_be_plain_http: true, tls, credentials: None }
}

pub(crate) fn basic(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials::Basic { user: user.to_owned(), password: Secret::new(password.to_owned()) })
}

/// Patient but for the waits between tries, which it writes down in seconds.
pub(crate) fn options() -> (Options, Waits) {
    let waits = Waits::default();
    let noted = waits.clone();
    let pause: Pause = Arc::new(move |delay: Duration, progress: &Progress| {
        noted.lock().unwrap().push(delay.as_secs());
        progress.check()
    });
    let retries = Retries { pause, ..Retries::default() };
    (Options { retries, ..Options::default() }, waits)
}

pub(crate) fn client<'p>(registry: &Registry, progress: &'p Progress) -> Client<'p> {
    Client::new(endpoint(registry), options().0, progress).unwrap()
}

pub(crate) fn digest(text: &str) -> BlobDigest {
    text.parse().unwrap()
}

/// Bytes that repeat nowhere.
pub(crate) fn content(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

const MANIFEST: &[u8] = br#"{"schemaVersion":2}"#;

#[test]
fn manifests_by_tag_and_by_digest() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let there = digest(&registry.put_manifest("a/b", "v1", MANIFEST));
    let client = client(&registry, &progress);
    let repository = client.repository("a/b").unwrap();
    for which in [Which::Tag("v1"), Which::Digest(there)] {
        let document = repository.manifest(&which).unwrap();
        assert_eq!((document.bytes.as_slice(), document.digest), (MANIFEST, there));
        assert_eq!(document.media_type, "application/vnd.oci.image.manifest.v1+json");
        let head = repository.head_manifest(&which).unwrap().unwrap();
        assert_eq!((head.digest, head.size), (Some(there), Some(MANIFEST.len() as u64)));
    }
    let accepts = registry.state().asked.last().unwrap().header("accept").unwrap().to_owned();
    for kind in
        ["oci.image.index.v1", "oci.image.manifest.v1", "distribution.manifest.list.v2", "distribution.manifest.v2"]
    {
        assert!(
            accepts.contains(&format!(
                "application/vnd.{}{kind}+json",
                if kind.starts_with("oci") { "" } else { "docker." }
            ))
        );
    }
}

#[test]
fn what_is_not_there() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let client = client(&registry, &progress);
    let repository = client.repository("a/b").unwrap();
    let error = repository.manifest(&Which::Tag("v2")).unwrap_err();
    assert!(error.is_not_found() && !error.is_denied());
    let host = registry.host();
    assert_eq!(
        error.to_string(),
        format!(
            "GET {host}/v2/a/b/manifests/v2: the tag \"v2\" of a/b is not there: the registry says \"MANIFEST_UNKNOWN: of the test\""
        )
    );
    assert_eq!(repository.head_manifest(&Which::Tag("v2")).unwrap(), None);
    for tag in ["", "a b", "../x", "a/b", "\u{fc}", &"x".repeat(129)] {
        let error = repository.manifest(&Which::Tag(tag)).unwrap_err();
        assert!(matches!(error, RegistryError::Name { .. }), "{error}");
    }
    for name in ["", "/a", "a//b", "a/../b", "a?b", "a b", "-a", &"x".repeat(256)] {
        assert!(client.repository(name).is_err(), "{name}");
    }
    for host in ["", "a/b", "user:pw@host", "a?b"] {
        let endpoint = Endpoint { host: host.to_owned(), ..endpoint(&registry) };
        assert!(Client::new(endpoint, Options::default(), &progress).is_err(), "{host}");
    }
}

#[test]
fn a_manifest_is_put() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let client = client(&registry, &progress);
    let repository = client.repository("a/b").unwrap();
    let digest = repository.put_manifest(&Which::Tag("v1"), "application/x", MANIFEST).unwrap();
    let document = repository.manifest(&Which::Digest(digest)).unwrap();
    assert_eq!((document.bytes.as_slice(), document.media_type.as_str()), (MANIFEST, "application/x"));
    let other = BlobDigest::from_bytes([1; 32]).to_string();
    registry.fault("PUT", "/manifests/", 1, Wrong::Header("Docker-Content-Digest", other.clone()));
    let error = repository.put_manifest(&Which::Tag("v1"), "application/x", MANIFEST).unwrap_err().to_string();
    assert!(error.contains(&other) && error.contains("the registry's answer"), "{error}");
}

#[test]
fn manifests_that_lie() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let there = digest(&registry.put_manifest("a", "v1", MANIFEST));
    let client = client(&registry, &progress);
    let repository = client.repository("a").unwrap();
    let html = Answer::new(200).header("Content-Type", "text/html; charset=utf-8").body("<html>");
    let large = Answer::new(200).body(vec![b' '; (4 << 20) + 1]);
    for (fault, which, says) in [
        (Wrong::Flip, Which::Digest(there), "expected the digest sha256:"),
        (
            Wrong::Header("Docker-Content-Digest", BlobDigest::from_bytes([1; 32]).to_string()),
            Which::Tag("v1"),
            "expected the digest sha256:0101",
        ),
        (
            Wrong::Answer(html.clone()),
            Which::Tag("v1"),
            "found a web page (text/html); is this the host of a registry?",
        ),
        (Wrong::Answer(Answer { status: 404, ..html }), Which::Tag("v1"), "found a web page (status 404, text/html)"),
        (Wrong::Answer(large), Which::Tag("v1"), "bytes of a manifest: expected at most 4,194,304, found more"),
        (Wrong::Endless, Which::Tag("v1"), "bytes of a manifest: expected at most 4,194,304, found more"),
        (Wrong::Header("X", "y".repeat(100_000)), Which::Tag("v1"), "bytes of headers: expected at most"),
    ] {
        registry.fault("GET", "/manifests/", 1, fault);
        let error = repository.manifest(&which).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(repository.manifest(&Which::Tag("v1")).unwrap().digest, there);
}

#[test]
fn tags_of_all_pages() {
    let (registry, progress) = (Registry::start(), Progress::new());
    for tag in ["a", "b", "c", "d", "e"] {
        registry.put_manifest("r", tag, MANIFEST);
    }
    let client = client(&registry, &progress);
    let repository = client.repository("r").unwrap();
    assert_eq!(repository.tags().unwrap(), ["a", "b", "c", "d", "e"]);
    let odd = Answer::new(200)
        .body(r#"{"tags":["a","..\n","\u001b[31m","b"]}"#)
        .header("Link", "</v2/r/tags/list?n=1000>; rel=next");
    registry.fault("GET", "/tags/", 1, Wrong::Answer(odd));
    assert_eq!(repository.tags().unwrap(), ["a", "b"]);
    registry.fault("GET", "/tags/", 1, Wrong::Answer(Answer::new(200).body(r#"{"tags":null}"#)));
    assert_eq!(repository.tags().unwrap(), [""; 0]);
    registry.fault("GET", "/tags/", 1, Wrong::Answer(Answer::new(200).body("<html>")));
    assert!(repository.tags().unwrap_err().to_string().contains("expected a list of tags in JSON"));
    let elsewhere =
        Answer::new(200).body(r#"{"tags":[]}"#).header("Link", "<http://other.invalid/v2/r/tags/list>; rel=next");
    registry.fault("GET", "/tags/", 1, Wrong::Answer(elsewhere));
    assert_eq!(repository.tags().unwrap(), [""; 0]);
    // Every page leads to another.
    let pages = ["</v2/r/tags/list?a>; rel=next", "</v2/r/tags/list?b>; rel=next"];
    let page = |link| Wrong::Answer(Answer::new(200).body(r#"{"tags":[]}"#).header("Link", link));
    for _ in 0..crate::limits::REGISTRY_PAGES / 2 {
        pages.iter().for_each(|link| registry.fault("GET", "/tags/", 1, page(link)));
    }
    assert!(repository.tags().unwrap_err().to_string().contains("pages of tags: expected at most 4,096"));
}

#[test]
fn referrers_by_api_and_by_tag() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let client = client(&registry, &progress);
    let repository = client.repository("a").unwrap();
    let image = BlobDigest::from_bytes([7; 32]);
    assert_eq!(repository.referrers(image).unwrap(), None);
    registry.put_manifest("a", &format!("sha256-{}", image.hex()), MANIFEST);
    assert_eq!(repository.referrers(image).unwrap().unwrap().bytes, MANIFEST);
    let index = Answer::new(200).header("Content-Type", "application/vnd.oci.image.index.v1+json").body("{}");
    registry.fault("GET", "/referrers/", 1, Wrong::Answer(index));
    assert_eq!(repository.referrers(image).unwrap().unwrap().bytes, b"{}");
}
