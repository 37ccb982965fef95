//! The cache, behind a server and a registry of this process.

use std::io::{Read as _, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::scope;

use tempfile::{TempDir, TempPath};

use super::super::Request;
use super::super::answer::{Exchange, Server};
use super::super::http::{Head, Stream, Wire};
use super::record::UNFINISHED;
use super::*;
use crate::digest::BlobDigest;
use crate::registry::names::{Access, Environment};
use crate::registry::tests::content;
use crate::registry::tests::stub::{Answer, Auth, Fault, Registry};
use crate::registry::{Options, Reach, Retries};

const USER: &str = "Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n";

struct Bed {
    registry: Registry,
    dir: TempDir,
    blob: Vec<u8>,
    digest: String,
}

impl Bed {
    fn new() -> Self {
        let (registry, blob) = (Registry::start(), content(1_000_000));
        let digest = registry.put_blob("a/b", &blob);
        Self { registry, dir: TempDir::new().unwrap(), blob, digest }
    }

    fn keep(&self, size: u64) -> Keep {
        Keep { dir: self.dir.path().to_owned(), size }
    }

    fn server<'p>(&self, is_local: bool, progress: &'p Progress) -> Server<'p> {
        let retries = Retries { pause: Arc::new(|_, progress| progress.check()), ..Retries::default() };
        let reach = Reach {
            access: Access { tls_verify: Some(false), ..Access::default() },
            environment: Environment::below(TempDir::new().unwrap().path()),
            options: Options { retries, ..Options::default() },
        };
        let request = Request { upstream: None, allowed: vec![self.registry.host()], parallel: 4, keep: None, reach };
        let mut server = Server::new(&request, is_local, true, progress);
        server.kept = Some(Kept::open(&self.keep(10_000_000), progress).unwrap());
        server
    }

    fn head(&self, range: &str, more: &str) -> String {
        let (host, digest) = (self.registry.host(), &self.digest);
        format!("GET /v2/{host}/a/b/blobs/{digest} HTTP/1.1\r\nRange: bytes={range}\r\n{more}Connection: close\r\n\r\n")
    }

    /// The answer's head and body.
    fn ask(&self, server: &Server, range: &str, more: &str) -> (String, Vec<u8>) {
        let (mut client, end) = UnixStream::pair().unwrap();
        client.write_all(self.head(range, more).as_bytes()).unwrap();
        let answer = scope(|scope| {
            scope.spawn(|| answer(server, end).unwrap());
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            answer
        });
        let at = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..at].to_vec()).unwrap(), answer[at + 4..].to_vec())
    }

    /// A range of the blob, which is what the client gets.
    fn gets(&self, server: &Server, start: usize, end: usize, more: &str) {
        let (head, body) = self.ask(server, &format!("{start}-{}", end - 1), more);
        assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
        assert!(head.contains(&format!("Content-Range: bytes {start}-{}/1000000", end - 1)), "{head}");
        assert!(body == self.blob[start..end]);
    }

    /// What the registry was asked since the last time.
    fn asked(&self) -> Vec<&'static str> {
        let asked =
            self.registry.lines().iter().map(|line| if line.starts_with("GET") { "GET" } else { "HEAD" }).collect();
        self.registry.state().asked.clear();
        asked
    }

    fn files(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.file_name().unwrap() != "lock").collect()
    }
}

fn answer(server: &Server, end: UnixStream) -> io::Result<()> {
    let mut wire = Wire::new(Stream::Unix(end))?;
    let Head::Asked(asked) = wire.next(&Progress::new())? else { panic!("no request") };
    server.answer(Exchange { asked: &asked, wire: &mut wire, client: "test" })
}

/// Nothing is being fetched or written.
fn is_idle(server: &Server) -> bool {
    let state = lock(&server.kept.as_ref().unwrap().state);
    state.flights.is_empty() && state.stock.is_idle()
}

fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.counts.metrics();
    let line = metrics.lines().find(|line| line.starts_with(&format!("restrata_bridge_{name} "))).unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn ten_nodes_fetch_a_range_once() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    let ranges = "100-200099,400000-400999,700000-900000,999990-999999";
    let answers: Vec<Vec<u8>> = scope(|scope| {
        let nodes: Vec<_> = (0..10).map(|_| scope.spawn(|| bed.ask(&server, ranges, "").1)).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).collect()
    });
    for answer in &answers {
        assert!(answer == &answers[0]);
    }
    for part in [100..200_100, 400_000..401_000, 700_000..900_001, 999_990..1_000_000] {
        assert!(answers[0].windows(part.len()).any(|bytes| bytes == &bed.blob[part.clone()]));
    }
    assert_eq!(bed.asked(), ["GET"; 4]);
    assert_eq!((metric(&server, "cache_hits_total"), metric(&server, "ranges_sent_total")), (36, 4));
    let bytes = 200_000 + 1000 + 200_001 + 10;
    assert_eq!(
        (metric(&server, "cache_bytes_total"), metric(&server, "bytes_from_registries_total")),
        (9 * bytes, bytes)
    );
    assert!(is_idle(&server) && bed.files().len() == 4);
}

#[test]
fn what_a_record_covers_is_served_from_it() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    bed.gets(&server, 100_000, 300_000, "");
    assert_eq!(bed.asked(), ["GET"]);
    for (start, end) in [(100_000, 300_000), (150_000, 150_001), (299_999, 300_000)] {
        bed.gets(&server, start, end, "");
    }
    assert_eq!(bed.asked(), [""; 0]);
    bed.gets(&server, 299_999, 300_001, "");
    assert_eq!(bed.asked(), ["GET"]);
    // The next bridge knows it, too.
    drop(server);
    let server = bed.server(true, &progress);
    bed.gets(&server, 150_000, 160_000, "");
    assert_eq!(bed.asked(), [""; 0]);
    // Another blob of the same registry.
    let other = Bed { digest: bed.registry.put_blob("a/b", &bed.blob[1..]), ..bed };
    let (_, body) = other.ask(&server, "150000-159999", "");
    assert!(body == other.blob[150_001..160_001] && other.asked() == ["GET"]);
}

#[test]
fn a_range_to_the_end_and_one_behind_it() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    // This registry takes no range that ends behind the blob; then its size is asked for.
    for asked in [&["GET", "HEAD", "GET"][..], &[]] {
        let (head, body) = bed.ask(&server, "999000-2000000", "");
        assert!(head.contains("Content-Range: bytes 999000-999999/1000000") && body == bed.blob[999_000..]);
        assert_eq!(bed.asked(), asked);
    }
    let (head, _) = bed.ask(&server, "1000000-1000001", "");
    assert!(head.starts_with("HTTP/1.1 416 "), "{head}");
}

#[test]
fn a_damaged_record_is_a_miss() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    bed.gets(&server, 0, 100_000, "");
    let path = bed.files().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for damaged in [flipped(0), flipped(99_999), flipped(100_031), whole[..50_000].to_vec(), Vec::new()] {
        fs::write(&path, damaged).unwrap();
        bed.asked();
        bed.gets(&server, 10, 20_000, "");
        assert_eq!(bed.asked(), ["GET"]);
        assert!(!path.exists());
        // What somebody removed is a miss, too.
        bed.files().iter().for_each(|file| fs::remove_file(file).unwrap());
        bed.gets(&server, 0, 100_000, "");
        assert_eq!(bed.asked(), ["GET"]);
        assert!(fs::read(&path).unwrap() == whole);
        bed.gets(&server, 10, 20_000, "");
        assert_eq!(bed.asked(), [""; 0]);
    }
    assert!(is_idle(&server));
    assert_eq!(metric(&server, "cache_failures_total"), 10);
}

#[test]
fn what_is_no_file_is_a_miss() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    bed.gets(&server, 0, 1000, "");
    let path = bed.files().pop().unwrap();
    let elsewhere = TempDir::new().unwrap();
    fs::rename(&path, elsewhere.path().join("record")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("record"), &path).unwrap();
    bed.gets(&server, 0, 1000, "");
    assert!(path.symlink_metadata().unwrap().is_file());
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    bed.gets(&server, 0, 1000, "");
    assert!(path.symlink_metadata().unwrap().is_file());
    assert_eq!(bed.asked(), ["GET"; 3]);
    // By another one's name.
    let other = path.to_str().unwrap().replace(".0-1000-", ".1000-2000-");
    drop(server);
    fs::rename(&path, &other).unwrap();
    let server = bed.server(true, &progress);
    bed.gets(&server, 1000, 2000, "");
    assert_eq!(bed.asked(), ["GET"]);
}

