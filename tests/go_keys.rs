//! Which keys clients take for known ones, held against Go's decoder. Where Go is not installed this says so; `tests/run`
//! installs it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use restrata::json::folds_to;
use tempfile::TempDir;

/// Builds the program; `None` without Go.
fn gojson(dir: &Path) -> Option<Command> {
    let program = dir.join("gojson");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/gojson");
    let build = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg("main.go")
        .current_dir(source)
        .env("GO111MODULE", "off")
        .env("GOCACHE", dir.join("cache"))
        .env("GOFLAGS", "")
        .output();
    let Ok(built) = build else {
        // Past the test harness, which keeps what a passing test prints to itself.
        std::io::stderr().write_all(b"left out: Go's decoder on keys (go is not installed)\n").unwrap();
        return None;
    };
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(Command::new(program))
}

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz0123456789._-";

#[test]
fn every_character_folds_as_in_go() {
    let dir = TempDir::new().unwrap();
    let Some(mut gojson) = gojson(dir.path()) else { return };
    let output = gojson.output().unwrap();
    assert!(output.status.success());
    // What either of Go's two ways takes for a character of the alphabet.
    let mut theirs = BTreeSet::new();
    let mut ways = BTreeSet::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut words = line.split(' ');
        let char = words.next().unwrap().parse::<u32>().ok().and_then(char::from_u32).unwrap();
        ways.insert(words.next().unwrap().to_owned());
        theirs.insert((char, words.next().unwrap().to_owned()));
    }
    assert_eq!(ways.len(), 2);
    let mut ours = BTreeSet::new();
    let known: Vec<String> = ALPHABET.chars().map(|char| format!("x{char}")).collect();
    for char in '\0'..=char::MAX {
        let key = format!("x{char}");
        let taken = known.iter().filter(|known| folds_to(&key, known));
        ours.extend(taken.map(|known| (char, known[1..].to_owned())));
    }
    assert_eq!(ours, theirs);
    assert!(ours.contains(&('\u{17f}', "s".to_owned())) && ours.contains(&('\u{130}', "i".to_owned())));
}

#[test]
fn keys_fold_as_in_go() {
    let dir = TempDir::new().unwrap();
    let Some(mut gojson) = gojson(dir.path()) else { return };
    let known = ["digest", "mediaType", "os.version", "diff_ids", "StopSignal", "chunkSize", "k", "sks"];
    // Characters of a known key, some of them in another form, some replaced or left out.
    let other = |char: char| {
        let mut forms = vec![char, char.to_ascii_uppercase(), char.to_ascii_lowercase()];
        match char.to_ascii_lowercase() {
            's' => forms.push('\u{17f}'),
            'k' => forms.push('\u{212a}'),
            _ => forms.push('\u{df}'),
        }
        proptest::sample::select(forms)
    };
    let key = proptest::sample::select(known.to_vec())
        .prop_flat_map(move |known| (Just(known), known.chars().map(other).collect::<Vec<_>>(), 0..20_usize))
        .prop_map(|(known, mut chars, cut)| {
            if cut < chars.len() / 2 {
                chars.remove(cut);
            }
            (known, chars.into_iter().collect::<String>())
        });
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let keys: Vec<(&str, String)> = (0..4000).map(|_| key.new_tree(&mut runner).unwrap().current()).collect();
    let mut input = String::new();
    keys.iter().for_each(|(known, key)| writeln!(input, "{known}\n{key}").unwrap());
    let mut child = gojson.arg("-keys").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let taken: Vec<bool> = String::from_utf8(output.stdout).unwrap().lines().map(|line| line == "1").collect();
    assert_eq!(taken.len(), keys.len());
    assert!(taken.contains(&true) && taken.contains(&false));
    for ((known, key), taken) in keys.iter().zip(taken) {
        assert_eq!(folds_to(key, known), taken, "{key} for {known}");
    }
}
