//! The bridge between a client and a registry of this process.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::*;
use crate::registry::names::{Access, Environment};
use crate::registry::tests::stub::{Answer, Auth, Fault, Registry, Several};
use crate::registry::tests::{basic, content, options};

mod faults;
mod permission;

/// What a client got.
#[derive(Debug)]
struct Got {
    status: u16,
    /// Names in lower case.
    headers: BTreeMap<String, String>,
    /// As far as it came.
    body: Vec<u8>,
}

impl Got {
    fn is_whole(&self) -> bool {
        self.headers.get("content-length").is_some_and(|length| *length == self.body.len().to_string())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection to the bridge.
struct Browser(TcpStream, &'static str);

impl Browser {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(stream, "127.0.0.1")
    }

    fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Got {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.1);
        headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        self.0.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut body = Vec::new();
        if method != "HEAD" {
            let length: u64 = headers["content-length"].parse().unwrap();
            (&mut self.0).take(length).read_to_end(&mut body).unwrap_or_default();
        }
        Got { status, headers, body }
    }
}

fn request(registry: &Registry) -> Request {
    let access = Access { tls_verify: Some(false), ..Access::default() };
    let environment = Environment::below(TempDir::new().unwrap().path());
    let reach = Reach { access, environment, options: options().0 };
    Request { upstream: Some(registry.host()), allowed: Vec::new(), parallel: 4, keep: None, reach }
}

/// Runs a bridge as long as the test; gives the lines that it told.
fn bridged(request: &Request, is_local: bool, test: impl FnOnce(SocketAddr)) -> Vec<String> {
    let listener = Listener::bind(&Listen::Address(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    let listener = if is_local { listener } else { listener.shared() };
    let address = listener.at().parse().unwrap();
    let (progress, told) = (Progress::new(), Mutex::new(Vec::new()));
    struct End<'a>(&'a Progress);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.cancel();
        }
    }
    std::thread::scope(|scope| {
        let tell = |line: &str| told.lock().unwrap().push(line.to_owned());
        let (request, listener, progress) = (&request, &listener, &progress);
        scope.spawn(move || bridge(request, listener, &tell, progress).unwrap());
        let _end = End(progress);
        test(address);
    });
    told.into_inner().unwrap()
}

fn with_blob(len: usize) -> (Registry, Vec<u8>, String) {
    let (registry, bytes) = (Registry::start(), content(len));
    let digest = registry.put_blob("a/b", &bytes);
    (registry, bytes, format!("/v2/a/b/blobs/{digest}"))
}

/// One range as a client may write it.
#[derive(Debug, Clone, Copy)]
enum Part {
    FromTo(u64, u64),
    From(u64),
    Last(u64),
}

impl Part {
    fn text(self) -> String {
        match self {
            Self::FromTo(first, last) => format!("{first}-{last}"),
            Self::From(first) => format!("{first}-"),
            Self::Last(count) => format!("-{count}"),
        }
    }

    /// The slice that it means: RFC 9110, section 14.1.2.
    fn of(self, bytes: &[u8]) -> Option<(usize, usize)> {
        let size = bytes.len();
        let (start, end) = match self {
            Self::FromTo(first, last) => (first as usize, (last as usize + 1).min(size)),
            Self::From(first) => (first as usize, size),
            Self::Last(count) => (size - size.min(count as usize), size),
        };
        (start < end).then_some((start, end))
    }
}

/// What a simple server would answer.
fn expected(bytes: &[u8], parts: &[Part], boundary: &str) -> (u16, Vec<u8>) {
    let slices: Vec<(usize, usize)> = parts.iter().filter_map(|part| part.of(bytes)).collect();
    if slices.is_empty() {
        return (416, Vec::new());
    }
    if slices.iter().map(|(start, end)| end - start).sum::<usize>() > bytes.len() {
        return (400, Vec::new());
    }
    if parts.len() == 1 {
        return (206, bytes[slices[0].0..slices[0].1].to_vec());
    }
    let mut body = Vec::new();
    for (start, end) in slices {
        let line = if body.is_empty() { "" } else { "\r\n" };
        let range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
        let head =
            format!("{line}--{boundary}\r\nContent-Range: {range}\r\nContent-Type: application/octet-stream\r\n\r\n");
        body.extend([head.as_bytes(), &bytes[start..end]].concat());
    }
    body.extend(format!("\r\n--{boundary}--\r\n").as_bytes());
    (206, body)
}