struct Full(u64);

impl Write for Full {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(buf.len() as u64).ok_or(io::ErrorKind::StorageFull)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn full_after(dir: &Path, bytes: u64) -> io::Result<(Box<dyn Write + Send>, TempPath)> {
    Ok((Box::new(Full(bytes)), record::create(dir)?.1))
}

#[test]
fn a_full_disk_costs_the_record_alone() {
    let creates: [Create; 3] = [
        |_| Err(io::ErrorKind::StorageFull.into()),
        |dir| full_after(dir, 50_000),
        // All but the sum behind the run.
        |dir| full_after(dir, 300_000),
    ];
    for create in creates {
        let (bed, progress) = (Bed::new(), Progress::new());
        let mut server = bed.server(true, &progress);
        server.kept.as_mut().unwrap().create = create;
        bed.gets(&server, 0, 300_000, "");
        bed.gets(&server, 0, 300_000, "");
        assert_eq!(bed.asked(), ["GET"; 2]);
        assert!(is_idle(&server) && bed.files().is_empty());
        assert_eq!((metric(&server, "cache_failures_total"), metric(&server, "cache_hits_total")), (2, 0));
        server.kept.as_mut().unwrap().create = record::create;
        bed.gets(&server, 0, 300_000, "");
        bed.gets(&server, 0, 300_000, "");
        assert_eq!(bed.asked(), ["GET"]);
    }
}

#[test]
fn a_client_that_hangs_up_leaves_nothing() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    let (mut client, end) = UnixStream::pair().unwrap();
    client.write_all(bed.head("0-999999", "").as_bytes()).unwrap();
    scope(|scope| {
        let answered = scope.spawn(|| answer(&server, end));
        client.read_exact(&mut [0; 10]).unwrap();
        drop(client);
        assert!(answered.join().unwrap().is_err());
    });
    assert!(is_idle(&server) && bed.files().is_empty());
    bed.asked();
    bed.gets(&server, 0, 1_000_000, "");
    bed.gets(&server, 0, 1_000_000, "");
    assert_eq!(bed.asked(), ["GET"]);
}

#[test]
fn what_is_cut_goes_on_into_the_record() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    bed.registry.fault("GET", "/blobs/", 1, Fault::Cut(70_000));
    bed.gets(&server, 0, 300_000, "");
    assert_eq!(bed.asked(), ["GET"; 2]);
    bed.gets(&server, 0, 300_000, "");
    assert_eq!(bed.asked(), [""; 0]);
}

#[test]
fn when_a_fetch_fails_the_others_fetch() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    bed.registry.fault("GET", "/blobs/", 1, Fault::Answer(Answer::new(404)));
    let heads: Vec<String> = scope(|scope| {
        let nodes: Vec<_> = (0..4).map(|_| scope.spawn(|| bed.ask(&server, "0-99999", "").0)).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).collect()
    });
    let count = |status: &str| heads.iter().filter(|head| head.starts_with(status)).count();
    assert_eq!((count("HTTP/1.1 404"), count("HTTP/1.1 206")), (1, 3));
    assert!(is_idle(&server));
}

#[test]
fn nobody_waits_for_ever() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let mut server = bed.server(true, &progress);
    server.kept.as_mut().unwrap().patience = Duration::from_millis(20);
    let whence = crate::codec::Sha256Stream::of(format!("user {}", bed.registry.host()).as_bytes());
    let blob = Blob { digest: bed.digest.parse().unwrap(), whence };
    let stuck = Fetched { number: u64::MAX, request: u64::MAX, blob, span: Span::between(0, 500_000) };
    lock(&server.kept.as_ref().unwrap().state).flights.push(stuck);
    bed.gets(&server, 0, 100_000, "");
    // Only who fetches what nobody else does keeps it.
    assert_eq!((bed.asked().len(), bed.files().len()), (1, 0));
    let (head, _) = bed.ask(&server, "0-9,100000-100009,200000-200009,300000-300009,400000-400009", "");
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    bed.gets(&server, 400_000, 500_001, "");
    assert_eq!(bed.files().len(), 1);
}

