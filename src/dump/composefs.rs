//! A line of composefs-dump(5).

use std::io::Write as _;

use rustix::fs::makedev;

use super::Line;
use super::contents::Content;
use crate::tar::{EntryKind, Header};

/// What stands for a field without a value.
const NONE: &[u8] = b"-";

pub(super) fn line(line: &Line<'_>, content: Option<&Content>, out: &mut Vec<u8>) {
    let header = &line.seen.header;
    escape(&[b"/", line.path.as_bytes()].concat(), Equals::Stay, out);
    // A hard link is a file of its own to who reads a directory, as mkcomposefs does.
    let links = if line.links.is_dir { line.links.all } else { 1 };
    let (secs, nanos) = (header.mtime.secs, header.mtime.nanos);
    let numbers = format!(
        " {} {:o} {links} {} {} {} {secs}.{nanos} ",
        size(header),
        mode(header),
        header.uid,
        header.gid,
        device(header)
    );
    out.extend_from_slice(numbers.as_bytes());
    let digest = match content {
        Some(Content::Verity(digest)) => faster_hex::hex_string(digest),
        _ => String::new(),
    };
    let payload = match header.kind {
        EntryKind::Symlink => header.link.clone(),
        _ if digest.is_empty() => Vec::new(),
        _ => format!("{}/{}", &digest[..2], &digest[2..]).into_bytes(),
    };
    let inline: &[u8] = if let Some(Content::Inline(bytes)) = content { bytes } else { &[] };
    for (at, field) in [&payload, inline, digest.as_bytes()].into_iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        optional(field, out);
    }
    for xattr in &header.xattrs {
        out.push(b' ');
        escape(&xattr.name, Equals::Go, out);
        out.push(b'=');
        escape(&xattr.value, Equals::Go, out);
    }
    out.push(b'\n');
}

fn size(header: &Header) -> u64 {
    match header.kind {
        EntryKind::Symlink => header.link.len() as u64,
        EntryKind::Regular | EntryKind::HardLink => header.size,
        _ => 0,
    }
}

/// As in `st_mode`.
fn mode(header: &Header) -> u32 {
    let kind = match header.kind {
        EntryKind::Regular | EntryKind::HardLink => 0o100_000,
        EntryKind::Symlink => 0o120_000,
        EntryKind::Char => 0o020_000,
        EntryKind::Block => 0o060_000,
        EntryKind::Dir => 0o040_000,
        EntryKind::Fifo => 0o010_000,
    };
    // A link's own mode is always the same on Linux.
    let bits = if header.kind == EntryKind::Symlink { 0o777 } else { (header.mode & 0o7777) as u32 };
    kind | bits
}

fn device(header: &Header) -> u64 {
    match header.kind {
        EntryKind::Char | EntryKind::Block => makedev(header.devmajor as u32, header.devminor as u32),
        _ => 0,
    }
}

fn optional(field: &[u8], out: &mut Vec<u8>) {
    match field {
        b"" => out.extend_from_slice(NONE),
        NONE => out.extend_from_slice(b"\\x2d"),
        field => escape(field, Equals::Stay, out),
    }
}

/// Where an equals sign would end a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Equals {
    Stay,
    Go,
}

fn escape(field: &[u8], equals: Equals, out: &mut Vec<u8>) {
    for &byte in field {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'=' if equals == Equals::Go => out.extend_from_slice(b"\\x3d"),
            b'!'..=b'~' => out.push(byte),
            _ => write!(out, "\\x{byte:02x}").expect("a vector takes everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Links;
    use super::*;
    use crate::survey::merged::Seen;
    use crate::tar::{Time, Xattr};

    fn text(header: Header, links: Links, content: Option<&Content>) -> String {
        let (path, seen) = (header.path().unwrap(), Seen { header, payload: None, is_implied: false });
        let mut out = Vec::new();
        line(&Line { path: &path, seen: &seen, links }, content, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn file(name: &[u8]) -> Header {
        Header {
            mode: 0o10_4755,
            uid: 1,
            gid: 2,
            mtime: Time { secs: -3, nanos: 5 },
            ..Header::new(name, EntryKind::Regular)
        }
    }

    const ONE: Links = Links { all: 1, is_dir: false };

    #[test]
    fn lines() {
        let root = Header { mode: 0o755, ..Header::new("./", EntryKind::Dir) };
        assert_eq!(text(root, Links { all: 7, is_dir: true }, None), "/ 0 40755 7 0 0 0 0.0 - - -\n");
        let small = Header { size: 3, ..file(b"a/b c=") };
        assert_eq!(
            text(small, Links { all: 9, is_dir: false }, Some(&Content::Inline(b"=\n\xff".to_vec()))),
            "/a/b\\x20c= 3 104755 1 1 2 0 -3.5 - =\\n\\xff -\n"
        );
        let large = Header { size: 65, ..file(b"-") };
        let digest = format!("{}{}", "ab", "01".repeat(31));
        assert_eq!(
            text(large, ONE, Some(&Content::Verity(std::array::from_fn(|at| if at == 0 { 0xab } else { 1 })))),
            format!("/- 65 104755 1 1 2 0 -3.5 ab/{} - {digest}\n", &digest[2..])
        );
        let link = Header { link: b"-".to_vec(), mode: 0, ..Header::new("l", EntryKind::Symlink) };
        assert_eq!(text(link, ONE, None), "/l 1 120777 1 0 0 0 0.0 \\x2d - -\n");
        let device = Header { devmajor: 1, devminor: 3, ..Header::new("d", EntryKind::Char) };
        assert_eq!(text(device, ONE, None), "/d 0 20000 1 0 0 259 0.0 - - -\n");
    }

    #[test]
    fn xattrs_escape_what_ends_a_name() {
        let xattrs = vec![
            Xattr { name: b"user.a=b".to_vec(), value: b"-".to_vec() },
            Xattr { name: b"user.c".to_vec(), value: Vec::new() },
        ];
        let empty = Header { xattrs, ..Header::new("e", EntryKind::Regular) };
        assert_eq!(text(empty, ONE, None), "/e 0 100000 1 0 0 0 0.0 - - - user.a\\x3db=- user.c=\n");
    }

    /// No byte is lost, and none can end a field or a line.
    #[test]
    fn every_byte_has_its_own_form() {
        let mut seen = std::collections::BTreeSet::new();
        for byte in 0..=255 {
            let mut out = Vec::new();
            escape(&[byte], Equals::Go, &mut out);
            assert!(out.iter().all(|byte| byte.is_ascii_graphic()) && !out.contains(&b'='), "{byte}");
            assert!(seen.insert(out));
        }
    }
}
