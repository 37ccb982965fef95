//! A gzip image beside the zstd one, and layers that are not zstd:chunked.

mod costs;
mod lost;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use restrata::check::{CheckReport, check};
use restrata::codec::Sha256Stream;
use restrata::compression::{Format, Formats};
use restrata::digest::BlobDigest;
use restrata::oci::{Platform, Reference};
use restrata::order::State;
use restrata::order::cost::Client;
use restrata::progress::Progress;
use restrata::rechunk::{Outcome, Request};
use restrata::verify::verify;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::image::{Entry, entry, file, inspected, noise, options, plain, platforms, sample};
use super::runs::{dest, run, try_run};
use restrata::tar::EntryKind;

const ZSTD: &str = "io.github.containers.compression.zstd";

fn twin() -> Formats {
    Formats::with_gzip_twin(Format::Chunked).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    BlobDigest::from_bytes(Sha256Stream::of(bytes)).to_string()
}

struct Layout(PathBuf);

impl Layout {
    fn out(dir: &TempDir) -> Self {
        Self(dir.path().join("out"))
    }

    fn blob(&self, digest: &Value) -> PathBuf {
        self.0.join("blobs/sha256").join(digest.as_str().unwrap().trim_start_matches("sha256:"))
    }

    fn json(&self, digest: &Value) -> Value {
        serde_json::from_slice(&fs::read(self.blob(digest)).unwrap()).unwrap()
    }

    /// What a tag points at.
    fn tagged(&self, tag: &str) -> Value {
        let index: Value = serde_json::from_slice(&fs::read(self.0.join("index.json")).unwrap()).unwrap();
        let entries = index["manifests"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
        self.json(&entry.unwrap()["digest"])
    }

    /// The manifests that the tag's index names.
    fn manifests(&self, tag: &str) -> Vec<Value> {
        let index = self.tagged(tag);
        index["manifests"].as_array().unwrap().iter().map(|entry| self.json(&entry["digest"])).collect()
    }

    fn diff_ids(&self, manifest: &Value) -> Vec<Value> {
        let config = self.json(&manifest["config"]["digest"]);
        config["rootfs"]["diff_ids"].as_array().unwrap().clone()
    }

    /// Every layer is gzip data of the tar with the config's DiffID.
    fn expect_gzip(&self, manifest: &Value) {
        let layers = manifest["layers"].as_array().unwrap();
        let diff_ids = self.diff_ids(manifest);
        assert_eq!(layers.len(), diff_ids.len());
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
            let blob = fs::read(self.blob(&layer["digest"])).unwrap();
            assert_eq!(layer["size"], blob.len());
            let mut tar = Vec::new();
            GzDecoder::new(blob.as_slice()).read_to_end(&mut tar).unwrap();
            assert_eq!(diff_id, sha256(&tar));
            let annotations = layer["annotations"].as_object().unwrap();
            assert!(annotations.keys().all(|key| key.starts_with("io.github.restrata.")), "{annotations:?}");
        }
    }
}

fn digests(manifest: &Value) -> Vec<Value> {
    manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].clone()).collect()
}

fn first(dir: &Path) -> String {
    plain(dir, "v1", &[sample(), own("a", 1)])
}

/// The same, and a file more.
fn second(dir: &Path) -> String {
    plain(dir, "v2", &[sample(), own("a", 1), own("b", 2)])
}

fn own(name: &str, seed: u8) -> Vec<Entry> {
    let content: Vec<u8> = noise(200_000).iter().map(|byte| byte.wrapping_mul(seed | 1).wrapping_add(seed)).collect();
    vec![entry("srv/", EntryKind::Dir), file(&format!("srv/{name}"), &content)]
}

fn codes(outcome: &Outcome) -> Vec<&'static str> {
    outcome.degraded.iter().map(|it| it.code.name()).collect()
}

fn with(formats: Formats) -> impl FnOnce(&mut Request) {
    move |request| request.formats = formats
}

