//! The command as it is typed.
#![cfg(feature = "cli")]

mod access;
mod bridge;
mod cache;
mod composefs;
mod degraded;
mod diff;
mod dump;
mod durable;
mod failures;
mod family;
mod hints;
mod history;
mod merge;
mod options;
mod probe;
mod stores;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::CommandCargoExt as _;
use restrata::oci::Reference;
use serde_json::Value;
use tempfile::TempDir;

const COMMANDS: [&str; 15] = [
    "rechunk",
    "family",
    "merge",
    "verify",
    "diff",
    "history",
    "check",
    "inspect",
    "dump",
    "prune",
    "probe",
    "bridge",
    "cache",
    "completions",
    "man",
];
const JOBS: [&str; 13] = [
    "rechunk", "family", "merge", "verify", "diff", "history", "check", "inspect", "dump", "prune", "probe", "bridge",
    "cache",
];

fn restrata(arguments: &[&str]) -> Output {
    Command::cargo_bin("restrata")
        .unwrap()
        .args(arguments)
        .env_remove("TMPDIR")
        .env_remove("SOURCE_DATE_EPOCH")
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A reference to a small root file system, and one to write to.
fn images(dir: &Path) -> (String, String) {
    let root = dir.join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/hostname"), "a\n").unwrap();
    fs::write(root.join("data"), vec![7; 300_000]).unwrap();
    (format!("dir:{}", root.display()), format!("oci:{}:v1", dir.join("out").display()))
}

#[test]
fn wrong_usage_is_64() {
    for arguments in [
        &[][..],
        &["no-such-command"],
        &["rechunk"],
        &["rechunk", "oci:a"],
        &["rechunk", "oci:a", "oci:b", "--level", "23"],
        &["rechunk", "oci:a", "oci:b", "--threads", "0"],
        &["rechunk", "oci:a", "oci:b", "--index", "middle"],
        &["rechunk", "oci:a", "dir:b"],
        &["rechunk", "oci:a", "oci:b", "--max-waste", "101%"],
        &["rechunk", "oci:a", "oci:b", "--max-waste", "-5"],
        &["rechunk", "oci:a", "oci:b", "--max-layers", "0"],
        &["rechunk", "oci:a", "oci:b", "--mtime", "clamp"],
        &["rechunk", "oci:a", "oci:b", "--order", "random"],
        &["rechunk", "oci:a", "oci:b", "--prune", "/"],
        &["rechunk", "oci:a", "oci:b", "--purge", "../a"],
        &["rechunk", "oci:a", "oci:b", "--label", "key"],
        &["rechunk", "oci:a", "oci:b", "--composefs-digest-label", "key=value"],
        &["rechunk", "oci:a", "oci:b", "--annotation", "key-"],
        &["rechunk", "oci:a", "oci:b", "--dry-run", "--digestfile", "d"],
        &["rechunk", "oci:a", "oci:b", "--first", "--trust-previous"],
        &["verify", "oci:a", "oci:b", "--ignore", "mode"],
        &["diff", "oci:a"],
        &["diff", "oci:a", "oci:b", "--client", "dockerd"],
        &["diff", "oci:a", "oci:b", "--registry", "ghcr.io"],
        &["diff", "oci:a", "oci:b", "--fail-above", "much"],
        &["diff", "oci:a", "oci:b", "--format", "pdf"],
        &["history", "oci:a", "oci:b", "--format", "html"],
        &["history", "oci:a"],
        &["history", "oci:a", "oci:b", "--client", "dockerd"],
        &["inspect", "oci:a", "--platform", "linux"],
        &["check", "oci:a", "--no-such-option"],
        &["completions", "tcsh"],
        &["probe", "oci:a"],
        &["bridge", "--allow", "https://ghcr.io"],
        &["bridge", "--upstream", "ghcr.io/owner"],
        &["bridge", "--listen", "127.0.0.1"],
        &["bridge", "ghcr.io"],
        &["probe", "docker://"],
        &["probe", "docker://localhost/a", "--tls-verify=perhaps"],
        &["probe", "docker://localhost/a", "--retry-delay", "2"],
    ] {
        let output = restrata(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}: {}", err(&output));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_reference_without_transport_gets_a_hint() {
    let output = restrata(&["inspect", "alpine"]);
    assert_eq!(code(&output), 64);
    assert!(err(&output).starts_with("restrata: error: invalid value 'alpine' for '<REF>'"), "{}", err(&output));
    assert!(err(&output).contains("\nhint: "), "{}", err(&output));
    assert!(err(&output).contains("docker://alpine"), "{}", err(&output));
    let output = restrata(&["rechunk", "oci:a", "oci:b", "--base", "containers-storage:alpine"]);
    assert_eq!(code(&output), 64);
    assert!(err(&output).contains("\nhint: name the published image: docker://HOST/REPO:TAG"), "{}", err(&output));
}

#[test]
fn a_password_in_a_reference_is_not_shown() {
    for reference in
        ["docker://me:hunter2@quay.io/app:v1", "https://me:hunter2@quay.io/app", "docker://me:hunter2@x/@y"]
    {
        for arguments in
            [&["inspect", reference][..], &["rechunk", "oci:a", reference], &["diff", reference, reference]]
        {
            let output = restrata(arguments);
            assert_eq!(code(&output), 64, "{arguments:?}");
            assert!(!err(&output).contains("hunter2") && err(&output).contains(".."), "{}", err(&output));
        }
    }
}

#[test]
fn help_has_an_example_for_every_command() {
    let help = restrata(&["--help"]);
    assert_eq!(code(&help), 0);
    for job in JOBS {
        let is_one =
            |line: &str| line.strip_prefix("  restrata ").is_some_and(|line| line.split(' ').next() == Some(job));
        assert!(out(&help).lines().any(is_one), "{job}");
    }
    for command in COMMANDS {
        let help = restrata(&[command, "--help"]);
        assert_eq!(code(&help), 0);
        assert!(out(&help).contains(&format!("restrata {command} ")), "{command}");
        assert!(out(&help).contains("Examples:"), "{command}");
    }
}

/// Every reference in an example is one that the tool takes.
#[test]
fn the_examples_are_typed_right() {
    let mut seen = 0;
    for command in COMMANDS {
        let help = out(&restrata(&[command, "--help"]));
        let examples = help.split_once("Examples:\n").unwrap().1;
        assert!(examples.lines().all(|line| line.starts_with("  ")), "a line that was too long: {examples}");
        // A member of a family has several references.
        let words = examples.split_whitespace().flat_map(|word| word.split('=')).filter(|word| !word.is_empty());
        for word in words {
            if ["oci:", "oci-archive:", "docker-archive:", "dir:"].iter().any(|start| word.starts_with(start)) {
                word.trim_end_matches(')').parse::<Reference>().unwrap();
                seen += 1;
            }
        }
    }
    assert!(seen >= 12, "{seen}");
}

#[test]
fn version_names_the_program_and_the_compressor() {
    let output = restrata(&["--version"]);
    assert_eq!(code(&output), 0);
    assert!(out(&output).starts_with(concat!("restrata ", env!("CARGO_PKG_VERSION"))), "{}", out(&output));
    assert!(out(&output).contains("libzstd 1."), "{}", out(&output));
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = restrata(&["completions", shell]);
        assert_eq!(code(&output), 0);
        for word in COMMANDS.iter().chain(&[
            "previous",
            "platform",
            "digestfile",
            "max-waste",
            "dry-run",
            "fail-above",
            "ranges-299",
            "tls-verify",
        ]) {
            assert!(out(&output).contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let dir = TempDir::new().unwrap();
    let pages = dir.path().join("man/man1");
    assert_eq!(code(&restrata(&["man", pages.to_str().unwrap()])), 0);
    let page = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    let main = page("restrata.1");
    let rechunk = page("restrata-rechunk.1");
    let synopsis = rechunk.split(".SH SYNOPSIS").nth(1).unwrap().split(".SH").next().unwrap();
    for words in [r"[\fB\-\-previous\fR \fIREF\fR]...", r"[\fB\-\-dry\-run\fR]", r"\fINEW\fR \fIDEST\fR"] {
        assert!(synopsis.contains(words), "{words}: {synopsis}");
    }
    assert!(page("restrata-probe.1").contains(r"[\fB\-\-tls\-verify\fR[=\fIBOOL\fR]]"));
    for command in COMMANDS {
        assert!(main.contains(&format!("restrata\\-{command}(1)")), "{command}");
        assert!(page(&format!("restrata-{command}.1")).contains(".SH EXAMPLES\n.nf\n"), "{command}");
    }
    assert!(main.contains(".SH \"EXIT CODES\"") && main.contains(".SH REFERENCES"));
    assert_eq!(fs::read_dir(&pages).unwrap().count(), COMMANDS.len() + 1);
}

#[test]
fn a_missing_image_is_2() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let missing = format!("oci:{}", dir.path().join("missing").display());
    for arguments in [
        &["rechunk", &missing, &layout][..],
        &["rechunk", &root, &layout, "--previous", &missing],
        &["inspect", &missing],
        &["check", &missing],
        &["verify", &root, &missing],
        &["diff", &missing, &missing],
    ] {
        let output = restrata(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", err(&output));
        assert!(err(&output).starts_with("restrata: error: "), "{}", err(&output));
        assert!(output.stdout.is_empty());
    }
    assert!(!dir.path().join("out").exists());
}

#[test]
fn a_missing_tag_lists_those_there() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    let output = restrata(&["rechunk", &layout.replace(":v1", ":v9"), &layout.replace(":v1", ":v2")]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("\"v9\", found v1"), "{}", err(&output));
}

#[test]
fn rechunk_reports_in_text_and_json_and_quietly() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let file = dir.path().join("digest");
    let output = restrata(&["rechunk", "-q", &root, &layout, "--digestfile", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let digest = out(&output).trim_end().to_owned();
    assert!(digest.starts_with("sha256:") && output.stderr.is_empty(), "{}", err(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), digest);

    let update = ["rechunk", &root, &layout.replace(":v1", ":v2"), "--previous", &layout];
    let output = restrata(&update);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).contains(&format!("update from {layout}")), "{}", out(&output));
    assert!(!out(&output).contains('\u{1b}'), "styles in a pipe");

    let output = restrata(&[&update[..], &["--format", "json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(report["layers"][0]["state"], "kept");
    assert!(report["pulls"].as_array().unwrap().iter().any(|pull| pull["from"] == layout.as_str()));
}

#[test]
fn a_digestfile_that_cannot_be_written_is_told_first() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let missing = dir.path().join("no/where");
    let below_file = dir.path().join("root/data/digest");
    for (file, says) in
        [(&missing, "No such file"), (&below_file, "Not a directory"), (&dir.path().join("root"), "a directory")]
    {
        let output = restrata(&["rechunk", &root, &layout, "--digestfile", file.to_str().unwrap()]);
        assert_eq!(code(&output), 1);
        let said = err(&output);
        assert!(said.contains(file.to_str().unwrap()) && said.contains(says), "{said}");
        assert!(!dir.path().join("out").exists());
    }
    // A job that fails leaves no empty file.
    let digest = dir.path().join("digest");
    let missing = format!("oci:{}", missing.display());
    assert_eq!(code(&restrata(&["rechunk", &missing, &layout, "--digestfile", digest.to_str().unwrap()])), 2);
    assert!(!digest.exists());
}

/// The image is there all the same, and so is its digest.
#[test]
fn a_report_that_cannot_be_printed_is_told_after_the_image() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    let digest = dir.path().join("digest");
    let mut command = std::process::Command::cargo_bin("restrata").unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    command.args(["rechunk", &root, &layout, "--digestfile"]).arg(&digest);
    let output = command.stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    assert_eq!(code(&output), 1);
    let says = "error: the image is written, but its report can't be printed: standard output: No space left";
    assert!(err(&output).contains(says), "{}", err(&output));
    assert_eq!(code(&restrata(&["verify", "-q", &root, &layout])), 0);
    assert!(fs::read_to_string(digest).unwrap().starts_with("sha256:"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::cargo_bin("restrata").unwrap();
    let mut child = child.args(["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), err(&output)), (0, String::new()));
}

#[test]
fn verify_and_check_say_no_with_3() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    let same = restrata(&["verify", &root, &layout]);
    assert_eq!(code(&same), 0, "{}{}", out(&same), err(&same));
    assert!(out(&same).starts_with("the same: "), "{}", out(&same));
    let sound = restrata(&["check", &layout]);
    assert_eq!(code(&sound), 0, "{}{}", out(&sound), err(&sound));
    let shown = restrata(&["inspect", &layout]);
    assert!(code(&shown) == 0 && out(&shown).contains("/data"), "{}{}", out(&shown), err(&shown));

    fs::write(dir.path().join("root/data"), "other").unwrap();
    let other = restrata(&["verify", &root, &layout]);
    assert_eq!(code(&other), 3);
    assert!(out(&other).contains("/data: content "), "{}", out(&other));
    assert!(restrata(&["verify", "-q", &root, &layout]).stdout.is_empty());
    let other = restrata(&["verify", &root, &layout, "--format", "json"]);
    assert_eq!(serde_json::from_slice::<Value>(&other.stdout).unwrap()["same"], false);
}

/// Quiet leaves out the report where the exit code is the answer, and nowhere else.
#[test]
fn quiet_prints_what_was_asked_for() {
    let dir = TempDir::new().unwrap();
    let (v1, v2) = diff::versions(&dir);
    let (root, layout) = (format!("dir:{}", dir.path().join("root").display()), v1.strip_suffix(":v1").unwrap());
    let limit = ["--fail-above", "1GB"];
    for (arguments, is_printed) in [
        (&["history", &v1, &v2][..], true),
        (&["inspect", &v2], true),
        (&["diff", &v1, &v2], true),
        (&["diff", &v1, &v2, "--format", "markdown", limit[0], limit[1]], true),
        (&["diff", &v1, &v2, limit[0], limit[1]], false),
        (&["prune", layout], true),
        (&["prune", layout, "--force", "--format", "json"], true),
        (&["prune", layout, "--force"], false),
        (&["rechunk", &root, &v2, "--previous", &v1, "--dry-run"], true),
        (&["verify", &root, &v2, "--ignore", "mtime"], false),
        (&["check", &v2], false),
        (&["check", &v2, "--format", "json"], true),
    ] {
        let (loud, quiet) = (restrata(arguments), restrata(&[&["-q"], arguments].concat()));
        assert_eq!((code(&loud), code(&quiet)), (0, 0), "{arguments:?}: {}", err(&loud));
        assert_eq!(out(&quiet), if is_printed { out(&loud) } else { String::new() }, "{arguments:?}");
        assert_eq!(err(&quiet), "", "{arguments:?}");
    }
}

/// Each document above the layers, damaged and then gone.
#[test]
fn a_damaged_image_is_3_in_check() {
    let tmp = TempDir::new().unwrap();
    let (root, layout) = images(tmp.path());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &layout])), 0);
    let dir = tmp.path().join("out");
    let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let blob = |digest: &Value| dir.join("blobs/sha256").join(&digest.as_str().unwrap()["sha256:".len()..]);
    let manifest = blob(&read(&dir.join("index.json"))["manifests"][0]["digest"]);
    let config = blob(&read(&manifest)["config"]["digest"]);
    for path in [dir.join("oci-layout"), dir.join("index.json"), manifest, config] {
        let good = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::write(&path, &good[1..]).unwrap();
        let output = restrata(&["check", &layout]);
        assert_eq!(code(&output), 3, "{name}: {}{}", out(&output), err(&output));
        assert!(out(&output).starts_with("problem: ") && out(&output).contains(name), "{}", out(&output));
        let output = restrata(&["check", &layout, "--format", "json"]);
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["ok"], false);
        assert_eq!(code(&restrata(&["inspect", &layout])), 1);
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(code(&restrata(&["check", &layout])), 0);
    assert_eq!(code(&restrata(&["check", &layout.replace("v1", "v9")])), 2);
    assert_eq!(code(&restrata(&["check", &format!("oci:{}", tmp.path().join("root").display())])), 1);
    fs::remove_file(blob(&read(&dir.join("index.json"))["manifests"][0]["digest"])).unwrap();
    assert_eq!(code(&restrata(&["check", &layout])), 3);
}

#[test]
fn an_interrupted_job_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let (root, layout) = images(dir.path());
    // Zeros without blocks on the disk, far more than can be read before the signal comes.
    fs::File::create(dir.path().join("root/zeros")).unwrap().set_len(32 << 30).unwrap();
    let spool = dir.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let mut child = Command::cargo_bin("restrata").unwrap();
    child.args(["rechunk", &root, &layout, "--tmpdir"]).arg(&spool).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), err(&output).as_str()), (130, "restrata: error: interrupted\n"));
    assert!(output.stdout.is_empty());
    assert!(!dir.path().join("out").exists());
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
}

