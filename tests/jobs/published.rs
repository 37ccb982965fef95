//! Indexes in a registry, what stands beside their images, what refers to them, and how podman finds layers' indexes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use restrata::cache::Cache;
use restrata::compression::{Format, Formats};
use restrata::degraded::Code;
use restrata::diff::{self, diff};
use restrata::job::JobOptions;
use restrata::oci::{Platform, Reference};
use restrata::order::State;
use restrata::order::cost::{Client, PullOutcome, RegistryProfile};
use restrata::progress::Progress;
use restrata::prune::prune;
use restrata::rechunk::{Outcome, Request, TocAnnotations, plan, rechunk};
use restrata::registry::names::{Access, Environment};
use restrata::registry::{Options, Reach, Retries};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::image::{Entry, file, noise, options, plain, platforms};
use super::registry::stub::{Answer, Fault, Registry, Several};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub struct World {
    dir: TempDir,
    registry: Registry,
}

impl World {
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), registry: Registry::start() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Nothing of this machine counts, and who waits between tries fails.
    fn options(&self) -> JobOptions {
        let retries = Retries { pause: Arc::new(|_, _| panic!("a second try")), ..Retries::default() };
        let reach = Reach {
            access: Access { tls_verify: Some(false), ..Access::default() },
            environment: Environment::below(self.path()),
            options: Options { retries, ..Options::default() },
        };
        JobOptions { reach, ..options() }
    }

    pub fn tag(&self, tag: &str) -> Reference {
        format!("docker://{}/app:{tag}", self.registry.host()).parse().unwrap()
    }

    fn files(&self, tag: &str) -> Reference {
        format!("oci:{}:{tag}", self.path().join("out").display()).parse().unwrap()
    }

    pub fn request(&self, new: &str, dest: Reference) -> Request {
        Request::new(new.parse().unwrap(), dest, self.options())
    }

    pub fn publish(&self, new: &str, tag: &str) -> Outcome {
        run(&self.request(new, self.tag(tag)))
    }

    /// What a tag points at.
    fn document(&self, tag: &str) -> (String, Value) {
        let state = self.registry.state();
        let (media_type, bytes) = &state.manifests[&("app".to_owned(), tag.to_owned())];
        (media_type.clone(), serde_json::from_slice(bytes).unwrap())
    }

    fn expect_whole(&self) {
        assert_eq!(self.registry.state().incomplete(), [""; 0]);
    }

    /// Requests since the last call whose path has this.
    fn asked(&self, part: &str) -> Vec<String> {
        let lines = self.registry.lines();
        self.registry.state().asked.clear();
        lines.into_iter().filter(|line| line.contains(part)).collect()
    }

    /// Requests for several ranges.
    fn range_requests(&self) -> usize {
        let state = self.registry.state();
        state.asked.iter().filter(|asked| asked.header("range").is_some_and(|range| range.contains(','))).count()
    }
}

fn run(request: &Request) -> Outcome {
    rechunk(request, &Progress::new()).unwrap()
}

fn states(outcome: &Outcome) -> Vec<Vec<State>> {
    outcome.images.iter().map(|image| image.layers.iter().map(|layer| layer.planned.state).collect()).collect()
}

fn note<'a>(outcome: &'a Outcome, part: &str) -> Option<&'a String> {
    let mut found = outcome.notes.iter().filter(|note| note.contains(part));
    let first = found.next();
    assert!(found.next().is_none(), "{:?}", outcome.notes);
    first
}

/// Two platforms that share nothing, in a version.
fn both(dir: &Path, version: &str) -> String {
    let layer = |name: &str| {
        vec![vec![
            file(&format!("{name}/big"), &[name.as_bytes(), &noise(60_000)].concat()),
            file(&format!("{name}/version"), version.as_bytes()),
        ]]
    };
    let [amd, arm]: [Platform; 2] = ["linux/amd64", "linux/arm64"].map(|name| name.parse().unwrap());
    platforms(dir, version, &[(amd, &layer("amd")), (arm, &layer("arm"))])
}