fn update(dir: &TempDir, formats: Formats, previous: &str, tag: &str) -> Outcome {
    run(dir, &second(dir.path()), tag, |request| {
        request.formats = formats;
        request.previous = vec![dest(dir, previous).parse().unwrap()];
    })
}

fn checked(dir: &TempDir, tag: &str) -> CheckReport {
    check(&dest(dir, tag).parse().unwrap(), None, options(), &Progress::new()).unwrap()
}

/// `at` is the image of all that `verify` sees.
fn expect_same(dir: &TempDir, tag: &str, plain: &str) {
    let [a, b]: [Reference; 2] = [plain.parse().unwrap(), dest(dir, tag).parse().unwrap()];
    let verdict = verify(&a, &b, None, &[], options(), &Progress::new()).unwrap();
    assert!(verdict.is_same(), "{:?}", verdict.differences);
}

#[test]
fn the_index_has_the_gzip_image_first_and_one_config() {
    let dir = TempDir::new().unwrap();
    let new = first(dir.path());
    let outcome = run(&dir, &new, "v1", with(twin()));
    let layout = Layout::out(&dir);
    let index = layout.tagged("v1");
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let entries = index["manifests"].as_array().unwrap();
    let of = |entry: &Value| (entry["digest"].clone(), entry["annotations"].clone());
    let image = &outcome.images[0];
    let told = image.twin.as_ref().unwrap();
    let expected =
        [(json!(told.digest.to_string()), Value::Null), (json!(image.digest.to_string()), json!({ZSTD: "true"}))];
    assert_eq!(entries.iter().map(of).collect::<Vec<_>>(), expected);
    assert_eq!(entries[0]["platform"], entries[1]["platform"]);
    assert_eq!(entries[0]["platform"]["architecture"], Platform::host().architecture);
    let manifests = layout.manifests("v1");
    assert_eq!(manifests[0]["config"], manifests[1]["config"]);
    layout.expect_gzip(&manifests[0]);
    let layers: Vec<Value> = told.layers.iter().map(|layer| json!(layer.digest.to_string())).collect();
    assert_eq!(layers, digests(&manifests[0]));
    assert_eq!(told.new_bytes(), told.bytes());
    expect_same(&dir, "v1", &new);
}

#[test]
fn the_zstd_image_is_that_of_a_run_without_a_twin() {
    let dir = TempDir::new().unwrap();
    let new = first(dir.path());
    let alone = run(&dir, &new, "alone", |_| {});
    let both = run(&dir, &new, "both", with(twin()));
    assert_eq!(both.images[0].digest, alone.images[0].digest);
    assert_eq!(alone.digest, alone.images[0].digest);
}

#[test]
fn threads_make_no_difference() {
    let dir = TempDir::new().unwrap();
    let new = plain(dir.path(), "v1", &[vec![file("large", &noise(9_000_000))], sample()]);
    let digest = |threads| {
        let change = |request: &mut Request| {
            request.formats = twin();
            request.resources.threads = threads;
        };
        run(&dir, &new, &format!("t{threads}"), change).digest
    };
    let one = digest(1);
    assert!(digest(2) == one && digest(7) == one);
}

#[test]
fn kept_layers_keep_both_blobs() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", with(twin()));
    let outcome = update(&dir, twin(), "v1", "v2");
    let (layout, image) = (Layout::out(&dir), &outcome.images[0]);
    let [old, new] = ["v1", "v2"].map(|tag| layout.manifests(tag));
    let kept = image.layers.iter().filter(|layer| layer.planned.state == State::Kept).count();
    assert_eq!((kept, image.layers.len()), (old[0]["layers"].as_array().unwrap().len(), kept + 1));
    for instance in [0, 1] {
        assert_eq!(digests(&new[instance])[..kept], digests(&old[instance])[..]);
    }
    layout.expect_gzip(&new[0]);
    let told = image.twin.as_ref().unwrap();
    assert_eq!(told.layers.iter().map(|layer| layer.is_new).filter(|is_new| *is_new).count(), 1);
    assert_eq!(told.new_bytes(), told.layers[kept].size);
    expect_same(&dir, "v2", &second(dir.path()));
    assert!(checked(&dir, "v2").is_clean());
}

