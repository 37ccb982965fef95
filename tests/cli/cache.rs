//! What is remembered between runs, shown and removed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::Value;
use tempfile::TempDir;

use super::{code, err, images, out};

fn restrata(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("restrata").unwrap();
    command.args(arguments).env("XDG_CACHE_HOME", home.join("cache")).env("HOME", home).output().unwrap()
}

fn counts(home: &Path, arguments: &[&str]) -> (u64, u64, bool) {
    let output = restrata(home, &[&["cache", "--format", "json"], arguments].concat());
    assert_eq!(code(&output), 0, "{}", err(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dir = home.join("cache/restrata");
    assert_eq!(report["directory"].as_str(), dir.to_str());
    let proofs = &report["proofs"];
    let is_used = proofs["oldest_use"].is_string() && proofs["newest_use"].is_string();
    assert_eq!(is_used, proofs["count"].as_u64().unwrap() > 0);
    (proofs["count"].as_u64().unwrap(), report["others"].as_u64().unwrap(), report["cleared"] == true)
}

#[test]
fn the_cache_is_shown_and_cleared() {
    let tmp = TempDir::new().unwrap();
    let (home, dir) = (tmp.path(), tmp.path().join("cache/restrata"));
    let shown = restrata(home, &["cache"]);
    assert_eq!((code(&shown), out(&shown)), (0, format!("empty: {}\n", dir.display())));
    assert!(!home.join("cache").exists());

    let (root, layout) = images(home);
    assert_eq!(code(&restrata(home, &["rechunk", "-q", &root, &layout])), 0);
    assert_eq!(counts(home, &[]), (1, 0, false));
    let shown = out(&restrata(home, &["cache"]));
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], [dir.to_str().unwrap()]);
    assert_eq!((lines[2][0], lines[2][1]), ("proofs", "1"));
    assert_eq!(lines[3], ["indexes", "0", "0", "B"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80.max(dir.as_os_str().len())), "{shown}");

    fs::write(dir.join("notes"), "mine").unwrap();
    let cleared = out(&restrata(home, &["cache", "--clear"]));
    assert!(cleared.starts_with("removed 1 proof (84 B) and 0 indexes (0 B):"), "{cleared}");
    assert!(cleared.contains("1 other file or directory there"), "{cleared}");
    assert!(dir.join("notes").exists() && !dir.join("proofs").exists());
    let cleared = out(&restrata(home, &["cache", "--clear"]));
    assert!(cleared.starts_with("nothing to remove: "), "{cleared}");
    assert_eq!(restrata(home, &["cache", "--clear", "-q"]).stdout, b"");
    assert_eq!(counts(home, &["--clear", "-q"]), (0, 1, true));
}

#[test]
fn what_is_not_the_user_s_own_is_refused() {
    let tmp = TempDir::new().unwrap();
    let (home, dir) = (tmp.path(), tmp.path().join("cache/restrata"));
    let (root, layout) = images(home);
    assert_eq!(code(&restrata(home, &["rechunk", "-q", &root, &layout])), 0);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    for arguments in [&["cache"][..], &["cache", "--clear"], &["cache", "--clear", "-q"]] {
        let refused = restrata(home, arguments);
        assert_eq!((code(&refused), out(&refused).as_str()), (1, ""));
        let wanted = format!(
            "restrata: error: {}: expected a directory that only you can write to, found the mode 777\n",
            dir.display()
        );
        assert_eq!(err(&refused), wanted);
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(counts(home, &[]), (1, 0, false));

    let mut nowhere = Command::cargo_bin("restrata").unwrap();
    let nowhere = nowhere.arg("cache").env_remove("HOME").env("XDG_CACHE_HOME", "relative").output().unwrap();
    assert_eq!(code(&nowhere), 1);
    assert!(err(&nowhere).contains("no cache: expected an absolute path"), "{}", err(&nowhere));
}
