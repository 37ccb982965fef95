//! `diff` as it is typed.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::Value;
use tempfile::TempDir;

use super::{code, err, images, out, restrata};

/// Two versions of a small image: `v1` and `v2`, which was written against it.
pub fn versions(dir: &TempDir) -> (String, String) {
    let (root, v1) = images(dir.path());
    let v2 = v1.replace(":v1", ":v2");
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &v1])), 0);
    fs::write(dir.path().join("root/etc/hostname"), "another name\n").unwrap();
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &v2, "--previous", &v1])), 0);
    (v1, v2)
}

#[test]
fn every_format_is_printed() {
    let dir = TempDir::new().unwrap();
    let (v1, v2) = versions(&dir);
    let text = restrata(&["diff", &v1, &v2]);
    assert_eq!(code(&text), 0, "{}", err(&text));
    assert!(
        out(&text).contains(&format!("an update from {v1}\n")) && out(&text).contains("/etc/hostname"),
        "{}",
        out(&text)
    );
    assert!(!out(&text).contains('\u{1b}'), "styles in a pipe");
    let json = restrata(&["diff", "-q", &v1, &v2, "--format", "json"]);
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["old"], &report["new"]), (&v1.as_str().into(), &v2.as_str().into()));
    assert_eq!(report["pulls"].as_array().unwrap().len(), 20);
    assert_eq!(report["files"][0]["path"], "/etc/hostname");
    let podman = ["--client", "podman", "--client", "composefs", "--registry", "whole-200"];
    let json = restrata(&[&["diff", &v1, &v2, "--format", "json"], &podman[..]].concat());
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    let shown: Vec<_> =
        report["pulls"].as_array().unwrap().iter().map(|pull| (&pull["client"], &pull["registry"])).collect();
    assert_eq!(shown, [(&"podman".into(), &"whole-200".into()), (&"composefs".into(), &"whole-200".into())]);
    let markdown = restrata(&["diff", &v1, &v2, "--format", "markdown"]);
    assert!(code(&markdown) == 0 && out(&markdown).starts_with("### This update changes "), "{}", out(&markdown));
    let page = restrata(&["diff", "-q", &v1, &v2, "--format", "html"]);
    assert!(code(&page) == 0 && out(&page).starts_with("<!doctype html>\n"), "{}", out(&page));
    let several = restrata(&["diff", &v2, &v1, &v2, "--format", "json"]);
    let report: Value = serde_json::from_slice(&several.stdout).unwrap();
    assert_eq!((&report["old"], &report["changed_bytes"]), (&v2.as_str().into(), &0.into()));
    assert_eq!(report["diffs"].as_array().unwrap().len(), 2);
}

/// The tables of who has none stay as they are.
#[test]
fn a_bridge_is_told_of_when_it_is_named() {
    let dir = TempDir::new().unwrap();
    let (v1, v2) = versions(&dir);
    let run = |options: &[&str]| out(&restrata(&[&["diff", &v1, &v2], options].concat()));
    for format in ["text", "json", "markdown", "html"] {
        assert!(!run(&["--format", format]).contains("bridge"), "{format}");
        assert!(run(&["--format", format, "--registry", "bridge"]).contains("bridge"), "{format}");
    }
    let podman = ["--format", "json", "--client", "podman", "--registry"];
    let pull = |registry: &str| {
        let report: Value = serde_json::from_str(&run(&[&podman[..], &[registry]].concat())).unwrap();
        let pulls = report["pulls"].as_array().unwrap();
        assert_eq!(pulls.len(), 1);
        pulls[0].as_object().unwrap().clone()
    };
    let (mut bridge, mut direct) = (pull("bridge"), pull("multi-range"));
    let (requests, bytes) = (bridge.remove("upstream_requests").unwrap(), bridge.remove("upstream_bytes").unwrap());
    assert!(requests.as_u64() >= bridge["requests"].as_u64() && bytes.as_u64() >= bridge["blob_bytes"].as_u64());
    assert_eq!(
        (bridge.remove("registry"), direct.remove("registry")),
        (Some("bridge".into()), Some("multi-range".into()))
    );
    assert_eq!(bridge, direct);
}

#[test]
fn swapped_images_are_noted() {
    let dir = TempDir::new().unwrap();
    let (root, v1) = images(dir.path());
    let v2 = v1.replace(":v1", ":v2");
    for (tag, created) in [(&v1, "1700000000"), (&v2, "1700000001")] {
        let mut command = Command::cargo_bin("restrata").unwrap();
        let output = command.args(["rechunk", "-q", &root, tag]).env("SOURCE_DATE_EPOCH", created).output().unwrap();
        assert_eq!(code(&output), 0, "{}", err(&output));
    }
    let said = |options: &[&str]| err(&restrata(&[&["diff"], options].concat()));
    assert_eq!(said(&[&v2, &v1]), format!("restrata: note: {v2} is newer than {v1}: are the images swapped?\n"));
    assert_eq!(said(&[&v1, &v2]) + &said(&[&v2, &v2]) + &said(&["-q", &v2, &v1]), "");
}

