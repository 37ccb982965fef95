//! Runs beside each other, runs at the machine's limits, and layouts that are pruned.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use assert_cmd::cargo::CommandCargoExt as _;
use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{code, err, images, out, restrata};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn spawn(arguments: &[&str]) -> Child {
    let mut command = Command::cargo_bin("restrata").unwrap();
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs it in a shell that first does `limit`.
fn limited(limit: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{limit}; exec \"$0\" \"$@\""));
    command.arg(Command::cargo_bin("restrata").unwrap().get_program()).args(arguments);
    command.output().unwrap()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn tag(reference: &str, tag: &str) -> String {
    format!("{}:{tag}", reference.strip_suffix(":v1").unwrap())
}

/// Changes the manifest and the config of a layout's only image.
fn edit(dir: &Path, change: impl Fn(&mut Value, &mut Value)) {
    let blob = |digest: &Value| dir.join("blobs/sha256").join(&digest.as_str().unwrap()["sha256:".len()..]);
    let put = |value: &Value, descriptor: &mut Value| {
        let text = value.to_string();
        let digest = restrata::digest::BlobDigest::from_bytes(restrata::codec::Sha256Stream::of(text.as_bytes()));
        fs::write(dir.join("blobs/sha256").join(digest.hex()), &text).unwrap();
        (descriptor["digest"], descriptor["size"]) = (digest.to_string().into(), text.len().into());
    };
    let mut index = read(&dir.join("index.json"));
    let mut manifest = read(&blob(&index["manifests"][0]["digest"]));
    let mut config = read(&blob(&manifest["config"]["digest"]));
    change(&mut manifest, &mut config);
    put(&config, &mut manifest["config"]);
    put(&manifest, &mut index["manifests"][0]);
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn runs_at_once_into_one_layout_all_count() {
    let tmp = TempDir::new().unwrap();
    let (_, layout) = images(tmp.path());
    let roots: Vec<String> = (0..8)
        .map(|number| {
            let root = tmp.path().join(format!("root{number}"));
            fs::create_dir(&root).unwrap();
            fs::write(root.join("own"), vec![number; 10_000]).unwrap();
            fs::write(root.join("shared"), "the same in all").unwrap();
            format!("dir:{}", root.display())
        })
        .collect();
    let runs: Vec<Child> = roots
        .iter()
        .enumerate()
        .map(|(number, root)| spawn(&["rechunk", "-q", root, &tag(&layout, &format!("t{number}"))]))
        .collect();
    // Who prunes meanwhile takes nothing away that a run needs.
    let whole = layout.strip_suffix(":v1").unwrap();
    for _ in 0..10 {
        restrata(&["prune", "-q", whole, "--force"]);
    }
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{}", err(&output));
    }
    for (number, root) in roots.iter().enumerate() {
        let reference = tag(&layout, &format!("t{number}"));
        let same = restrata(&["verify", "-q", root, &reference]);
        assert_eq!(code(&same), 0, "{}", err(&same));
    }
    assert_eq!(names(&tmp.path().join("out")), ["blobs", "index.json", "oci-layout"]);
    assert_eq!(read(&tmp.path().join("out/index.json"))["manifests"].as_array().unwrap().len(), 8);
}

#[test]
fn threads_that_cannot_be_made_are_an_error() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    // No thread can have a stack of 64 TiB.
    for arguments in [&["rechunk", &root, &layout][..], &["verify", &root, &root], &["check", &root]] {
        let output = limited("export RUST_MIN_STACK=70368744177664", arguments);
        assert_eq!(code(&output), 1, "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains("a thread can't be started"), "{}", err(&output));
    }
    assert_eq!(names(tmp.path()), ["root"]);
}

#[test]
fn a_file_above_the_limit_is_an_error() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    let noise: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(tmp.path().join("root/noise"), noise).unwrap();
    let spool = tmp.path().join("spool");
    fs::create_dir(&spool).unwrap();
    for dest in [layout.clone(), format!("oci-archive:{}:v1", tmp.path().join("out.tar").display())] {
        let output = limited("ulimit -f 100", &["rechunk", &root, &dest, "--tmpdir", spool.to_str().unwrap()]);
        assert_eq!(code(&output), 1, "{}", err(&output));
        assert!(err(&output).contains("the limit for files is reached (ulimit -f)"), "{}", err(&output));
    }
    assert_eq!(names(tmp.path()), ["root", "spool"]);
    assert!(names(&spool).is_empty());
}

#[test]
fn an_image_of_600_layers_needs_less_than_1024_descriptors() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    edit(&tmp.path().join("out"), |manifest, config| {
        for list in [&mut manifest["layers"], &mut config["rootfs"]["diff_ids"]] {
            *list = vec![list[0].clone(); 600].into();
        }
    });
    let dest = format!("oci:{}", tmp.path().join("new").display());
    let arguments = ["rechunk", "-q", &root, &dest, "--previous", &layout];
    let output = limited("ulimit -Sn 1024; ulimit -Hn 1024", &arguments);
    assert_eq!(code(&output), 0, "{}", err(&output));
    // Where more is allowed to whom asks, restrata asks.
    let output = limited("ulimit -Sn 64", &arguments);
    assert_eq!(code(&output), 0, "{}", err(&output));
}

