//! A registry that fails, lies, or is not there: an error that the client knows what to do with, never wrong bytes.

use super::*;

const RANGES: [(&str, &str); 1] = [("Range", "bytes=0-999,50000-59999,100000-199999")];

/// What the client would get from a registry that sends several ranges.
fn right(bytes: &[u8], got: &Got) -> bool {
    let boundary = got.header("content-type").split_once("boundary=").unwrap().1;
    let parts = [Part::FromTo(0, 999), Part::FromTo(50_000, 59_999), Part::FromTo(100_000, 199_999)];
    got.is_whole() && got.body == expected(bytes, &parts, boundary).1
}

#[test]
fn what_passes_is_tried_again() {
    for fault in [
        Fault::Answer(Answer::error(500, "UNKNOWN")),
        Fault::Answer(Answer::error(429, "TOOMANYREQUESTS").header("Retry-After", 1)),
        Fault::Cut(0),
        Fault::Cut(500),
        Fault::Lost,
    ] {
        let (registry, bytes, path) = with_blob(200_000);
        registry.fault("GET", "/blobs/", 2, fault.clone());
        bridged(&request(&registry), true, |address| {
            let mut browser = Browser::new(address);
            let got = browser.ask("GET", &path, &RANGES);
            assert!(got.status == 206 && right(&bytes, &got), "{fault:?}: {}", got.status);
            let got = browser.ask("GET", &path, &[]);
            assert!(got.status == 200 && got.body == bytes, "{fault:?}");
        });
    }
}

#[test]
fn what_it_cannot_serve_gets_400() {
    for fault in [
        Fault::Answer(Answer::error(500, "UNKNOWN")),
        Fault::Answer(Answer::error(503, "UNKNOWN")),
        Fault::Answer(Answer::new(501).body("Unsupported client range")),
        Fault::Answer(Answer::new(400)),
        Fault::Answer(Answer::new(302).header("Location", "ftp://a/b")),
        Fault::Header("Content-Range", "bytes 1-1000/200000".to_owned()),
        Fault::Header("Content-Range", "bytes 0-999/*".to_owned()),
        Fault::Header("Content-Range", "nonsense".to_owned()),
        Fault::Header("Content-Length", "7".to_owned()),
    ] {
        let (registry, _, path) = with_blob(200_000);
        registry.fault("GET", "/blobs/", 1000, fault.clone());
        bridged(&request(&registry), true, |address| {
            let got = Browser::new(address).ask("GET", &path, &RANGES);
            assert_eq!((got.status, got.is_whole()), (400, true), "{fault:?}: {}", got.text());
            assert!(got.text().contains("UNSUPPORTED"), "{}", got.text());
        });
    }
}

/// Also one that comes later: the answer ends early, and the client sees that.
#[test]
fn a_cut_answer_ends_the_connection() {
    let (registry, bytes, path) = with_blob(200_000);
    registry.fault("GET", "/blobs/", 1000, Fault::Cut(50_000));
    bridged(&request(&registry), true, |address| {
        // Each try brings some of it.
        let got = Browser::new(address).ask("GET", &path, &[]);
        assert!(got.status == 200 && got.body == bytes);
        registry.state().rules_end();
        registry.fault("GET", "/blobs/", 1, Fault::Cut(700));
        registry.fault("GET", "/blobs/", 1000, Fault::Answer(Answer::new(404)));
        let got = Browser::new(address).ask("GET", &path, &RANGES);
        assert!(got.status == 206 && !got.is_whole());
        registry.state().rules_end();
        let got = Browser::new(address).ask("GET", &path, &RANGES);
        assert!(right(&bytes, &got), "the next one works");
    });
}

#[test]
fn a_later_range_that_lies_is_not_handed_on() {
    let (registry, bytes, path) = with_blob(200_000);
    bridged(&Request { parallel: 1, ..request(&registry) }, true, |address| {
        registry.fault("GET", "/blobs/", 1, Fault::Header("X-Right", "1".to_owned()));
        registry.fault("GET", "/blobs/", 1000, Fault::Header("Content-Range", "bytes 50001-60000/200000".to_owned()));
        let got = Browser::new(address).ask("GET", &path, &RANGES);
        assert!(got.status == 206 && !got.is_whole());
        let boundary = got.header("content-type").split_once("boundary=").unwrap().1;
        let whole = expected(&bytes, &[Part::FromTo(0, 999), Part::FromTo(50_000, 59_999)], boundary).1;
        assert!(whole.starts_with(&got.body), "something else than the blob's bytes was handed on");
    });
}

