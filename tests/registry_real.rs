//! The client against real registries: those of `tests/harness/registry.sh` if `RESTRATA_REGISTRY_PORT` is its first
//! port, and those of `tests/harness/guarded.sh` if `RESTRATA_GUARDED` is its folder. `tests/run` starts both.

use std::cell::Cell;
use std::fs;
use std::io::{self, Cursor, Read, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use restrata::digest::BlobDigest;
use restrata::error::Error;
use restrata::oci::Descriptor;
use restrata::progress::Progress;
use restrata::push::{Amount, Push, Pushed};
use restrata::registry::names::{Access, Environment, Purpose, resolve};
use restrata::registry::{
    Answer, Client, Credentials, Endpoint, Fault, Options, Reach, RegistryError, Repository, Secret, Tls, Which,
};
use restrata::span::Span;
use sha2::{Digest as _, Sha256};

fn guarded(file: &str) -> PathBuf {
    Path::new(&std::env::var_os("RESTRATA_GUARDED").expect("the folder of guarded.sh")).join(file)
}

fn host(name: &str) -> String {
    fs::read_to_string(guarded(&format!("{name}.host"))).unwrap().trim().to_owned()
}

/// What `--creds` gives; without one, nobody's.
fn endpoint(host: &str, creds: Option<&str>) -> Endpoint {
    let tls = Tls { verify: true, roots: vec![], client: None };
    let credentials = creds.map(|creds| creds.parse().unwrap());
    Endpoint { host: host.to_owned(), may_be_plain_http: true, tls, credentials }
}

/// As the command line finds it, with nothing of the system but what is below `root`.
fn found(host: &str, access: &Access, root: &Path) -> Endpoint {
    let name = format!("{host}/a/b").parse().unwrap();
    resolve(&name, access, &Environment::below(root), Purpose::Write).unwrap().remove(0).endpoint
}

fn client(endpoint: Endpoint, progress: &Progress) -> Client<'_> {
    Client::new(endpoint, Options::default(), progress).unwrap()
}

