//! Runs a case: limits, exit code, message, and what is left.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What a case's function makes in the working directory.
pub const NEW: &str = "oci:new:t";
pub const OLD: &str = "oci:old:t";
pub const DEST: &str = "oci:out:t";

/// The program may have 1 GB of address space beside what it starts with: its own image, and 2 MiB for the stack of each
/// thread. glibc sets 64 MiB aside for each thread that allocates, used or not; the limit would then be one of threads, so
/// the cases run with one arena for all.
const MEMORY: u64 = 1_000_000_000 + 250_000_000;

/// Seconds of CPU time in all threads, not optimised. It does not depend on what else the machine does.
const CPU: u64 = 100;

/// Seconds by the clock, after which nobody believes in an end.
const WALL: u64 = 600;

pub struct Case {
    /// Makes `new`, and whatever else the arguments name, in this directory.
    pub make: fn(&Path),
    pub arguments: &'static [&'static str],
    pub code: i32,
    /// Stands in what is printed.
    pub says: &'static str,
}

impl Case {
    /// Exit code 1.
    pub fn fails(arguments: &'static [&'static str], says: &'static str) -> Self {
        Self { make: |_| {}, arguments, code: 1, says }
    }

    /// Exit code 0.
    pub fn works(arguments: &'static [&'static str], says: &'static str) -> Self {
        Self { code: 0, ..Self::fails(arguments, says) }
    }

    pub fn run(&self) {
        let dir = Dir::new();
        (self.make)(dir.path());
        let output = dir.run(self.arguments);
        let said = said(&output);
        let start: String = said.chars().take(2000).collect();
        assert_eq!(output.status.code(), Some(self.code), "{:?} {}: {start}", self.arguments, output.status);
        assert!(said.contains(self.says), "{:?}: expected {:?} in: {start}", self.arguments, self.says);
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{:?}: what drives a terminal: {start:?}", self.arguments);
        assert!(said.len() < 100_000, "{} bytes are printed: {start}", said.len());
        dir.expect_clean(self.code == 0);
    }
}

/// Standard output and error.
pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// A test for each case, under its name.
macro_rules! cases {
    ($($name:ident: $case:expr,)*) => {
        $(
            #[test]
            fn $name() {
                $case.run();
            }
        )*
    };
}
pub(crate) use cases;

pub struct Dir(TempDir);

impl Dir {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let child = self.start(arguments);
        let id = child.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
        let output = receiver.recv_timeout(Duration::from_secs(WALL)).unwrap_or_else(|_| {
            signal(id, "KILL");
            panic!("{arguments:?}: no end within {WALL} s");
        });
        waiting.join().unwrap().unwrap();
        output
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        Command::new("prlimit")
            .args([format!("--as={MEMORY}"), format!("--cpu={CPU}"), "--core=0".to_owned()])
            .arg(assert_cmd::cargo::cargo_bin("restrata"))
            .args(arguments)
            .current_dir(self.path())
            .env("TMPDIR", self.path().join("tmp"))
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("MALLOC_ARENA_MAX", "1")
            .env_remove("SOURCE_DATE_EPOCH")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prlimit, of util-linux")
    }

    /// Nothing in `TMPDIR`; no `out` after a failure, and no stage in or beside it.
    pub fn expect_clean(&self, has_out: bool) {
        let names = |dir: &Path| -> Vec<String> {
            let entries = fs::read_dir(dir).into_iter().flatten();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        assert_eq!(names(&self.path().join("tmp")), [""; 0], "left in TMPDIR");
        let out = self.path().join("out");
        assert!(has_out || !out.exists(), "left in DEST: {:?}", names(&out));
        let all = names(self.path()).into_iter().chain(names(&out));
        let stages: Vec<String> = all.filter(|name| name.contains(".restrata-")).collect();
        assert!(stages.is_empty(), "left: {stages:?}");
    }
}

pub fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), id.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits for an end, at most so long.
pub fn ended(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if start.elapsed() > within {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
