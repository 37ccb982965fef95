//! Uploads and mounts.

use std::cell::Cell;
use std::io::{self, Cursor, Read};

use super::tests::stub::{Answer, Auth, Fault as Wrong, Registry};
use super::tests::{basic, client, content, digest, endpoint, options};
use super::*;
use crate::digest::BlobDigest;
use crate::progress::Progress;

fn digest_of(bytes: &[u8]) -> BlobDigest {
    use sha2::Digest as _;
    BlobDigest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Uploads to the repository `a`; what was seen must be the size.
fn upload(client: &Client, bytes: &[u8]) -> Result<(), RegistryError> {
    let seen = Cell::new(0);
    let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
    let repository = client.repository("a").unwrap();
    repository.upload(digest_of(bytes), bytes.len() as u64, &open, &|more| seen.set(seen.get() + more))?;
    assert_eq!(seen.get(), bytes.len() as u64);
    Ok(())
}

fn is_there(registry: &Registry, bytes: &[u8]) -> bool {
    let key = ("a".to_owned(), digest_of(bytes).to_string());
    registry.state().blobs.get(&key).is_some_and(|found| found == bytes)
}

/// The methods of requests about uploads.
fn methods(registry: &Registry) -> String {
    let lines = registry.lines();
    lines.iter().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>().join(" ")
}

/// Uploads through faults; gives the methods.
fn through(faults: &[(&'static str, Wrong)], bytes: &[u8]) -> Result<String, String> {
    let (registry, progress) = (Registry::start(), Progress::new());
    for (method, fault) in faults {
        registry.fault(method, "/blobs/uploads/", 1, fault.clone());
    }
    let client = client(&registry, &progress);
    upload(&client, bytes).map_err(|error| error.to_string())?;
    assert!(is_there(&registry, bytes));
    Ok(methods(&registry))
}

fn status(status: u16) -> Wrong {
    Wrong::Answer(Answer::new(status))
}

#[test]
fn one_post_and_one_put() {
    for len in [0, 1, 5_000_000] {
        let (registry, progress) = (Registry::start(), Progress::new());
        let client = client(&registry, &progress);
        upload(&client, &content(len)).unwrap();
        assert!(is_there(&registry, &content(len)));
        assert_eq!(methods(&registry), "POST PUT");
        let asked = registry.state().asked.clone();
        let put = asked.last().unwrap();
        assert_eq!(put.header("content-length"), Some(len.to_string().as_str()));
        assert_eq!((put.header("content-range"), put.header("transfer-encoding")), (None, None));
        assert!(put.query.contains_key("_state") && put.query.contains_key("digest"));
        assert_eq!(client.traffic().sent, len as u64);
    }
}

#[test]
fn a_session_is_begun_anew() {
    let bytes = content(3000);
    for fault in [status(500), status(429), Wrong::Early(Answer::new(503))] {
        assert_eq!(through(&[("PUT", fault.clone())], &bytes).unwrap(), "POST PUT DELETE HEAD POST PUT", "{fault:?}");
    }
    let unknown = Wrong::Answer(Answer::error(404, "BLOB_UPLOAD_UNKNOWN"));
    assert_eq!(through(&[("PUT", unknown)], &bytes).unwrap(), "POST PUT DELETE HEAD POST PUT");
    assert_eq!(through(&[("POST", status(500)), ("POST", Wrong::Lost)], &bytes).unwrap(), "POST POST POST PUT");
    // The blob has arrived, and only the answer has not.
    assert_eq!(through(&[("PUT", Wrong::Lost)], &bytes).unwrap(), "POST PUT DELETE HEAD");
}

#[test]
fn what_refuses_one_way_gets_another() {
    let large = content((33 << 20) + 5);
    for refusal in [400, 405, 411, 413, 415, 416, 501] {
        assert_eq!(through(&[("PUT", status(refusal))], b"x").unwrap(), "POST PUT DELETE POST PATCH PUT", "{refusal}");
    }
    let all = through(&[("PUT", status(405)), ("PATCH", status(416))], &large).unwrap();
    assert_eq!(all, "POST PUT DELETE POST PATCH DELETE POST PATCH PATCH PATCH PUT");
    let error = through(&[("PUT", status(405)), ("PATCH", status(416)), ("PATCH", status(413))], &large).unwrap_err();
    assert!(error.ends_with("expected that the blob's bytes are taken, found the status 413"), "{error}");
    // A registry that took less than it was sent.
    let range = |last: u32| ("PATCH", Wrong::Header("Range", format!("0-{last}")));
    let all = through(&[("PUT", status(405)), range(1), range(2)], b"abc").unwrap();
    assert_eq!(all, "POST PUT DELETE POST PATCH DELETE HEAD POST PATCH PUT");
}

#[test]
fn the_way_is_remembered() {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.fault("PUT", "/blobs/uploads/", 1, status(405));
    let client = client(&registry, &progress);
    upload(&client, b"first").unwrap();
    upload(&client, b"second").unwrap();
    assert_eq!(methods(&registry), "POST PUT DELETE POST PATCH PUT POST PATCH PUT");
}

#[test]
fn a_piece_is_sent_again() {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.fault("PUT", "/blobs/uploads/", 1, status(405));
    registry.fault("PATCH", "/blobs/uploads/", 1, status(413));
    // To the same place: what is sent twice is seen once.
    let back = Answer::new(307).header("Location", "/v2/a/blobs/uploads/3");
    registry.fault("PATCH", "/blobs/uploads/3", 1, Wrong::Answer(back));
    registry.fault("PATCH", "/blobs/uploads/3", 1, Wrong::Cut(0));
    registry.fault("PATCH", "/blobs/uploads/3", 1, status(503));
    let client = client(&registry, &progress);
    upload(&client, &content(20 << 20)).unwrap();
    assert!(is_there(&registry, &content(20 << 20)));
    assert!(
        methods(&registry).ends_with("POST PATCH PATCH PATCH DELETE HEAD POST PATCH PATCH PUT"),
        "{}",
        methods(&registry)
    );
}

#[test]
fn pieces_as_large_as_the_registry_wants() {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.fault("PUT", "/blobs/uploads/", 1, status(405));
    registry.fault("PATCH", "/blobs/uploads/", 1, status(413));
    registry.fault("POST", "/blobs/uploads/", 9, Wrong::Header("OCI-Chunk-Min-Length", (20 << 20).to_string()));
    let client = client(&registry, &progress);
    upload(&client, &content(45 << 20)).unwrap();
    let asked = registry.state().asked.clone();
    let ranges: Vec<_> = asked.iter().filter_map(|asked| asked.header("content-range")).collect();
    assert_eq!(ranges, ["0-20971519", "20971520-41943039", "41943040-47185919"]);
    let all = u64::MAX.to_string();
    registry.state().rules_end();
    registry.fault("POST", "/blobs/uploads/", 9, Wrong::Header("OCI-Chunk-Min-Length", all));
    let error = upload(&client, b"x").unwrap_err().to_string();
    assert!(error.contains("bytes of a piece that the registry wants: expected at most 134,217,728"), "{error}");
}

#[test]
fn what_is_wrong_is_not_sent_again() {
    let error = through(&[("PUT", Wrong::Answer(Answer::error(400, "DIGEST_INVALID")))], b"x").unwrap_err();
    assert!(error.ends_with("found the status 400: the registry says \"DIGEST_INVALID: of the test\""), "{error}");
    let other = BlobDigest::from_bytes([1; 32]).to_string();
    let error = through(&[("PUT", Wrong::Header("Docker-Content-Digest", other))], b"x").unwrap_err();
    assert!(error.contains("in the registry's answer"), "{error}");
    let error = through(&[("POST", Wrong::Answer(Answer::error(404, "NAME_UNKNOWN")))], b"x").unwrap_err();
    assert!(error.contains("the repository a is not there"), "{error}");
}

#[test]
fn bytes_that_cannot_be_read() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let client = client(&registry, &progress);
    let repository = client.repository("a").unwrap();
    let failing = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(b"abc".chain(Failing))) };
    let error = repository.upload(digest_of(b""), 10, &failing, &|_| ()).unwrap_err();
    assert!(matches!(&error, RegistryError::Source { source, .. } if source.to_string() == "disk on fire"), "{error}");
    assert!(error.to_string().contains("reading what is to be sent: disk on fire"), "{error}");
    let short = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(&b"abc"[..])) };
    let error = repository.upload(digest_of(b""), 10, &short, &|_| ()).unwrap_err();
    assert!(matches!(error, RegistryError::Source { .. }), "{error}");
    let none = || -> io::Result<Box<dyn Read + Send>> { Err(io::Error::other("no such file")) };
    assert!(repository.upload(digest_of(b""), 10, &none, &|_| ()).unwrap_err().to_string().ends_with("no such file"));
    assert_eq!(registry.lines().iter().filter(|line| line.starts_with("POST")).count(), 3);
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("disk on fire"))
    }
}

