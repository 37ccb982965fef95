//! TOC and tar-split against literal text, and the fuzz bodies on generated input.

use proptest::prelude::*;

use super::*;
use crate::digest::{BlobDigest, ChunkDigest, FileDigest};
use crate::tar::{EntryKind, Header, Time, Xattr};

fn toc_json(entries: &[TocEntry]) -> String {
    let (mut writer, mut out) = (TocWriter::new(), Vec::new());
    for entry in entries {
        writer.push(entry, &mut out).unwrap();
    }
    writer.finish(Some(BlobDigest::from_bytes([0xab; 32])), &mut out);
    String::from_utf8(out).unwrap()
}

fn entry(header: Header) -> TocEntry {
    TocEntry { header, payload: None }
}

fn file(name: &str, size: u64, offset: u64, end_offset: u64, chunks: Vec<Chunk>) -> TocEntry {
    let payload = Payload { digest: FileDigest::from_bytes([1; 32]), offset, end_offset, chunks };
    TocEntry { header: Header { size, ..Header::new(name, EntryKind::Regular) }, payload: Some(payload) }
}

fn chunk(offset: u64, chunk_offset: u64, size: u64, kind: ChunkKind) -> Chunk {
    Chunk { offset, chunk_offset, size, digest: ChunkDigest::from_bytes([2; 32]), kind }
}

fn chunked() -> TocEntry {
    let parts = [(100, 0, 4, ChunkKind::Data), (120, 4, 2048, ChunkKind::Zeros), (140, 2052, 8, ChunkKind::Data)];
    file("b", 2060, 100, 160, parts.map(|(at, from, size, kind)| chunk(at, from, size, kind)).to_vec())
}

const ONES: &str = "sha256:0101010101010101010101010101010101010101010101010101010101010101";
const TWOS: &str = "sha256:0202020202020202020202020202020202020202020202020202020202020202";
const TAIL: &str = "],\"tarSplitDigest\":\"sha256:abababababababababababababababababababababababababababababababab\"}";

#[test]
fn writes_rows_in_podmans_key_order() {
    let header = Header {
        link: b"x".to_vec(),
        mode: 0o2755,
        uid: -1,
        gid: 7,
        mtime: Time { secs: 1, nanos: 500 },
        atime: Some(Time::default()),
        ctime: Some(Time { secs: -1, nanos: 0 }),
        devmajor: 1,
        devminor: 2,
        xattrs: ["a", "b<"].map(|name| Xattr { name: name.into(), value: vec![0, 255] }).to_vec(),
        ..Header::new("./a", EntryKind::Char)
    };
    let row = r#"{"type":"char","name":"./a","linkName":"x","mode":1517,"uid":-1,"gid":7,"modtime":"1970-01-01T00:00:01.0000005Z","accesstime":"1970-01-01T00:00:00Z","changetime":"1969-12-31T23:59:59Z","devMajor":1,"devMinor":2,"xattrs":{"a":"AP8=","b\u003c":"AP8="}}"#;
    let json = toc_json(&[entry(header.clone()), entry(Header::new("", EntryKind::Dir))]);
    let root = r#"{"type":"dir","name":"","modtime":"1970-01-01T00:00:00Z"}"#;
    assert_eq!(json, format!("{{\"version\":1,\"entries\":[{row},{root}{TAIL}"));
    assert_eq!(Toc::parse(json.as_bytes()).unwrap().entries[0].header, header);
}

#[test]
fn the_last_chunk_row_says_where_it_ends() {
    let json = toc_json(&[chunked()]);
    let time = r#""modtime":"1970-01-01T00:00:00Z""#;
    let expected = format!(
        r#"{{"version":1,"entries":[{{"type":"reg","name":"b","size":2060,{time},"digest":"{ONES}","offset":100,"endOffset":160,"chunkSize":4,"chunkDigest":"{TWOS}"}},{{"type":"chunk","name":"b","offset":120,"chunkSize":2048,"chunkOffset":4,"chunkDigest":"{TWOS}","chunkType":"zeros"}},{{"type":"chunk","name":"b","offset":140,"endOffset":160,"chunkSize":8,"chunkOffset":2052,"chunkDigest":"{TWOS}"}}{TAIL}"#
    );
    // `chunkOffset` 0 is left out, as Go's omitempty does.
    assert_eq!(json, expected);
    assert_eq!(Toc::parse(json.as_bytes()).unwrap().entries, [chunked()]);
}

