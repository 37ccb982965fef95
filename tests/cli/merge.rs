//! What `merge` refuses, and what it says.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{code, err, out, restrata};

/// A tree with these files.
fn tree(dir: &Path, name: &str, files: &[(&str, &str)]) -> String {
    for (path, content) in files {
        let path = dir.join(name).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    format!("dir:{}", dir.join(name).display())
}

const STATUS: &str = "var/lib/dpkg/status";

fn inputs(dir: &Path) -> [String; 3] {
    let status = |name: &str| format!("Package: {name}\nStatus: install ok installed\nVersion: 1\n\n");
    let a = tree(dir, "a", &[("etc/motd", "a"), (STATUS, &status("a"))]);
    let b = tree(dir, "b", &[("etc/motd", "b"), (STATUS, &status("b"))]);
    [a, b, format!("oci:{}:v1", dir.join("out").display())]
}

#[test]
fn differences_are_told_and_databases_are_an_error() {
    let dir = TempDir::new().unwrap();
    let [a, b, dest] = inputs(dir.path());
    for more in [&[][..], &["--dry-run"]] {
        let refused = restrata(&[&["merge", &a, &b, &dest], more].concat());
        assert_eq!(code(&refused), 1);
        let says = format!("the inputs do not go together: 1 package database differs: /{STATUS} ({a}, then {b}); one");
        assert!(err(&refused).contains(&says), "{}", err(&refused));
        assert!(out(&refused).is_empty() && !dir.path().join("out").exists());
    }
    let merged = restrata(&["merge", &a, &b, &dest, "--unite", "dpkg,passwd", "--format", "json"]);
    assert_eq!(code(&merged), 0, "{}", err(&merged));
    let report: Value = serde_json::from_slice(&merged.stdout).unwrap();
    let note = format!("1 file has another content, and the later one is taken: /etc/motd ({a}, then {b})");
    assert!(report["notes"].as_array().unwrap().contains(&note.as_str().into()), "{report}");
    assert!(err(&merged).contains(&format!("restrata: note: {note}\n")), "{}", err(&merged));
    let path = json!({"path": "/etc/motd", "earlier": a, "later": b});
    assert_eq!(report["conflicts"], json!([{"kind": "content", "rule": "last", "count": 1, "paths": [path]}]));
    let quiet = restrata(&["merge", "-q", &a, &b, &dest, "--on-conflict", "first", "--on-conflict", "/etc/**=error"]);
    assert!(code(&quiet) == 1 && err(&quiet).contains("1 path differs between inputs: /etc/motd"), "{}", err(&quiet));
    let quiet = restrata(&["merge", "-q", &a, &b, &dest, "--on-conflict", "first"]);
    assert!(code(&quiet) == 0 && out(&quiet).starts_with("sha256:"), "{}", err(&quiet));
    assert_eq!(code(&restrata(&["verify", "-q", &a, &dest, "--ignore", "mtime"])), 0);
}

#[test]
fn wrong_usage_is_told() {
    for (arguments, says) in [
        (&["oci:a"][..], "required"),
        (&["oci:a", "oci:b"], "expected at least two images and DEST, found one image and DEST oci:b"),
        (&["oci:a", "oci:b", "dir:c"], "dir: is only read"),
        (&["oci:a", "oci:b", "oci:c", "--on-conflict", "latest"], "expected error, last or first"),
        (&["oci:a", "oci:b", "oci:c", "--on-conflict", "/[=last"], "/[: expected a path"),
        (
            &["oci:a", "oci:b", "oci:c", "--on-conflict", "/a=last", "--on-conflict", "/a=first"],
            "--on-conflict /a: the same path",
        ),
        (&["oci:a", "oci:b", "oci:c", "--unite", "rpm"], "an rpm database can't be united"),
        (&["oci:a", "oci:b", "oci:c", "--config-from", "3"], "expected the number of an image, 1 to 2, found 3"),
        (&["oci:a", "oci:b", "oci:c", "--config-from", "0"], "expected the number of an image, 1 to 2, found 0"),
        (&["oci:a", "oci:b", "oci:c", "--composefs-digest-label", "k"], "merge first, then rechunk the result"),
        (&["oci:a", "oci:b", "oci:c", "--config", "f"], "--config is for dir:ROOTFS"),
        (&["oci:a", "oci:b", "oci:c", "--tag", "t"], "--tag is for docker://"),
        (&["docker-archive:-", "oci-archive:-", "oci:c"], "expected one image at most from standard input"),
    ] {
        let output = restrata(&[&["merge"], arguments].concat());
        assert_eq!(code(&output), 64, "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(says), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn an_input_that_is_not_there_is_2() {
    let dir = TempDir::new().unwrap();
    let [a, _, dest] = inputs(dir.path());
    let missing = format!("oci:{}", dir.path().join("missing").display());
    let output = restrata(&["merge", &missing, &a, &dest]);
    assert_eq!(code(&output), 2, "{}", err(&output));
}