#[test]
fn each_platform_is_laid_out_against_its_own() {
    let world = World::new();
    let [v1, v2, v3] = ["v1", "v2", "v3"].map(|version| both(world.path(), version));
    let first = world.publish(&v1, "latest");
    assert_eq!(first.images.len(), 2);
    let second = world.publish(&v2, "latest");
    world.expect_whole();
    assert_eq!(states(&second), [[State::Kept, State::Fresh], [State::Kept, State::Fresh]]);
    for (was, is) in first.images.iter().zip(&second.images) {
        assert_eq!((&was.platform, was.layers[0].digest), (&is.platform, is.layers[0].digest));
    }
    assert!(second.images[0].layers[0].digest != second.images[1].layers[0].digest);
    let (media_type, index) = world.document("latest");
    let listed: Vec<&Value> = index["manifests"].as_array().unwrap().iter().collect();
    let platforms: Vec<_> = listed.iter().map(|entry| entry["platform"]["architecture"].as_str().unwrap()).collect();
    assert_eq!((media_type.as_str(), platforms), (INDEX, vec!["amd64", "arm64"]));

    // One of them, against an index that has both.
    let arm = Some("linux/arm64".parse().unwrap());
    let third = run(&Request { platform: arm, ..world.request(&v3, world.tag("latest")) });
    assert_eq!(states(&third), [[State::Kept, State::Fresh]]);
    assert_eq!(third.images[0].layers[0].digest, first.images[1].layers[0].digest);
    let (_, index) = world.document("latest");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "arm64");
    world.expect_whole();
}

/// A layout, to which artifacts are added.
struct Layout(PathBuf);

impl Layout {
    fn put(&self, bytes: &[u8]) -> Value {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(self.0.join("blobs/sha256").join(&hex), bytes).unwrap();
        json!({"digest": format!("sha256:{hex}"), "size": bytes.len()})
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.join(name)).unwrap()).unwrap()
    }

    fn blob(&self, digest: &Value) -> Value {
        self.json(&format!("blobs/sha256/{}", &digest.as_str().unwrap()[7..]))
    }

    fn entry(&self, tag: &str) -> Value {
        let index = self.json("index.json");
        let is_it = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
        index["manifests"].as_array().unwrap().iter().find(is_it).unwrap().clone()
    }

    /// As buildkit writes them.
    fn attestation(&self, about: &Value, statement: &str) -> Value {
        let layer = merged(self.put(statement.as_bytes()), json!({"mediaType": "application/vnd.in-toto+json"}));
        let config = self.put(format!(r#"{{"architecture":"unknown","of":{statement}}}"#).as_bytes());
        let config = merged(config, json!({"mediaType": "application/vnd.oci.image.config.v1+json"}));
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        merged(
            self.put(manifest.to_string().as_bytes()),
            json!({
                "mediaType": MANIFEST,
                "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about},
                "platform": {"architecture": "unknown", "os": "unknown"},
            }),
        )
    }

    /// As the image specification has them.
    fn artifact(&self, about: &Value, content: &str) -> Value {
        let layer = merged(self.put(content.as_bytes()), json!({"mediaType": "application/spdx+json"}));
        let config = merged(self.put(b"{}"), json!({"mediaType": "application/vnd.oci.empty.v1+json"}));
        let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
            "artifactType": "application/spdx+json"});
        if !about.is_null() {
            manifest["subject"] = json!({"mediaType": MANIFEST, "digest": about, "size": 1});
        }
        let entry = json!({"mediaType": MANIFEST, "artifactType": "application/spdx+json"});
        merged(self.put(manifest.to_string().as_bytes()), entry)
    }

    /// The index under `from` with more entries, under another tag.
    fn with_entries(&self, from: &str, more: Vec<Value>, tag: &str) -> String {
        let mut index = self.blob(&self.entry(from)["digest"]);
        index["manifests"].as_array_mut().unwrap().extend(more);
        let entry = json!({"mediaType": INDEX, "annotations": {"org.opencontainers.image.ref.name": tag}});
        let entry = merged(self.put(index.to_string().as_bytes()), entry);
        let mut all = self.json("index.json");
        all["manifests"].as_array_mut().unwrap().push(entry);
        fs::write(self.0.join("index.json"), all.to_string()).unwrap();
        format!("oci:{}:{tag}", self.0.display())
    }
}