#[test]
fn reads_what_podman_leaves_out() {
    let end =
        Toc::parse(toc_json(&[chunked()]).replace("\"offset\":140,\"endOffset\":160", "\"offset\":140").as_bytes());
    assert_eq!(end.unwrap().entries, [chunked()]);

    let whole = [file("a", 5, 10, 20, vec![]), entry(Header::new("d", EntryKind::Dir)), file("c", 6, 25, 40, vec![])];
    let json = toc_json(&whole).replace("\"endOffset\":20,", "").replace(",\"endOffset\":20", "");
    let read = Toc::parse(json.as_bytes()).unwrap();
    assert_eq!(read.entries[0].payload.as_ref().unwrap().end_offset, 25);

    let json = r#"{"version":1,"entries":null,"unknown":[{}]} "#;
    assert_eq!(Toc::parse(json.as_bytes()).unwrap(), Toc::default());
    let json = r#"{"version":1,"entries":[{"type":"reg","name":"a","modtime":"0001-01-01T00:00:00Z","NumLink":1}]}"#;
    assert_eq!(Toc::parse(json.as_bytes()).unwrap().entries, [entry(Header::new("a", EntryKind::Regular))]);
}

/// Changes a valid TOC's text and gives the complaint.
fn complaint(entries: &[TocEntry], from: &str, to: &str) -> String {
    let json = toc_json(entries);
    assert!(json.contains(from), "{from} in {json}");
    Toc::parse(json.replace(from, to).as_bytes()).unwrap_err().to_string()
}

#[test]
fn names_the_entry_that_lies() {
    let two = [file("a", 5, 10, 20, vec![]), file("c", 6, 25, 40, vec![])];
    for (from, to, says) in [
        ("\"name\":\"c\"", "\"name\":\"./a/\"", "\"./a/\": a second entry"),
        ("\"name\":\"c\"", "\"name\":\"../c\"", "\"../c\": the name"),
        ("\"size\":6", "\"size\":-6", "\"c\": size is -6"),
        ("\"offset\":25", "\"offset\":19", "\"c\": offset is 19: expected 20 or more"),
        ("\"offset\":10,", "", "\"a\": offset is 0: expected 1 or more"),
        ("\"endOffset\":40", "\"endOffset\":25", "\"c\": endOffset is 25: expected 26 or more"),
        (",\"endOffset\":40", "", "\"c\": the content has no end"),
        ("\"endOffset\":20", "\"endOffset\":20,\"chunkSize\":4", "\"a\": chunkSize is 4: expected 5"),
        ("\"endOffset\":20", "\"endOffset\":20,\"chunkType\":\"zeros\"", "\"a\": chunkDigest"),
        ("\"endOffset\":20", "\"endOffset\":20,\"chunkType\":\"x\"", "\"a\": chunkType is \"x\""),
        ("\"type\":\"reg\",\"name\":\"c\"", "\"type\":\"char2\",\"name\":\"c\"", "\"c\": the type is \"char2\""),
        ("1970-01-01T", "1970-01-00T", "\"a\": modtime"),
        ("sha256:0101", "sha512:0101", "\"a\": digest"),
        ("\"size\":6,", "", "\"c\": digest is sha256:0101"),
        ("\"digest\"", "\"Digest\"", "the key \"Digest\" differs from \"digest\""),
        ("\"digest\"", "\"d\\u0130gest\"", "differs from \"digest\""),
        ("\"offset\":10", "\"offset\":10,\"offset\":10", "the key \"offset\" stands there twice"),
        ("\"offset\":10", "\"offset\":10,\"\":[{}]", "an empty key"),
        ("\"version\"", "\"Entries\":[],\"version\"", "the key \"Entries\" differs from \"entries\""),
        ("\"version\":1", "\"version\":1,\"version\":1", "the key \"version\" stands there twice"),
        (
            "\"name\":\"c\",",
            "\"name\":\"c\",\"xattrs\":{\"user.x\":\"\",\"user.x\":\"\"},",
            "\"user.x\" stands there twice",
        ),
        ("\"name\":\"c\",", "\"name\":\"c\",\"xattrs\":{\"user.x\":\"_\"},", "\"c\": the value of xattr \"user.x\""),
    ] {
        let found = complaint(&two, from, to);
        assert!(found.contains(says), "{found} instead of {says}");
    }
}

#[test]
fn an_xattr_without_a_name_has_no_row() {
    let mut header = Header::new("a", EntryKind::Dir);
    header.xattrs.push(Xattr { name: Vec::new(), value: vec![1] });
    assert_eq!(can_hold(&header), Err(Unrepresentable::NamelessXattr { name: "a".to_owned() }));
}

