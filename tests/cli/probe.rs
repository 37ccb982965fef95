//! `probe`, against a registry in this process.

use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{code, err, out};

#[path = "../registry/mod.rs"]
pub mod stub;

use stub::{Auth, Registry, Several};

/// With nothing of this machine's settings.
fn probe(arguments: &[&str], auth_file: Option<&str>) -> Output {
    let home = TempDir::new().unwrap();
    let mut command = Command::cargo_bin("restrata").unwrap();
    let unset = ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "CONTAINERS_REGISTRIES_CONF"];
    for name in unset {
        command.env_remove(name);
    }
    command.env("HOME", home.path()).env("REGISTRY_AUTH_FILE", auth_file.unwrap_or_default());
    command.arg("probe").args(arguments).arg("--tls-verify=false").output().unwrap()
}

fn registry() -> Registry {
    let registry = Registry::start();
    let layer = vec![7; 50_000];
    let descriptor = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": registry.put_blob("app", bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+zstd", &layer)],
    });
    registry.put_manifest("app", "published", manifest.to_string().as_bytes());
    registry
}

#[test]
fn text_and_json() {
    let registry = registry();
    registry.state().several = Several::Status(501);
    let reference = format!("docker://{}/app:published", registry.host());
    let output = probe(&[&reference], None);
    assert_eq!((code(&output), err(&output)), (0, String::new()));
    let text = out(&output);
    assert!(text.starts_with(&format!("{reference}\nlayer    ")) && !text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for line in [
        "profile  refuse-501",
        "2 ranges, cold            501",
        "2 ranges, warm            501",
        "mount                     not asked; --mount REPO asks, and writes into REPO",
        "docker, containerd        whole: each layer that changed",
        "podman, partial pulls     FAILS: two ranges get 501",
        "podman 6.1, as a mirror   elsewhere: asks the next mirror, or the registry (501)",
        "- podman with partial pulls fails here, with zstd:chunked layers of any tool:",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains("place "), "{text}");

    let report: Value = serde_json::from_slice(&probe(&[&reference, "--format", "json"], None).stdout).unwrap();
    assert_eq!((&report["profile"], &report["reference"]), (&json!("refuse-501"), &json!(reference)));
    let two = json!({
        "ranges": 2, "again": false, "cache": "cold", "answer": "refused", "status": 501, "found": null, "elsewhere": null
    });
    assert_eq!((report["answers"][0]["ranges"].is_null(), &report["answers"][1]), (true, &two));
    let warm = &report["answers"][2];
    assert_eq!((&warm["ranges"], &warm["again"], &warm["cache"]), (&json!(2), &json!(true), &json!("warm")));
    assert!(report.as_object().unwrap()["mount"].is_null());
    let clients = report["clients"].as_array().unwrap().iter();
    let pulls: Vec<_> = clients.map(|client| (&client["client"], &client["pulls"])).collect();
    let wanted = [("plain", "whole"), ("podman", "failed"), ("podman-mirror", "elsewhere")];
    assert_eq!(pulls, wanted.map(|(client, pulls)| (json!(client), json!(pulls))).each_ref().map(|(a, b)| (a, b)));
    assert!(report["requests"].as_u64().unwrap() > 4 && report["received_bytes"].as_u64().unwrap() < 10_000);
}

#[test]
fn a_mount_is_asked_for_with_an_option() {
    let registry = registry();
    let reference = format!("docker://{}/app:published", registry.host());
    let output = probe(&[&reference, "--mount", "team/b"], None);
    assert_eq!((code(&output), err(&output)), (0, String::new()));
    let row = format!("mount                     201, mounted into {}/team/b", registry.host());
    assert!(out(&output).lines().any(|line| line == row), "{}", out(&output));
    let output = probe(&[&reference, "--mount", "app"], None);
    assert_eq!((code(&output), out(&output)), (64, String::new()));
    assert!(err(&output).contains("--mount: expected the name of another repository"), "{}", err(&output));
}

#[test]
fn a_mistyped_tag_gets_a_hint() {
    let registry = registry();
    let output = probe(&[&format!("docker://{}/app:publishd", registry.host())], None);
    assert_eq!((code(&output), out(&output)), (2, String::new()));
    let said = err(&output);
    assert!(said.contains("expected the tag \"publishd\", found published"), "{said}");
    assert!(said.ends_with(&format!("\nhint: perhaps docker://{}/app:published\n", registry.host())), "{said}");
}

#[test]
fn credentials_come_from_options_and_files_and_are_never_shown() {
    let registry = registry();
    registry.state().auth = Auth::Basic("me", "hunter2");
    let host = registry.host();
    let reference = format!("docker://{host}/app:published");
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("auth.json");
    // me:hunter2
    std::fs::write(&file, json!({"auths": {&host: {"auth": "bWU6aHVudGVyMg=="}}}).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let with_password = format!("docker://me:hunter2@{host}/app");
    for (arguments, auth_file, wanted) in [
        (&[&*reference][..], None, 1),
        (&[&reference, "--creds", "me:hunter3"], None, 1),
        (&[&reference, "--creds", "me:hunter2"], None, 0),
        (&[&reference, "--creds=me:hunter2", "--format", "json"], None, 0),
        (&[&reference, "--authfile", file], None, 0),
        (&[&reference], Some(file), 0),
        (&[&reference, "--creds", ":hunter2"], None, 64),
        (&[&with_password], None, 64),
    ] {
        let output = probe(arguments, auth_file);
        let shown = out(&output) + &err(&output);
        assert_eq!(code(&output), wanted, "{arguments:?}: {shown}");
        assert!(!shown.contains("hunter") && !shown.contains("aHVudGVy"), "{arguments:?}: {shown}");
    }
}
