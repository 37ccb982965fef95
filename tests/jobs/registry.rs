//! Images in a registry are what the same images in files are.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use restrata::cache::Cache;
use restrata::check::check;
use restrata::diff::{self, diff};
use restrata::error::Error;
use restrata::history::{self, history};
use restrata::inspect::inspect;
use restrata::job::JobOptions;
use restrata::oci::Reference;
use restrata::pack::IndexPlace;
use restrata::progress::Progress;
use restrata::rechunk::{Request, rechunk};
use restrata::registry::names::{Access, Environment};
use restrata::registry::{Options, Reach, Retries};
use restrata::verify::verify;
use serde_json::Value;
use tempfile::TempDir;

use super::image::{Entry, chunked, file, noise, options, plain, sample};
use stub::{Answer, Fault, Registry, Several};

#[path = "../registry/mod.rs"]
pub(super) mod stub;

/// A registry with images, and the layouts that they are from.
pub(super) struct World {
    pub dir: TempDir,
    pub registry: Registry,
}

impl World {
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), registry: Registry::start() }
    }

    /// An image with the index first, under a tag; its reference in files.
    fn publish(&self, tag: &str, layer: Vec<Entry>) -> String {
        let place = self.dir.path().join(tag);
        fs::create_dir(&place).unwrap();
        let files = chunked(&place, &plain(&place, tag, &[layer]), IndexPlace::First);
        let (layout, name) = files.strip_prefix("oci:").unwrap().split_once(':').unwrap();
        let read = |path: &str| fs::read(Path::new(layout).join(path)).unwrap();
        let index: Value = serde_json::from_slice(&read("index.json")).unwrap();
        let is_it = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == name;
        let entry = index["manifests"].as_array().unwrap().iter().find(is_it).unwrap();
        let blob = |digest: &Value| read(&format!("blobs/sha256/{}", &digest.as_str().unwrap()[7..]));
        let manifest = blob(&entry["digest"]);
        let parsed: Value = serde_json::from_slice(&manifest).unwrap();
        let layers = parsed["layers"].as_array().unwrap();
        for descriptor in layers.iter().chain([&parsed["config"]]) {
            self.registry.put_blob("app", &blob(&descriptor["digest"]));
        }
        self.registry.put_manifest("app", tag, &manifest);
        files
    }

    pub fn reference(&self, tag: &str) -> Reference {
        format!("docker://{}/app:{tag}", self.registry.host()).parse().unwrap()
    }

    /// Nothing of this machine counts, and nobody waits between tries.
    pub fn options(&self) -> JobOptions {
        let retries = Retries { pause: Arc::new(|_, progress| progress.check()), ..Retries::default() };
        let reach = Reach {
            access: Access { tls_verify: Some(false), ..Access::default() },
            environment: Environment::below(self.dir.path()),
            options: Options { retries, ..Options::default() },
        };
        JobOptions { reach, ..options() }
    }

    fn error(&self, tag: &str) -> Error {
        inspect(&self.reference(tag), None, &self.options(), &Progress::new()).unwrap_err()
    }

    /// The ranges that blobs were asked for; `None` for a whole one.
    pub fn blobs(&self) -> Vec<(String, Option<String>)> {
        let state = self.registry.state();
        let blobs = state.asked.iter().filter(|asked| asked.method == "GET" && asked.path.contains("/blobs/"));
        blobs.map(|asked| (asked.path.clone(), asked.header("range").map(str::to_owned))).collect()
    }
}

fn request(world: &World, old: Reference, new: Reference) -> diff::Request {
    diff::Request { olds: vec![old], new, platform: None, choice: diff::Choice::default(), resources: world.options() }
}

#[test]
fn jobs_say_the_same_of_a_registry_as_of_files() {
    let world = World::new();
    let big = [sample(), vec![file("big", &noise(400_000))]].concat();
    let (files, was) = (world.publish("v2", big), world.publish("v1", sample()));
    let (files, was): (Reference, Reference) = (files.parse().unwrap(), was.parse().unwrap());
    let (v1, v2) = (world.reference("v1"), world.reference("v2"));
    let progress = Progress::new();

    let inspected = |reference: &Reference| inspect(reference, None, &world.options(), &progress).unwrap();
    let (there, here) = (inspected(&v2), inspected(&files));
    let told = |inspection: &restrata::inspect::Inspection| format!("{:?}", inspection.images[0].layers);
    assert_eq!(told(&there), told(&here));

    let pulls = |old: &Reference, new: &Reference| {
        let outcome = diff(&request(&world, old.clone(), new.clone()), &progress).unwrap();
        let diff = &outcome.diffs[0];
        (format!("{:?}", diff.changes), diff.pulls.iter().map(|pull| pull.cost).collect::<Vec<_>>())
    };
    assert_eq!(pulls(&v1, &v2), pulls(&was, &files));

    let report = check(&v2, None, world.options(), &progress).unwrap();
    assert!(report.is_clean(), "{:?}", report.images[0].layers[0].problems);
    assert!(verify(&v2, &files, None, &[], world.options(), &progress).unwrap().is_same());

    let written = |new: &Reference, name: &str| {
        let dest = format!("oci:{}:new", world.dir.path().join(name).display()).parse().unwrap();
        let previous = vec![was.clone()];
        rechunk(&Request { previous, ..Request::new(new.clone(), dest, world.options()) }, &progress).unwrap().digest
    };
    assert_eq!(written(&v2, "of-registry"), written(&files, "of-files"));
}