#[test]
fn inputs_and_other_files_are_not_overwritten() {
    let tmp = TempDir::new().unwrap();
    let (root, _) = images(tmp.path());
    let archive = format!("oci-archive:{}:v1", tmp.path().join("a.tar").display());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &archive])), 0);
    let before = fs::read(tmp.path().join("a.tar")).unwrap();
    let output = restrata(&["rechunk", "-q", &archive, &archive]);
    assert_eq!(code(&output), 1, "{}", err(&output));
    assert!(fs::read(tmp.path().join("a.tar")).unwrap() == before);

    fs::write(tmp.path().join("notes"), "mine").unwrap();
    let output = restrata(&["rechunk", "-q", &root, &format!("oci-archive:{}:v1", tmp.path().join("notes").display())]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains("a file that is no OCI archive"), "{}", err(&output));
    assert_eq!(fs::read_to_string(tmp.path().join("notes")).unwrap(), "mine");

    let inside = format!("oci:{}:v1", tmp.path().join("root/sub/out").display());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &inside])), 1);
    assert!(!tmp.path().join("root/sub").exists());
}

/// Frames that decode to other content, under digests that agree with them.
#[test]
fn a_previous_layer_that_lies_is_not_kept() {
    let tmp = TempDir::new().unwrap();
    let (root, _) = images(tmp.path());
    let old = tmp.path().join("old");
    let reference = format!("oci:{}:v1", old.display());
    assert_eq!(code(&restrata(&["rechunk", "-q", &root, &reference])), 0);
    lie(&old);
    let new = format!("oci:{}:v1", tmp.path().join("new").display());
    let output = restrata(&["rechunk", &root, &new, "--previous", &reference, "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["layers"][0]["state"], "fresh");
    assert_eq!(code(&restrata(&["verify", "-q", &root, &new])), 0);
    assert_eq!(code(&restrata(&["check", "-q", &new])), 0);
}

/// Changes a byte of the layer's last frame before the footer, and makes every digest above it right again.
fn lie(layout: &Path) {
    let blob = |digest: &Value| layout.join("blobs/sha256").join(&digest.as_str().unwrap()["sha256:".len()..]);
    let put = |bytes: &[u8]| {
        let digest = restrata::digest::BlobDigest::from_bytes(restrata::codec::Sha256Stream::of(bytes));
        fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        Value::from(digest.to_string())
    };
    let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let index_path = layout.join("index.json");
    let mut index = read(&index_path);
    let mut manifest = read(&blob(&index["manifests"][0]["digest"]));
    let mut layer = fs::read(blob(&manifest["layers"][0]["digest"])).unwrap();
    let at = layer.len() - 72 - 20;
    layer[at] ^= 1;
    manifest["layers"][0]["digest"] = put(&layer);
    let manifest = manifest.to_string();
    index["manifests"][0]["digest"] = put(manifest.as_bytes());
    fs::write(&index_path, index.to_string()).unwrap();
}
