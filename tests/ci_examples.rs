//! The commands of examples/ci, taken out of the files and run: what is tested is what people copy. Building, fetching and
//! posting, which need servers, are left out.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt as _;

/// The lines of a workflow that call restrata: one of a list, or of a block.
fn script(file: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(file)).unwrap();
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    let lines: Vec<&str> = lines.filter(|line| line.starts_with("restrata ")).collect();
    assert_eq!(lines.len(), 2, "rechunk and diff in {file}: {lines:?}");
    lines.join("\n")
}

/// The variables that the workflow sets for its commands, as the file has them.
fn value(file: &str, name: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(file)).unwrap();
    let value = text.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{name}: ")));
    value.unwrap_or_else(|| panic!("no {name} in {file}")).to_owned()
}

fn run(dir: &Path, file: &str, limit: &str) -> Output {
    let binary = Command::cargo_bin("restrata").unwrap();
    let bin = Path::new(binary.get_program()).parent().unwrap();
    Command::new("sh")
        .args(["-e", "-c", &script(file)])
        .current_dir(dir)
        .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
        .env("NEW", "dir:root")
        .env("PUBLISHED", value(file, "PUBLISHED"))
        .env("OUTPUT", value(file, "OUTPUT"))
        .env("LIMIT", limit)
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .unwrap()
}

#[test]
fn the_gate_passes_and_fails_and_leaves_a_comment() {
    for file in ["github.yml", "gitlab.yml"] {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        fs::create_dir(dir.join("root")).unwrap();
        fs::write(dir.join("root/stays"), [1; 50_000]).unwrap();
        let mut rechunk = Command::cargo_bin("restrata").unwrap();
        let rechunk = rechunk.current_dir(dir).args(["rechunk", "dir:root", &value(file, "PUBLISHED"), "-q"]);
        assert!(rechunk.status().unwrap().success());
        let noise: Vec<u8> = (0..200_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        fs::write(dir.join("root/new"), noise).unwrap();

        let passed = run(dir, file, &value(file, "LIMIT"));
        assert_eq!(passed.status.code(), Some(0), "{file}: {}", String::from_utf8_lossy(&passed.stderr));
        let comment = fs::read_to_string(dir.join("pull-cost.md")).unwrap();
        assert!(comment.starts_with("### This update"), "{comment}");

        fs::remove_file(dir.join("pull-cost.md")).unwrap();
        let failed = run(dir, file, "1kB");
        assert_eq!(failed.status.code(), Some(3), "{file}: {}", String::from_utf8_lossy(&failed.stderr));
        assert_eq!(fs::read_to_string(dir.join("pull-cost.md")).unwrap(), comment, "the comment is there all the same");
    }
}
