//! `bridge` as it is typed: what keeps it from starting. What it answers is tested in the library, and with real clients.

use std::fs;
use std::net::TcpListener;

use tempfile::TempDir;

use super::{code, err, restrata};

/// Ends at once, with this code and these words.
fn refused(arguments: &[&str], expected: i32, says: &str) {
    let output = restrata(&[&["bridge"], arguments].concat());
    assert_eq!(code(&output), expected, "{arguments:?}: {}", err(&output));
    assert!(err(&output).contains(says), "{arguments:?}: {}", err(&output));
    assert!(!err(&output).contains("the bridge listens"), "{}", err(&output));
}

#[test]
fn places_that_are_taken() {
    let dir = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&["--listen", &address], 1, &format!("{address} is in use; name another address with --listen"));
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    let socket = format!("unix:{}", file.display());
    refused(&["--listen", &socket], 1, "is in use");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let at = format!("unix:{}", dir.path().join("socket").display());
    refused(&["--listen", &at, "--cache", file.to_str().unwrap()], 1, "expected a directory, found something else");
}

#[test]
fn logins_that_would_do_nothing() {
    let dir = TempDir::new().unwrap();
    let at = format!("unix:{}", dir.path().join("socket").display());
    refused(&["--listen", &at, "--authfile", "/nowhere/auth.json"], 1, "--authfile /nowhere/auth.json");
    let free = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().to_string();
    for (option, value) in [("--creds", "me:hunter2"), ("--authfile", "/nowhere/auth.json")] {
        refused(
            &["--listen", &free, option, value],
            1,
            &format!("{option}: a bridge on another address than loopback"),
        );
    }
}

#[test]
fn options_that_mean_nothing() {
    refused(&["ghcr.io"], 64, "HOST goes with --print-config or --write-config");
    refused(&["--cache-size", "1GB"], 64, "--cache <DIR>");
    refused(&["--listen", "localhost:7080"], 64, "expected ADDR:PORT with an IP address");
    refused(&["--allow", "https://ghcr.io"], 64, "expected HOST or HOST:PORT without https://");
}