/// Of a layer with an index no more is read than the index, and package databases.
#[test]
fn what_is_compared_is_read_by_its_index() {
    let world = World::new();
    let layer = |seed: u8| vec![file("a", &noise(300_000)), file("b", &[seed; 50_000])];
    world.publish("v1", layer(1));
    world.publish("v2", layer(2));
    diff(&request(&world, world.reference("v1"), world.reference("v2")), &Progress::new()).unwrap();
    let blobs = world.blobs();
    let (indexes, whole): (Vec<_>, Vec<_>) = blobs.iter().partition(|(_, range)| range.is_some());
    // The configs; the layers share nothing but are two.
    assert_eq!((whole.len(), indexes.len()), (2, 2), "{blobs:?}");
    let bytes = indexes.iter().filter_map(|(_, range)| {
        let (start, end) = range.as_deref()?.strip_prefix("bytes=")?.split_once('-')?;
        Some(end.parse::<u64>().ok()? - start.parse::<u64>().ok()? + 1)
    });
    assert!(bytes.sum::<u64>() < 2_000, "{blobs:?}");
}

/// A second look at the same images reads manifests and configs alone.
#[test]
fn an_index_is_downloaded_once() {
    let world = World::new();
    let layer = |seed: u8| vec![file("a", &noise(300_000)), file("b", &[seed; 50_000])];
    let (v1, v2) = (world.publish("v1", layer(1)), world.publish("v2", layer(2)));
    let (v1, v2): (Reference, Reference) = (v1.parse().unwrap(), v2.parse().unwrap());
    let cache = Cache::at(world.dir.path().join("cache"));
    let resources = || JobOptions { cache: cache.clone(), ..world.options() };
    let ranges = || {
        let blobs = world.blobs();
        world.registry.state().asked.clear();
        assert_eq!(blobs.iter().filter(|(_, range)| range.is_none()).count(), 2, "configs: {blobs:?}");
        blobs.iter().filter(|(_, range)| range.is_some()).count()
    };
    let look = |resources: JobOptions| {
        let request = diff::Request { resources, ..request(&world, world.reference("v1"), world.reference("v2")) };
        let outcome = diff(&request, &Progress::new()).unwrap();
        (format!("{:?} {:?}", outcome.diffs[0].changes, outcome.diffs[0].pulls), ranges())
    };
    let (cold, warm) = (look(resources()), look(resources()));
    assert_eq!((cold.1, warm.1), (2, 0));
    assert_eq!(cold.0, warm.0);
    assert_eq!(look(world.options()).1, 2, "without a cache nothing is remembered");

    // Of other commands, too.
    let both = || {
        let references = vec![world.reference("v1"), world.reference("v2")];
        let (views, resources) = (Vec::new(), resources());
        history(&history::Request { references, platform: None, views, resources }, &Progress::new())
    };
    both().unwrap();
    assert_eq!(ranges(), 0);
    let inspected = |name: &str| inspect(&world.reference(name), None, &resources(), &Progress::new()).unwrap();
    assert!(inspected("v1").images[0].layers.len() + inspected("v2").images[0].layers.len() == 2);
    assert_eq!(ranges(), 0);

    // A damaged record is a miss, and the next look puts it right.
    let records: Vec<_> = walk(&world.dir.path().join("cache/indexes"));
    assert_eq!(records.len(), 2);
    for record in &records {
        let mut bytes = fs::read(record).unwrap();
        bytes[10] ^= 1;
        fs::write(record, bytes).unwrap();
    }
    assert_eq!((look(resources()), look(resources()).1), (cold, 0));

    // Files are not worth it.
    let fresh = Cache::at(world.dir.path().join("fresh"));
    let resources = JobOptions { cache: fresh, ..world.options() };
    diff(&diff::Request { resources, ..request(&world, v1, v2) }, &Progress::new()).unwrap();
    assert!(!world.dir.path().join("fresh").exists());
}

/// The files below a directory.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_registry_that_refuses_several_ranges_or_fails_for_the_moment_is_read_as_well() {
    let world = World::new();
    let files: Reference = world.publish("v1", sample()).parse().unwrap();
    world.registry.state().several = Several::Status(501);
    world.registry.fault("GET", "/manifests/", 2, Fault::Answer(Answer::error(503, "UNAVAILABLE")));
    world.registry.fault("GET", "/blobs/", 3, Fault::Cut(20));
    let (v1, options) = (world.reference("v1"), world.options());
    assert!(verify(&v1, &files, None, &[], options.clone(), &Progress::new()).unwrap().is_same());
    assert!(check(&v1, None, options, &Progress::new()).unwrap().is_clean());
}

