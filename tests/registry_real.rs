//! The client against real registries. `cargo test --test registry_real -- --ignored` starts Debian's docker-registry
//! itself. The profiles of `tests/harness/registry.sh start` are asked if `RESTRATA_REGISTRY_PORT` is its first port.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use restrata::digest::BlobDigest;
use restrata::error::Error;
use restrata::oci::Descriptor;
use restrata::progress::Progress;
use restrata::push::{Amount, Push, Pushed};
use restrata::registry::names::{Access, Environment};
use restrata::registry::{Answer, Client, Credentials, Endpoint, Options, Reach, Repository, Secret, Tls, Which};
use restrata::span::Span;
use sha2::{Digest as _, Sha256};

/// Of the password `pw`, as htpasswd makes it.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q\n";

struct Server {
    process: Child,
    host: String,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (host, at) = (format!("127.0.0.1:{port}"), dir.path().display());
        std::fs::write(dir.path().join("htpasswd"), HTPASSWD).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {at}/data}}}}\nhttp: {{addr: '{host}'}}\n\
             auth: {{htpasswd: {{realm: test, path: {at}/htpasswd}}}}\n"
        );
        std::fs::write(dir.path().join("config.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(dir.path().join("config.yml")).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("docker-registry is installed");
        let server = Self { process, host, _dir: dir };
        while TcpStream::connect(&server.host).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn endpoint(host: &str, password: Option<&str>) -> Endpoint {
    let credentials =
        password.map(|password| Credentials::Basic { user: "user".into(), password: Secret::new(password.into()) });
    let tls = Tls { verify: true, roots: vec![], client: None };
    Endpoint { host: host.to_owned(), may_be_plain_http: true, tls, credentials }
}

fn content(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn upload(repository: &Repository, bytes: &[u8]) -> BlobDigest {
    let digest = BlobDigest::from_bytes(Sha256::digest(bytes).into());
    let seen = Cell::new(0);
    let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
    repository.upload(digest, bytes.len() as u64, &open, &|more| seen.set(seen.get() + more)).unwrap();
    assert_eq!(seen.get(), bytes.len() as u64);
    digest
}

/// `count` spans of 50 bytes, 1000 bytes from each other.
fn spans(count: u64) -> Vec<Span> {
    (0..count).map(|at| Span::between(at * 1000 + 7, at * 1000 + 57)).collect()
}

/// The bytes of all spans, or how the registry answered instead.
fn ranges(repository: &Repository, digest: BlobDigest, size: u64, count: u64) -> Result<Vec<u8>, String> {
    let mut found = Vec::new();
    match repository.ranges(digest, size, &spans(count)).unwrap() {
        Answer::Parts(mut parts) => {
            while parts.next_span().unwrap().is_some() {
                parts.read_to_end(&mut found).unwrap();
            }
            Ok(found)
        }
        Answer::Whole(mut blob) => {
            blob.read_to_end(&mut found).unwrap();
            Err(format!("whole, {}", found.len()))
        }
        Answer::Refused(status) => Err(format!("refused, {status}")),
    }
}

fn wanted(bytes: &[u8], count: u64) -> Vec<u8> {
    spans(count).iter().flat_map(|span| bytes[span.start() as usize..span.end() as usize].to_vec()).collect()
}

#[test]
#[ignore = "needs the program docker-registry (Debian's package of that name)"]
fn everything_with_docker_registry() {
    let (server, progress) = (Server::start(), Progress::new());
    let client = Client::new(endpoint(&server.host, Some("pw")), Options::default(), &progress).unwrap();
    let repository = client.repository("some/image").unwrap();
    let bytes = content(20_000_000);
    let digest = upload(&repository, &bytes);
    let sent = client.traffic();
    assert_eq!((sent.sent, repository.has_blob(digest).unwrap()), (20_000_000, Some(20_000_000)));
    let empty = upload(&repository, b"");
    assert_eq!(repository.has_blob(empty).unwrap(), Some(0));

    let mut found = Vec::new();
    repository.blob(digest, 20_000_000).unwrap().read_to_end(&mut found).unwrap();
    assert!(found == bytes);
    assert_eq!(repository.read_at(digest, 20_000_000, Span::between(123, 456)).unwrap(), bytes[123..456]);
    for count in [1, 2, 16, 1024] {
        assert_eq!(ranges(&repository, digest, 20_000_000, count), Ok(wanted(&bytes, count)), "{count}");
    }
    assert!(repository.blob(digest, 19_999_999).is_err());

    let other = client.repository("another").unwrap();
    assert_eq!(other.has_blob(digest).unwrap(), None);
    assert!(!other.mount(BlobDigest::from_bytes([1; 32]), "some/image").unwrap());
    assert!(other.mount(digest, "some/image").unwrap());
    assert_eq!(other.has_blob(digest).unwrap(), Some(20_000_000));

    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let blob = |media_type: &str| format!(r#"{{"mediaType":"{media_type}","digest":"{empty}","size":0}}"#);
    let config = blob("application/vnd.oci.image.config.v1+json");
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{config},"layers":[]}}"#);
    for tag in ["v1", "v2"] {
        repository.put_manifest(&Which::Tag(tag), media_type, manifest.as_bytes()).unwrap();
    }
    let document = repository.manifest(&Which::Tag("v1")).unwrap();
    assert_eq!((document.bytes.as_slice(), document.media_type.as_str()), (manifest.as_bytes(), media_type));
    assert_eq!(repository.manifest(&Which::Digest(document.digest)).unwrap(), document);
    let head = repository.head_manifest(&Which::Tag("v2")).unwrap().unwrap();
    assert_eq!((head.digest, head.size), (Some(document.digest), Some(manifest.len() as u64)));
    assert!(repository.manifest(&Which::Tag("v3")).unwrap_err().is_not_found());
    assert_eq!(repository.tags().unwrap(), ["v1", "v2"]);
    assert_eq!(repository.referrers(document.digest).unwrap(), None);

    for password in [None, Some("wrong")] {
        let client = Client::new(endpoint(&server.host, password), Options::default(), &progress).unwrap();
        let error = client.repository("some/image").unwrap().manifest(&Which::Tag("v1")).unwrap_err();
        assert!(error.is_denied(), "{error}");
    }
}

#[test]
#[ignore = "needs tests/harness/registry.sh start, and RESTRATA_REGISTRY_PORT"]
fn ranges_of_each_profile() {
    let first: u16 = std::env::var("RESTRATA_REGISTRY_PORT").unwrap().parse().unwrap();
    let progress = Progress::new();
    let at = |profile: u16| {
        Client::new(endpoint(&format!("127.0.0.1:{}", first + 1 + profile), None), Options::default(), &progress)
            .unwrap()
    };
    let bytes = content(2_000_000);
    let digest = upload(&at(0).repository("ranges").unwrap(), &bytes);
    let whole = || Err("whole, 2000000".to_owned());
    let refused = |status: u16| Err(format!("refused, {status}"));
    for (profile, count, says) in [
        (0, 1024, Ok(wanted(&bytes, 1024))),
        (1, 2, whole()),
        (2, 16, Ok(wanted(&bytes, 16))),
        (2, 17, refused(416)),
        (3, 2, refused(501)),
        (4, 2, refused(400)),
        (5, 299, Ok(wanted(&bytes, 299))),
        (5, 300, whole()),
    ] {
        let client = at(profile);
        let repository = client.repository("ranges").unwrap();
        assert_eq!(ranges(&repository, digest, 2_000_000, count), says, "profile {profile}, {count} ranges");
        assert_eq!(ranges(&repository, digest, 2_000_000, 1), Ok(wanted(&bytes, 1)), "profile {profile}");
    }
}

/// Pushes an image of two layers to two tags.
fn push(host: &str, layer: &[u8], progress: &Progress) -> Result<Pushed, Error> {
    let access =
        Access { credentials: endpoint(host, Some("pw")).credentials, tls_verify: Some(false), ..Access::default() };
    let environment = Environment::below(Path::new("/nonexistent"));
    let reach = Reach { access, environment, options: Options::default() };
    let name = format!("{host}/pushed/image:v1").parse().unwrap();
    let push = Push::open(&name, &["v2".to_owned()], &reach, &std::env::temp_dir(), false, progress)?;
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let image = push.during(|uploads| {
        let mut blob = uploads.blob()?;
        blob.write_all(layer).unwrap();
        let layers = [blob.finish()?, uploads.blob()?.finish()?];
        let of = |kind: &str, (digest, size): (BlobDigest, u64)| {
            format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#)
        };
        let layers = layers.map(|layer| of("layer.v1.tar+zstd", layer)).join(",");
        let config = of("config.v1+json", uploads.put_config(b"{}")?);
        let manifest =
            format!(r#"{{"schemaVersion":2,"mediaType":"{manifest_type}","config":{config},"layers":[{layers}]}}"#);
        let (digest, size) = uploads.put_manifest(manifest_type, manifest.as_bytes())?;
        Ok::<_, Error>(Descriptor::new(manifest_type, digest, size))
    })?;
    Ok(push.commit(vec![image], None)?)
}

#[test]
#[ignore = "needs the program docker-registry (Debian's package of that name)"]
fn a_push_to_docker_registry() {
    let (server, progress) = (Server::start(), Progress::new());
    let all = Amount { blobs: 3, bytes: 20_000_002 };
    let pushed = push(&server.host, &content(20_000_000), &progress).unwrap();
    assert_eq!((pushed.counts.sent, pushed.references.len()), (all, 2));
    let client = Client::new(endpoint(&server.host, Some("pw")), Options::default(), &progress).unwrap();
    let repository = client.repository("pushed/image").unwrap();
    for tag in ["v1", "v2"] {
        assert_eq!(repository.manifest(&Which::Tag(tag)).unwrap().digest, pushed.digest);
    }
    let again = push(&server.host, &content(20_000_000), &progress).unwrap();
    assert_eq!((again.counts.present, again.digest, again.traffic.sent), (all, pushed.digest, 0));
    let other = push(&server.host, &content(1000), &progress).unwrap();
    assert_eq!((other.counts.sent.blobs, other.counts.present.blobs), (1, 2));
    assert_eq!(repository.manifest(&Which::Tag("v2")).unwrap().digest, other.digest);
}