#[test]
fn a_limit_says_no_with_3() {
    let dir = TempDir::new().unwrap();
    let (v1, v2) = versions(&dir);
    let run = |options: &[&str]| restrata(&[&["diff", "-q", &v1, &v2], options].concat());
    assert_eq!(code(&run(&["--fail-above", "1MB"])), 0);
    let over = run(&["--fail-above", "1kB"]);
    assert_eq!(code(&over), 3);
    let said = err(&over);
    assert!(said.starts_with("restrata: expected at most 1.00 kB for a plain client that has oci:"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(over.stdout.is_empty());
    for client in ["plain", "plain-gzip", "docker", "podman", "podman-reflink", "composefs"] {
        assert_eq!(code(&run(&["--fail-above", "1", "--client", client])), 3, "{client}");
    }
    let fails = run(&["--fail-above", "1TB", "--client", "podman", "--registry", "refuse-501"]);
    assert_eq!(code(&fails), 3);
    assert!(err(&fails).contains("found a pull that fails at layer "), "{}", err(&fails));
}

#[test]
fn a_root_file_system_has_no_layers() {
    let dir = TempDir::new().unwrap();
    let (v1, _) = versions(&dir);
    let output = restrata(&["diff", &v1, &format!("dir:{}", dir.path().join("root").display())]);
    assert_eq!(code(&output), 1);
    assert!(
        err(&output).contains("expected an image with layers (oci, oci-archive or docker-archive)"),
        "{}",
        err(&output)
    );
}

/// What the help calls an update's cost in bytes is one number, and that one.
#[test]
fn the_filters_of_the_help_give_the_cost() {
    if Command::new("jq").arg("--version").output().is_err() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (v1, v2) = versions(&dir);
    let (root, v3) = (format!("dir:{}", dir.path().join("root").display()), v1.replace(":v1", ":v3"));
    let rechunk = restrata(&["rechunk", &root, &v3, "--previous", &v1, "--format", "json"]);
    let diff = restrata(&["diff", &v1, &v2, "--client", "plain", "--format", "json"]);
    for (command, report, client) in [("rechunk", rechunk, "podman"), ("diff", diff, "plain")] {
        let help = out(&restrata(&[command, "--help"]));
        let filter = help.split_once("jq '").unwrap().1.split_once('\'').unwrap().0;
        let mut jq = Command::new("jq").arg(filter).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        jq.stdin.take().unwrap().write_all(&report.stdout).unwrap();
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        let pulls = report["pulls"].as_array().unwrap();
        let pull = pulls
            .iter()
            .find(|pull| pull["from"] == v1.as_str() && pull["client"] == client && pull["registry"] == "multi-range");
        assert_eq!(out(&jq.wait_with_output().unwrap()), format!("{}\n", pull.unwrap()["blob_bytes"]), "{filter}");
    }
}

/// A secret that was deleted is still in a kept layer, until it is purged.
#[test]
fn a_removed_file_is_named_and_so_is_the_layer_that_still_has_it() {
    let dir = TempDir::new().unwrap();
    let (root, v1) = images(dir.path());
    let (v2, v3) = (v1.replace(":v1", ":v2"), v1.replace(":v1", ":v3"));
    let (key, data) = (dir.path().join("root/etc/key.pem"), dir.path().join("root/etc/data"));
    fs::write(&key, "a secret\n").unwrap();
    fs::write(&data, (0..50_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>())
        .unwrap();
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &v1])), 0);
    fs::remove_file(&key).unwrap();
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &v2, "--previous", &v1])), 0);
    let report = |new: &str| -> Value {
        serde_json::from_slice(&restrata(&["diff", "-q", &v1, new, "--format", "json"]).stdout).unwrap()
    };
    let kept = report(&v2);
    assert_eq!(kept["removed"], serde_json::json!([{"path": "/etc/key.pem", "layer": 0}]));
    assert_eq!(kept["removed_readable"], 1);
    let layer = &kept["layers"][0]["digest"].as_str().unwrap()["sha256:".len()..][..12];
    let text = restrata(&["diff", &v1, &v2]);
    let row = format!("{layer}       /etc/key.pem\n");
    assert!(out(&text).contains(&row) && out(&text).contains("--purge PATH"), "{}", out(&text));
    let purge = ["--previous", &v1, "--purge", "/etc/key.pem"];
    let purged = restrata(&[&["rechunk", "-q", &root, &v3], &purge[..]].concat());
    assert_eq!(code(&purged), 0, "{}", err(&purged));
    let purged = report(&v3);
    assert_eq!(purged["removed"], serde_json::json!([{"path": "/etc/key.pem", "layer": null}]));
    assert_eq!(purged["removed_readable"], 0);
}