fn parts(size: u64) -> impl Strategy<Value = Vec<Part>> {
    let short = (0..size, 0..size / 40).prop_map(|(first, len)| Part::FromTo(first, first + len));
    let long = (0..size + 50, 0..size).prop_map(|(first, len)| Part::FromTo(first, first + len));
    let from = (size / 2..size + 50).prop_map(Part::From);
    let last = (0..size / 3).prop_map(Part::Last);
    let part = prop_oneof![16 => short, 1 => long, 1 => from, 1 => last];
    let any = prop::collection::vec(part, 1..12);
    // As podman asks: ascending, with gaps.
    let ascending = prop::collection::vec((0..size / 60, 1..size / 60), 1..30).prop_map(|steps| {
        let mut at = 0;
        let step = |(gap, len): (u64, u64)| {
            let first = at + gap;
            at = first + len;
            Part::FromTo(first, at - 1)
        };
        steps.into_iter().map(step).collect()
    });
    prop_oneof![any, ascending]
}

fn random_ranges(cases: u32, no_ranges: bool) {
    const SIZE: u64 = 20_000;
    let (registry, bytes, path) = with_blob(SIZE as usize);
    registry.state().no_ranges = no_ranges;
    bridged(&request(&registry), true, |address| {
        let browser = std::cell::RefCell::new(Browser::new(address));
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let tested = runner.run(&parts(SIZE), |parts| {
            let range = parts.iter().map(|part| part.text()).collect::<Vec<_>>().join(",");
            let got = browser.borrow_mut().ask("GET", &path, &[("Range", &format!("bytes={range}"))]);
            let boundary = got.header("content-type").split_once("boundary=").map_or("", |(_, boundary)| boundary);
            let (status, body) = expected(&bytes, &parts, boundary);
            prop_assert!(got.is_whole());
            if no_ranges && got.status == 400 {
                prop_assert!(parts.len() > 1);
                return Ok(());
            }
            prop_assert_eq!(got.status, status);
            if status == 206 {
                prop_assert_eq!(&got.body, &body);
            }
            Ok(())
        });
        tested.unwrap();
    });
    let several = registry
        .state()
        .asked
        .iter()
        .filter(|asked| asked.header("range").is_some_and(|range| range.contains(',')))
        .count();
    assert_eq!(several, 0, "the registry was asked for several ranges at once");
}

#[test]
fn random_ranges_are_what_a_simple_server_sends() {
    random_ranges(10_000, false);
}

#[test]
fn a_registry_without_ranges_is_cut_off() {
    random_ranges(300, true);
    let (registry, bytes, path) = with_blob(1_000_000);
    registry.state().no_ranges = true;
    bridged(&request(&registry), true, |address| {
        let mut browser = Browser::new(address);
        let got = browser.ask("GET", &path, &[("Range", "bytes=500000-500009,500100-500109")]);
        assert_eq!((got.status, got.is_whole()), (206, true));
        let metrics = browser.ask("GET", "/metrics", &[]).text();
        assert!(metrics.contains("\nrestrata_bridge_bytes_from_registries_total 500110\n"), "{metrics}");
        // Each range would cost the blob up to its end. The client then asks for it whole, once.
        let got = browser.ask("GET", &path, &[("Range", "bytes=0-9,500000-500009")]);
        assert!(got.status == 400 && got.text().contains("the whole blob instead of a range"), "{}", got.text());
        assert_eq!(browser.ask("GET", &path, &[]).body, bytes);
    });
}

#[test]
fn ranges_near_each_other_are_one_request_and_connections_are_kept() {
    let (registry, bytes, path) = with_blob(1_000_000);
    registry.state().several = Several::Status(501);
    let told = bridged(&request(&registry), true, |address| {
        let mut browser = Browser::new(address);
        for _ in 0..2 {
            let got = browser.ask("GET", &path, &[("Range", "bytes=10-50000,50100-99999,600000-600009")]);
            assert_eq!((got.status, got.is_whole()), (206, true));
        }
        let got = browser.ask("GET", &path, &[("Range", "bytes=5-9")]);
        assert_eq!((got.header("content-range"), &got.body[..]), ("bytes 5-9/1000000", &bytes[5..10]));
        let metrics = browser.ask("GET", "/metrics", &[]).text();
        for line in [
            "restrata_bridge_requests_total 4",
            "restrata_bridge_range_requests_total 3",
            "restrata_bridge_ranges_asked_total 7",
            "restrata_bridge_ranges_sent_total 5",
            "restrata_bridge_bytes_to_clients_total 199807",
            "restrata_bridge_bytes_from_registries_total 200005",
        ] {
            assert!(metrics.contains(&format!("\n{line}\n")), "{line} is not in {metrics}");
        }
    });
    let asked =
        registry.state().asked.iter().filter_map(|asked| asked.header("range").map(str::to_owned)).collect::<Vec<_>>();
    let mut asked = asked;
    asked[..2].sort();
    asked[2..4].sort();
    assert_eq!(asked, ["bytes=10-99999", "bytes=600000-600009", "bytes=10-99999", "bytes=600000-600009", "bytes=5-9"]);
    // Two that are kept; on a busy machine one is not yet free when the next request begins. Five requests came.
    assert!(registry.connections() <= 4, "{} connections", registry.connections());
    let [begun, line] = &told[..] else { panic!("{told:?}") };
    assert!(begun.starts_with("the bridge listens at 127.0.0.1:"), "{begun}");
    assert!(
        line.contains("/a/b to 127.0.0.1: ") && line.ends_with(", 800 kB not needed; 7 ranges as 5 requests"),
        "{line}"
    );
}

