//! Whole blobs.

use std::io::{self, Read};
use std::time::Duration;

use super::tests::stub::{Answer, Fault as Wrong, Registry};
use super::tests::{client, content, digest, endpoint, options};
use super::*;
use crate::digest::BlobDigest;
use crate::progress::{Interrupted, Progress, Stop};

/// Reads a blob of 100,000 bytes through these faults, with a size that may be another.
fn read(faults: &[Wrong], size: u64) -> (Result<bool, String>, Vec<String>) {
    let (registry, progress) = (Registry::start(), Progress::new());
    let bytes = content(100_000);
    let blob = digest(&registry.put_blob("a", &bytes));
    faults.iter().for_each(|fault| registry.fault("GET", "/blobs/", 1, fault.clone()));
    let client = client(&registry, &progress);
    let mut found = Vec::new();
    let reader = client.repository("a").unwrap().blob(blob, size);
    let result = reader.map_err(io::Error::from).and_then(|mut reader| reader.read_to_end(&mut found));
    let asked = registry.state().asked.clone();
    let ranges = asked.iter().filter(|asked| asked.path.contains("/blobs/"));
    let ranges = ranges.map(|asked| asked.header("range").unwrap_or("all").to_owned()).collect();
    (result.map(|_| found == bytes).map_err(|error| error.to_string()), ranges)
}

#[test]
fn a_blob_as_it_is() {
    assert_eq!(read(&[], 100_000), (Ok(true), vec!["all".to_owned()]));
}

#[test]
fn a_cut_body_goes_on() {
    let wanted = ["all", "bytes=40000-99999", "bytes=40000-99999", "bytes=50000-99999"];
    let faults = [Wrong::Cut(40_000), Wrong::Answer(Answer::new(503)), Wrong::Cut(10_000)];
    assert_eq!(read(&faults, 100_000), (Ok(true), wanted.map(str::to_owned).to_vec()));
    // A registry without ranges.
    let whole = Wrong::Answer(Answer::new(200).body(content(100_000)));
    assert_eq!(read(&[Wrong::Cut(40_000), whole], 100_000).0, Ok(true));
    let (result, ranges) = read(&[Wrong::Cut(5), Wrong::Cut(0), Wrong::Cut(5), Wrong::Cut(0), Wrong::Cut(5)], 100_000);
    assert!(result.unwrap_err().contains("the transfer was cut short"));
    assert_eq!(ranges.len(), 5);
}

#[test]
fn a_body_that_stands_still_goes_on() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let bytes = content(100_000);
    let blob = digest(&registry.put_blob("a", &bytes));
    registry.fault("GET", "/blobs/", 1, Wrong::Stall(40_000));
    let options = Options { read_timeout: Duration::from_secs(1), ..options().0 };
    let client = Client::new(endpoint(&registry), options, &progress).unwrap();
    let mut found = Vec::new();
    client.repository("a").unwrap().blob(blob, 100_000).unwrap().read_to_end(&mut found).unwrap();
    assert!(found == bytes);
    assert_eq!(registry.lines().len(), 2);
}

#[test]
fn what_goes_on_must_be_the_rest() {
    let other = |range: &str| Wrong::Header("Content-Range", range.to_owned());
    for range in ["bytes 40001-99999/100000", "bytes 40000-99998/100000", "bytes 40000-99999/100001", "nothing"] {
        let error = read(&[Wrong::Cut(40_000), other(range)], 100_000).0.unwrap_err();
        assert!(error.contains("expected the Content-Range that was asked for") && error.contains(range), "{error}");
    }
    let error = read(&[Wrong::Cut(40_000), Wrong::Answer(Answer::new(416))], 100_000).0.unwrap_err();
    assert!(error.ends_with("expected the rest of a blob, found the status 416"), "{error}");
}

#[test]
fn blobs_that_lie() {
    let html = Answer::new(200).header("Content-Type", "text/html").body("<html>");
    for (fault, size, says) in [
        (Some(Wrong::Flip), 100_000, "in the blob that was sent"),
        (Some(Wrong::Endless), 100_000, "expected 100,000 bytes, found more in the blob"),
        (Some(Wrong::Answer(html)), 100_000, "expected a blob, found a web page"),
        (None, 99_999, "expected 99,999 bytes, found 100,000 in the blob's Content-Length"),
        (None, 100_001, "expected 100,001 bytes, found 100,000 in the blob's Content-Length"),
        (Some(Wrong::Answer(Answer::error(404, "BLOB_UNKNOWN"))), 100_000, "is not there: the registry says"),
    ] {
        let faults: Vec<Wrong> = fault.into_iter().collect();
        let error = read(&faults, size).0.unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn is_it_there() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let blob = digest(&registry.put_blob("a", b"content"));
    let client = client(&registry, &progress);
    let repository = client.repository("a").unwrap();
    assert_eq!(repository.has_blob(blob).unwrap(), Some(7));
    assert_eq!(repository.has_blob(BlobDigest::from_bytes([1; 32])).unwrap(), None);
    let empty = digest(&registry.put_blob("a", b""));
    let mut nothing = Vec::new();
    repository.blob(empty, 0).unwrap().read_to_end(&mut nothing).unwrap();
    assert_eq!(nothing, b"");
}

#[test]
fn a_reader_ends_with_the_job() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let blob = digest(&registry.put_blob("a", &content(1000)));
    let client = Client::new(endpoint(&registry), options().0, &progress).unwrap();
    let mut reader = client.repository("a").unwrap().blob(blob, 1000).unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    progress.cancel();
    let error = reader.read(&mut [0; 10]).unwrap_err();
    assert_eq!(Stop::of(&error), Some(Stop::Interrupted(Interrupted)));
}

#[test]
fn traffic_is_counted() {
    let (registry, progress) = (Registry::start_tls(false), Progress::new());
    let blob = digest(&registry.put_blob("a", &content(1000)));
    let endpoint = Endpoint { may_be_plain_http: false, ..endpoint(&registry) };
    let client = Client::new(endpoint, Options::default(), &progress).unwrap();
    assert_eq!(client.traffic(), Traffic::default());
    client.repository("a").unwrap().blob(blob, 1000).unwrap().read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(client.traffic(), Traffic { requests: 1, sent: 0, received: 1000 });
}

/// A blob that is dropped early ends its connection; the next request has its own.
#[test]
fn a_blob_can_be_left() {
    let (registry, progress) = (Registry::start(), Progress::new());
    let bytes = content(30_000_000);
    let blob = digest(&registry.put_blob("a", &bytes));
    let client = client(&registry, &progress);
    let repository = client.repository("a").unwrap();
    repository.blob(blob, 30_000_000).unwrap().read_exact(&mut [0; 10]).unwrap();
    assert_eq!(repository.has_blob(blob).unwrap(), Some(30_000_000));
    assert!(client.traffic().received < 1_000_000, "{:?}", client.traffic());
}

#[test]
fn threads_share_a_client() {
    fn sync<T: Sync + Send>() {}
    fn send<T: Send>() {}
    sync::<Client>();
    sync::<Repository>();
    send::<Blob>();
    send::<Parts>();
}
