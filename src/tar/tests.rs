use super::*;
use crate::limits;
use proptest::prelude::*;

/// Feeds a whole archive and returns each entry with its payload, holes filled.
fn scan_all(mut archive: &[u8]) -> Result<Vec<(RawEntry, Vec<u8>)>, ScanError> {
    let mut scanner = Scanner::new();
    let mut entries = Vec::new();
    while let Some((block, rest)) = archive.split_first_chunk::<BLOCK>() {
        archive = rest;
        match scanner.push(block)? {
            Step::More => {}
            Step::End => break,
            Step::Entry(entry) => {
                let (stored, rest) = archive.split_at(entry.stored as usize);
                archive = &rest[padding(entry.stored)..];
                entries.push((*entry.clone(), expand(&entry, stored)));
            }
        }
    }
    scanner.finish()?;
    Ok(entries)
}

fn expand(entry: &RawEntry, mut stored: &[u8]) -> Vec<u8> {
    let Some(map) = &entry.sparse else { return stored.to_vec() };
    let mut content = vec![0; map.size() as usize];
    for segment in map.segments() {
        let (data, rest) = stored.split_at(segment.len() as usize);
        content[segment.start() as usize..segment.end() as usize].copy_from_slice(data);
        stored = rest;
    }
    content
}

fn gnu_tar(args: &[&str], dir: &std::path::Path) -> Vec<u8> {
    let output = std::process::Command::new("tar").args(["-C", dir.to_str().unwrap(), "-cf", "-"]).args(args).output();
    output.expect("GNU tar runs").stdout
}

#[test]
fn gnu_tar_writes_every_sparse_format() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let mut expected = vec![0; 3 << 20];
    let file = std::fs::File::create(dir.path().join("holes")).unwrap();
    for at in (0..24).map(|n| n * 131_072 + 4096) {
        file.write_all_at(b"data", at as u64).unwrap();
        expected[at..at + 4].copy_from_slice(b"data");
    }
    file.set_len(expected.len() as u64).unwrap();
    for format in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let archive = gnu_tar(&[&["--sparse"], format, &["holes"]].concat(), dir.path());
        let entries = scan_all(&archive).unwrap();
        assert_eq!(entries.len(), 1, "{format:?}");
        let (entry, content) = &entries[0];
        assert_eq!((entry.header.name.as_slice(), entry.rewrite), (&b"holes"[..], Some(Rewrite::Sparse)), "{format:?}");
        assert!(content == &expected, "{format:?}");
    }
}

#[test]
fn long_names_links_and_a_binary_xattr() {
    let name = "d/".repeat(60) + "é";
    let mut header = Header::new(name.as_bytes(), EntryKind::Symlink);
    header.link = "x".repeat(300).into_bytes();
    header.xattrs.push(Xattr { name: b"system.posix_acl_access".to_vec(), value: vec![2, 0, 0, 0, b'\n', b'=', 0xff] });
    let entries = scan_all(&encode(&header)).unwrap();
    assert_eq!(entries[0].0.header, header);
    assert_eq!(entries[0].0.raw, encode(&header));
}

#[test]
fn names_as_gnu_and_pax_write_them() {
    let dir = tempfile::tempdir().unwrap();
    let long = "n".repeat(180);
    std::fs::write(dir.path().join(&long), "hello").unwrap();
    std::os::unix::fs::symlink("t".repeat(200), dir.path().join("link")).unwrap();
    for format in ["--format=gnu", "--format=pax"] {
        let entries = scan_all(&gnu_tar(&[format, "--sort=name", "."], dir.path())).unwrap();
        let names: Vec<_> = entries.iter().map(|(e, _)| e.header.path().unwrap().to_string()).collect();
        assert_eq!(names, ["/".to_owned(), "/link".to_owned(), format!("/{long}")], "{format}");
        assert_eq!(entries[1].0.header.link, "t".repeat(200).into_bytes());
        assert_eq!(entries[2].1, b"hello");
    }
}

#[test]
fn global_headers_are_left_out() {
    let mut global = tar::Header::new_ustar();
    global.set_entry_type(tar::EntryType::XGlobalHeader);
    global.set_size(12);
    global.set_cksum();
    let mut archive = global.as_bytes().to_vec();
    archive.extend_from_slice(b"12 mtime=99\n");
    archive.resize(2 * BLOCK, 0);
    let header = Header::new("a", EntryKind::Dir);
    archive.extend(encode(&header));
    let entries = scan_all(&archive).unwrap();
    assert_eq!((entries.len(), entries[0].0.raw.len()), (1, BLOCK));
    assert_eq!(entries[0].0.header, header);
}

#[test]
fn headers_before_one_entry_have_a_limit_together() {
    let long_name = || {
        let mut header = Header::new("././@LongLink", EntryKind::Regular);
        header.size = limits::TAR_SPECIAL_BYTES;
        let mut blocks = encode(&header);
        blocks[156] = b'L';
        let sum =
            blocks.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) });
        let sum = sum.sum::<u32>();
        blocks[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        blocks.resize(512 + header.size as usize, b'a');
        blocks
    };
    let mut scanner = Scanner::new();
    let mut push = |blocks: &[u8]| blocks.as_chunks().0.iter().try_for_each(|block| scanner.push(block).map(drop));
    // A pax header, a long name and a long link have room.
    (0..3).for_each(|_| push(&long_name()).unwrap());
    let error = push(&long_name()).unwrap_err();
    assert!(matches!(error, ScanError::HeadersTooLong { max: limits::TAR_HEADER_BYTES, .. }), "{error}");
}

