//! Images in the stores of podman and docker, which a program writes to a pipe, and archives from and to pipes. The
//! programs are shell scripts here; tests/harness/stores.sh asks the real ones.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use assert_cmd::cargo::CommandCargoExt as _;

use super::hints::{Place, place};
use super::{code, err, out, restrata};

/// The command, in whose PATH the program does what the script says.
fn command(place: &Place, program: &str, script: &str, arguments: &[&str]) -> Command {
    let bin = place.path("bin");
    fs::create_dir_all(&bin).unwrap();
    // podman would be asked where its store is.
    for (program, script) in [("podman", "exit 125"), (program, script)] {
        let stub = bin.join(program);
        fs::write(&stub, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&stub, Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::cargo_bin("restrata").unwrap();
    command.args(arguments).current_dir(place.dir.path()).env_remove("TMPDIR").env_remove("SOURCE_DATE_EPOCH");
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    command
}

fn run(place: &Place, program: &str, script: &str, arguments: &[&str]) -> Output {
    command(place, program, script, arguments).output().unwrap()
}

const STORED: &str = "containers-storage:localhost/app:1";

#[test]
fn a_store_is_read_by_its_program() {
    let place = place();
    let plain = format!("docker-archive:{}", place.text("docker.tar"));
    let (a, b) = (format!("oci:{}:a", place.text("read")), format!("oci:{}:b", place.text("read")));
    let wanted = restrata(&["rechunk", "-q", &plain, &a]);
    for (program, reference, arguments) in [
        ("skopeo", STORED, format!("--tmpdir=/var/tmp copy --quiet {STORED} docker-archive:/dev/stdout")),
        (
            "skopeo",
            "containers-storage:[o@/a b]x@1",
            "--tmpdir=/var/tmp copy --quiet containers-storage:[o@/a b]x@1 docker-archive:/dev/stdout".to_owned(),
        ),
        ("docker", "docker-daemon:app:1", "save -- app:1".to_owned()),
        ("docker", "docker-daemon:-v:1", "save -- -v:1".to_owned()),
    ] {
        let script = "echo \"$*\" >asked; echo noise >&2; cat docker.tar";
        let read = run(&place, program, script, &["rechunk", "-q", reference, &b]);
        assert_eq!((code(&read), err(&read).as_str()), (0, ""), "{reference}");
        assert_eq!(out(&read), out(&wanted), "{reference}");
        assert_eq!(fs::read_to_string(place.path("asked")).unwrap(), format!("{arguments}\n"));
        for arguments in [
            &["verify", "-q", &plain, reference][..],
            &["verify", "-q", reference, reference],
            &["inspect", reference],
            &["check", "-q", reference],
            &["diff", &a, reference],
            &["history", reference, &a],
        ] {
            let done = run(&place, program, script, arguments);
            assert_eq!(code(&done), 0, "{arguments:?}: {}", err(&done));
        }
    }
    // Temporary files of the program go where restrata's go.
    fs::create_dir(place.path("spool")).unwrap();
    let script = "echo \"$1\" >asked; cat docker.tar";
    let read = run(&place, "skopeo", script, &["rechunk", STORED, &b, "--tmpdir", "spool"]);
    assert_eq!(fs::read_to_string(place.path("asked")).unwrap(), "--tmpdir=spool\n");
    let note = format!("restrata: note: {STORED}: unpacked into a temporary file of");
    assert!(err(&read).contains(&note) && err(&read).contains("since a program's output can't be read in parts"));
}

#[test]
fn a_program_that_fails_is_heard() {
    let place = place();
    let log = "echo 'time=\"now\" level=fatal msg=\"it \\\"broke\\\"\"' >&2";
    for (script, exit, says) in [
        (format!("{log}; exit 1"), 1, "skopeo failed (exit status: 1): it \"broke\""),
        // What it wrote until then may look like an archive, or like a part of one.
        (format!("cat docker.tar; {log}; exit 1"), 1, "skopeo failed (exit status: 1): it \"broke\""),
        (format!("head -c 700 docker.tar; {log}; exit 1"), 1, "skopeo failed (exit status: 1): it \"broke\""),
        ("head -c 700 docker.tar; kill -9 $$".to_owned(), 1, "skopeo failed (signal: 9 (SIGKILL)) and said nothing"),
        (format!("{log}; exit 2"), 2, "skopeo failed (exit status: 2): it \"broke\""),
        (
            "echo 'level=fatal: x does not resolve to an image ID' >&2; exit 1".to_owned(),
            2,
            "level=fatal: x does not resolve to an image ID",
        ),
        ("printf 'a\\033[31mb\\n' >&2; exit 1".to_owned(), 1, "(exit status: 1): a\\u{1b}[31mb\n"),
        ("yes loud | head -c 9000000 >&2; exit 1".to_owned(), 1, "(exit status: 1): loud; loud; loud\n"),
        // It is content, but what it wrote is no archive.
        ("head -c 700 docker.tar".to_owned(), 1, "the archive ends early, at byte 700 of what it unpacks to"),
        ("true".to_owned(), 1, "expected a tar file, found nothing in it"),
    ] {
        let failed = run(&place, "skopeo", &script, &["rechunk", "-q", STORED, "oci:new"]);
        assert_eq!(code(&failed), exit, "{script}: {}", err(&failed));
        assert!(err(&failed).starts_with(&format!("restrata: error: {STORED}: ")), "{script}: {}", err(&failed));
        assert!(err(&failed).contains(says) && err(&failed).len() < 400, "{script}: {}", err(&failed));
        assert!(out(&failed).is_empty() && !place.path("new").exists());
    }
    let gone = "echo 'Error response from daemon: No such image: x:1' >&2; exit 1";
    assert_eq!(code(&run(&place, "docker", gone, &["inspect", "docker-daemon:x:1"])), 2);
    // skopeo looks for podman's own images under another name.
    let short = run(&place, "skopeo", "exit 2", &["inspect", "containers-storage:app:1"]);
    assert!(err(&short).ends_with("\nhint: perhaps containers-storage:localhost/app:1\n"), "{}", err(&short));
}

#[test]
fn a_program_that_is_not_installed() {
    let place = place();
    for (reference, program, instead) in [
        (STORED, "the program skopeo", "install the package skopeo"),
        ("docker-daemon:app:1", "the program docker", "install docker's command line"),
    ] {
        let mut inspect = command(&place, "other", "", &["inspect", reference]);
        let missing = inspect.env("PATH", place.path("bin")).output().unwrap();
        assert_eq!(code(&missing), 1);
        let says = format!("{reference}: expected {program} in PATH, found none; {instead}");
        assert!(err(&missing).contains(&says), "{}", err(&missing));
    }
    let mut neither = command(&place, "other", "", &["inspect", STORED]);
    fs::remove_file(place.path("bin/podman")).unwrap();
    let neither = neither.env("PATH", place.path("bin")).output().unwrap();
    let says = "expected podman or skopeo in PATH, found neither; install one of them";
    assert!(code(&neither) == 1 && err(&neither).contains(says), "{}", err(&neither));
}

/// With skopeo, which says it in its own words, and without.
#[test]
fn a_name_that_podman_does_not_have() {
    let place = place();
    let podman = "echo 'Error: localhost/app:1: image not known' >&2; exit 125";
    let skopeo = "echo 'time=\"now\" level=fatal msg=\"x does not resolve to an image ID\"' >&2; exit 1";
    for has_skopeo in [false, true] {
        let mut inspect = command(&place, "podman", podman, &["inspect", STORED]);
        if has_skopeo {
            command(&place, "skopeo", skopeo, &[]);
            inspect = command(&place, "podman", podman, &["inspect", STORED]);
        }
        let gone = inspect.env("PATH", place.path("bin")).output().unwrap();
        let says = format!(
            "restrata: error: {STORED}: podman's store has no localhost/app:1; podman images lists the names\n"
        );
        assert_eq!((code(&gone), err(&gone)), (2, says));
    }
}

/// Waits for what a stub says of itself.
fn appears(path: &Path) -> String {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => sleep(Duration::from_millis(10)),
        }
    }
    panic!("{} does not appear", path.display());
}

fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn ctrl_c_ends_the_program() {
    let place = place();
    // Silent, loud, in the middle of the archive, deaf, and with a program of its own.
    for (program, script) in [
        ("podman", "exec sleep 1000"),
        ("skopeo", "exec sleep 1000"),
        ("skopeo", "exec yes >&2"),
        ("skopeo", "head -c 700 docker.tar; exec sleep 1000"),
        ("skopeo", "exec cat /dev/zero"),
        ("skopeo", "trap '' INT TERM; cat docker.tar; exec >&-; while :; do sleep 1; done"),
        ("skopeo", "sleep 1000 & wait"),
    ] {
        let _ = fs::remove_file(place.path("pid"));
        let script = format!("echo $$ >pid; {script}");
        let mut rechunk = command(&place, program, &script, &["rechunk", "-q", STORED, "oci:new"]);
        let child = rechunk.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = appears(&place.path("pid"));
        interrupt(&child);
        let ended = child.wait_with_output().unwrap();
        assert_eq!((code(&ended), err(&ended).as_str()), (130, "restrata: error: interrupted\n"), "{script}");
        let until = Instant::now() + Duration::from_secs(60);
        while lives(&pid) {
            assert!(Instant::now() < until, "{script}: {pid} goes on");
            sleep(Duration::from_millis(10));
        }
        assert!(!place.path("new").exists());
    }
}

