//! Blobs on their way, against a registry in this process. After each fault every tag leads to a whole image.

use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::codec::Sha256Stream;
use crate::error::Error;
use crate::oci::Descriptor;
use crate::registry::Credentials;
use crate::registry::names::{Access, Environment};
use crate::registry::tests::stub::{Answer, Auth, Fault as Wrong, Registry};
use crate::registry::tests::{Waits, basic, content, options};
use crate::threads;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What the tag `v1` points at before.
pub(super) const OLD: &[u8] = br#"{"schemaVersion":2}"#;

/// A registry with an image, and who pushes to it.
pub(super) struct World {
    pub registry: Registry,
    pub progress: Progress,
    pub credentials: Option<Credentials>,
    pub waits: Waits,
    pub reach: Reach,
    dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let (registry, dir, (options, waits)) = (Registry::start(), tempfile::tempdir().unwrap(), options());
        registry.put_manifest("a", "v1", OLD);
        let environment = Environment::below(dir.path());
        let reach = Reach { access: Access::default(), environment, options };
        Self { registry, progress: Progress::new(), credentials: None, waits, reach, dir }
    }

    pub fn open(&self, tags: &[&str], force: bool) -> Result<Push<'_>, PushError> {
        let access = Access { credentials: self.credentials.clone(), tls_verify: Some(false), ..Access::default() };
        let reach = Reach { access, ..self.reach.clone() };
        let name: Name = format!("{}/a:{}", self.registry.host(), tags[0]).parse().unwrap();
        let more: Vec<String> = tags[1..].iter().map(|tag| (*tag).to_owned()).collect();
        Push::open(&name, &more, &reach, self.dir.path(), force, &self.progress)
    }

    pub fn publish(&self, tags: &[&str], force: bool, layers: &[Vec<u8>]) -> Result<Pushed, Error> {
        let push = self.open(tags, force)?;
        let image = push.during(|uploads| new_image(uploads, layers))?;
        Ok(push.commit(vec![image], None)?)
    }

    /// What a tag points at. Every tag has to lead to a whole image.
    pub fn tag(&self, tag: &str) -> Option<Vec<u8>> {
        let state = self.registry.state();
        assert_eq!(state.incomplete(), [""; 0]);
        state.manifests.get(&("a".to_owned(), tag.to_owned())).map(|(_, bytes)| bytes.clone())
    }

    pub fn fault(&self, method: &'static str, path: &'static str, times: usize, fault: Wrong) {
        self.registry.fault(method, path, times, fault);
    }

    /// How many requests of a method were about something.
    pub fn asked(&self, method: &str, path: &str) -> usize {
        let lines = self.registry.lines();
        lines.iter().filter(|line| line.starts_with(&format!("{method} ")) && line.contains(path)).count()
    }
}

pub(super) fn digest_of(bytes: &[u8]) -> BlobDigest {
    BlobDigest::from_bytes(Sha256Stream::of(bytes))
}

/// Hands in layers, a config and a manifest.
pub(super) fn new_image(uploads: &Uploads, layers: &[Vec<u8>]) -> Result<Descriptor, Error> {
    let write = |layer: &Vec<u8>| {
        let mut blob = uploads.blob()?;
        let mut pieces = layer.chunks(100_000);
        let written = pieces.try_for_each(|piece| blob.write_all(piece));
        written.map_err(|error| error.downcast::<PushError>().unwrap())?;
        Ok::<_, Error>(blob.finish()?)
    };
    let layers = threads::each(3, layers.len(), |number| write(&layers[number]))?;
    image_of(uploads, &layers)
}

