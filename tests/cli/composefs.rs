//! `rechunk --composefs-digest-label`, with a program in the place of `mkcomposefs` whose digest is that of the dump. So equal digests
//! are equal dumps. `tests/harness/composefs.sh` has the real program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;

use super::{code, err, images, out};

const KEY: &str = "com.example.digest";
const STUB: &str = "#!/bin/sh\nsha256sum | cut -c1-64\n";

fn with_stub(dir: &Path, arguments: &[&str]) -> Output {
    let stub = dir.join("bin/mkcomposefs");
    fs::create_dir_all(dir.join("bin")).unwrap();
    if !stub.exists() {
        fs::write(&stub, STUB).unwrap();
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", dir.join("bin").display());
    Command::cargo_bin("restrata").unwrap().args(arguments).env("PATH", path).output().unwrap()
}

fn digest(dir: &Path, reference: &str, more: &[&str]) -> String {
    let said = with_stub(dir, &[&["dump", "--digest", "-q", reference], more].concat());
    assert_eq!(code(&said), 0, "{}", err(&said));
    out(&said).trim().to_owned()
}

/// With the label on, and what it said.
fn rechunk(dir: &Path, arguments: &[&str]) -> String {
    let made = with_stub(dir, &[&["rechunk", "--composefs-digest-label", KEY], arguments].concat());
    assert_eq!(code(&made), 0, "{}", err(&made));
    err(&made)
}

fn blob(layout: &Path, digest: &Value) -> Value {
    let name = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    serde_json::from_slice(&fs::read(layout.join("blobs/sha256").join(name)).unwrap()).unwrap()
}

/// What an index has of its images, by tag or platform.
fn labels(layout: &Path, index: &Value) -> Vec<Value> {
    let of_image = |image: &Value| {
        let manifest = blob(layout, &image["digest"]);
        blob(layout, &manifest["config"]["digest"])["config"]["Labels"][KEY].clone()
    };
    index["manifests"].as_array().unwrap().iter().map(of_image).collect()
}

fn index(layout: &Path) -> Value {
    serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap()
}

#[test]
fn the_label_is_the_digest_of_what_is_written() {
    let dir = TempDir::new().unwrap();
    let (root, image) = images(dir.path());
    let (tree, layout) = (dir.path().join("root"), dir.path().join("out"));
    let ago = |path: &str, days: u64| {
        let file = fs::File::open(tree.join(path)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86400)).unwrap();
    };
    fs::hard_link(tree.join("data"), tree.join("etc/link")).unwrap();
    fs::write(tree.join("gone"), "gone").unwrap();
    ["data", "etc/hostname", "etc"].iter().for_each(|path| ago(path, 9));
    let first = rechunk(dir.path(), &[&root, &image]);
    assert!(!first.contains("the label"), "{first}");
    assert_eq!(labels(&layout, &index(&layout)), [digest(dir.path(), &image, &[])]);
    assert_eq!(digest(dir.path(), &root, &[]), digest(dir.path(), &image, &[]));
    // A build gives all files new times. The output keeps those of what did not change, and the label is its digest.
    fs::remove_file(tree.join("gone")).unwrap();
    fs::write(tree.join("etc/new"), "new").unwrap();
    ["data", "etc/hostname", "etc"].iter().for_each(|path| ago(path, 1));
    let second = image.replace(":v1", ":v2");
    let hosts = tree.join("etc/hosts");
    fs::write(&hosts, "").unwrap();
    fs::set_permissions(&hosts, fs::Permissions::from_mode(0o755)).unwrap();
    let all: [&[&str]; 6] = [
        &[],
        &["--mtime", "keep"],
        &["--mtime", "clamp=9"],
        &["--prune", "etc/new"],
        &["--prune-debris"],
        &["--max-waste", "0"],
    ];
    for (number, options) in all.iter().enumerate() {
        let second = format!("{second}-{number}");
        rechunk(dir.path(), &[&[root.as_str(), &second, "--previous", &image], *options].concat());
        let found = labels(&layout, &index(&layout)).pop().unwrap();
        assert_eq!(found, digest(dir.path(), &second, &[]), "{options:?}");
        assert_eq!(found == digest(dir.path(), &root, &[]), options.contains(&"keep"), "{options:?}");
    }
}

