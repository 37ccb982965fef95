//! Samples of answers, of each kind of registry.

use super::tests::stub::{Answer as Sent, Fault as Wrong, Registry, Several};
use super::tests::{client, content, digest};
use super::*;
use crate::progress::Progress;
use crate::span::Span;

const SIZE: u64 = 100_000;

fn sampled(registry: &Registry, ranges: u64) -> Sample {
    let progress = Progress::new();
    let blob = digest(&registry.put_blob("a", &content(SIZE as usize)));
    let client = client(registry, &progress);
    let repository = client.repository("a").unwrap();
    if ranges == 0 {
        return repository.sample_head(blob, SIZE).unwrap();
    }
    let spans: Vec<Span> = (0..ranges).map(|at| Span::between(at * 300, at * 300 + 4)).collect();
    repository.sample_ranges(blob, SIZE, &spans).unwrap()
}

#[test]
fn each_kind_of_answer() {
    for (several, ranges, wanted) in [
        (Several::Parts, 0, Sampled::Whole),
        (Several::Parts, 1, Sampled::Parts),
        (Several::Parts, 300, Sampled::Parts),
        (Several::Whole, 2, Sampled::Whole),
        (Several::Status(501), 2, Sampled::Refused(501)),
        (Several::Status(501), 1, Sampled::Parts),
        (Several::Status(503), 2, Sampled::Refused(503)),
        (Several::UpTo(16, 416), 16, Sampled::Parts),
        (Several::UpTo(16, 416), 17, Sampled::Refused(416)),
        (Several::UpTo(299, 200), 300, Sampled::Whole),
    ] {
        let registry = Registry::start();
        registry.state().several = several;
        assert_eq!(sampled(&registry, ranges), Sample { answer: wanted, elsewhere: None }, "{several:?} {ranges}");
    }
}

#[test]
fn answers_that_no_client_expects() {
    let partial = |range: &str, body: &[u8]| Wrong::Answer(Sent::new(206).header("Content-Range", range).body(body));
    for (fault, ranges, says) in [
        (partial("bytes 0-303/100000", &[0; 304]), 2, "206 with other ranges than were asked for"),
        (partial("bytes 0-3/100000", &[0; 4]), 2, "206 with 1 of 2 ranges"),
        (partial("bytes 0-3/99", &[0; 4]), 1, "206 with other ranges than were asked for"),
        (Wrong::Answer(Sent::new(206).body("x")), 1, "expected a Content-Range or multipart/byteranges"),
        (Wrong::Answer(Sent::new(200).body("<html>").header("Content-Type", "text/html")), 1, "found a web page"),
        (
            Wrong::Answer(Sent::new(307).header("Location", "http://127.0.0.1:1/x?secret")),
            1,
            "the connection is refused",
        ),
    ] {
        let registry = Registry::start();
        registry.fault("GET", "/blobs/", 1, fault);
        let Sample { answer: Sampled::Odd(found), .. } = sampled(&registry, ranges) else { panic!("{says}") };
        assert!(found.contains(says) && !found.contains("secret"), "{found}");
    }
}

#[test]
fn a_cut_answer_is_asked_for_again() {
    let registry = Registry::start();
    registry.fault("GET", "/blobs/", 2, Wrong::Cut(100));
    assert_eq!(sampled(&registry, 17).answer, Sampled::Parts);
}

#[test]
fn where_a_blob_comes_from() {
    let (registry, other) = (Registry::start(), Registry::start());
    let blob = other.put_blob("elsewhere", &content(SIZE as usize));
    let location = other.url(&format!("/v2/elsewhere/blobs/{blob}?signature"));
    let moved = || Wrong::Answer(Sent::new(307).header("Location", location.clone()));
    for (method, ranges) in [("HEAD", 0), ("GET", 17)] {
        registry.fault(method, "/blobs/", 1, moved());
        assert_eq!(sampled(&registry, ranges).elsewhere, Some(other.host()));
    }
}

#[test]
fn of_a_whole_blob_nothing_is_read() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let blob = digest(&registry.put_blob("a", &content(SIZE as usize)));
    registry.state().several = Several::Whole;
    let client = client(&registry, &progress);
    let spans = [Span::between(0, 4), Span::between(4000, 4004)];
    client.repository("a").unwrap().sample_ranges(blob, SIZE, &spans).unwrap();
    assert!(client.traffic().received < 1000, "{:?}", client.traffic());
}