/// With the file on its standard input, by a pipe.
fn piped(arguments: &[&str], file: &Path) -> Output {
    let mut command = Command::cargo_bin("restrata").unwrap();
    command.args(arguments).env_remove("TMPDIR").env_remove("SOURCE_DATE_EPOCH");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that refuses its arguments does not read.
    let _ = stdin.write_all(&fs::read(file).unwrap());
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_dash_is_standard_input() {
    let place = place();
    for (transport, name, tag) in [
        ("docker-archive", "docker.tar", ""),
        ("docker-archive", "docker.tar.gz", ""),
        ("docker-archive", "two.tar", ":app:2"),
        ("oci-archive", "oci.tar", ""),
        ("oci-archive", "oci.tar", ":v1"),
    ] {
        let (dash, file) = (format!("{transport}:-{tag}"), place.path(name));
        let named = format!("{transport}:{}{tag}", file.display());
        let (a, b) = (format!("oci:{}:a", place.text("dash")), format!("oci:{}:b", place.text("dash")));
        let wanted = restrata(&["rechunk", "-q", &named, &a]);
        let found = piped(&["rechunk", "-q", &dash, &b], &file);
        assert_eq!((code(&found), err(&found).as_str(), out(&found)), (0, "", out(&wanted)), "{dash}");
        assert_eq!(code(&piped(&["verify", &dash, &named], &file)), 0, "{dash}");
        // A file needs no copy.
        let mut inspect = Command::cargo_bin("restrata").unwrap();
        let read = inspect.args(["inspect", &dash]).stdin(File::open(&file).unwrap()).output().unwrap();
        assert_eq!((code(&read), err(&read).is_empty()), (0, !name.ends_with(".gz")), "{dash}: {}", err(&read));
    }
    let cut = place.path("cut.tar");
    fs::write(&cut, &fs::read(place.path("docker.tar")).unwrap()[..700]).unwrap();
    let said = err(&piped(&["inspect", "docker-archive:-"], &cut));
    assert!(said.starts_with("restrata: error: standard input: the archive ends early, at byte 700"), "{said}");
    let nothing = restrata(&["inspect", "docker-archive:-"]);
    assert!(err(&nothing).contains("standard input: expected a tar file, found a device"), "{}", err(&nothing));
}

#[test]
fn one_reference_is_standard_input() {
    for arguments in [
        &["verify", "docker-archive:-", "oci-archive:-:v1"][..],
        &["diff", "oci:a", "oci-archive:-", "docker-archive:-"],
        &["history", "oci-archive:-:a", "oci-archive:-:b"],
        &["rechunk", "docker-archive:-", "oci:x", "--previous", "oci-archive:-"],
        &["rechunk", "docker-archive:-", "oci:x", "--base", "oci-archive:-"],
    ] {
        let output = restrata(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        let says = "restrata: error: expected one image at most from standard input, found ";
        assert!(err(&output).starts_with(says), "{}", err(&output));
    }
}

/// `script` gives its command a terminal.
#[test]
fn a_terminal_is_no_archive() {
    let place = place();
    if Command::new("script").arg("--version").output().is_err() {
        println!("no program makes terminals here");
        return;
    }
    let binary = Command::cargo_bin("restrata").unwrap().get_program().to_owned();
    for (arguments, says) in [
        ("inspect docker-archive:-".to_owned(), "docker-archive:- is read from standard input, which is a terminal"),
        (
            format!("rechunk {} oci-archive:-:v1", place.root),
            "oci-archive:-:v1 is written to standard output, which is a terminal",
        ),
    ] {
        let inner = format!("{} {arguments}", binary.display());
        let output = Command::new("script").args(["-qec", &inner, "/dev/null"]).output().unwrap();
        assert_eq!(code(&output), 64, "{}", out(&output));
        assert!(out(&output).contains(says), "{}", out(&output));
    }
    let inner = format!("{} rechunk --dry-run {} oci-archive:-:v1", binary.display(), place.root);
    let planned = Command::new("script").args(["-qec", &inner, "/dev/null"]).output().unwrap();
    assert_eq!(code(&planned), 0, "{}", out(&planned));
}

#[test]
fn a_dash_is_standard_output() {
    let place = place();
    let spool = place.path("spool");
    fs::create_dir(&spool).unwrap();
    let (digestfile, file) = (place.text("digest"), place.path("stdout.tar"));
    let wanted = place.path("wanted.tar");
    let named = restrata(&["rechunk", "-q", &place.root, &format!("oci-archive:{}:v1", wanted.display())]);
    for (options, reported) in
        [(&["-q"][..], out(&named)), (&[], "first".to_owned()), (&["--format", "json"], "\"digest\"".to_owned())]
    {
        let mut rechunk = Command::cargo_bin("restrata").unwrap();
        rechunk.args(["rechunk", &place.root, "oci-archive:-:v1", "--digestfile", &digestfile, "--tmpdir"]).arg(&spool);
        let done = rechunk.args(options).env_remove("SOURCE_DATE_EPOCH").output().unwrap();
        assert_eq!(code(&done), 0, "{}", err(&done));
        assert!(done.stdout == fs::read(&wanted).unwrap(), "{options:?}");
        assert!(err(&done).contains(reported.trim()), "{options:?}: {}", err(&done));
        assert_eq!(fs::read_to_string(&digestfile).unwrap(), out(&named).trim());
        assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
        fs::write(&file, &done.stdout).unwrap();
    }
    // From pipe to pipe. An archive that is read and one that is written are two.
    let again = piped(&["rechunk", "-q", "oci-archive:-", "oci-archive:-:v1"], &file);
    assert_eq!(code(&again), 0, "{}", err(&again));
    fs::write(&file, &again.stdout).unwrap();
    assert_eq!(code(&piped(&["verify", "-q", &place.root, "oci-archive:-"], &file)), 0);
}

#[test]
fn nothing_is_written_of_an_image_that_fails() {
    let place = place();
    let strict = ["rechunk", "--strict", "--format", "json", &place.root, "oci-archive:-", "--own-layer", "/not/there"];
    let failed = restrata(&strict);
    assert_eq!(code(&failed), 3, "{}", err(&failed));
    assert!(out(&failed).is_empty() && err(&failed).contains("\"degraded\""), "{}", err(&failed));
    let missing = place.text("missing");
    let failed = restrata(&["rechunk", "-q", &place.root, "oci-archive:-", "--tmpdir", &missing]);
    assert_eq!((code(&failed), out(&failed).as_str()), (1, ""));
    let says =
        format!("temporary files in {missing}: there is no such directory\nhint: temporary files go to --tmpdir");
    assert!(err(&failed).contains(&says), "{}", err(&failed));
    assert_eq!(code(&restrata(&["rechunk", "oci:x", "oci-archive:-:@0"])), 64);
}

/// A reader that goes away, and one that stops to read.
#[test]
fn readers_of_standard_output_may_leave() {
    let place = place();
    // More than a pipe holds, and no two bytes alike to a compressor.
    let mut noise = File::open("/dev/urandom").unwrap().take(3 << 20);
    std::io::copy(&mut noise, &mut File::create(place.path("root/noise")).unwrap()).unwrap();
    let spool = place.path("spool");
    fs::create_dir(&spool).unwrap();
    let start = || {
        let mut rechunk = Command::cargo_bin("restrata").unwrap();
        rechunk.args(["rechunk", "-q", &place.root, "oci-archive:-", "--tmpdir"]).arg(&spool);
        rechunk.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut gone = start();
    let mut first = [0; 512];
    gone.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let failed = gone.wait_with_output().unwrap();
    assert_eq!(code(&failed), 1);
    assert!(err(&failed).contains("standard output: writing the archive: Broken pipe"), "{}", err(&failed));
    let mut stuck = start();
    let mut stdout = stuck.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    interrupt(&stuck);
    let ended = stuck.wait_with_output().unwrap();
    assert_eq!((code(&ended), err(&ended).as_str()), (130, "restrata: error: interrupted\n"));
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
}