#[test]
fn a_label_that_is_there_is_replaced() {
    let dir = TempDir::new().unwrap();
    let (root, image) = images(dir.path());
    let layout = dir.path().join("out");
    let said = rechunk(dir.path(), &[&root, &image, "--label", &format!("{KEY}=another")]);
    let wanted = digest(dir.path(), &root, &[]);
    assert!(
        said.contains(&format!("the label {KEY} had another value, and is now the tree's digest {wanted}")),
        "{said}"
    );
    assert_eq!(labels(&layout, &index(&layout)), [wanted.as_str()]);
    let again = rechunk(dir.path(), &[&image, &image.replace(":v1", ":v2")]);
    assert!(!again.contains("the label"), "{again}");
}

#[test]
fn each_platform_has_its_own() {
    let dir = TempDir::new().unwrap();
    let (root, _) = images(dir.path());
    let both = dir.path().join("both");
    for arch in ["amd64", "arm64"] {
        fs::write(dir.path().join("root/arch"), arch).unwrap();
        let config = dir.path().join("config.json");
        fs::write(&config, json!({"architecture": arch, "os": "linux"}).to_string()).unwrap();
        let dest = format!("oci:{}:{arch}", both.display());
        rechunk(dir.path(), &[&root, &dest, "--config", config.to_str().unwrap()]);
    }
    let mut manifests = index(&both)["manifests"].clone();
    for (manifest, arch) in manifests.as_array_mut().unwrap().iter_mut().zip(["amd64", "arm64"]) {
        manifest.as_object_mut().unwrap().remove("annotations");
        manifest["platform"] = json!({"architecture": arch, "os": "linux"});
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let list = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}).to_string();
    let name: String = sha2::Sha256::digest(&list).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(both.join("blobs/sha256").join(&name), &list).unwrap();
    let entry = json!({"mediaType": media_type, "digest": format!("sha256:{name}"), "size": list.len()});
    fs::write(both.join("index.json"), json!({"schemaVersion": 2, "manifests": [entry]}).to_string()).unwrap();

    let dest = dir.path().join("out");
    let reference = format!("oci:{}:both", dest.display());
    rechunk(dir.path(), &[&format!("oci:{}", both.display()), &reference]);
    let list = blob(&dest, &index(&dest)["manifests"][0]["digest"]);
    let wanted =
        ["amd64", "arm64"].map(|arch| digest(dir.path(), &reference, &["--platform", &format!("linux/{arch}")]));
    assert_ne!(wanted[0], wanted[1]);
    assert_eq!(labels(&dest, &list), wanted);
}

#[test]
fn without_the_program_nothing_is_done() {
    let dir = TempDir::new().unwrap();
    let (_, image) = images(dir.path());
    let mut command = Command::cargo_bin("restrata").unwrap();
    let arguments = ["rechunk", "--composefs-digest-label", KEY, "dir:/no/such/root", &image];
    let said = command.args(arguments).env("PATH", dir.path()).output().unwrap();
    assert_eq!(code(&said), 1);
    let wanted = "--composefs-digest-label needs mkcomposefs, and it is not installed; install the package composefs";
    assert!(err(&said).contains(wanted), "{}", err(&said));
    assert!(!dir.path().join("out").exists());
}

/// The tree is read twice, but what is left out of it is told once.
#[test]
fn a_note_of_the_tree_is_printed_once() {
    let dir = TempDir::new().unwrap();
    let (root, image) = images(dir.path());
    let _socket = UnixListener::bind(dir.path().join("root/socket")).unwrap();
    let said = rechunk(dir.path(), &[&root, &image]);
    assert_eq!(said.matches("skipped the socket").count(), 1, "{said}");
}

/// bootc and rpm-ostree would take it for that of a commit.
#[test]
fn a_label_of_ostree_is_refused() {
    let dir = TempDir::new().unwrap();
    let (root, image) = images(dir.path());
    for label in ["ostree.commit", "ostree.final-diffid"] {
        let said = with_stub(dir.path(), &["rechunk", "--composefs-digest-label", label, &root, &image]);
        assert_eq!(code(&said), 1);
        assert!(err(&said).contains(&format!("(the label {label})")), "{}", err(&said));
    }
    assert!(!dir.path().join("out").exists());
}

#[test]
fn a_program_that_fails_leaves_no_image() {
    let dir = TempDir::new().unwrap();
    let (root, image) = images(dir.path());
    digest(dir.path(), &root, &[]);
    fs::write(dir.path().join("bin/mkcomposefs"), "#!/bin/sh\ncat >/dev/null; echo no room >&2; exit 1\n").unwrap();
    let said = with_stub(dir.path(), &["rechunk", "--composefs-digest-label", KEY, &root, &image]);
    assert_eq!(code(&said), 1);
    assert!(err(&said).contains("found no room"), "{}", err(&said));
    assert!(!dir.path().join("out").exists());
}