#[test]
fn chunks_must_be_the_file() {
    for (from, to, says) in [
        ("\"size\":2060", "\"size\":2061", "\"b\": chunkSize is 8: expected 9"),
        ("\"size\":2060", "\"size\":2051", "\"b\": chunkSize is 2048: expected 2047"),
        ("\"chunkOffset\":4", "\"chunkOffset\":5", "\"b\": chunkOffset is 5: expected 4"),
        ("\"chunkSize\":2048", "\"chunkSize\":0", "\"b\": chunkSize is 0"),
        ("\"offset\":120", "\"offset\":100", "\"b\": offset is 100: expected 101 or more"),
        (
            "\"endOffset\":160,\"chunkSize\":8",
            "\"endOffset\":161,\"chunkSize\":8",
            "\"b\": endOffset is 161: expected 160",
        ),
        ("\"chunk\",\"name\":\"b\"", "\"chunk\",\"name\":\"c\"", "\"c\": a chunk that"),
        ("\"type\":\"reg\"", "\"type\":\"dir\"", "\"b\": a chunk that"),
    ] {
        let found = complaint(&[chunked()], from, to);
        assert!(found.contains(says), "{found} instead of {says}");
    }
}

#[test]
fn refuses_other_documents() {
    for json in [
        "",
        "[]",
        "{}",
        r#"{"version":2,"entries":[]}"#,
        r#"{"entries":[]}"#,
        r#"{"version":1,"entries":[]}{}"#,
        r#"{"version":1,"entries":[],"entries":[]}"#,
        r#"{"version":1,"entries":{}}"#,
        r#"{"version":1,"entries":[],"tarSplitDigest":"sha256:"}"#,
        r#"{"version":1,"entries":[{"name":"a"}]}"#,
        r#"{"version":1}"#,
        r#"{"version":1,"entries":[{"type":"chunk","name":"a"}]}"#,
    ] {
        assert!(Toc::parse(json.as_bytes()).is_err(), "{json}");
    }
}

#[test]
fn what_a_toc_cannot_hold_leaves_no_trace() {
    let good = Header::new("a", EntryKind::Dir);
    let odd = b"\xff".to_vec();
    let xattr = Xattr { name: odd.clone(), value: vec![] };
    let late = Time { secs: 253_402_300_800, nanos: 0 };
    let bad = [
        Header { name: odd.clone(), ..good.clone() },
        Header { link: odd, ..good.clone() },
        Header { xattrs: vec![xattr], ..good.clone() },
        Header { mtime: late, ..good.clone() },
        Header { atime: Some(late), ..good.clone() },
        Header { size: 1 << 63, ..good.clone() },
    ];
    let (mut writer, mut out) = (TocWriter::new(), Vec::new());
    for header in bad {
        assert!(writer.push(&entry(header), &mut out).is_err());
        assert!(out.is_empty());
    }
    writer.push(&entry(good.clone()), &mut out).unwrap();
    writer.finish(None, &mut out);
    assert_eq!(Toc::parse(&out).unwrap().entries, [entry(good)]);
}

