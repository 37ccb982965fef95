//! Each fault ends in success after another try, or in one clear error.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::tests::stub::{self, Answer, Fault as Wrong, Registry};
use super::tests::{client, digest, endpoint, options};
use super::*;
use crate::limits;
use crate::progress::Progress;

const MANIFEST: &[u8] = br#"{"schemaVersion":2}"#;

/// After every temporary fault the manifest is there; gives the seconds that were waited.
fn waited(faults: &[Wrong]) -> Vec<u64> {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.put_manifest("a", "v1", MANIFEST);
    faults.iter().for_each(|fault| registry.fault("GET", "/manifests/", 1, fault.clone()));
    let (options, waits) = options();
    let client = Client::new(endpoint(&registry), options, &progress).unwrap();
    assert_eq!(client.repository("a").unwrap().manifest(&Which::Tag("v1")).unwrap().bytes, MANIFEST);
    waits.lock().unwrap().clone()
}

#[test]
fn what_passes_is_tried_again() {
    let status = |status| Wrong::Answer(Answer::new(status));
    for fault in [status(429), status(500), status(502), status(503), status(522), Wrong::Cut(3), Wrong::Lost] {
        assert_eq!(waited(std::slice::from_ref(&fault)), [2], "{fault:?}");
    }
    let html = Answer::new(502).header("Content-Type", "text/html").body("<html>");
    assert_eq!(waited(&[Wrong::Answer(html), status(500), Wrong::Cut(0), status(503)]), [2, 4, 8, 16]);
}

#[test]
fn the_registry_says_how_long() {
    let after = |value: String| Wrong::Answer(Answer::new(429).header("Retry-After", value));
    assert_eq!(waited(&[after("7".to_owned()), after("0".to_owned()), after("3600".to_owned())]), [7, 0, 60]);
    let soon = Timestamp::try_from(SystemTime::now() + Duration::from_secs(40)).unwrap();
    let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
    let waited = waited(&[after(date)]);
    assert!((20..=40).contains(&waited[0]), "{waited:?}");
}

#[test]
fn tries_end() {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.fault("GET", "/manifests/", 9, Wrong::Answer(Answer::error(503, "UNAVAILABLE")));
    let (options, waits) = options();
    let client = Client::new(endpoint(&registry), options, &progress).unwrap();
    let error = client.repository("a").unwrap().manifest(&Which::Tag("v1")).unwrap_err();
    assert!(error.is_temporary());
    let error = error.to_string();
    let says =
        "expected a manifest, found the status 503: the registry says \"UNAVAILABLE: of the test\" (tried 5 times)";
    assert!(error.ends_with(says), "{error}");
    assert_eq!(*waits.lock().unwrap(), [2, 4, 8, 16]);
}

#[test]
fn what_does_not_pass_is_not_tried_again() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let client = client(&registry, &progress);
    for status in [400, 405, 416, 418, 501, 505] {
        registry.fault("GET", "/manifests/", 1, Wrong::Answer(Answer::new(status)));
        let error = client.repository("a").unwrap().manifest(&Which::Tag("v1")).unwrap_err();
        assert_eq!(error.status(), Some(status));
        assert!(!error.to_string().contains("tried"), "{error}");
    }
    assert_eq!(registry.lines().len(), 6);
}

#[test]
fn an_answer_that_never_comes() {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.fault("GET", "/manifests/", 9, Wrong::Silence);
    let (mut options, _) = options();
    (options.read_timeout, options.retries.tries) = (Duration::from_secs(1), 2);
    let client = Client::new(endpoint(&registry), options, &progress).unwrap();
    let error = client.repository("a").unwrap().manifest(&Which::Tag("v1")).unwrap_err().to_string();
    assert!(error.ends_with("/v2/a/manifests/v1: no answer within 1 s (tried 2 times)"), "{error}");
}

#[test]
fn a_wait_ends_when_the_job_does() {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.fault("GET", "/manifests/", 9, Wrong::Answer(Answer::new(500)));
    let pause: Pause = Arc::new(|_: Duration, progress: &Progress| {
        progress.cancel();
        progress.check()
    });
    let options = Options { retries: Retries { pause, ..Retries::default() }, ..Options::default() };
    let client = Client::new(endpoint(&registry), options, &progress).unwrap();
    let asked = client.repository("a").unwrap().manifest(&Which::Tag("v1"));
    assert!(matches!(asked, Err(RegistryError::Interrupted(_))), "{asked:?}");
    assert_eq!(registry.lines().len(), 1);
}

#[test]
fn nobody_listens() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for may_be_plain_http in [false, true] {
        let endpoint = Endpoint { host: format!("localhost:{free}"), may_be_plain_http, ..endpoint(&registry) };
        let client = Client::new(endpoint, options().0, &progress).unwrap();
        let error = client.repository("a").unwrap().manifest(&Which::Tag("v1")).unwrap_err().to_string();
        let says = "the connection is refused; check the name, the port and whether the registry runs";
        assert!(error.starts_with(&format!("GET localhost:{free}/v2/")) && error.ends_with(says), "{error}");
    }
}

