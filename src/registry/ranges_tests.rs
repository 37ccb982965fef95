//! Ranges, as each kind of registry answers them.

use std::io::Read;

use super::tests::stub::{Answer as Sent, Fault as Wrong, Registry, Several};
use super::tests::{client, content, digest};
use super::*;
use crate::progress::Progress;
use crate::span::Span;

const SPANS: [(u64, u64); 4] = [(10, 20), (20, 50), (120, 130), (5000, 9000)];

fn spans() -> Vec<Span> {
    SPANS.map(|(start, end)| Span::between(start, end)).to_vec()
}

/// What became of a request for [`SPANS`]: the bytes of each, whether all came as one, or the status.
#[derive(Debug, PartialEq)]
enum Outcome {
    Parts(Vec<Vec<u8>>),
    Whole(usize),
    Refused(u16),
    Failed(String),
}

fn asked(several: Several, faults: &[Wrong]) -> (Outcome, Vec<String>) {
    let (registry, progress) = (Registry::start(), Progress::new());
    let bytes = content(10_000);
    let blob = digest(&registry.put_blob("a", &bytes));
    registry.state().several = several;
    faults.iter().for_each(|fault| registry.fault("GET", "/blobs/", 1, fault.clone()));
    let client = client(&registry, &progress);
    let outcome = match client.repository("a").unwrap().ranges(blob, 10_000, &spans()) {
        Ok(Answer::Parts(parts)) => read(parts),
        Ok(Answer::Whole(mut blob)) => {
            let mut whole = Vec::new();
            blob.read_to_end(&mut whole).unwrap();
            assert_eq!(whole, bytes);
            Outcome::Whole(whole.len())
        }
        Ok(Answer::Refused(status)) => Outcome::Refused(status),
        Err(error) => Outcome::Failed(error.to_string()),
    };
    let asked = registry.state().asked.clone();
    (outcome, asked.iter().filter_map(|asked| asked.header("range").map(str::to_owned)).collect())
}

fn read(mut parts: Parts) -> Outcome {
    let mut found = Vec::new();
    loop {
        let mut part = Vec::new();
        match parts.next_span() {
            Ok(Some(_)) => {}
            Ok(None) => return Outcome::Parts(found),
            Err(error) => return Outcome::Failed(error.to_string()),
        }
        if let Err(error) = parts.read_to_end(&mut part) {
            return Outcome::Failed(error.to_string());
        }
        found.push(part);
    }
}

fn all_parts() -> Outcome {
    let bytes = content(10_000);
    Outcome::Parts(SPANS.map(|(start, end)| bytes[start as usize..end as usize].to_vec()).to_vec())
}

#[test]
fn each_kind_of_answer() {
    for (several, wanted) in [
        (Several::Parts, all_parts()),
        (Several::Joined, all_parts()),
        (Several::Whole, Outcome::Whole(10_000)),
        (Several::Status(400), Outcome::Refused(400)),
        (Several::Status(416), Outcome::Refused(416)),
        (Several::Status(501), Outcome::Refused(501)),
    ] {
        let (outcome, ranges) = asked(several, &[]);
        assert_eq!(outcome, wanted, "{several:?}");
        assert_eq!(ranges, ["bytes=10-19,20-49,120-129,5000-8999"]);
    }
}

#[test]
fn cut_parts_go_on() {
    for several in [Several::Parts, Several::Joined] {
        for cut in (0..4700).step_by(97) {
            let (outcome, _) = asked(several, &[Wrong::Cut(cut), Wrong::Answer(Sent::new(500))]);
            assert_eq!(outcome, all_parts(), "{several:?} {cut}");
        }
        let (_, ranges) = asked(several, &[Wrong::Cut(4000)]);
        let last = &ranges[1];
        assert!(last.starts_with("bytes=") && last.ends_with("-8999") && !last.contains(','), "{last}");
    }
}

