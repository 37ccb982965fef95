//! `cargo test` alone says what it does not test.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn is_installed(program: &str) -> bool {
    let run = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

#[test]
fn says_what_cargo_test_leaves_out() {
    let script = "tests/run";
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(script).is_file(), "{script} is named below");
    let mut left_out = vec!["podman, containerd, Go and registries"];
    if !is_installed("skopeo") {
        left_out.push("skopeo on our layouts (not installed)");
    }
    if !is_installed("jq") {
        left_out.push("jq in examples (not installed)");
    }
    // Past the test harness, which keeps what a passing test prints to itself.
    writeln!(std::io::stderr(), "left out: {}; {script} has them all (Debian, root)", left_out.join("; ")).unwrap();
}