fn content(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

type Opened = io::Result<Box<dyn Read + Send>>;

fn digest_of(bytes: &[u8]) -> BlobDigest {
    BlobDigest::from_bytes(Sha256::digest(bytes).into())
}

fn upload(repository: &Repository, bytes: &[u8]) -> BlobDigest {
    let (digest, seen) = (digest_of(bytes), Cell::new(0));
    let open = || -> Opened { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
    repository.upload(digest, bytes.len() as u64, &open, &|more| seen.set(seen.get() + more)).unwrap();
    assert_eq!(seen.get(), bytes.len() as u64);
    digest
}

fn try_upload(repository: &Repository, bytes: &[u8]) -> Result<(), RegistryError> {
    let open = || -> Opened { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
    repository.upload(digest_of(bytes), bytes.len() as u64, &open, &|_| ())
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

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

fn manifest(config: BlobDigest) -> String {
    let blob = format!(r#"{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":0}}"#);
    format!(r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{blob},"layers":[]}}"#)
}

/// What a push and a pull need. `name` is of no repository yet.
fn everything(endpoint: Endpoint, name: &str) {
    let progress = Progress::new();
    let client = client(endpoint, &progress);
    let repository = client.repository(&format!("{name}/image")).unwrap();
    let bytes = content(20_000_000);
    let digest = upload(&repository, &bytes);
    let sent = client.traffic();
    assert_eq!((sent.sent, repository.has_blob(digest).unwrap()), (20_000_000, Some(20_000_000)));
    for size in [1, 4096, 3_000_000] {
        let other = upload(&repository, &bytes[..size]);
        assert_eq!(repository.has_blob(other).unwrap(), Some(size as u64));
    }
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

    let other = client.repository(&format!("{name}/another")).unwrap();
    assert_eq!(other.has_blob(digest).unwrap(), None);
    assert!(!other.mount(BlobDigest::from_bytes([1; 32]), repository.name()).unwrap());
    assert!(other.mount(digest, repository.name()).unwrap());
    assert_eq!(other.has_blob(digest).unwrap(), Some(20_000_000));

    let manifest = manifest(empty);
    for tag in ["v1", "v2"] {
        repository.put_manifest(&Which::Tag(tag), IMAGE, manifest.as_bytes()).unwrap();
    }
    let document = repository.manifest(&Which::Tag("v1")).unwrap();
    assert_eq!((document.bytes.as_slice(), document.media_type.as_str()), (manifest.as_bytes(), IMAGE));
    assert_eq!(repository.manifest(&Which::Digest(document.digest)).unwrap(), document);
    let head = repository.head_manifest(&Which::Tag("v2")).unwrap().unwrap();
    assert_eq!((head.digest, head.size), (Some(document.digest), Some(manifest.len() as u64)));
    assert!(repository.manifest(&Which::Tag("v3")).unwrap_err().is_not_found());
    assert_eq!(repository.tags().unwrap(), ["v1", "v2"]);
    assert_eq!(repository.referrers(document.digest).unwrap(), None);
}

/// The error names the action, the scope and the hint.
#[track_caller]
fn denied(result: Result<(), RegistryError>, says: &[&str]) {
    let error = result.unwrap_err();
    assert!(error.is_denied(), "{error}");
    let error = error.to_string();
    for says in says {
        assert!(error.contains(says), "{error}");
    }
}

fn pull(client: &Client, name: &str) -> Result<(), RegistryError> {
    client.repository(name)?.manifest(&Which::Tag("v1")).map(|_| ())
}

fn push(client: &Client, name: &str) -> Result<(), RegistryError> {
    try_upload(&client.repository(name)?, b"x")
}

#[test]
#[ignore = "needs tests/harness/guarded.sh start, and RESTRATA_GUARDED"]
fn with_a_password() {
    let (host, progress) = (host("basic"), Progress::new());
    everything(endpoint(&host, Some("user:pw")), "everything");
    for (creds, hint) in [(None, "no credentials are known"), (Some("user:wrong"), "log in again")] {
        let client = client(endpoint(&host, creds), &progress);
        let says = ["to pull from everything/image (scope \"repository:everything/image:pull\"), status 401", hint];
        denied(pull(&client, "everything/image"), &says);
        denied(push(&client, "everything/image"), &["push to everything/image", hint]);
    }
}

#[test]
#[ignore = "needs tests/harness/guarded.sh start, and RESTRATA_GUARDED"]
fn with_tokens() {
    let (host, progress) = (host("token"), Progress::new());
    everything(endpoint(&host, Some("user:pw")), "everything");
    let writer = client(endpoint(&host, Some("user:pw")), &progress);
    for name in ["private/image", "public/image"] {
        let repository = writer.repository(name).unwrap();
        let manifest = manifest(upload(&repository, b""));
        repository.put_manifest(&Which::Tag("v1"), IMAGE, manifest.as_bytes()).unwrap();
    }

    let reader = client(endpoint(&host, Some("reader:pw")), &progress);
    pull(&reader, "private/image").unwrap();
    let says = "to push to private/image (scope \"repository:private/image:pull,push\"), status 401";
    denied(push(&reader, "private/image"), &[says, "whether the user may push"]);
    // Its token is good for what it may do still.
    pull(&reader, "private/image").unwrap();

    let nobody = client(endpoint(&host, None), &progress);
    pull(&nobody, "public/image").unwrap();
    denied(pull(&nobody, "private/image"), &["to pull from private/image", "no credentials are known"]);
    denied(push(&nobody, "public/image"), &["to push to public/image", "no credentials are known"]);

    let wrong = client(endpoint(&host, Some("user:wrong")), &progress);
    denied(pull(&wrong, "public/image"), &["/token: no permission", "wrong user or password", "log in again"]);

    let identity = |token: &str| Endpoint {
        credentials: Some(Credentials::IdentityToken(Secret::new(token.to_owned()))),
        ..endpoint(&host, None)
    };
    push(&client(identity("user-refresh"), &progress), "private/image").unwrap();
    denied(push(&client(identity("wrong"), &progress), "private/image"), &["/token: no permission"]);
}

/// How many tokens were given for pushing to a repository.
fn tokens(repository: &str) -> usize {
    let wanted = format!("\"repository:{repository}:pull,push\"");
    fs::read_to_string(guarded("tokens.log")).unwrap().lines().filter(|line| line.contains(&wanted)).count()
}

/// Longer than a token is good for.
const TOO_LONG: Duration = Duration::from_secs(6);

#[test]
#[ignore = "needs tests/harness/guarded.sh start, and RESTRATA_GUARDED"]
fn tokens_run_out_in_the_middle_of_a_push() {
    let progress = Progress::new();
    let client = client(endpoint(&host("token"), Some("user:pw")), &progress);
    let repository = client.repository("expired").unwrap();
    // Between blobs.
    let first = upload(&repository, &content(1_000_000));
    assert_eq!(tokens("expired"), 1);
    thread::sleep(TOO_LONG);
    upload(&repository, &content(2_000_000));
    assert_eq!(tokens("expired"), 2);

    // Between the request for an upload and the bytes: small and large ones, which the registry does not wait for.
    for (at, size) in [3000, 30_000_000].into_iter().enumerate() {
        let bytes = content(size);
        let slept = Cell::new(false);
        let open = || -> Opened {
            if !slept.replace(true) {
                thread::sleep(TOO_LONG);
            }
            Ok(Box::new(Cursor::new(bytes.clone())))
        };
        repository.upload(digest_of(&bytes), size as u64, &open, &|_| ()).unwrap();
        assert_eq!(repository.has_blob(digest_of(&bytes)).unwrap(), Some(size as u64));
        assert_eq!(tokens("expired"), 3 + at, "{size}");
    }

    // Before the tag.
    let empty = upload(&repository, b"");
    thread::sleep(TOO_LONG);
    repository.put_manifest(&Which::Tag("v1"), IMAGE, manifest(empty).as_bytes()).unwrap();
    pull(&client, "expired").unwrap();
    assert_eq!(repository.has_blob(first).unwrap(), Some(1_000_000));
}

#[test]
#[ignore = "needs tests/harness/guarded.sh start, and RESTRATA_GUARDED"]
fn with_a_private_root() {
    let (host, progress, system) = (host("tls"), Progress::new(), tempfile::tempdir().unwrap());
    let named = Access { cert_dir: Some(guarded("certs")), ..Access::default() };
    everything(found(&host, &named, system.path()), "cert-dir");

    let unknown = |endpoint: Endpoint| {
        let error = pull(&client(endpoint, &progress), "cert-dir/image").unwrap_err();
        assert!(matches!(error.fault(), Some(Fault::Certificate { .. })), "{error}");
        error.to_string()
    };
    let error = unknown(found(&host, &Access::default(), system.path()));
    assert!(error.starts_with(&format!("GET {host}/v2/")) && error.contains("--cert-dir"), "{error}");
    // It is for 127.0.0.1 only.
    unknown(found(&host.replace("127.0.0.1", "localhost"), &named, system.path()));

    let certs = system.path().join("etc/containers/certs.d").join(&host);
    fs::create_dir_all(&certs).unwrap();
    fs::copy(guarded("certs/ca.crt"), certs.join("ca.crt")).unwrap();
    everything(found(&host, &Access::default(), system.path()), "certs.d");
    // Of another root.
    fs::copy(guarded("token.pem"), certs.join("ca.crt")).unwrap();
    unknown(found(&host, &Access::default(), system.path()));

    let unsure = Access { tls_verify: Some(false), ..Access::default() };
    everything(found(&host, &unsure, system.path()), "unsure");
}

#[test]
#[ignore = "needs tests/harness/registry.sh start, and RESTRATA_REGISTRY_PORT"]
fn ranges_of_each_profile() {
    let first: u16 = std::env::var("RESTRATA_REGISTRY_PORT").unwrap().parse().unwrap();
    let progress = Progress::new();
    let at = |profile: u16| client(endpoint(&format!("127.0.0.1:{}", first + 1 + profile), None), &progress);
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
        let asked = at(profile);
        let repository = asked.repository("ranges").unwrap();
        assert_eq!(ranges(&repository, digest, 2_000_000, count), says, "profile {profile}, {count} ranges");
        assert_eq!(ranges(&repository, digest, 2_000_000, 1), Ok(wanted(&bytes, 1)), "profile {profile}");
    }
}

/// Pushes an image of two layers to two tags, as `rechunk` does it.
fn push_image(host: &str, access: Access, layer: &[u8], progress: &Progress) -> Result<Pushed, Error> {
    let environment = Environment::below(Path::new("/nonexistent"));
    let reach = Reach { access, environment, options: Options::default() };
    let name = format!("{host}/pushed/image:v1").parse().unwrap();
    let push = Push::open(&name, &["v2".to_owned()], &reach, &std::env::temp_dir(), false, progress)?;
    let image = push.during(|uploads| {
        let mut blob = uploads.blob()?;
        blob.write_all(layer).unwrap();
        let layers = [blob.finish()?, uploads.blob()?.finish()?];
        let of = |kind: &str, (digest, size): (BlobDigest, u64)| {
            format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#)
        };
        let layers = layers.map(|layer| of("layer.v1.tar+zstd", layer)).join(",");
        let config = of("config.v1+json", uploads.put_config(b"{}")?);
        let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{config},"layers":[{layers}]}}"#);
        let (digest, size) = uploads.put_manifest(IMAGE, manifest.as_bytes())?;
        Ok::<_, Error>(Descriptor::new(IMAGE, digest, size))
    })?;
    Ok(push.commit(vec![image], None)?)
}

#[test]
#[ignore = "needs tests/harness/guarded.sh start, and RESTRATA_GUARDED"]
fn images() {
    let progress = Progress::new();
    let user = || Access { credentials: endpoint("", Some("user:pw")).credentials, ..Access::default() };
    let plain = || Access { tls_verify: Some(false), ..user() };
    let private = || Access { cert_dir: Some(guarded("certs")), ..Access::default() };
    let ways: [(&str, &dyn Fn() -> Access); 3] = [("basic", &plain), ("token", &plain), ("tls", &private)];
    for (name, access) in ways {
        let host = host(name);
        let push = |layer: &[u8]| push_image(&host, access(), layer, &progress).unwrap();
        let all = Amount { blobs: 3, bytes: 20_000_002 };
        let pushed = push(&content(20_000_000));
        assert_eq!((pushed.counts.sent, pushed.references.len()), (all, 2), "{name}");
        let client = client(found(&host, &access(), Path::new("/nonexistent")), &progress);
        let repository = client.repository("pushed/image").unwrap();
        for tag in ["v1", "v2"] {
            assert_eq!(repository.manifest(&Which::Tag(tag)).unwrap().digest, pushed.digest);
        }
        let again = push(&content(20_000_000));
        assert_eq!((again.counts.present, again.digest, again.traffic.sent), (all, pushed.digest, 0));
        let other = push(&content(1000));
        assert_eq!((other.counts.sent.blobs, other.counts.present.blobs), (1, 2));
        assert_eq!(repository.manifest(&Which::Tag("v2")).unwrap().digest, other.digest);
    }
}