#[test]
fn a_tar_split_is_that_of_go() {
    let (mut writer, mut out) = (TarSplitWriter::new(), Vec::new());
    let mut crc = Crc64::new();
    crc.update(b"1234");
    crc.update(b"56789");
    writer.segment(b"\0\x01\x02\x03", &mut out);
    writer.file("./<x>\u{2028}".as_bytes(), 9, Some(crc.finish()), &mut out);
    writer.segment(b"", &mut out);
    writer.file(b"\xffd/", 0, None, &mut out);
    let expected = concat!(
        r#"{"type":2,"payload":"AAECAw==","position":0}"#,
        "\n",
        r#"{"type":1,"name":"./\u003cx\u003e\u2028","size":9,"payload":"uQlWx3WkEAE=","position":1}"#,
        "\n",
        r#"{"type":1,"name_raw":"/2Qv","payload":null,"position":2}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_tar_split_that_lies_is_refused() {
    let read = |text: &[u8]| {
        let (mut reader, mut items) = (TarSplitReader::new(), Vec::new());
        reader.push(text, &mut items).and_then(|()| reader.finish(&mut items)).map(|()| items)
    };
    assert_eq!(read(br#"{"type":2,"payload":"","position":0}"#).unwrap(), [TarSplitItem::Segment(vec![])]);
    let says = |text: &[u8]| read(text).unwrap_err().to_string();
    assert_eq!(says(br#"{"type":2,"payload":"","position":1}"#), "tar-split line 0: it says position 1");
    assert!(says(br#"{"type":3,"payload":"","position":0}"#).contains("type 3"));
    assert!(says(br#"{"type":1,"size":-1,"payload":null,"position":0}"#).contains("size -1"));
    assert!(says(br#"{"type":1,"size":1,"payload":null,"position":0}"#).contains("0 bytes for 1 bytes"));
    assert!(says(br#"{"type":1,"size":1,"payload":"!","position":0}"#).contains("payload is not base64"));
    for (keys, says_key) in
        [("\"Payload\":\"\"", "\"Payload\" differs from"), ("\"position\":0", "\"position\" stands there twice")]
    {
        let found = says(format!(r#"{{"type":2,"payload":"",{keys},"position":0}}"#).as_bytes());
        assert!(found.starts_with("tar-split line 0: ") && found.contains(says_key), "{found}");
    }
    assert!(says(br#"[2,"","",0,null,0]"#).contains("expected an object"));
    assert!(says(b"\n").contains("line 0"));
    assert!(says(&vec![b' '; 9 << 20]).contains("expected at most"));
}

fn headers() -> impl Strategy<Value = Header> {
    let kinds = [EntryKind::Regular, EntryKind::HardLink, EntryKind::Dir, EntryKind::Char];
    let time =
        (-62_000_000_000_i64..253_402_300_800, 0_u32..1_000_000_000).prop_map(|(secs, nanos)| Time { secs, nanos });
    let xattrs = proptest::collection::btree_map("\\PC{1,5}", any::<Vec<u8>>(), 0..3);
    let numbers = (any::<i64>(), any::<i64>(), 0_u64..5000);
    ("\\PC{0,9}", proptest::sample::select(kinds.to_vec()), numbers, time, xattrs).prop_map(
        |(name, kind, numbers, mtime, xattrs)| {
            let (mode, uid, size) = numbers;
            let xattrs = xattrs.into_iter().map(|(name, value)| Xattr { name: name.into_bytes(), value }).collect();
            Header { mode, uid, size, mtime, atime: (uid > 0).then_some(mtime), xattrs, ..Header::new(name, kind) }
        },
    )
}

/// Entries with valid payloads, each in `1 + cuts` chunks at most.
fn entries() -> impl Strategy<Value = Vec<TocEntry>> {
    proptest::collection::vec((headers(), proptest::collection::vec(1_u64..2000, 0..4)), 0..6).prop_map(|list| {
        let mut offset = 1;
        let place = |(at, (header, cuts)): (usize, (Header, Vec<u64>))| {
            let header = Header { name: [format!("{at}/").as_bytes(), &header.name].concat(), ..header };
            let mut chunks = Vec::new();
            let (start, mut done) = (offset, 0);
            for size in cuts.iter().chain([&5000]).map(|size| (*size).min(header.size)) {
                let size = size.min(header.size - done);
                if header.has_payload() && size > 0 {
                    let kind = if size % 3 == 0 { ChunkKind::Zeros } else { ChunkKind::Data };
                    chunks.push(chunk(offset, done, size, kind));
                    (offset, done) = (offset + size, done + size);
                }
            }
            let chunks = if cuts.is_empty() { vec![] } else { chunks };
            let payload =
                Payload { digest: FileDigest::from_bytes([3; 32]), offset: start, end_offset: offset, chunks };
            TocEntry { payload: header.has_payload().then_some(payload), header }
        };
        list.into_iter().enumerate().map(place).collect()
    })
}

proptest! {
    #[test]
    fn any_toc_is_read_back(entries in entries()) {
        prop_assume!(entries.iter().all(|entry| entry.header.path().is_ok()));
        let json = toc_json(&entries);
        fuzz::fuzz_toc(json.as_bytes());
        prop_assert_eq!(Toc::parse(json.as_bytes()).unwrap().entries, entries);
    }

    #[test]
    fn a_damaged_toc_is_safe(entries in entries(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut json = toc_json(&entries).into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        fuzz::fuzz_toc(&json);
    }

    #[test]
    fn any_footer_is_safe(numbers in proptest::array::uniform7(0_u64..3000), damage in any::<Option<(u8, u8)>>()) {
        let mut footer = numbers.iter().flat_map(|number| number.to_le_bytes()).chain(*b"GNUlInUx").collect::<Vec<_>>();
        footer[24..32].copy_from_slice(&1_u64.to_le_bytes());
        if let Some((at, byte)) = damage {
            footer[usize::from(at) % 64] = byte;
        }
        fuzz::fuzz_footer(&footer);
    }

    #[test]
    fn any_tar_split_is_read_back(
        items in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 1..40)), 0..9),
        piece in any::<u8>(),
        damage in any::<Option<(proptest::sample::Index, u8)>>(),
    ) {
        let (mut writer, mut stream) = (TarSplitWriter::new(), vec![piece]);
        for (is_file, bytes) in &items {
            match is_file {
                true => writer.file(bytes, bytes[0].into(), (bytes[0] > 0).then_some(u64::MAX / 3), &mut stream),
                false => writer.segment(bytes, &mut stream),
            }
        }
        if let Some((at, byte)) = damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        fuzz::fuzz_tarsplit(&stream);
    }
}