#[test]
fn only_a_socket_that_is_left_behind_goes() {
    let dir = TempDir::new().unwrap();
    let (file, socket) = (dir.path().join("file"), dir.path().join("socket"));
    std::fs::write(&file, "precious").unwrap();
    let error = Listener::bind(&Listen::Unix(file.clone())).unwrap_err().to_string();
    assert!(error.contains("is in use; name another address"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let listener = Listener::bind(&Listen::Unix(socket.clone())).unwrap();
    assert!(Listener::bind(&Listen::Unix(socket.clone())).unwrap_err().to_string().contains("is in use"));
    drop(listener);
    assert!(!socket.exists());
}

#[test]
fn documents_pass_as_they_are() {
    let registry = Registry::start();
    for tag in ["v1", "v2", "v3"] {
        registry.put_manifest("a/b", tag, br#"{"schemaVersion":2}"#);
    }
    bridged(&request(&registry), true, |address| {
        let mut browser = Browser::new(address);
        assert_eq!(browser.ask("GET", "/v2/", &[]).status, 200);
        let got = browser.ask("GET", "/v2/a/b/manifests/v1", &[("Accept", "x/y")]);
        assert_eq!((got.status, got.body.as_slice()), (200, &br#"{"schemaVersion":2}"#[..]));
        assert_eq!(got.header("content-type"), "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(registry.state().asked.last().unwrap().header("accept"), Some("x/y"));
        let digest = got.header("docker-content-digest").to_owned();
        let got = browser.ask("HEAD", &format!("/v2/a/b/manifests/{digest}"), &[]);
        assert_eq!(
            (got.status, got.header("content-length"), got.header("docker-content-digest")),
            (200, "19", digest.as_str())
        );
        let got = browser.ask("GET", "/v2/a/b/manifests/none", &[]);
        assert_eq!((got.status, got.text().contains("MANIFEST_UNKNOWN")), (404, true));
        // By its own name, the next page is asked for in the same way.
        let named = format!("/v2/{}/a/b/tags/list?n=2", registry.host());
        let got = browser.ask("GET", &named, &[]);
        assert_eq!(got.header("link"), format!("</v2/{}/a/b/tags/list?n=2&last=v2>; rel=\"next\"", registry.host()));
        for method in ["PUT", "POST", "PATCH", "DELETE", "CONNECT", "OPTIONS"] {
            let got = Browser::new(address).ask(method, "/v2/a/b/manifests/v1", &[]);
            assert_eq!((got.status, got.header("allow")), (405, "GET, HEAD"), "{method}");
        }
        assert_eq!(browser.ask("GET", "/v2/evil.example/a/manifests/v1?ns=evil.example", &[]).status, 403);
        assert_eq!(browser.ask("GET", "/etc/passwd", &[]).status, 404);
    });
}

#[test]
fn blobs_pass_whole() {
    let (registry, bytes, path) = with_blob(300_000);
    bridged(&request(&registry), true, |address| {
        let mut browser = Browser::new(address);
        let got = browser.ask("GET", &path, &[]);
        assert_eq!((got.status, got.body == bytes), (200, true));
        let got = browser.ask("HEAD", &path, &[("Range", "bytes=0-1")]);
        assert_eq!((got.status, got.header("content-length")), (200, "300000"));
        let missing = path.replace("sha256:", "sha256:0").chars().take(path.len()).collect::<String>();
        for headers in [&[][..], &[("Range", "bytes=0-1")]] {
            assert_eq!(browser.ask("GET", &missing, headers).status, 404);
        }
        assert_eq!(browser.ask("GET", &path, &[("Range", "lines=0-1")]).status, 400);
    });
}

#[test]
fn a_unix_socket_serves_and_goes() {
    let (registry, bytes, path) = with_blob(1000);
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("bridge.sock");
    for _ in 0..2 {
        let listener = Listener::bind(&Listen::Unix(socket.clone())).unwrap();
        assert!(listener.is_local());
        let (progress, request) = (Progress::new(), request(&registry));
        std::thread::scope(|scope| {
            scope.spawn(|| bridge(&request, &listener, &|_| (), &progress).unwrap());
            let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
            stream.write_all(format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            assert!(got.ends_with(&bytes));
            progress.cancel();
        });
        drop(listener);
        assert!(!socket.exists());
        // What a killed bridge leaves behind.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    }
}
