//! What images made by this tool can't show.

use super::compare::differences;
use super::findings::Findings;
use super::index::last_end;
use super::order;
use super::split::{Segment, scan};
use crate::tar::{END_OF_ARCHIVE, EntryKind, Header, ScanError, Time, encode};
use crate::toc::Toc;

fn problems(findings: Findings) -> Vec<String> {
    findings.into_lists().0
}

#[test]
fn podman_needs_an_end_for_the_last_content() {
    let ask = |json: &str| {
        let mut findings = Findings::default();
        last_end(json.as_bytes(), &mut findings);
        problems(findings)
    };
    let file = r#"{"type":"reg","name":"a","offset":9,"endOffset":30}"#;
    let chunk = r#"{"type":"chunk","name":"a","offset":20}"#;
    let dir = r#"{"type":"dir","name":"d"}"#;
    assert_eq!(ask(&format!(r#"{{"entries":[{file},{dir}]}}"#)), Vec::<String>::new());
    assert!(ask(&format!(r#"{{"entries":[{file},{chunk},{dir}]}}"#))[0].contains("\"a\": the last row with content"));
    assert_eq!(ask(r#"{"entries":[]}"#), Vec::<String>::new());
}

#[test]
fn times_that_podman_takes_for_none_are_equal() {
    let with = |atime: Option<Time>| Header { atime, ..Header::new("f", EntryKind::Regular) };
    let at = |secs, nanos| Some(Time { secs, nanos });
    for none in [None, at(0, 0), at(-62_135_596_800, 0)] {
        assert_eq!(differences(&with(none), &with(at(0, 0))), Vec::<String>::new());
        assert_eq!(differences(&with(none), &with(at(0, 1))).len(), 1);
    }
    assert_eq!(differences(&with(at(5, 0)), &with(None)), ["atime: the TOC has 5.000000000, the tar none"]);
}

#[test]
fn segments_are_read_one_header_each() {
    let header = encode(&Header::new("f", EntryKind::Regular));
    let entry = |bytes: &[u8]| match scan(bytes) {
        Ok(Segment::Entry { entry, global_headers, bytes_behind }) => (entry.header.name, global_headers, bytes_behind),
        _ => panic!("no entry"),
    };
    assert_eq!(entry(&header), (b"f".to_vec(), 0, 0));
    assert_eq!(entry(&[&header[..], &header].concat()), (b"f".to_vec(), 0, 512));
    let mut global = header.clone();
    global[156] = b'g';
    // The checksum is a sum of bytes: the type went from '0' to 'g'.
    let sum: u32 =
        global.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) }).sum();
    global[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(entry(&[&global[..], &header].concat()), (b"f".to_vec(), 1, 0));
    for end in [&END_OF_ARCHIVE[..], &END_OF_ARCHIVE[..512], &[]] {
        assert!(matches!(scan(end), Ok(Segment::NoEntry)));
    }
    assert!(matches!(scan(&header[..100]), Err(ScanError::Truncated { .. })));
    assert!(matches!(scan(&[&END_OF_ARCHIVE[..512], &header].concat()), Err(ScanError::LoneZeroBlock { .. })));
}

#[test]
fn order_is_told() {
    let rows = [
        r#"{"type":"hardlink","name":"d/link","linkName":"d/f"}"#,
        r#"{"type":"hardlink","name":"far","linkName":"below"}"#,
        r#"{"type":"dir","name":"d/"}"#,
        r#"{"type":"reg","name":"d/f","size":1,"digest":"DIGEST","offset":10,"endOffset":20}"#,
        r#"{"type":"reg","name":"d/g","size":1,"digest":"DIGEST","offset":2000,"endOffset":2020}"#,
    ];
    let json = format!(r#"{{"version":1,"entries":[{}]}}"#, rows.join(","));
    let json = json.replace("DIGEST", &format!("sha256:{}", "0".repeat(64)));
    let mut findings = Findings::default();
    assert_eq!(order::check(&Toc::parse(json.as_bytes()).unwrap(), &mut findings), 1980);
    let (problems, remarks) = findings.into_lists();
    assert!(problems.len() == 1 && problems[0].contains("\"d/link\": the hard link stands before its target"));
    for part in ["1 entry has no entry for its directory", "1 hard link has its target in another", "1 gap between"] {
        assert!(remarks.iter().any(|remark| remark.to_string().contains(part)), "{part}: {remarks:?}");
    }
}

#[test]
fn problems_are_counted_when_they_are_many() {
    let mut findings = Findings::default();
    (0..60).for_each(|n| findings.problem(n.to_string()));
    let problems = problems(findings);
    assert_eq!((problems.len(), problems[50].as_str()), (51, "and 10 more problems"));
}