#[test]
fn a_request_never_waits_for_itself() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let mut server = bed.server(true, &progress);
    server.kept.as_mut().unwrap().patience = Duration::from_secs(3600);
    // Each of them is covered by the last one, which is read ahead.
    let (head, _) = bed.ask(&server, "0-9,300000-300009,200000-200009,100000-900000", "");
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    assert!(is_idle(&server));
}

#[test]
fn others_get_only_what_the_registry_would_give_them() {
    let (bed, progress) = (Bed::new(), Progress::new());
    bed.registry.state().auth = Auth::Basic("user", "password");
    let server = bed.server(false, &progress);
    bed.gets(&server, 0, 1000, USER);
    assert_eq!(bed.asked(), ["GET"]);
    bed.gets(&server, 100, 200, USER);
    assert_eq!(bed.asked(), ["HEAD"]);
    // Once a request.
    let (head, _) = bed.ask(&server, "0-9,100-109,900-909", USER);
    assert!(head.starts_with("HTTP/1.1 206 ") && bed.asked() == ["HEAD"]);
    for shown in ["", "Authorization: Basic bm9ib2R5OnB3\r\n"] {
        let (head, body) = bed.ask(&server, "0-999", shown);
        assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("WWW-Authenticate: Basic"), "{head}");
        assert!(!body.windows(16).any(|bytes| bytes == &bed.blob[..16]));
        assert_eq!(bed.asked(), ["HEAD", "GET"]);
    }
    // A registry that does not answer HEAD gives it all the same, and then the client may have the rest of it.
    bed.registry.fault("HEAD", "/blobs/", 1, Fault::Answer(Answer::new(405)));
    let (head, _) = bed.ask(&server, "0-9,100-109,900-909", USER);
    assert!(head.starts_with("HTTP/1.1 206 ") && bed.asked() == ["HEAD", "GET"], "{head}");
}

#[test]
fn who_waits_for_others_may_read_it_too() {
    let (bed, progress) = (Bed::new(), Progress::new());
    bed.registry.state().auth = Auth::Basic("user", "password");
    let server = bed.server(false, &progress);
    let heads: Vec<String> = scope(|scope| {
        let shown = |node: usize| if node.is_multiple_of(2) { USER } else { "" };
        let nodes: Vec<_> = (0..8)
            .map(|node| {
                scope.spawn({
                    let (bed, server) = (&bed, &server);
                    move || bed.ask(server, "0-99999", shown(node)).0
                })
            })
            .collect();
        nodes.into_iter().map(|node| node.join().unwrap()).collect()
    });
    for (node, head) in heads.iter().enumerate() {
        let status = if node.is_multiple_of(2) { "HTTP/1.1 206 " } else { "HTTP/1.1 401 " };
        assert!(head.starts_with(status), "{node}: {head}");
    }
}

#[test]
fn what_a_client_of_this_machine_shows_is_its_own() {
    let (bed, progress) = (Bed::new(), Progress::new());
    bed.registry.state().auth = Auth::Basic("user", "password");
    let server = bed.server(true, &progress);
    bed.gets(&server, 0, 1000, USER);
    bed.gets(&server, 0, 1000, USER);
    assert_eq!((bed.asked(), bed.files().len()), (vec!["GET"; 2], 0));
    assert!(bed.ask(&server, "0-999", "").0.starts_with("HTTP/1.1 401 "));
}

#[test]
fn another_registry_has_its_own() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    bed.gets(&server, 0, 1000, "");
    drop(server);
    let other = Bed { registry: Registry::start(), dir: bed.dir, blob: bed.blob, digest: bed.digest };
    other.registry.put_blob("a/b", &other.blob);
    let server = other.server(true, &progress);
    other.gets(&server, 0, 1000, "");
    assert_eq!(other.asked(), ["GET"]);
}

