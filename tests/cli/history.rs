//! `history` as it is typed.

use serde_json::Value;
use tempfile::TempDir;

use super::diff::versions;
use super::hints::place;
use super::{code, err, out, restrata};

#[test]
fn every_format_is_printed() {
    let dir = TempDir::new().unwrap();
    let (v1, v2) = versions(&dir);
    let run = |options: &[&str]| restrata(&[&["history", &v1, &v2, &v1], options].concat());
    let text = run(&[]);
    assert_eq!(code(&text), 0, "{}", err(&text));
    assert!(out(&text).contains("2 updates changed ") && !out(&text).contains('\u{1b}'), "{}", out(&text));
    assert_eq!(out(&run(&["-q"])), out(&text));
    let json = run(&["--format", "json"]);
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    let names: Vec<_> = report["versions"].as_array().unwrap().iter().map(|version| &version["reference"]).collect();
    assert_eq!(names, [&v1, &v2, &v1]);
    // What was there before costs a registry nothing.
    assert_eq!((&report["versions"][2]["added_bytes"], report["matrix"].as_array().unwrap().len()), (&0.into(), 6));
    let markdown = run(&["--format", "markdown"]);
    assert!(code(&markdown) == 0 && out(&markdown).starts_with("### 2 updates changed "), "{}", out(&markdown));
}

#[test]
fn clients_and_registries_are_chosen() {
    let dir = TempDir::new().unwrap();
    let (v1, v2) = versions(&dir);
    let shown = |options: &[&str]| {
        let json = restrata(&[&["history", &v1, &v2, "--format", "json"], options].concat());
        let report: Value = serde_json::from_slice(&json.stdout).unwrap();
        let pulls = report["matrix"][2]["pulls"].as_array().unwrap().clone();
        let name =
            |pull: &Value| [&pull["client"], &pull["registry"]].map(|name| name.as_str().unwrap().to_owned()).join(" ");
        pulls.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(shown(&[]), ["plain multi-range", "docker multi-range", "podman multi-range"]);
    assert_eq!(shown(&["--registry", "whole-200"]), ["plain multi-range", "docker multi-range", "podman whole-200"]);
    let composefs =
        ["--client", "composefs", "--registry", "ranges-16", "--registry", "whole-200", "--registry", "ranges-16"];
    assert_eq!(shown(&composefs), ["composefs ranges-16", "composefs whole-200"]);
    assert_eq!(shown(&["--client", "podman", "--registry", "bridge"]), ["podman bridge"]);
}

#[test]
fn one_version_is_too_few() {
    let output = restrata(&["history", "oci:images:v1"]);
    assert_eq!(code(&output), 64);
    let said = err(&output);
    assert!(
        said.starts_with("restrata: error: history compares versions of one image: expected at least two"),
        "{said}"
    );
    assert!(said.ends_with("\nhint: such as restrata history oci:images:v1 oci:images:v2\n"), "{said}");
    let none = restrata(&["history"]);
    assert_eq!((code(&none), err(&none)), (64, said.replace("found one", "found none")));
}

#[test]
fn archives_of_docker_are_told_of_once() {
    let place = place();
    let two = format!("docker-archive:{}", place.text("two.tar"));
    let (first, second) = (format!("{two}:app:1"), format!("{two}:app:2"));
    let third = format!("docker-archive:{}", place.text("docker.tar"));
    let output = restrata(&["history", &first, &second, &third]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let said = err(&output);
    let note =
        format!("restrata: note: {two}, {third}: layers in docker's archives are not compressed, but in a registry");
    assert_eq!(said.lines().filter(|line| line.contains("docker's archives")).count(), 1, "{said}");
    assert!(said.lines().any(|line| line.starts_with(&note)), "{said}");
}
