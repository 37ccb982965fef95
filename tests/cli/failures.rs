//! What is said when an image or a disk is not as it has to be.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::Value;
use tempfile::TempDir;

use super::hints::place;
use super::{code, err, images, out, restrata};

#[test]
fn a_layer_that_is_gone() {
    let place = place();
    fs::write(place.path("root/etc/new"), "new").unwrap();
    let second = place.layout.replace(":v1", ":v2");
    assert_eq!(code(&restrata(&["rechunk", "-q", &place.root, &second])), 0);
    let gone = layer(&place.path("out"), 0);
    fs::remove_file(place.path("out/blobs/sha256").join(&gone)).unwrap();
    let hint = "\nhint: copy the image again (skopeo copy --all --preserve-digests); restrata check lists all";
    for arguments in [
        &["diff", &place.layout, &second][..],
        &["history", &place.layout, &second],
        &["inspect", &place.layout],
        &["verify", &place.root, &place.layout],
    ] {
        let output = restrata(arguments);
        assert_eq!(code(&output), 1, "{arguments:?}: {}", err(&output));
        let says = format!("layer sha256:{gone}: the blob is missing");
        assert!(err(&output).contains(&says) && err(&output).contains(hint), "{arguments:?}: {}", err(&output));
    }
    let checked = restrata(&["check", &place.layout]);
    assert_eq!(code(&checked), 3);
    assert!(out(&checked).contains("the blob is missing"), "{}", out(&checked));
    let dest = format!("oci:{}:v3", place.text("new"));
    let update = ["rechunk", "-q", &place.root, &dest, "--previous", &place.layout];
    let strict = restrata(&[&update[..], &["--strict"]].concat());
    assert_eq!(code(&strict), 3, "{}", err(&strict));
    let done = restrata(&update);
    assert_eq!(code(&done), 0, "{}", err(&done));
    let says = format!(
        "restrata: degraded: layer-damaged: {}: layer 0 ({}) is not used: the blob is missing; it is written anew",
        place.layout,
        &gone[..12]
    );
    assert!(err(&done).starts_with(&says), "{}", err(&done));
}

/// The digits of a layer's digest, of the layout's first image.
fn layer(layout: &Path, number: usize) -> String {
    let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let hex = |digest: &Value| digest.as_str().unwrap()["sha256:".len()..].to_owned();
    let manifest = hex(&read(&layout.join("index.json"))["manifests"][0]["digest"]);
    hex(&read(&layout.join("blobs/sha256").join(manifest))["layers"][number]["digest"])
}

#[test]
fn an_archive_that_loses_images_says_so() {
    let dir = TempDir::new().unwrap();
    let (root, _) = images(dir.path());
    let archive = |tag: &str| format!("oci-archive:{}:{tag}", dir.path().join("a.tar").display());
    let run = |tag: &str, options: &[&str]| {
        let output = restrata(&[&["rechunk", "-q", &root, &archive(tag)], options].concat());
        assert_eq!(code(&output), 0, "{}", err(&output));
        output
    };
    assert_eq!(err(&run("v1", &[])), "");
    assert_eq!(err(&run("v1", &[])), "");
    let says = |are_gone: &str| {
        let v2 = archive("v2");
        format!(
            "restrata: note: {v2}: the archive is written anew, and the other images that were in it {are_gone}: v1\n"
        )
    };
    assert_eq!(err(&run("v2", &["--dry-run"])), says("would be gone"));
    let output = run("v2", &["--format", "json"]);
    assert_eq!(err(&output), says("are gone"));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["replaced"], serde_json::json!(["v1"]));
    let output = run("v2", &["--format", "json"]);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["replaced"], serde_json::json!([]));
}

#[test]
fn a_directory_that_is_not_there_or_not_writable() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let missing = dir.path().join("missing").display().to_string();
    let output = restrata(&["rechunk", "-q", &root, &layout, "--tmpdir", &missing]);
    assert_eq!(code(&output), 1);
    let says =
        format!("restrata: error: temporary files in {missing}: there is no such directory\nhint: temporary files go");
    assert!(err(&output).starts_with(&says), "{}", err(&output));
    // Nobody can make files there, not even root. In some containers it is read-only.
    let causes = [
        ("permission denied", "name a DEST in a directory where this user may make files"),
        ("read-only filesystem or storage medium", "name a DEST on a file system that is not read-only"),
    ];
    for dest in ["oci:/sys/restrata:v1", "oci-archive:/sys/restrata.tar:v1"] {
        let output = restrata(&["rechunk", "-q", &root, dest]);
        assert_eq!(code(&output), 1);
        let said = causes.map(|(cause, hint)| {
            let what = "restrata: error: /sys: expected a directory that can be written to";
            format!("{what}: {cause}\nhint: {hint}\n")
        });
        assert!(said.contains(&err(&output)), "{}", err(&output));
    }
    let output = restrata(&["rechunk", "-q", &root, &layout, "--tmpdir", "/sys"]);
    let said = causes.map(|(cause, _)| {
        format!(
            "restrata: error: temporary files in /sys: no file can be made there: {cause}\nhint: temporary files go"
        )
    });
    assert!(said.iter().any(|said| err(&output).starts_with(said)), "{}", err(&output));
}