#[test]
fn it_never_holds_more_than_it_may() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let mut server = bed.server(true, &progress);
    server.kept = None;
    server.kept = Some(Kept::open(&bed.keep(200_000), &progress).unwrap());
    let sum = || bed.files().iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    for start in (0..1_000_000).step_by(10_000) {
        bed.gets(&server, start, start + 10_000, "");
        assert!(sum() <= 200_000);
    }
    assert!(sum() > 100_000);
    bed.asked();
    // The last one is there, the first one is not.
    bed.gets(&server, 990_000, 1_000_000, "");
    assert_eq!(bed.asked(), [""; 0]);
    bed.gets(&server, 0, 10_000, "");
    assert_eq!(bed.asked(), ["GET"]);
    // Larger than a quarter.
    let before = bed.files().len();
    bed.gets(&server, 0, 60_000, "");
    assert_eq!(bed.files().len(), before);
    // A smaller one than before.
    server.kept = None;
    server.kept = Some(Kept::open(&bed.keep(100_000), &progress).unwrap());
    assert!(sum() <= 100_000 && sum() > 50_000);
}

#[test]
fn what_else_is_in_the_directory() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let server = bed.server(true, &progress);
    bed.gets(&server, 0, 1000, "");
    let record = bed.files().pop().unwrap();
    drop(server);
    let dir = bed.dir.path();
    let strangers = ["notes.txt", "x.run", ".hidden", "0-1-2.run"].map(|name| dir.join(name));
    strangers.iter().for_each(|path| fs::write(path, "x").unwrap());
    fs::create_dir(dir.join("sub")).unwrap();
    let left = dir.join(format!("{UNFINISHED}abc"));
    fs::write(&left, "x").unwrap();
    // It can't be whole.
    let cut = PathBuf::from(record.to_str().unwrap().replace(".0-1000-", ".5-1000-"));
    fs::write(&cut, "x").unwrap();
    let server = bed.server(true, &progress);
    assert!(record.exists() && strangers.iter().all(|path| path.exists()) && dir.join("sub").exists());
    assert!(!left.exists() && !cut.exists());
    drop(server);
}

#[test]
fn one_bridge_a_directory() {
    let (bed, progress) = (Bed::new(), Progress::new());
    let first = Kept::open(&bed.keep(1_000_000), &progress).unwrap();
    let error = Kept::open(&bed.keep(1_000_000), &progress).map(drop).unwrap_err().to_string();
    assert!(error.contains("another bridge uses it") && error.contains("--cache DIR"), "{error}");
    drop(first);
    assert!(Kept::open(&bed.keep(1_000_000), &progress).is_ok());
    let below = Keep { dir: bed.dir.path().join("new/below"), size: 1_000_000 };
    drop(Kept::open(&below, &progress).unwrap());
    let mode = std::os::unix::fs::PermissionsExt::mode(&below.dir.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let no_dir = Keep { dir: bed.dir.path().join("lock"), size: 1_000_000 };
    assert!(matches!(Kept::open(&no_dir, &progress), Err(BridgeError::NoDirectory { .. })));
}

#[test]
fn names_of_records() {
    let blob = Blob { digest: BlobDigest::from_bytes([1; 32]), whence: [2; 32] };
    let key = Key { blob, span: Span::between(5, 10), size: 20 };
    let name = key.name();
    assert_eq!(Key::parse(&name), Some(key));
    let longest = Key { blob, span: Span::between(u64::MAX - 1, u64::MAX), size: u64::MAX };
    assert!(longest.name().len() <= 255 && Key::parse(&longest.name()) == Some(longest));
    for (from, to) in [
        (".5-10-20", ".05-10-20"),
        (".5-10-20", ".10-10-20"),
        (".5-10-20", ".5-21-20"),
        (".5-10-20", ".5-10"),
        (".run", ""),
        ("0101", "01"),
    ] {
        assert_eq!(Key::parse(&name.replacen(from, to, 1)), None, "{from} {to}");
    }
    assert_eq!(Key::parse(&name.replace(".run", ".x.run")), None);
    assert_eq!(Key::parse(&name.replace("5-10-20", "5-10-20-30")), None);
}