#[test]
fn parts_that_were_not_asked_for() {
    let part = |range: &str, len: usize| format!("--b\r\nContent-Range: bytes {range}\r\n\r\n{}\r\n", "x".repeat(len));
    let sent = |parts: &[String]| {
        let body = parts.concat() + "--b--\r\n";
        Wrong::Answer(Sent::new(206).header("Content-Type", "multipart/byteranges; boundary=b").body(body))
    };
    let single = |range: &str| Wrong::Answer(Sent::new(206).header("Content-Range", range).body("x".repeat(10)));
    for (fault, says) in [
        (sent(&[part("20-49/10000", 30)]), "expected the ranges that were asked for, found bytes 20-49/10000"),
        (sent(&[part("10-18/10000", 9)]), "found bytes 10-18/10000"),
        (sent(&[part("10-19/9999", 10)]), "expected 10,000 bytes, found 9,999 in the blob"),
        (sent(&[part("9-19/10000", 10)]), "no part with byte 20"),
        (sent(&[part("10-19/10000", 10)]), "no part with byte 20"),
        (sent(&[part("10-19/10000", 10), part("10-19/10000", 10)]), "found bytes 10-19/10000"),
        (sent(&[]), "no part with byte 10"),
        (sent(&["--b\r\n\r\nx\r\n".to_owned()]), "expected multipart/byteranges, found a part without Content-Range"),
        (single("bytes 10-19/10000"), "no part with byte 20"),
        (single("bytes 30-39/10000"), "found bytes 30-39/10000"),
        (Wrong::Answer(Sent::new(206).body("x")), "expected a Content-Range or multipart/byteranges, found \"\""),
        (Wrong::Answer(Sent::error(404, "BLOB_UNKNOWN")), "is not there"),
    ] {
        let (outcome, ranges) = asked(Several::Parts, &[fault]);
        assert!(matches!(&outcome, Outcome::Failed(error) if error.contains(says)), "{outcome:?} instead of {says}");
        assert_eq!(ranges.len(), 1);
    }
}

#[test]
fn a_span_can_be_left_out() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let bytes = content(10_000);
    let blob = digest(&registry.put_blob("a", &bytes));
    let client = client(&registry, &progress);
    let Answer::Parts(mut parts) = client.repository("a").unwrap().ranges(blob, 10_000, &spans()).unwrap() else {
        panic!()
    };
    parts.next_span().unwrap();
    parts.next_span().unwrap();
    parts.read_exact(&mut [0; 5]).unwrap();
    parts.next_span().unwrap();
    assert_eq!(parts.next_span().unwrap(), Some(spans()[3]));
    let mut last = Vec::new();
    parts.read_to_end(&mut last).unwrap();
    assert_eq!(last, bytes[5000..9000]);
    assert_eq!(parts.next_span().unwrap(), None);
}

#[test]
fn one_span() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let bytes = content(10_000);
    let blob = digest(&registry.put_blob("a", &bytes));
    let client = client(&registry, &progress);
    let repository = client.repository("a").unwrap();
    let span = Span::between(100, 300);
    let whole = || Wrong::Answer(Sent::new(200).body(bytes.clone()));
    for faults in [vec![], vec![Wrong::Cut(50)], vec![whole()], vec![Wrong::Answer(Sent::new(503)), Wrong::Cut(1)]] {
        faults.into_iter().for_each(|fault| registry.fault("GET", "/blobs/", 1, fault));
        assert_eq!(repository.read_at(blob, 10_000, span).unwrap(), bytes[100..300]);
    }
    registry.fault("GET", "/blobs/", 1, Wrong::Answer(Sent::new(501)));
    let error = repository.read_at(blob, 10_000, span).unwrap_err();
    assert_eq!(error.status(), Some(501));
    assert!(error.to_string().ends_with("expected a range of a blob, found the status 501"), "{error}");
}

#[test]
fn spans_that_are_none() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let blob = digest(&registry.put_blob("a", b"content"));
    let client = client(&registry, &progress);
    let span = Span::between;
    for spans in
        [vec![], vec![span(1, 1)], vec![span(3, 5), span(1, 2)], vec![span(0, 3), span(2, 4)], vec![span(0, 8)]]
    {
        assert!(client.repository("a").unwrap().ranges(blob, 7, &spans).is_err(), "{spans:?}");
    }
    assert_eq!(registry.lines(), [""; 0]);
}