fn merged(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// Restrata's own image, attested, with what holds and what does not.
fn attested(world: &World) -> (String, Vec<Value>) {
    let v1 = both(world.path(), "v1");
    run(&world.request(&v1, world.files("v1")));
    let layout = Layout(world.path().join("out"));
    let images = layout.blob(&layout.entry("v1")["digest"])["manifests"].clone();
    let (amd, arm) = (&images[0]["digest"], &images[1]["digest"]);
    let nothing = json!(format!("sha256:{}", "0".repeat(64)));
    let hold = vec![
        layout.attestation(amd, r#"{"about":"amd"}"#),
        layout.attestation(arm, r#"{"about":"arm"}"#),
        layout.artifact(amd, "an SBOM"),
    ];
    let lacking = layout.attestation(amd, r#"{"lacks":"its statement"}"#);
    let statement = layout.blob(&lacking["digest"])["layers"][0]["digest"].as_str().unwrap()[7..].to_owned();
    fs::remove_file(world.path().join("out/blobs/sha256").join(statement)).unwrap();
    let stale = [
        layout.attestation(&nothing, r#"{"about":"nothing"}"#),
        layout.artifact(&Value::Null, "an artifact of its own"),
        layout.artifact(&nothing, "another SBOM"),
        lacking,
        json!({"mediaType": "application/x-other", "digest": nothing, "size": 3}),
        json!({"mediaType": MANIFEST, "artifactType": "x", "digest": "sha512:00", "size": 3,
            "platform": {"architecture": "unknown", "os": "unknown"}}),
    ];
    let all = [stale[..2].to_vec(), hold.clone(), stale[2..].to_vec()].concat();
    (layout.with_entries("v1", all, "attested"), hold)
}

#[test]
fn what_is_about_an_image_that_comes_out_as_it_was_goes_with_it() {
    let world = World::new();
    let (new, hold) = attested(&world);
    let left_out = "6 attestations and artifacts of NEW's index are left out";
    let previous = vec![world.files("v1")];

    // In files, where prune finds them needed.
    let same = Request { previous: previous.clone(), ..world.request(&new, world.files("same")) };
    assert!(plan(&same, &Progress::new()).unwrap().notes.iter().any(|note| note.starts_with("9 attestations")));
    let outcome = run(&same);
    assert!(note(&outcome, left_out).is_some(), "{:?}", outcome.notes);
    assert!(!outcome.notes.iter().any(|note| note.contains("skipped")), "{:?}", outcome.notes);
    let layout = Layout(world.path().join("out"));
    let index = layout.blob(&layout.entry("same")["digest"]);
    assert_eq!(index["manifests"].as_array().unwrap()[2..], hold);
    fs::create_dir(world.path().join("apart")).unwrap();
    let apart = format!("oci:{}:same", world.path().join("apart").display());
    assert_eq!(run(&Request { dest: apart.parse().unwrap(), ..same.clone() }).digest, outcome.digest);
    let apart = Layout(world.path().join("apart"));
    for entry in &hold {
        let manifest = apart.blob(&entry["digest"]);
        for blob in [&manifest["layers"][0], &manifest["config"]] {
            let path = apart.0.join("blobs/sha256").join(&blob["digest"].as_str().unwrap()[7..]);
            assert_eq!(fs::metadata(path).unwrap().len(), blob["size"].as_u64().unwrap());
        }
    }
    let reference = format!("oci:{}", apart.0.display()).parse().unwrap();
    assert_eq!(prune(&reference, false, &Progress::new()).unwrap().unneeded, []);

    // To a registry, and from there to another tag.
    let there = run(&Request { previous, ..world.request(&new, world.tag("same")) });
    assert_eq!(there.digest, outcome.digest);
    world.expect_whole();
    let again = run(&Request {
        previous: vec![world.tag("same")],
        ..world.request(&world.tag("same").to_string(), world.tag("again"))
    });
    assert_eq!(again.digest, outcome.digest);
    assert!(note(&again, "left out").is_none(), "{:?}", again.notes);
    world.expect_whole();
}

#[test]
fn what_is_about_another_image_is_told_in_one_note() {
    let world = World::new();
    let (new, _) = attested(&world);
    // A label makes other manifests.
    let labels = vec![("a".to_owned(), Some("b".to_owned()))];
    let outcome = run(&Request { labels, ..world.request(&new, world.tag("new")) });
    let said = note(&outcome, "left out").unwrap();
    assert!(said.starts_with("9 attestations and artifacts of NEW's index are left out, since no manifest"), "{said}");
    assert_eq!(world.document("new").1["manifests"].as_array().unwrap().len(), 2);
    // Of one platform alone.
    let platform = Some("linux/arm64".parse().unwrap());
    let previous = vec![world.files("v1")];
    let one = run(&Request { platform, previous, ..world.request(&new, world.tag("arm")) });
    assert!(note(&one, "left out").unwrap().starts_with("8 attestations"), "{:?}", one.notes);
    assert_eq!(world.document("arm").1["manifests"].as_array().unwrap().len(), 2);
    world.expect_whole();
}

#[test]
fn a_damaged_attestation_is_an_error() {
    let world = World::new();
    let (new, hold) = attested(&world);
    let layout = Layout(world.path().join("out"));
    let statement = layout.blob(&hold[0]["digest"])["layers"][0]["digest"].as_str().unwrap()[7..].to_owned();
    fs::write(layout.0.join("blobs/sha256").join(statement), r#"{"about":"AMD"}"#).unwrap();
    for dest in [world.tag("x"), format!("oci:{}", world.path().join("new").display()).parse().unwrap()] {
        let request = Request { previous: vec![world.files("v1")], ..world.request(&new, dest) };
        let error = rechunk(&request, &Progress::new()).map(|outcome| outcome.digest).unwrap_err().to_string();
        assert!(error.contains("corrupt") || error.contains("written to while"), "{error}");
    }
    assert!(!world.registry.state().manifests.contains_key(&("app".to_owned(), "x".to_owned())));
}

fn one(dir: &Path, version: &str) -> String {
    plain(dir, version, &[layer(version)])
}

fn layer(version: &str) -> Vec<Entry> {
    let changes = [version.as_bytes(), &noise(9000)].concat();
    vec![file("big", &noise(300_000)), file("version", &changes)]
}

fn listed(types: &[&str]) -> Fault {
    let manifests: Vec<Value> = types.iter().map(|kind| json!({"mediaType": MANIFEST, "artifactType": kind})).collect();
    let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
    Fault::Answer(Answer::new(200).header("Content-Type", INDEX).body(body))
}

#[test]
fn what_refers_to_the_replaced_image_is_told() {
    let world = World::new();
    let [v1, v2, v3] = ["v1", "v2", "v3"].map(|version| one(world.path(), version));
    let first = world.publish(&v1, "latest");
    assert_eq!(world.asked("/referrers/"), [""; 0], "nothing was replaced");
    let told = |outcome: &Outcome| note(outcome, "not carried over").cloned();
    assert_eq!(told(&first), None);

    // By the API, and cosign's tags.
    let sig = format!("{}.sig", first.digest.to_string().replace(':', "-"));
    world.registry.put_manifest("app", &sig, b"{}");
    world.registry.fault("GET", "/referrers/", 1, listed(&["application/spdx+json", "application/spdx+json"]));
    let second = world.publish(&v2, "latest");
    let wanted = format!(
        "not carried over: 3 artifacts that refer to {}, the former {}: a cosign signature, application/spdx+json (2 \
         times); sign and attest the new digest, {}",
        first.digest,
        world.tag("latest"),
        second.digest
    );
    assert_eq!(told(&second), Some(wanted));
    let about = first.digest.to_string();
    let ways = |about: &str, asked: Vec<String>| {
        let dashed = about.replace(':', "-");
        asked.into_iter().filter(|line| line.contains("/referrers/") || line.contains(&dashed)).collect::<Vec<_>>()
    };
    let all = ways(&about, world.asked(""));
    assert_eq!(all.len(), 4, "{all:?}");

    // The same image again: nothing is replaced.
    let same = world.publish(&v2, "latest");
    assert_eq!((same.digest, told(&same)), (second.digest, None));
    assert_eq!(world.asked("/referrers/"), [""; 0]);

    // By the tag schema, where there is no API; and several tags that pointed at one image.
    let about = second.digest.to_string();
    let body = json!({"schemaVersion": 2, "manifests": [{"artifactType": "application/vnd.example"}]}).to_string();
    world.registry.put_manifest("app", &about.replace(':', "-"), body.as_bytes());
    let third = run(&Request { tags: vec!["more".to_owned()], ..world.request(&v3, world.tag("latest")) });
    let said = told(&third).unwrap();
    assert!(said.contains(&format!("1 artifact that refers to {about}, the former")), "{said}");
    assert!(said.contains(": application/vnd.example; sign"), "{said}");
    let all = ways(&about, world.asked(""));
    assert_eq!(all.len(), 5, "{all:?}");
    let fourth = run(&Request { tags: vec!["more".to_owned()], ..world.request(&v1, world.tag("latest")) });
    assert_eq!(told(&fourth), None);
    assert_eq!(world.asked("/referrers/").len(), 1);
}

/// A registry that fails is asked once each way, and the image is published all the same.
#[test]
fn a_registry_that_does_not_say_what_refers_is_no_failure() {
    let world = World::new();
    let [v1, v2] = ["v1", "v2"].map(|version| one(world.path(), version));
    let first = world.publish(&v1, "latest");
    let tags = Box::leak(first.digest.to_string().replace(':', "-").into_boxed_str());
    world.registry.fault("GET", "/referrers/", 9, Fault::Answer(Answer::error(503, "UNAVAILABLE")));
    world.registry.fault("GET", tags, 9, Fault::Cut(3));
    world.registry.fault("HEAD", tags, 9, Fault::Answer(Answer::error(429, "TOOMANYREQUESTS")));
    world.asked("");
    let second = world.publish(&v2, "latest");
    assert!(note(&second, "not carried over").is_none());
    let asked = world.asked("");
    let of = |part: &str| asked.iter().filter(|line| line.contains(part)).count();
    assert_eq!((of("/referrers/"), of(tags)), (1, 4), "{asked:?}");
    assert_eq!(world.document("latest").1["schemaVersion"], 2);
}

#[test]
fn what_refers_to_images_of_an_index_and_to_another_previous_image_is_told() {
    let world = World::new();
    let [v1, v2] = ["v1", "v2"].map(|version| both(world.path(), version));
    let staged = world.publish(&v1, "staging");
    world.asked("");
    // The index itself has none, its images have one each.
    world.registry.fault("GET", "/referrers/", 1, listed(&[]));
    world.registry.fault("GET", "/referrers/", 2, listed(&["application/spdx+json"]));
    let previous = vec![world.tag("staging")];
    let outcome = run(&Request { previous, ..world.request(&v2, world.tag("latest")) });
    let said = note(&outcome, "not carried over").unwrap();
    let wanted = format!("2 artifacts that refer to {}, the former {}", staged.digest, world.tag("staging"));
    assert!(said.contains(&wanted), "{said}");
    assert_eq!(world.asked("/referrers/").len(), 3);
}

fn annotated(document: &Value) -> Vec<bool> {
    let layers = document["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["annotations"].to_string().contains("io.github.containers.zstd-chunked")).collect()
}

fn digests(outcome: &Outcome) -> Vec<String> {
    outcome.images[0].layers.iter().map(|layer| layer.digest.to_string()).collect()
}

/// The layers stay, whatever the manifest says of them.
#[test]
fn an_update_of_an_image_without_toc_annotations_keeps_its_layers() {
    let world = World::new();
    let [v1, v2, v3] = ["v1", "v2", "v3"].map(|version| one(world.path(), version));
    let publish = |new: &str, tag: &str, toc_annotations| {
        let first = tag.starts_with("first");
        run(&Request { toc_annotations, first, ..world.request(new, world.tag(tag)) })
    };
    let shown = publish(&v1, "first", TocAnnotations::Always);
    let hidden = publish(&v1, "a", TocAnnotations::Never);
    assert_eq!(digests(&shown), digests(&hidden));
    assert_eq!(annotated(&world.document("first").1), vec![true; shown.images[0].layers.len()]);
    assert_eq!(annotated(&world.document("a").1), vec![false; shown.images[0].layers.len()]);
    assert_eq!(world.range_requests(), 1, "nobody asks what does not matter");

    let hidden = publish(&v2, "a", TocAnnotations::Never);
    assert_eq!((states(&hidden), hidden.degraded.len()), (vec![vec![State::Kept, State::Fresh]], 0));
    assert!(note(&hidden, "left out").is_none(), "{:?}", hidden.notes);
    assert_eq!(annotated(&world.document("a").1), [false, false]);
    let shown = publish(&v2, "first2", TocAnnotations::Always);
    assert!(shown.digest != hidden.digest);

    // What clients pay is told as it is.
    let podman = |outcome: &Outcome| {
        let is_meant = |pull: &&restrata::order::cost::Pull| {
            pull.client == Client::Podman && pull.registry == RegistryProfile::MultiRange && pull.from.is_some()
        };
        outcome.images[0].pulls.iter().find(is_meant).unwrap().outcome
    };
    assert_eq!(podman(&hidden), PullOutcome::Whole);
    let look = |old: &str, new: &str| {
        let (old, new) = (world.tag(old), world.tag(new));
        let choice = diff::Choice::default();
        let request = diff::Request { olds: vec![old], new, platform: None, choice, resources: world.options() };
        diff(&request, &Progress::new()).unwrap().diffs[0]
            .pull(Client::Podman, RegistryProfile::MultiRange)
            .unwrap()
            .outcome
    };
    assert_eq!(look("first", "a"), PullOutcome::Whole);

    // And back: the same manifest as if it had never been otherwise.
    let back = publish(&v3, "a", TocAnnotations::Always);
    assert_eq!(states(&back), [[State::Kept, State::Fresh]]);
    assert_eq!(annotated(&world.document("a").1), [true, true]);
    assert!(!world.document("a").1.to_string().contains("io.github.restrata.index"));
    assert_eq!(look("first", "a"), PullOutcome::Partial);
    world.expect_whole();
}

#[test]
fn files_take_their_annotations_as_asked() {
    let world = World::new();
    let v1 = one(world.path(), "v1");
    let write =
        |tag: &str, toc_annotations| run(&Request { toc_annotations, ..world.request(&v1, world.files(tag)) }).digest;
    let auto = write("auto", TocAnnotations::Auto);
    assert_eq!(auto, write("always", TocAnnotations::Always));
    assert!(auto != write("never", TocAnnotations::Never));
}

#[test]
fn annotations_are_left_out_where_podman_would_fail() {
    use TocAnnotations::{Always, Auto};
    for (several, toc_annotations, max_ranges, shown, said, requests) in [
        (Several::Parts, Auto, 16, true, None, 1),
        (Several::Parts, Auto, 32, true, None, 2),
        (Several::Whole, Auto, 16, true, None, 1),
        (Several::Status(400), Auto, 16, true, None, 2),
        (
            Several::Status(501),
            Auto,
            16,
            false,
            Some("two ranges get 501 there, so podman with partial pulls would"),
            2,
        ),
        (Several::Status(416), Auto, 16, false, Some("two ranges get 416"), 2),
        (Several::Joined, Auto, 16, true, None, 1),
        (Several::UpTo(16, 416), Auto, 16, true, None, 1),
        (Several::UpTo(16, 416), Auto, 32, false, Some("32 ranges get 416"), 2),
        (Several::UpTo(16, 400), Auto, 32, true, None, 2),
        (
            Several::Status(501),
            Always,
            16,
            true,
            Some("two ranges get 501 there, so podman with partial pulls fails"),
            2,
        ),
        // A failure for the moment says nothing.
        (Several::Status(503), Auto, 16, true, None, 1),
    ] {
        let world = World::new();
        world.registry.state().several = several;
        let v1 = one(world.path(), "v1");
        let request = Request { toc_annotations, max_ranges, ..world.request(&v1, world.tag("latest")) };
        let outcome = run(&request);
        let context = format!("{several:?} {toc_annotations:?} {max_ranges}: {:?}", outcome.notes);
        assert_eq!(annotated(&world.document("latest").1), vec![shown; outcome.images[0].layers.len()], "{context}");
        assert_eq!(note(&outcome, "partial pulls").is_some(), said.is_some(), "{context}");
        assert!(said.is_none_or(|said| note(&outcome, said).is_some()), "{context}");
        assert_eq!((world.range_requests(), outcome.degraded.len()), (requests, 0), "{context}");
        world.expect_whole();
        // Published again, it is the same.
        assert_eq!(run(&request).digest, outcome.digest, "{context}");
    }
}

/// What the cache has proven of gzip blobs is not downloaded; what it has not is, once.
#[test]
fn a_pair_under_one_tag_keeps_both_blobs() {
    let world = World::new();
    let layers = |count: u8| (0..count).map(|n| vec![file(&format!("f{n}"), &[n; 50_000])]).collect::<Vec<_>>();
    let publish = |count: u8, cache: &str| {
        let new = plain(world.path(), &format!("v{count}"), &layers(count));
        let mut request = world.request(&new, world.tag("v"));
        request.formats = Formats::with_gzip_twin(Format::Chunked).unwrap();
        request.resources.cache = Cache::at(world.path().join(cache));
        run(&request)
    };
    let gzip = |outcome: &Outcome| outcome.images[0].twin.as_ref().unwrap().layers.clone();
    let first = gzip(&publish(2, "one"));
    world.expect_whole();
    let (media_type, index) = world.document("v");
    assert_eq!((media_type.as_str(), index["manifests"].as_array().unwrap().len()), (INDEX, 2));
    for (cache, reads) in [("one", false), ("other", true), ("other", false)] {
        world.asked("");
        let update = publish(3, cache);
        let kept: Vec<_> = gzip(&update).into_iter().filter(|layer| !layer.is_new).collect();
        assert!(first.iter().all(|old| kept.iter().any(|kept| kept.digest == old.digest)), "{kept:?}");
        let lines = world.asked("/blobs/");
        for old in &first {
            let read = lines.iter().filter(|line| line.starts_with("GET") && line.contains(&old.digest.hex())).count();
            assert_eq!(read, usize::from(reads), "{cache}: {lines:#?}");
        }
        world.expect_whole();
    }
}

/// Whichever of the tags has the pair, and whichever image is the previous one.
#[test]
fn a_tag_that_loses_its_gzip_image_is_named() {
    let world = World::new();
    let new = one(world.path(), "1");
    let request = |tag: &str, formats: Formats| {
        let mut request = world.request(&new, world.tag(tag));
        request.formats = formats;
        request
    };
    let pair = || Formats::with_gzip_twin(Format::Chunked).unwrap();
    for (tag, first, formats, lost) in [
        ("alone", false, Formats::default(), Some("latest")),
        ("alone", true, Formats::default(), Some("latest")),
        ("latest", false, Formats::default(), Some("latest")),
        ("none", false, Formats::default(), Some("latest")),
        ("alone", false, pair(), None),
    ] {
        run(&request("alone", Formats::default()));
        run(&request("latest", pair()));
        let mut request = request(tag, formats);
        request.first = first;
        request.tags = vec!["latest".to_owned()];
        let planned = plan(&request, &Progress::new()).unwrap();
        let outcome = run(&request);
        for degraded in [planned.degraded, outcome.degraded] {
            let told: Vec<_> = degraded.iter().filter(|it| it.code == Code::TwinLost).map(|it| &it.message).collect();
            let start = lost.map(|lost| format!("{} has a gzip image beside the zstd image", world.tag(lost)));
            assert_eq!(told.len(), usize::from(lost.is_some()), "{tag}: {told:?}");
            assert!(told.iter().zip(start).all(|(told, start)| told.starts_with(&start)), "{tag}: {told:?}");
        }
    }
}
