//! Which credentials `rechunk` shows where.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::probe::stub::{Auth, Registry};
use super::{code, err, images, out};

/// With nothing of this machine's settings.
fn restrata(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("restrata").unwrap();
    for name in ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "CONTAINERS_REGISTRIES_CONF"] {
        command.env_remove(name);
    }
    command.env("HOME", home).env("XDG_CACHE_HOME", home).env("REGISTRY_AUTH_FILE", "");
    command.args(arguments).output().unwrap()
}

/// The one image of a layout, in a registry of its own.
fn published(layout: &Path) -> Registry {
    let registry = Registry::start();
    let json = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap() };
    let blob = |digest: &Value| fs::read(layout.join("blobs/sha256").join(&digest.as_str().unwrap()[7..])).unwrap();
    let index = json(&fs::read(layout.join("index.json")).unwrap());
    let manifest = blob(&index["manifests"][0]["digest"]);
    let parsed = json(&manifest);
    for descriptor in parsed["layers"].as_array().unwrap().iter().chain([&parsed["config"]]) {
        registry.put_blob("app", &blob(&descriptor["digest"]));
    }
    registry.put_manifest("app", "v1", &manifest);
    registry
}

#[test]
fn the_previous_image_under_the_tag_is_reached_as_the_destination() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    assert_eq!(code(&restrata(tmp.path(), &["rechunk", "-q", &root, &layout])), 0);
    let registry = published(&tmp.path().join("out"));
    registry.state().auth = Auth::Basic("me", "hunter2");
    let dest = format!("docker://{}/app:v1", registry.host());
    let only_dest = ["--dest-tls-verify=false", "--dest-creds", "me:hunter2", "--retry", "0"];
    for (options, wanted) in [
        (&[][..], 0),
        // One that is named is a source.
        (&["--previous", &dest], 1),
        (&["--previous", &dest, "--src-tls-verify=false", "--src-creds", "me:hunter2"], 0),
        (&["--src-tls-verify", "--src-creds", "me:hunter3"], 0),
    ] {
        let output = restrata(tmp.path(), &[&["rechunk", &root, &dest], &only_dest[..], options].concat());
        assert_eq!(code(&output), wanted, "{options:?}: {}", err(&output));
    }
}

#[test]
fn a_source_is_shown_what_is_said_of_sources() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    assert_eq!(code(&restrata(tmp.path(), &["rechunk", "-q", &root, &layout])), 0);
    let registry = published(&tmp.path().join("out"));
    registry.state().auth = Auth::Basic("me", "hunter2");
    let (host, file) = (registry.host(), tmp.path().join("auth.json"));
    // me:hunter2
    fs::write(&file, json!({"auths": {&host: {"auth": "bWU6aHVudGVyMg=="}}}).to_string()).unwrap();
    let (new, file) = (format!("docker://{host}/app:v1"), file.to_str().unwrap());
    let dest = format!("oci:{}:v2", tmp.path().join("copy").display());
    for (options, wanted) in [
        (&["--src-tls-verify=false"][..], 1),
        (&["--src-tls-verify=false", "--src-creds", "me:hunter2"], 0),
        (&["--src-tls-verify=false", "--src-authfile", file], 0),
        (&["--src-tls-verify=false", "--dest-creds", "me:hunter2"], 1),
        (&["--src-tls-verify=false", "--dest-authfile", file], 1),
        (&["--src-tls-verify=false", "--creds", "me:hunter3", "--src-creds", "me:hunter2"], 0),
        (&["--src-tls-verify=false", "--creds", "me:hunter2", "--src-creds", "me:hunter3"], 1),
        (&["--src-tls-verify=false", "--creds", "me:hunter3", "--src-authfile", file], 0),
        (&["--tls-verify=false", "--creds", "me:hunter2"], 0),
        (&["--tls-verify", "--src-tls-verify=false", "--creds", "me:hunter2"], 0),
        // The registry speaks HTTP alone.
        (&["--dest-tls-verify=false", "--retry", "0", "--creds", "me:hunter2"], 1),
        (&["--tls-verify=false", "--src-tls-verify", "--retry", "0", "--creds", "me:hunter2"], 1),
        (&["--src-tls-verify=false", "--src-creds", ":hunter2"], 64),
    ] {
        let output = restrata(tmp.path(), &[&["rechunk", &new, &dest], options].concat());
        let shown = out(&output) + &err(&output);
        assert_eq!(code(&output), wanted, "{options:?}: {shown}");
        assert!(!shown.contains("hunter") && !shown.contains("aHVudGVy"), "{options:?}: {shown}");
    }
}