#[test]
fn an_upload_is_sent_to_another_host() {
    let (registry, other, progress) = (Registry::start(), Registry::start(), Progress::new());
    registry.state().auth = Auth::Basic("user", "pw");
    let bytes = content(2 << 20);
    let location = other.url("/v2/a/manifests/stored");
    registry.fault("PUT", "/blobs/uploads/", 1, Wrong::Answer(Answer::new(307).header("Location", location)));
    let endpoint = Endpoint { credentials: basic("user", "pw"), ..endpoint(&registry) };
    let client = Client::new(endpoint, options().0, &progress).unwrap();
    upload(&client, &bytes).unwrap();
    let asked = other.state().asked.pop().unwrap();
    assert_eq!((asked.header("authorization"), asked.body == bytes), (None, true));
}

#[test]
fn a_refusal_comes_before_the_bytes() {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.fault("PUT", "/blobs/uploads/", 1, Wrong::Early(Answer::error(403, "DENIED")));
    let client = client(&registry, &progress);
    let error = upload(&client, &content(50 << 20)).unwrap_err();
    assert!(error.is_denied(), "{error}");
    assert_eq!(client.traffic().sent, 0);
}

#[test]
fn what_expects_nothing() {
    let bytes = content(2 << 20);
    assert_eq!(through(&[("PUT", Wrong::Early(Answer::new(417)))], &bytes).unwrap(), "POST PUT PUT");
}