pub(super) fn image_of(uploads: &Uploads, layers: &[(BlobDigest, u64)]) -> Result<Descriptor, Error> {
    let config = uploads.put_config(b"{\"config\":1}")?;
    let descriptor = |media_type: &str, (digest, size): &(BlobDigest, u64)| json!({"mediaType": media_type, "digest": digest.to_string(), "size": size});
    let layers: Vec<_> =
        layers.iter().map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar+zstd", layer)).collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", &config);
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let (digest, size) = uploads.put_manifest(MANIFEST, manifest.to_string().as_bytes())?;
    Ok(Descriptor::new(MANIFEST, digest, size))
}

pub(super) fn layers() -> Vec<Vec<u8>> {
    vec![content(10), content(2 << 20), content(300_000), Vec::new()]
}

fn all() -> Amount {
    let config = b"{\"config\":1}".len() as u64;
    Amount { blobs: 5, bytes: layers().iter().map(|layer| layer.len() as u64).sum::<u64>() + config }
}

pub(super) fn status(status: u16) -> Wrong {
    Wrong::Answer(Answer::new(status))
}

#[test]
fn an_image_is_published() {
    let world = World::new();
    let pushed = world.publish(&["v1"], false, &layers()).unwrap();
    assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
    assert_eq!(pushed.references, [format!("docker://{}/a:v1", world.registry.host())]);
    assert_eq!(pushed.counts, Counts { sent: all(), ..Counts::default() });
    assert!(pushed.traffic.sent >= all().bytes && pushed.traffic.sent < all().bytes + 2000);
    assert_eq!((world.progress.in_flight(), world.progress.travelled().done), (vec![], all().bytes));
    // Nobody needs a manifest by its digest where the tag points at it.
    assert_eq!(world.asked("PUT", "/manifests/"), 1);
    // Files without a name: nothing is left.
    assert_eq!(std::fs::read_dir(world.dir.path()).unwrap().count(), 0);
}

#[test]
fn running_again_sends_nothing() {
    let world = World::new();
    world.publish(&["v1"], false, &layers()).unwrap();
    let before = world.registry.lines().len();
    let pushed = world.publish(&["v1"], false, &layers()).unwrap();
    assert_eq!(pushed.counts, Counts { present: all(), ..Counts::default() });
    assert_eq!((pushed.traffic.sent, world.progress.travelled().total), (0, all().bytes));
    let lines = world.registry.lines().split_off(before);
    assert!(lines.iter().all(|line| line.starts_with("HEAD ") || line.starts_with("GET ")), "{lines:?}");
}

#[test]
fn a_blob_that_stands_twice_goes_up_once() {
    let world = World::new();
    let pushed = world.publish(&["v1"], false, &[content(1000), content(1000)]).unwrap();
    assert_eq!((pushed.counts.sent.blobs, world.asked("PUT", "/blobs/uploads/")), (2, 2));
}

#[test]
fn what_may_pass_is_tried_again() {
    let later = |value: &str| Wrong::Answer(Answer::new(429).header("Retry-After", value));
    let uploads = "/blobs/uploads/";
    for (method, path, fault) in [
        ("GET", "/manifests/", status(500)),
        ("GET", "/manifests/", Wrong::Cut(3)),
        ("HEAD", "/blobs/", status(502)),
        ("HEAD", "/blobs/", Wrong::Lost),
        ("POST", uploads, later("7")),
        ("POST", uploads, later("Wed, 21 Oct 2015 07:28:00 GMT")),
        ("POST", uploads, status(500)),
        ("POST", uploads, Wrong::Lost),
        ("PUT", uploads, status(500)),
        ("PUT", uploads, later("7")),
        ("PUT", uploads, Wrong::Early(Answer::new(503))),
        ("PUT", uploads, Wrong::Lost),
        ("PUT", uploads, Wrong::Cut(0)),
        ("PUT", uploads, Wrong::Answer(Answer::error(404, "BLOB_UPLOAD_UNKNOWN"))),
        ("PUT", uploads, status(405)),
        ("HEAD", "/manifests/", status(500)),
        ("PUT", "/manifests/", later("7")),
        ("PUT", "/manifests/", status(500)),
        ("PUT", "/manifests/", Wrong::Lost),
    ] {
        let world = World::new();
        world.fault(method, path, 1, fault.clone());
        let pushed = world.publish(&["v1"], false, &layers());
        let pushed = pushed.unwrap_or_else(|error| panic!("{method} {path} {fault:?}: {error}"));
        assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest, "{method} {path} {fault:?}");
        if let Wrong::Answer(answer) = &fault
            && answer.status == 429
        {
            let seconds = if answer.headers[0].1 == "7" { 7 } else { 0 };
            assert_eq!(world.waits.lock().unwrap().iter().sum::<u64>(), seconds);
        }
    }
}