#[test]
fn a_tree_may_be_deeper_than_descriptors_are_allowed() {
    let tmp = TempDir::new().unwrap();
    let (_, layout) = images(tmp.path());
    let root = tmp.path().join("deep");
    fs::create_dir(&root).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir = open(&root, flags, Mode::empty()).unwrap();
    for level in 0..1500 {
        mkdirat(&dir, "d", Mode::from_raw_mode(0o755)).unwrap();
        if level % 100 == 0 {
            let file = openat(&dir, "file", OFlags::CREATE | OFlags::WRONLY, Mode::from_raw_mode(0o644)).unwrap();
            rustix::io::write(file, b"content").unwrap();
            rustix::fs::symlinkat("d", &dir, "z").unwrap();
        }
        dir = openat(&dir, "d", flags, Mode::empty()).unwrap();
    }
    drop(dir);
    let reference = format!("dir:{}", root.display());
    let limit = "ulimit -Sn 128; ulimit -Hn 128";
    let output = limited(limit, &["rechunk", "-q", &reference, &layout]);
    let same = limited(limit, &["verify", &reference, &layout]);
    // The temporary directory's own clean-up would need a descriptor for each level.
    assert!(Command::new("rm").arg("-rf").arg(&root).status().unwrap().success());
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(code(&same), 0, "{}{}", out(&same), err(&same));
    assert!(out(&same).contains("1,531 entries"), "{}", out(&same));
}

#[test]
fn a_tag_too_many_is_refused_before_the_work() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    let path = tmp.path().join("out/index.json");
    let mut index = read(&path);
    let entry = index["manifests"][0].clone();
    let entries = (0..1024).map(|number| {
        let mut entry = entry.clone();
        entry["annotations"]["org.opencontainers.image.ref.name"] = json!(format!("t{number}"));
        entry
    });
    index["manifests"] = entries.collect();
    fs::write(&path, index.to_string()).unwrap();
    for dry_run in [&["--dry-run"][..], &[]] {
        let output = restrata(&[&["rechunk", &root, &tag(&layout, "more")], dry_run].concat());
        assert_eq!(code(&output), 1);
        assert!(err(&output).contains("at most 1,024 images, found 1,025"), "{}", err(&output));
    }
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &tag(&layout, "t7")])), 0);
    assert_eq!(code(&restrata(&["check", "-q", &tag(&layout, "t1023")])), 0);
}

#[test]
fn documents_that_no_client_reads_are_refused_before_the_work() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    let large = "x".repeat(4_150_000);
    let edit_value = format!("key={}", "x".repeat(100_000));
    for (option, in_config) in [("--label", true), ("--annotation", false)] {
        let _ = fs::remove_dir_all(tmp.path().join("out"));
        assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
        edit(&tmp.path().join("out"), |manifest, config| match in_config {
            true => config["history"] = json!([{"comment": large, "empty_layer": true}]),
            false => manifest["annotations"] = json!({"large": large}),
        });
        let dest = format!("oci:{}:v1", tmp.path().join("new").display());
        // As large as it may be, and then larger.
        assert_eq!(code(&restrata(&["rechunk", "-q", "--dry-run", &layout, &dest])), 0);
        let output = restrata(&["rechunk", &layout, &dest, option, &edit_value]);
        assert_eq!(code(&output), 1);
        assert!(err(&output).contains("at most 4,194,304 bytes of a manifest, index or config"), "{}", err(&output));
        assert_eq!(names(tmp.path()), ["out", "root"]);
    }
}

#[test]
fn a_link_that_leads_nowhere_is_told_first() {
    let tmp = TempDir::new().unwrap();
    let (root, _) = images(tmp.path());
    symlink("nowhere", tmp.path().join("link")).unwrap();
    for transport in ["oci", "oci-archive"] {
        let dest = format!("{transport}:{}:v1", tmp.path().join("link").display());
        let output = restrata(&["rechunk", &root, &dest]);
        assert_eq!(code(&output), 1);
        assert!(err(&output).contains("a symbolic link to nowhere, which is not there"), "{}", err(&output));
    }
    // One that leads somewhere is as good as its target.
    fs::create_dir(tmp.path().join("nowhere")).unwrap();
    let dest = format!("oci:{}:v1", tmp.path().join("link").display());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &dest])), 0);
    assert!(tmp.path().join("nowhere/index.json").is_file());
}

