//! `dump` as it is typed. `tests/harness/composefs.sh` holds its lines against those of the real program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::CommandCargoExt as _;
use sha2::Digest as _;
use tempfile::TempDir;

use super::{code, err, images, out, restrata};

/// A program in the place of `mkcomposefs`.
fn digest_by(dir: &TempDir, program: Option<&str>, reference: &str) -> Output {
    let bin = dir.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    if let Some(program) = program {
        let path = bin.join("mkcomposefs");
        fs::write(&path, program).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let path = if program.is_some() { path } else { bin.display().to_string() };
    Command::cargo_bin("restrata").unwrap().args(["dump", "--digest", reference]).env("PATH", path).output().unwrap()
}

#[test]
fn a_tree_is_printed_whatever_its_layers_are() {
    let dir = TempDir::new().unwrap();
    let (root, image) = images(dir.path());
    assert_eq!(code(&restrata(&["rechunk", "-q", "--mtime", "keep", &root, &image])), 0);
    for format in ["composefs", "mtree"] {
        let [tree, layers] = [&root, &image].map(|reference| restrata(&["dump", reference, "--format", format]));
        assert_eq!((code(&tree), code(&layers)), (0, 0), "{}{}", err(&tree), err(&layers));
        assert!(out(&tree).contains("etc/hostname ") && out(&tree) == out(&layers), "{}{}", out(&tree), out(&layers));
    }
}

#[test]
fn the_digest_is_what_mkcomposefs_says() {
    let dir = TempDir::new().unwrap();
    let (root, _) = images(dir.path());
    let found = digest_by(
        &dir,
        Some("#!/bin/sh\ntest \"$*\" = '--from-file --print-digest-only -' && sha256sum | cut -c1-64\n"),
        &root,
    );
    let dump = restrata(&["dump", &root]).stdout;
    assert_eq!(code(&found), 0, "{}", err(&found));
    let digest: String = sha2::Sha256::digest(&dump).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(out(&found), format!("{digest}\n"));
}

#[test]
fn what_mkcomposefs_can_do_instead() {
    let dir = TempDir::new().unwrap();
    let (root, _) = images(dir.path());
    for (program, says) in [
        (None, "install the package composefs"),
        (Some("#!/bin/sh\ncat >/dev/null; echo 12\n"), "expected a digest of 64 hex digits, found"),
        (Some("#!/bin/sh\nprintf 'no \\033 room' >&2; exit 1\n"), "found no \\u{1b} room"),
        (Some("no program"), "mkcomposefs"),
    ] {
        let found = digest_by(&dir, program, &root);
        assert_eq!(code(&found), 1, "{program:?}");
        assert!(err(&found).contains(says) && out(&found).is_empty(), "{program:?}: {}", err(&found));
    }
}

#[test]
fn nobody_has_to_read_all_of_it() {
    let dir = TempDir::new().unwrap();
    let (root, _) = images(dir.path());
    let mut command = Command::cargo_bin("restrata").unwrap();
    let mut child = command.args(["dump", &root]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
}