#[test]
fn the_same_image_again_is_the_same_pair() {
    let dir = TempDir::new().unwrap();
    let new = first(dir.path());
    let once = run(&dir, &new, "v1", with(twin()));
    let again = run(&dir, &new, "again", |request| {
        request.formats = twin();
        request.previous = vec![dest(&dir, "v1").parse().unwrap()];
    });
    assert_eq!(again.digest, once.digest);
}

/// The same tar gives the same blob, wherever it comes from.
#[test]
fn a_previous_image_without_a_twin_gets_the_same_one() {
    let dir = TempDir::new().unwrap();
    let new = first(dir.path());
    run(&dir, &new, "both", with(twin()));
    run(&dir, &new, "alone", |_| {});
    let with_both = update(&dir, twin(), "both", "v2");
    let with_alone = update(&dir, twin(), "alone", "v2-again");
    assert_eq!(with_both.digest, with_alone.digest);
    let told = with_alone.images[0].twin.as_ref().unwrap();
    assert_eq!(told.new_bytes(), told.bytes());
}

/// A layer of another tool that is zstd, whatever its media type says, is gzip in the gzip image.
#[test]
fn a_layer_that_lies_about_its_compression_is_not_handed_on() {
    let dir = TempDir::new().unwrap();
    let new = first(dir.path());
    let (old, path) = (dir.path().join("plain"), dir.path().join("plain/index.json"));
    let layout = Layout(old);
    let mut top: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut manifest = layout.json(&top["manifests"][0]["digest"]);
    let put = |bytes: &[u8]| {
        let digest = json!(sha256(bytes));
        fs::write(layout.blob(&digest), bytes).unwrap();
        (digest, bytes.len())
    };
    for layer in manifest["layers"].as_array_mut().unwrap() {
        let mut blob = fs::read(layout.blob(&layer["digest"])).unwrap();
        if blob.starts_with(&[0x1f, 0x8b]) {
            let mut tar = Vec::new();
            GzDecoder::new(blob.as_slice()).read_to_end(&mut tar).unwrap();
            blob = tar;
        }
        let (digest, size) = put(&zstd::encode_all(blob.as_slice(), 1).unwrap());
        (layer["digest"], layer["size"]) = (digest, json!(size));
        layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
    }
    let (digest, size) = put(manifest.to_string().as_bytes());
    let entry = &mut top["manifests"][0];
    (entry["digest"], entry["size"]) = (digest, json!(size));
    fs::write(&path, top.to_string()).unwrap();
    for formats in [twin(), Formats::alone(Format::Gzip)] {
        let outcome = run(&dir, &second(dir.path()), "kept", |request| {
            request.formats = formats;
            request.keep_foreign = true;
            request.previous = vec![new.parse().unwrap()];
        });
        assert!(outcome.images[0].layers.iter().any(|layer| layer.planned.state == State::Kept));
        let out = Layout::out(&dir);
        match formats.has_twin() {
            true => out.expect_gzip(&out.manifests("kept")[0]),
            false => out.expect_gzip(&out.tagged("kept")),
        }
    }
}

/// Also where all layers are another tool's, so that no layer of the second image is zstd.
#[test]
fn the_second_image_always_has_the_mark() {
    let dir = TempDir::new().unwrap();
    let new = first(dir.path());
    let outcome = run(&dir, &new, "kept", |request| {
        (request.formats, request.keep_foreign) = (twin(), true);
        request.previous = vec![new.parse().unwrap()];
    });
    assert!(outcome.images[0].layers.iter().all(|layer| layer.planned.state == State::Kept));
    let index = Layout::out(&dir).tagged("kept");
    assert_eq!(index["manifests"][0]["annotations"], Value::Null);
    assert_eq!(index["manifests"][1]["annotations"], json!({ZSTD: "true"}));
    // The next run knows the pair, and keeps nothing of it for another reason.
    assert_eq!(codes(&update(&dir, twin(), "kept", "v2")), ["layer-without-toc"]);
}