/// What becomes of a request to a registry with TLS.
fn over_tls(registry: &Registry, change: impl FnOnce(&mut Endpoint)) -> Result<(), RegistryError> {
    let progress = Progress::new();
    let mut endpoint = Endpoint { may_be_plain_http: false, ..endpoint(registry) };
    change(&mut endpoint);
    let (mut options, _) = options();
    options.retries.tries = 1;
    let client = Client::new(endpoint, options, &progress)?;
    client.repository("a").unwrap().manifest(&Which::Tag("v1")).map(|_| ())
}

#[test]
fn certificates_of_registries() {
    let registry = Registry::start_tls(false);
    registry.put_manifest("a", "v1", MANIFEST);
    over_tls(&registry, |_| ()).unwrap();
    over_tls(&registry, |endpoint| (endpoint.tls.verify, endpoint.tls.roots) = (false, vec![])).unwrap();
    // The user allows HTTP; that is no permission for a wrong certificate.
    for may_be_plain_http in [false, true] {
        let refused = over_tls(&registry, |endpoint| {
            (endpoint.tls.roots, endpoint.may_be_plain_http) = (vec![], may_be_plain_http);
        });
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("the certificate is not accepted") && error.contains("UnknownIssuer"), "{error}");
    }
    let refused = over_tls(&registry, |endpoint| endpoint.host = endpoint.host.replace("localhost", "127.0.0.1"));
    assert!(refused.unwrap_err().to_string().contains("the certificate is not accepted"));
    let refused = over_tls(&Registry::start(), |_| ()).unwrap_err();
    assert!(refused.to_string().contains("/v2/a/manifests/v1: "), "{refused}");
    let refused = over_tls(&registry, |endpoint| endpoint.tls.roots = vec![b"nothing".to_vec()]);
    assert!(refused.unwrap_err().to_string().ends_with("expected a CA certificate in PEM, found none in the file"));
}

#[test]
fn certificates_of_clients() {
    let registry = Registry::start_tls(true);
    registry.put_manifest("a", "v1", MANIFEST);
    let with = |certificate: &str, key: &str| {
        let client = ClientCertificate { certificate: certificate.into(), key: Secret::new(key.to_owned()) };
        over_tls(&registry, |endpoint| endpoint.tls.client = Some(client))
    };
    with(stub::CLIENT, stub::CLIENT_KEY).unwrap();
    assert!(over_tls(&registry, |_| ()).is_err());
    for (certificate, key, says) in [
        (stub::CLIENT, stub::OTHER_KEY, "do not belong together"),
        (stub::CLIENT, "", "the client certificate's key in PEM"),
        ("", stub::CLIENT_KEY, "a client certificate in PEM, found none"),
    ] {
        let error = with(certificate, key).unwrap_err().to_string();
        assert!(error.starts_with(&format!("registry {}: ", registry.host())) && error.contains(says), "{error}");
    }
}

#[test]
fn redirects() {
    let (registry, other, progress) = (Registry::start(), Registry::start(), Progress::new());
    let blob = digest(&registry.put_blob("a", b"content"));
    registry.put_manifest("a", "v1", MANIFEST);
    other.put_manifest("a", "v1", MANIFEST);
    let to = |location: String| Wrong::Answer(Answer::new(307).header("Location", location));
    let client = client(&registry, &progress);
    let repository = client.repository("a").unwrap();
    for location in [other.url("/v2/a/manifests/v1?signature=secret"), "/v2/a/manifests/v1".to_owned(), "v1".to_owned()]
    {
        registry.fault("GET", "/manifests/", 1, to(location));
        assert_eq!(repository.manifest(&Which::Tag("v1")).unwrap().bytes, MANIFEST);
    }
    registry.fault("GET", "/blobs/", 99, to(registry.url(&format!("/v2/a/blobs/{blob}"))));
    let error = repository.blob(blob, 7).err().unwrap().to_string();
    assert!(error.ends_with("redirect: expected an end, found more than 10"), "{error}");
    assert_eq!(registry.lines().iter().filter(|line| line.contains("/blobs/")).count(), 1 + limits::REGISTRY_REDIRECTS);
    for (answer, says) in [
        (Answer::new(302), "redirect: expected a Location, found none"),
        (
            Answer::new(302).header("Location", "ftp://a/b?signature=secret"),
            "expected a URL of HTTP or HTTPS, found \"ftp://a/b\"",
        ),
        (Answer::new(308).header("Location", other.url("/v2/a/manifests/none?signature=secret")), "is not there"),
    ] {
        registry.fault("GET", "/manifests/", 1, Wrong::Answer(answer));
        let error = repository.manifest(&Which::Tag("v1")).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn no_way_from_https_to_http() {
    let (registry, other) = (Registry::start_tls(false), Registry::start());
    other.put_manifest("a", "v1", MANIFEST);
    let location = other.url("/v2/a/manifests/v1");
    registry.fault("GET", "/manifests/", 1, Wrong::Answer(Answer::new(307).header("Location", location)));
    let error = over_tls(&registry, |_| ()).unwrap_err().to_string();
    assert!(error.contains("redirect: expected HTTPS, found HTTP, to localhost:"), "{error}");
    assert_eq!(other.lines(), [""; 0]);
}