/// A damaged blob is what `check` is for; a registry that fails is no finding.
#[test]
fn damage_is_a_finding_and_a_failure_an_error() {
    let world = World::new();
    world.publish("v1", sample());
    let layer = world.registry.state().blobs.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap().0.clone();
    world.registry.state().blobs.get_mut(&layer).unwrap()[100] ^= 1;
    let checked = || check(&world.reference("v1"), None, world.options(), &Progress::new());
    let report = checked().unwrap();
    let problems = format!("{:?}", report.images[0].layers[0].problems);
    assert!(problems.contains("digest"), "{problems}");

    // Another size than the manifest's.
    world.registry.state().blobs.get_mut(&layer).unwrap().push(0);
    let report = checked().unwrap();
    let problems = format!("{:?}", report.images[0].layers[0].problems);
    assert!(problems.contains("bytes, found"), "{problems}");
    world.registry.state().blobs.get_mut(&layer).unwrap().pop();

    world.registry.state().blobs.get_mut(&layer).unwrap()[100] ^= 1;
    assert!(checked().unwrap().is_clean());
    world.registry.fault("GET", "/blobs/", 1000, Fault::Answer(Answer::error(500, "INTERNAL")));
    let error = checked().map(|_| ()).expect_err("a registry that fails is no image");
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("(tried 5 times)"), "{error}");
}

/// Of an image whose manifest is there.
#[test]
fn a_missing_blob_is_damage() {
    let world = World::new();
    world.publish("v1", sample());
    let blobs = std::mem::take(&mut world.registry.state().blobs);
    for (missing, bytes) in &blobs {
        world.registry.state().blobs = blobs.clone();
        world.registry.state().blobs.remove(missing);
        let error =
            verify(&world.reference("v1"), &world.reference("v1"), None, &[], world.options(), &Progress::new());
        let error = error.map(|_| ()).expect_err("an image that is not whole");
        assert_eq!(error.exit_code(), 1, "{} bytes: {error}", bytes.len());
    }
}

/// In the middle of a layer, after its index was read.
#[test]
fn a_registry_that_goes_away_is_no_damage() {
    let world = World::new();
    world.publish("v1", vec![file("a", &noise(2_000_000))]);
    let layer = world.registry.state().blobs.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap().0.1.clone();
    let path: &'static str = Box::leak(layer.into_boxed_str());
    world.registry.fault("GET", path, 1000, Fault::Cut(0));
    let v1 = world.reference("v1");
    let error = check(&v1, None, world.options(), &Progress::new()).map(|_| ()).expect_err("no finding");
    assert_eq!(error.exit_code(), 1, "{error}");
    let same = verify(&v1, &v1, None, &[], world.options(), &Progress::new());
    assert_eq!(same.map(|_| ()).expect_err("no difference").exit_code(), 1);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let world = World::new();
    world.publish("v1.2", sample());
    for tag in ["latest", "nightly"] {
        world.registry.put_manifest("app", tag, b"{}");
    }
    let error = world.error("v1.3");
    assert_eq!(error.exit_code(), 2);
    let host = world.registry.host();
    assert_eq!(
        error.to_string(),
        format!("docker://{host}/app:v1.3: expected the tag \"v1.3\", found v1.2, latest, nightly"),
    );
    world.registry.fault("GET", "/tags/list", 10, Fault::Answer(Answer::error(404, "NAME_UNKNOWN")));
    let error = world.error("v1.3");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("the tag \"v1.3\" of app is not there"), "{error}");

    world.registry.state().auth = stub::Auth::Basic("me", "secret");
    let error = world.error("v1.2");
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("no permission to pull"), "{error}");
}

#[test]
fn an_index_is_read_by_platform() {
    let world = World::new();
    world.publish("v1", sample());
    let manifest = world.registry.state().manifests[&("app".to_owned(), "v1".to_owned())].1.clone();
    let digest = world.registry.put_manifest("app", "other", &manifest);
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
        {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{},"platform":{{"os":"linux","architecture":"s390x"}}}},
        {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{}","size":9,"platform":{{"os":"linux","architecture":"arm64"}}}}]}}"#,
        manifest.len(),
        "0".repeat(64)
    );
    world.registry.put_manifest("app", "all", index.as_bytes());
    let key = ("app".to_owned(), "all".to_owned());
    world.registry.state().manifests.get_mut(&key).unwrap().0 = "application/vnd.oci.image.index.v1+json".to_owned();
    let look = |platform: &str| {
        let platform = platform.parse().unwrap();
        inspect(&world.reference("all"), Some(&platform), &world.options(), &Progress::new())
    };
    let inspection = look("linux/s390x").unwrap();
    assert_eq!(inspection.images[0].platform.as_ref().unwrap().to_string(), "linux/s390x");
    // It is named, and not there: that is damage.
    let error = look("linux/arm64").unwrap_err();
    assert!(error.exit_code() == 1 && error.to_string().ends_with("the blob is missing"), "{error}");
    let error = look("linux/riscv64").unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("found linux/arm64, linux/s390x"), "{error}");
}