/// docker's types in place of OCI's: the layers are the same, and stay in both directions.
#[test]
fn docker_manifests_have_dockers_types() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "oci", with(Formats::alone(Format::Gzip)));
    run(&dir, &first(dir.path()), "docker", with(Formats::docker()));
    let layout = Layout::out(&dir);
    let (oci, docker) = (layout.tagged("oci"), layout.tagged("docker"));
    assert_eq!(docker["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(docker["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
    let types = |manifest: &Value| -> Vec<Value> {
        manifest["layers"].as_array().unwrap().iter().map(|layer| layer["mediaType"].clone()).collect()
    };
    assert!(types(&docker).iter().all(|it| it == "application/vnd.docker.image.rootfs.diff.tar.gzip"));
    assert_eq!((digests(&oci), &oci["config"]["digest"]), (digests(&docker), &docker["config"]["digest"]));
    for (previous, formats) in [
        ("docker", Formats::docker()),
        ("oci", Formats::docker()),
        ("docker", Formats::alone(Format::Gzip)),
        ("docker", twin()),
    ] {
        let outcome = update(&dir, formats, previous, "v2");
        let new = if formats.has_twin() { layout.manifests("v2")[0].clone() } else { layout.tagged("v2") };
        assert!(types(&new).iter().all(|it| it.as_str().unwrap().contains("docker") == formats.is_docker()));
        if !formats.has_twin() {
            assert_eq!(codes(&outcome), [""; 0]);
            assert_eq!(digests(&new)[..digests(&oci).len()], digests(&oci)[..], "{previous}");
            expect_same(&dir, "v2", &second(dir.path()));
            assert!(checked(&dir, "v2").is_clean());
        }
    }
}

#[test]
fn gzip_alone_keeps_its_layers_and_those_of_a_twin() {
    let dir = TempDir::new().unwrap();
    let gzip = Formats::alone(Format::Gzip);
    run(&dir, &first(dir.path()), "gzip", with(gzip));
    run(&dir, &first(dir.path()), "both", with(twin()));
    let layout = Layout::out(&dir);
    let old = layout.tagged("gzip");
    assert_eq!(old["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    layout.expect_gzip(&old);
    assert_eq!(digests(&layout.manifests("both")[0]), digests(&old));
    for previous in ["gzip", "both"] {
        let outcome = update(&dir, gzip, previous, &format!("v2-{previous}"));
        assert!(outcome.degraded.is_empty(), "{:?}", outcome.degraded);
        let new = layout.tagged(&format!("v2-{previous}"));
        layout.expect_gzip(&new);
        let kept = digests(&old).len();
        assert_eq!(digests(&new)[..kept], digests(&old)[..], "{previous}");
        assert_eq!(digests(&new).len(), kept + 1);
        let image = &outcome.images[0];
        let sizes: Vec<u64> = image.layers.iter().map(|layer| layer.size).collect();
        let pulled = |client| image.pulls.iter().find(|pull| pull.from.is_some() && pull.client == client).unwrap();
        // The new layer and the config. Of an index, podman has the zstd image, and pulls all of this one.
        let bytes = |client| pulled(client).blob_bytes();
        assert!((sizes[kept]..sizes[kept] + 2_000).contains(&bytes(Client::Docker)), "{sizes:?}");
        match previous {
            "gzip" => assert_eq!(bytes(Client::Plain), bytes(Client::Docker)),
            _ => assert!(bytes(Client::Plain) > sizes.iter().sum()),
        }
        expect_same(&dir, &format!("v2-{previous}"), &second(dir.path()));
    }
}

#[test]
fn a_gzip_image_keeps_no_zstd_layer() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", |_| {});
    let outcome = update(&dir, Formats::alone(Format::Gzip), "v1", "v2");
    let codes: Vec<_> = outcome.degraded.iter().map(|it| it.code.name()).collect();
    assert_eq!(codes, ["no-layer-kept"]);
    assert!(outcome.images[0].layers.iter().all(|layer| layer.planned.state == State::Fresh));
    Layout::out(&dir).expect_gzip(&Layout::out(&dir).tagged("v2"));
}

#[test]
fn zstd_alone_has_no_index_and_keeps_its_layers() {
    let dir = TempDir::new().unwrap();
    let zstd = Formats::alone(Format::Zstd);
    run(&dir, &first(dir.path()), "zstd", with(zstd));
    run(&dir, &first(dir.path()), "chunked", |_| {});
    let layout = Layout::out(&dir);
    for previous in ["zstd", "chunked"] {
        let tag = format!("v2-{previous}");
        let outcome = update(&dir, zstd, previous, &tag);
        assert!(outcome.degraded.is_empty(), "{:?}", outcome.degraded);
        let (old, new) = (layout.tagged(previous), layout.tagged(&tag));
        let kept = digests(&old).len();
        assert_eq!(digests(&new)[..kept], digests(&old)[..], "{previous}");
        assert_eq!(digests(&new).len(), kept + 1);
        for layer in new["layers"].as_array().unwrap() {
            assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
            let annotations = layer["annotations"].as_object().unwrap();
            assert!(!annotations.keys().any(|key| key.contains("zstd-chunked") || key.ends_with(".index")));
        }
        expect_same(&dir, &tag, &second(dir.path()));
        assert!(checked(&dir, &tag).is_clean());
    }
}

#[test]
fn each_platform_has_its_pair() {
    let dir = TempDir::new().unwrap();
    let [amd, arm]: [Platform; 2] = ["linux/amd64", "linux/arm64"].map(|it| it.parse().unwrap());
    let (one, other) = ([sample()], [sample(), own("arm", 3)]);
    let new = platforms(dir.path(), "v1", &[(amd, one.as_slice()), (arm, other.as_slice())]);
    let outcome = run(&dir, &new, "v1", with(twin()));
    let index = Layout::out(&dir).tagged("v1");
    let of = |entry: &Value| (entry["platform"]["architecture"].clone(), entry["annotations"][ZSTD].clone());
    let (amd, arm) = (json!("amd64"), json!("arm64"));
    let expected = [(amd.clone(), Value::Null), (amd, json!("true")), (arm.clone(), Value::Null), (arm, json!("true"))];
    assert_eq!(index["manifests"].as_array().unwrap().iter().map(of).collect::<Vec<_>>(), expected);
    assert_eq!(outcome.images.len(), 2);
    // As NEW it is two images, not four.
    let again = run(&dir, &dest(&dir, "v1"), "again", with(twin()));
    assert_eq!(again.digest, outcome.digest);
}

#[test]
fn readers_see_one_image_and_its_twin() {
    let dir = TempDir::new().unwrap();
    let outcome = run(&dir, &first(dir.path()), "v1", with(twin()));
    let image = &outcome.images[0];
    let inspection = inspected(&dest(&dir, "v1").parse().unwrap()).unwrap();
    assert_eq!(inspection.images.len(), 1);
    assert_eq!(inspection.images[0].digest, Some(image.digest));
    let told = inspection.images[0].twin.as_ref().unwrap();
    let expected = image.twin.as_ref().unwrap();
    assert_eq!(told.digest, Some(expected.digest));
    assert_eq!(told.layers.iter().map(|(digest, _)| *digest).collect::<Vec<_>>(), {
        expected.layers.iter().map(|layer| layer.digest).collect::<Vec<_>>()
    });
    let report = checked(&dir, "v1");
    assert!(report.is_clean() && report.images.len() == 1);
    let twin = report.images[0].twin.as_ref().unwrap();
    assert!(twin.layers.iter().all(|layer| layer.kind == "gzip"));
    assert_eq!(twin.layers.len(), image.layers.len());
}

/// Has one tag that points at this index.
fn point_at(layout: &Layout, index: &Value, tag: &str) {
    let bytes = index.to_string();
    let digest = sha256(bytes.as_bytes());
    fs::write(layout.blob(&json!(digest)), &bytes).unwrap();
    let path = layout.0.join("index.json");
    let mut top: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    top["manifests"] = json!([{
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": bytes.len(),
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }]);
    fs::write(&path, top.to_string()).unwrap();
}

/// A gzip image beside a zstd one that is another image.
#[test]
fn twins_that_differ_are_not_taken_for_one_image() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", with(twin()));
    update(&dir, twin(), "v1", "v2");
    let layout = Layout::out(&dir);
    let mut index = layout.tagged("v2");
    index["manifests"][0] = layout.tagged("v1")["manifests"][0].clone();
    point_at(&layout, &index, "mixed");
    let report = checked(&dir, "mixed");
    let problems: Vec<_> = report.images[0].problems().collect();
    assert!(matches!(problems.as_slice(), [one] if one.contains("the gzip image has")), "{problems:?}");
    assert!(!report.is_clean());
    let mixed = dest(&dir, "mixed");
    let of_mixed = |tag: &str| try_run(&TempDir::new().unwrap(), &mixed, tag, |_| ());
    let error = of_mixed("new").unwrap_err().to_string();
    assert!(error.contains("two images that are not the same for one platform: the gzip image has"), "{error}");
    let reference: Reference = mixed.parse().unwrap();
    let verdict = verify(&reference, &reference, None, &[], options(), &Progress::new()).unwrap();
    assert_eq!(
        verdict.differences.iter().map(|it| it.what.as_str()).collect::<Vec<_>>(),
        ["gzip twin of A", "gzip twin of B"]
    );
}

#[test]
fn check_looks_at_the_order_of_twins() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", with(twin()));
    let layout = Layout::out(&dir);
    let mut index = layout.tagged("v1");
    index["manifests"].as_array_mut().unwrap().reverse();
    point_at(&layout, &index, "reversed");
    let report = checked(&dir, "reversed");
    let problems: Vec<_> = report.images[0].problems().collect();
    assert!(matches!(problems.as_slice(), [one] if one.contains("the zstd image stands before")), "{problems:?}");
}