#[test]
fn a_registry_that_is_down() {
    let (registry, _, path) = with_blob(1000);
    let mut request = request(&registry);
    drop(registry);
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    request.upstream = Some(format!("localhost:{}", unused.port()));
    bridged(&request, true, |address| {
        let mut browser = Browser::new(address);
        let got = browser.ask("GET", "/v2/a/b/manifests/v1", &[]);
        assert_eq!((got.status, got.text().contains("refused")), (502, true), "{}", got.text());
        assert_eq!(browser.ask("GET", &path, &[]).status, 502);
        assert_eq!(browser.ask("GET", &path, &[("Range", "bytes=0-1,5-9")]).status, 400);
        assert!(browser.ask("GET", "/metrics", &[]).text().contains("\nrestrata_bridge_registry_errors_total 3\n"));
    });
}

/// A client that hangs up in the middle is no fault of the registry's.
#[test]
fn a_client_that_is_gone() {
    let (registry, _, path) = with_blob(30_000_000);
    bridged(&request(&registry), true, |address| {
        let mut gone = TcpStream::connect(address).unwrap();
        gone.write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).unwrap();
        gone.read_exact(&mut [0; 1000]).unwrap();
        drop(gone);
        let mut browser = Browser::new(address);
        assert_eq!(browser.ask("GET", &path, &[("Range", "bytes=0-9,90000-90009")]).status, 206);
        assert!(browser.ask("GET", "/metrics", &[]).text().contains("\nrestrata_bridge_registry_errors_total 0\n"));
    });
}

#[test]
fn the_log_says_why_once() {
    let (registry, _, path) = with_blob(200_000);
    registry.fault("GET", "/blobs/", 1000, Fault::Answer(Answer::new(501)));
    let told = bridged(&request(&registry), true, |address| {
        let mut browser = Browser::new(address);
        for _ in 0..3 {
            assert_eq!(browser.ask("GET", &path, &RANGES).status, 400);
        }
    });
    let why = format!("{}/a/b: the registry answers 501 to a single range", registry.host());
    assert_eq!(told.iter().filter(|line| **line == why).count(), 1, "{told:?}");
    assert!(
        told.iter().any(|line| line.ends_with("0 not needed; 0 ranges as 0 requests; 3 answers failed"))
            || told.iter().any(|line| line.ends_with("; 3 answers failed")),
        "{told:?}"
    );
}

#[test]
fn who_fails_saves_nothing() {
    let (registry, _, path) = with_blob(200_000);
    registry.fault("GET", "/blobs/", 1000, Fault::Cut(5));
    bridged(&request(&registry), true, |address| {
        let got = Browser::new(address).ask("GET", &path, &RANGES);
        assert!(!got.is_whole());
    });
    let counts = counts::Counts::default();
    let place = route::Place::root("a.io");
    let digest = crate::digest::BlobDigest::from_bytes([7; 32]);
    for (failed, saved) in [(1, 0), (0, 90)] {
        counts.begin("client", &place);
        let moved = counts::Moved { requests: 1, sent: 10, size: Some(100), failed, ..counts::Moved::default() };
        counts.end("client", &place, digest, moved);
        let line = counts.finished(true).remove(0);
        assert!(line.contains(&format!(", {saved} B not needed")), "{line}");
    }
    assert!(counts.metrics().contains("\nrestrata_bridge_bytes_saved_total 90\n"));
}

/// Also what is no fault of a registry: podman would go on to the next place, and into its 501.
#[test]
fn settings_that_can_not_be_read() {
    let (registry, _, path) = with_blob(1000);
    let mut request = request(&registry);
    request.reach.environment.registries_conf = Some("/nowhere/registries.conf".into());
    bridged(&request, true, |address| {
        let mut browser = Browser::new(address);
        assert_eq!(browser.ask("GET", &path, &[("Range", "bytes=0-1,5-9")]).status, 400);
        assert_eq!(browser.ask("GET", &path, &[]).status, 502);
    });
}

#[test]
fn requests_that_are_none() {
    let (registry, ..) = with_blob(1000);
    bridged(&request(&registry), true, |address| {
        for (text, status) in [
            ("\x16\x03\x01\r\n\r\n".to_owned(), "400"),
            ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), "400"),
            (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000)), "431"),
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            let _ = stream.write_all(text.as_bytes());
            let mut got = [0; 12];
            stream.read_exact(&mut got).unwrap();
            assert_eq!(std::str::from_utf8(&got[9..]).unwrap(), status);
        }
        let mut other = Browser::new(address);
        other.1 = "evil.example";
        assert_eq!(other.ask("GET", "/v2/", &[]).status, 403);
    });
}