#[test]
fn a_registry_that_takes_its_time_to_say_yes() {
    assert_eq!(through(&[("PUT", Wrong::Late)], &content(2 << 20)).unwrap(), "POST PUT");
}

#[test]
fn the_way_is_not_blamed_for_what_no_way_helps() {
    let (registry, progress) = (Registry::start(), Progress::new());
    for method in ["PUT", "PATCH", "PATCH"] {
        registry.fault(method, "/blobs/uploads/", 1, status(400));
    }
    let client = client(&registry, &progress);
    assert_eq!(upload(&client, b"first").unwrap_err().status(), Some(400));
    let before = registry.lines().len();
    upload(&client, b"second").unwrap();
    assert_eq!(registry.lines().len() - before, 2);
}

#[test]
fn mounts() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let blob = digest(&registry.put_blob("from/b", b"content"));
    let client = client(&registry, &progress);
    let repository = client.repository("a").unwrap();
    assert!(repository.mount(blob, "from/b").unwrap());
    assert!(is_there(&registry, b"content"));
    // Not there: the registry begins a session, which is given up.
    assert!(!repository.mount(BlobDigest::from_bytes([1; 32]), "from/b").unwrap());
    assert_eq!(methods(&registry), "POST POST DELETE");
    assert!(registry.state().uploads.is_empty());
    for refusal in [400, 401, 403, 404, 405] {
        registry.fault("POST", "/blobs/uploads/", 1, status(refusal));
        assert!(!repository.mount(blob, "from/b").unwrap(), "{refusal}");
    }
    registry.fault("POST", "/blobs/uploads/", 1, status(503));
    assert!(repository.mount(blob, "from/b").unwrap());
    assert!(repository.mount(blob, "../b").is_err());
}

/// Cancels the job when it is asked for its second bytes.
struct Cancelling<'a>(&'a Progress, bool);

impl Read for Cancelling<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.1, true) {
            self.0.cancel();
        }
        buf.fill(0);
        Ok(buf.len())
    }
}

impl Opens for Cancelling<'_> {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Cancelling(self.0, false)))
    }
}

#[test]
fn an_interrupted_upload_ends_its_session() {
    for auth in [Auth::None, Auth::Basic("user", "pw"), Auth::Token(Some(("user", "pw")))] {
        let (registry, progress) = (Registry::start(), Progress::new());
        registry.state().auth = auth;
        let endpoint = Endpoint { credentials: basic("user", "pw"), ..endpoint(&registry) };
        let client = Client::new(endpoint, options().0, &progress).unwrap();
        let repository = client.repository("a").unwrap();
        let done = repository.upload(digest_of(b""), 50 << 20, &Cancelling(&progress, false), &|_| ());
        assert!(matches!(done, Err(RegistryError::Interrupted(_))), "{done:?}");
        assert!(registry.state().uploads.is_empty());
        let asked = registry.state().asked.clone();
        assert_eq!(asked.iter().filter(|asked| asked.method == "DELETE").count(), 1);
    }
}

#[test]
fn reading_for_a_push_has_its_scope() {
    let (registry, progress) = (Registry::start(), Progress::new());
    registry.state().auth = Auth::Token(Some(("user", "pw")));
    let endpoint = Endpoint { credentials: basic("user", "pw"), ..endpoint(&registry) };
    let client = Client::new(endpoint, options().0, &progress).unwrap();
    let repository = client.repository("a").unwrap();
    assert!(repository.clone().for_push().manifest(&Which::Tag("v1")).unwrap_err().is_not_found());
    assert_eq!(repository.for_push().has_blob(digest_of(b"x")).unwrap(), None);
    let asked = registry.state().asked.clone();
    let scopes: Vec<_> = asked.iter().filter_map(|asked| asked.query.get("scope").map(String::as_str)).collect();
    assert_eq!(scopes, ["repository:a:pull,push"]);
}