#[test]
fn a_new_image_that_is_a_pair_loses_its_twin_with_a_note() {
    let dir = TempDir::new().unwrap();
    run(&dir, &first(dir.path()), "v1", with(twin()));
    let pair = dest(&dir, "v1");
    for (formats, is_told) in [(Formats::default(), true), (twin(), false)] {
        let outcome = run(&TempDir::new().unwrap(), &pair, "new", with(formats));
        let told =
            outcome.notes.iter().any(|note| note.contains("this run writes none: clients that cannot read zstd"));
        assert_eq!(told, is_told, "{:?}", outcome.notes);
    }
}

#[test]
fn a_twin_needs_a_platform() {
    let dir = TempDir::new().unwrap();
    let new = first(dir.path());
    let layout = Layout(dir.path().join("plain"));
    let path = layout.0.join("index.json");
    let mut top: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut manifest = layout.json(&top["manifests"][0]["digest"]);
    let mut config = layout.json(&manifest["config"]["digest"]);
    config.as_object_mut().unwrap().retain(|key, _| key != "architecture" && key != "os");
    let put = |value: &Value| {
        let bytes = value.to_string();
        let digest = json!(sha256(bytes.as_bytes()));
        fs::write(layout.blob(&digest), &bytes).unwrap();
        (digest, bytes.len())
    };
    let (digest, size) = put(&config);
    (manifest["config"]["digest"], manifest["config"]["size"]) = (digest, json!(size));
    let (digest, size) = put(&manifest);
    let entry = &mut top["manifests"][0];
    entry.as_object_mut().unwrap().retain(|key, _| key != "platform");
    (entry["digest"], entry["size"]) = (digest, json!(size));
    fs::write(&path, top.to_string()).unwrap();
    let error = try_run(&dir, &new, "v1", with(twin())).unwrap_err().to_string();
    assert!(error.contains("names no operating system and architecture"), "{error}");
}