#[test]
fn a_registry_that_takes_one_way_only() {
    for (refused, requests) in [(0, 2), (1, 3), (2, 3)] {
        let world = World::new();
        world.registry.put_blob("a", b"{\"config\":1}");
        world.fault("PUT", "/blobs/uploads/", 1, status(405));
        world.fault("PATCH", "/blobs/uploads/", refused, status(413));
        let done = world.publish(&["v1"], false, &[content(3000)]);
        assert_eq!(world.asked("POST", "/blobs/uploads/"), requests);
        match done {
            Ok(pushed) if refused < 2 => assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest),
            Err(error) if refused == 2 => {
                assert!(error.to_string().contains("expected that the blob's bytes are taken, found the status 413"));
                assert_eq!(world.tag("v1").unwrap(), OLD);
            }
            done => panic!("{refused}: {done:?}"),
        }
    }
}

#[test]
fn what_fails_leaves_the_tag() {
    let other = BlobDigest::from_bytes([1; 32]).to_string();
    let answer = |status, code| Wrong::Answer(Answer::error(status, code));
    let uploads = "/blobs/uploads/";
    for (method, path, times, fault, says) in [
        ("HEAD", "/blobs/", 9, status(403), "no permission to push to a"),
        ("POST", uploads, 9, answer(403, "DENIED"), "no permission to push to a"),
        ("POST", uploads, 9, answer(404, "NAME_UNKNOWN"), "the repository a is not there"),
        ("POST", uploads, 99, status(429), "found the status 429 (tried 5 times)"),
        ("PUT", uploads, 99, status(503), "found the status 503 (tried 5 times)"),
        ("PUT", uploads, 1, answer(400, "DIGEST_INVALID"), "found the status 400: the registry says \"DIGEST_INVALID"),
        ("PUT", uploads, 1, Wrong::Header("Docker-Content-Digest", other.clone()), "in the registry's answer"),
        // All is said to be there, and one blob is not.
        ("PUT", uploads, 1, status(201), "MANIFEST_BLOB_UNKNOWN"),
        (
            "PUT",
            "/manifests/",
            1,
            answer(400, "MANIFEST_INVALID"),
            "does not take a document of the type application/vnd.oci.image.manifest",
        ),
        ("PUT", "/manifests/", 1, status(415), "does not take a document of the type"),
        ("PUT", "/manifests/", 1, status(403), "no permission to push to a"),
        ("PUT", "/manifests/", 99, status(500), "found the status 500 (tried 5 times)"),
        ("HEAD", "/manifests/", 99, status(500), "found the status 500 (tried 5 times)"),
    ] {
        let world = World::new();
        world.fault(method, path, times, fault.clone());
        let place = format!("{method} {path} {fault:?}");
        let error = match world.publish(&["v1"], false, &layers()) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{place}"),
        };
        assert!(error.contains(says), "{place}: {error}");
        let unchanged = format!(
            "; docker://{}/a:v1 is as it was; the same command sends only what is missing when it is run again",
            world.registry.host()
        );
        assert!(
            error.ends_with(&unchanged) || error.contains("is not known; all are whole images"),
            "{place}: {error}"
        );
        assert_eq!(world.tag("v1").unwrap(), OLD, "{place}");
        world.registry.state().rules_end();
        let there = world.registry.state().blobs.len() as u64;
        let pushed = world.publish(&["v1"], false, &layers()).unwrap();
        assert_eq!(pushed.counts.present.blobs, there, "{place}");
        assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
    }
}