#[test]
fn an_empty_directory_that_a_kill_left_is_still_empty() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    // What is there after a kill in the midst of the first image's commit.
    let dir = tmp.path().join("out");
    for path in [".restrata-aB3dEf/blobs/sha256", "blobs/sha256"] {
        fs::create_dir_all(dir.join(path)).unwrap();
    }
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let output = restrata(&["rechunk", "-q", &root, &layout]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(names(&dir), ["blobs", "index.json", "oci-layout"]);
}

fn blobs(dir: &Path) -> Vec<PathBuf> {
    names(&dir.join("blobs/sha256")).into_iter().map(|name| dir.join("blobs/sha256").join(name)).collect()
}

#[test]
fn prune_removes_what_no_tag_needs() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    let dir = tmp.path().join("out");
    let whole = layout.strip_suffix(":v1").unwrap();
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    let output = restrata(&["prune", whole]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).starts_with("nothing to remove: 3 blobs ("), "{}", out(&output));

    fs::write(tmp.path().join("root/data"), vec![8; 300_000]).unwrap();
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    fs::create_dir_all(dir.join(".restrata-aB3dEf/blobs/sha256")).unwrap();
    fs::write(dir.join(".restrata-aB3dEf/new-x"), "half of a blob").unwrap();
    let before = blobs(&dir);
    assert_eq!(before.len(), 6);
    let dry = restrata(&["prune", whole]);
    assert!(out(&dry).contains("3 blobs (") && out(&dry).contains("--force removes them"), "{}", out(&dry));
    let json = |arguments: &[&str]| -> Value {
        let output = restrata(&[&["prune", whole, "--format", "json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let counts = |report: &Value| ["removed_blobs", "unneeded_blobs", "needed_blobs"].map(|name| report[name].as_u64());
    let report = json(&[]);
    assert_eq!((counts(&report), &report["removed_bytes"]), ([Some(0), Some(3), Some(3)], &json!(0)));
    assert_eq!((&report["leftovers"], &report["leftover_bytes"]), (&json!(1), &json!(14)));
    assert_eq!(blobs(&dir), before);

    let done = restrata(&["prune", whole, "--force"]);
    assert_eq!(code(&done), 0, "{}", err(&done));
    assert!(out(&done).contains("removed 3 blobs ("), "{}", out(&done));
    fs::write(dir.join("blobs/sha256").join("1".repeat(64)), "1234567").unwrap();
    for (removed, bytes) in [(1, 7), (0, 0)] {
        let report = json(&["--force"]);
        assert_eq!(
            (counts(&report), &report["removed_bytes"]),
            ([Some(removed), Some(removed), Some(3)], &json!(bytes))
        );
    }
    assert_eq!((blobs(&dir).len(), names(&dir).len()), (3, 3));
    assert_eq!(code(&restrata(&["check", "-q", &layout])), 0);
    assert_eq!(code(&restrata(&["verify", "-q", &root, &layout])), 0);
}

#[test]
fn prune_keeps_everything_when_it_does_not_know() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    let dir = tmp.path().join("out");
    let whole = layout.strip_suffix(":v1").unwrap().to_owned();
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    fs::write(dir.join("blobs/sha256").join("1".repeat(64)), "needed by nobody").unwrap();
    let refused = |says: &str| {
        let before = blobs(&dir);
        let output = restrata(&["prune", &whole, "--force"]);
        assert_eq!(code(&output), 1, "{}", out(&output));
        assert!(err(&output).contains(says), "{}", err(&output));
        assert_eq!(blobs(&dir), before);
    };
    // A run that began and has not ended.
    let stage = dir.join(".restrata-aB3dEf");
    fs::create_dir_all(stage.join("blobs")).unwrap();
    let lock = fs::File::open(&stage).unwrap();
    lock.lock().unwrap();
    refused("another run writes into the layout");
    drop(lock);
    let manifest = read(&dir.join("index.json"))["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let manifest = dir.join("blobs/sha256").join(&manifest["sha256:".len()..]);
    let text = fs::read(&manifest).unwrap();
    fs::write(&manifest, "{}").unwrap();
    refused("its content has another digest");
    fs::remove_file(&manifest).unwrap();
    refused("it is not there");
    fs::write(&manifest, text).unwrap();
    // Blobs that layouts share.
    fs::rename(dir.join("blobs"), tmp.path().join("shared")).unwrap();
    symlink(tmp.path().join("shared"), dir.join("blobs")).unwrap();
    refused("other layouts may need");

    assert_eq!(code(&restrata(&["prune", &layout])), 64);
    assert_eq!(code(&restrata(&["prune", &format!("{whole}:@0")])), 64);
    assert_eq!(code(&restrata(&["prune", "oci-archive:x.tar"])), 64);
    assert_eq!(code(&restrata(&["prune", &format!("oci:{}", tmp.path().join("missing").display())])), 2);
    assert!(Path::new(OsStr::new(&root["dir:".len()..])).is_dir());
}