#[test]
fn says_where_and_what_is_wrong() {
    let good = encode(&Header::new("a", EntryKind::Dir));
    let mut wrong_sum = good.clone();
    wrong_sum[0] = b'b';
    assert_eq!(scan_all(&wrong_sum), Err(ScanError::Checksum { offset: 0 }));

    let lone = [&[0; BLOCK][..], &good].concat();
    assert_eq!(scan_all(&lone), Err(ScanError::LoneZeroBlock { offset: 512 }));

    let mut volume = tar::Header::from_byte_slice(&good).clone();
    volume.set_entry_type(tar::EntryType::new(b'V'));
    volume.set_cksum();
    assert!(matches!(scan_all(volume.as_bytes()), Err(ScanError::UnknownType { typeflag: 'V', .. })));

    let mut special = tar::Header::new_gnu();
    special.set_entry_type(tar::EntryType::GNULongName);
    special.set_size(1 << 30);
    special.set_cksum();
    assert!(matches!(scan_all(special.as_bytes()), Err(ScanError::ExtendedTooLong { .. })));

    special.set_size(600);
    special.set_cksum();
    assert_eq!(scan_all(special.as_bytes()), Err(ScanError::Truncated { offset: 512 }));
}

#[test]
fn a_hard_link_with_a_size_is_rewritten() {
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Link);
    link.set_size(7);
    link.set_cksum();
    let entries = scan_all(link.as_bytes()).unwrap();
    assert_eq!(
        (entries[0].0.rewrite, entries[0].0.header.size, entries[0].0.stored),
        (Some(Rewrite::SizeWithoutContent), 0, 0)
    );
    // Go's reader goes by the field whatever the entry is.
    link.as_old_mut().size = *b"0000000\xb0000\0";
    link.set_cksum();
    assert!(matches!(scan_all(link.as_bytes()), Err(ScanError::Number { field: "size", .. })));
}

pub(crate) fn any_header() -> impl Strategy<Value = Header> {
    let name = prop::collection::vec(prop_oneof![Just(b'/'), Just(0xc3u8), 1..=255u8], 1..240);
    let text = prop::collection::vec(1..=255u8, 0..140);
    let kind = prop::sample::select(vec![
        EntryKind::Regular,
        EntryKind::HardLink,
        EntryKind::Symlink,
        EntryKind::Char,
        EntryKind::Block,
        EntryKind::Dir,
        EntryKind::Fifo,
    ]);
    let time = || (-(1i64 << 40)..1 << 40, 0..1_000_000_000u32).prop_map(|(secs, nanos)| Time { secs, nanos });
    let key = prop::collection::vec(prop::sample::select(b"abc.\xff".to_vec()), 1..9);
    let xattrs = prop::collection::btree_map(key, prop::collection::vec(any::<u8>(), 0..40), 0..4);
    let ids = (0..1i64 << 40, 0..1i64 << 40, -5..1i64 << 30, 0..1i64 << 21);
    let times = (time(), prop::option::of(time()), prop::option::of(time()));
    (name, text.clone(), text, kind, ids, times, xattrs, 0..1u64 << 40).prop_map(
        |(name, link, uname, kind, (uid, gid, mode, dev), (mtime, atime, ctime), xattrs, size)| Header {
            name,
            kind,
            link,
            mode,
            uid,
            gid,
            uname: uname.clone(),
            gname: uname,
            size: if kind == EntryKind::Regular { size } else { 0 },
            mtime,
            atime,
            ctime,
            devmajor: dev,
            devminor: dev / 3,
            xattrs: xattrs.into_iter().map(|(name, value)| Xattr { name, value }).collect(),
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_is_scanned_again(header in any_header()) {
        let bytes = encode(&header);
        let mut scanner = Scanner::new();
        let mut found = None;
        for block in bytes.as_chunks::<BLOCK>().0 {
            if let Step::Entry(entry) = scanner.push(block).unwrap() {
                found = Some(entry);
            }
        }
        let entry = found.expect("an entry");
        prop_assert_eq!(entry.raw, bytes);
        prop_assert_eq!(entry.header, header);
        prop_assert_eq!(entry.rewrite, None);
    }

    #[test]
    fn any_bytes_give_an_answer(mut bytes in prop::collection::vec(any::<u8>(), 512..2048)) {
        // A right checksum in the first block gets past the door.
        let mut header = tar::Header::from_byte_slice(&bytes[..BLOCK]).clone();
        header.set_cksum();
        bytes[..BLOCK].copy_from_slice(header.as_bytes());
        let mut scanner = Scanner::new();
        for block in bytes.as_chunks::<BLOCK>().0 {
            if scanner.push(block).is_err() {
                break;
            }
        }
    }
}