#[test]
fn a_registry_that_has_lost_a_blob() {
    let world = World::new();
    world.publish(&["v1"], false, &layers()).unwrap();
    world.registry.put_manifest("a", "v1", OLD);
    let lost = digest_of(&layers()[2]);
    world.registry.state().blobs.remove(&("a".to_owned(), lost.to_string()));
    // It still says that it has it.
    let path: &'static str = format!("/blobs/{lost}").leak();
    world.fault("HEAD", path, 1, Wrong::Answer(Answer::new(200).header("Content-Length", layers()[2].len())));
    let error = world.publish(&["v1"], false, &layers()).unwrap_err().to_string();
    assert!(error.contains("MANIFEST_BLOB_UNKNOWN"), "{error}");
    assert_eq!(world.tag("v1").unwrap(), OLD);
    let pushed = world.publish(&["v1"], false, &layers()).unwrap();
    assert_eq!((pushed.counts.sent.blobs, digest_of(&world.tag("v1").unwrap())), (1, pushed.digest));
}

#[test]
fn tokens_for_a_push_that_run_out() {
    let begin = || {
        let world = World { credentials: basic("user", "pw"), ..World::new() };
        world.registry.state().auth = Auth::Token(Some(("user", "pw")));
        world
    };
    for (method, path, fault) in [
        ("HEAD", "/blobs/", Wrong::Answer as fn(Answer) -> Wrong),
        ("POST", "/blobs/uploads/", Wrong::Answer),
        ("PUT", "/blobs/uploads/", Wrong::Answer),
        ("PUT", "/blobs/uploads/", Wrong::Early),
        ("PUT", "/manifests/", Wrong::Answer),
    ] {
        let world = begin();
        let challenge = format!("Bearer realm=\"{}\"", world.registry.url("/token"));
        let expired = Answer::error(401, "UNAUTHORIZED").header("WWW-Authenticate", challenge);
        world.fault(method, path, 1, fault(expired));
        let pushed = world.publish(&["v1"], false, &layers()).unwrap();
        assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest, "{method} {path}");
        // A repository that is not there yet has no other.
        let asked = world.registry.state().asked.clone();
        let mut scopes = asked.iter().filter_map(|asked| asked.query.get("scope"));
        assert!(scopes.all(|scope| scope == "repository:a:pull,push"));
    }
    let world = World { credentials: basic("user", "wrong"), ..begin() };
    let error = world.open(&["v1"], false).unwrap_err().to_string();
    assert!(error.contains("no permission to push to a (scope \"repository:a:pull,push\")"), "{error}");
}

#[test]
fn an_upload_is_sent_to_another_host() {
    let world = World { credentials: basic("user", "pw"), ..World::new() };
    world.registry.state().auth = Auth::Basic("user", "pw");
    world.registry.put_blob("a", b"{\"config\":1}");
    let layer = content(2 << 20);
    let location = format!("/v2/a/blobs/uploads/1?digest={}", digest_of(&layer));
    let storage = format!("http://127.0.0.1:{}{location}", world.registry.address.port());
    world.fault("PUT", "/blobs/uploads/", 1, Wrong::Answer(Answer::new(307).header("Location", storage)));
    let pushed = world.publish(&["v1"], false, &[layer]).unwrap();
    assert_eq!(digest_of(&world.tag("v1").unwrap()), pushed.digest);
    let asked = world.registry.state().asked.clone();
    let there = asked.iter().filter(|asked| asked.header("host").is_some_and(|host| host.starts_with("127.")));
    let there: Vec<_> = there.map(|asked| (asked.header("authorization"), asked.body.len())).collect();
    assert_eq!(there, [(None, 2 << 20)]);
}