/// Linux answers there as if the directory itself were missing.
#[test]
fn nobody_makes_files_in_proc() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let hint = "hint: name a DEST on a file system for files of one's own";
    for dest in ["oci:/proc/x", "oci:/proc/x:v1", "oci-archive:/proc/x.tar:v1"] {
        let said = err(&restrata(&["rechunk", "-q", &root, dest]));
        let what = "restrata: error: /proc: expected a directory that can be written to: no file can be made there";
        assert_eq!(said, format!("{what}\n{hint}\n"));
    }
    let said = err(&restrata(&["rechunk", "-q", &root, &layout, "--tmpdir", "/proc"]));
    assert!(said.starts_with("restrata: error: temporary files in /proc: no file can be made there\n"), "{said}");
}

/// Runs it where `mnt` is a file system in memory with these options.
fn mounted(mnt: &Path, options: &str, arguments: &[&str]) -> Option<Output> {
    let unshared = || {
        let mut command = Command::new("unshare");
        command.arg("-rm");
        command
    };
    // Not every machine lets its users mount.
    if !unshared().args(["mount", "-t", "tmpfs", "tmpfs"]).arg(mnt).output().is_ok_and(|output| output.status.success())
    {
        println!("no file systems can be mounted here");
        return None;
    }
    let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
    let mut command = unshared();
    command.args(["sh", "-c", script, "sh", options]).arg(mnt);
    command.arg(Command::cargo_bin("restrata").unwrap().get_program()).args(arguments);
    Some(command.env_remove("TMPDIR").output().unwrap())
}

#[test]
fn a_disk_that_is_full_or_read_only() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let noise: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(dir.path().join("root/noise"), noise).unwrap();
    let mnt = dir.path().join("mnt");
    fs::create_dir(&mnt).unwrap();
    let shown = mnt.display().to_string();
    let bytes = |said: &str| {
        let (_, rest) = said.split_once("(os error 28)): ").unwrap_or_else(|| panic!("{said}"));
        let (room, _) = rest.split_once(" do not fit, and the run needs more than that").unwrap();
        let (number, unit) = room.split_once(' ').unwrap();
        number.parse::<f64>().unwrap() * if unit == "MB" { 1e6 } else { 1e3 }
    };
    for dest in [format!("oci:{shown}/out:v1"), format!("oci-archive:{shown}/out.tar:v1")] {
        let arguments = ["rechunk", "-q", &root, &dest];
        let Some(full) = mounted(&mnt, "size=200k", &arguments) else { return };
        let said = err(&full);
        assert_eq!(code(&full), 1, "{said}");
        let says = format!("restrata: error: {shown}: no room is left (No space left on device (os error 28)): ");
        assert!(said.starts_with(&says) && said.contains("\nhint: make room there, or name a DEST"), "{said}");
        assert!(bytes(&said) > 1e5, "{said}");
        let Some(read_only) = mounted(&mnt, "ro", &arguments) else { return };
        let says = format!(
            "restrata: error: {shown}: expected a directory that can be written to: read-only filesystem or storage medium\n\
             hint: name a DEST on a file system that is not read-only\n"
        );
        assert_eq!((code(&read_only), err(&read_only)), (1, says));
    }
    let arguments = ["rechunk", "-q", &root, &layout, "--tmpdir", &shown];
    let Some(full) = mounted(&mnt, "size=200k", &arguments) else { return };
    let said = err(&full);
    let says =
        format!("restrata: error: temporary files in {shown}: no room is left (No space left on device (os error 28))");
    assert!(code(&full) == 1 && said.starts_with(&says) && bytes(&said) > 1e5, "{said}");
    assert!(said.contains("\nhint: temporary files go to --tmpdir DIR, else to $TMPDIR"), "{said}");
}
