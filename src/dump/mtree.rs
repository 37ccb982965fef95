//! A line of mtree(5).

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Line;
use crate::tar::EntryKind;

pub(super) fn line(line: &Line<'_>, out: &mut Vec<u8>) {
    let header = &line.seen.header;
    out.push(b'.');
    if !line.path.is_root() {
        out.push(b'/');
        escape(line.path.as_bytes(), out);
    }
    let kind = match header.kind {
        EntryKind::Regular | EntryKind::HardLink => "file",
        EntryKind::Symlink => "link",
        EntryKind::Char => "char",
        EntryKind::Block => "block",
        EntryKind::Dir => "dir",
        EntryKind::Fifo => "fifo",
    };
    let (secs, nanos) = (header.mtime.secs, header.mtime.nanos);
    let mode = if header.kind == EntryKind::Symlink { 0o777 } else { header.mode & 0o7777 };
    let common = format!(
        " type={kind} mode={mode:04o} uid={} gid={} nlink={} time={secs}.{nanos:09}",
        header.uid, header.gid, line.links.all
    );
    out.extend_from_slice(common.as_bytes());
    match header.kind {
        EntryKind::Regular | EntryKind::HardLink => {
            write!(out, " size={}", header.size).expect("a vector takes everything");
            if let Some(payload) = line.seen.payload {
                write!(out, " sha256digest={}", payload.digest.hex()).expect("a vector takes everything");
            }
        }
        EntryKind::Symlink => {
            out.extend_from_slice(b" link=");
            escape(&header.link, out);
        }
        EntryKind::Char | EntryKind::Block => {
            write!(out, " device=linux,{},{}", header.devmajor, header.devminor).expect("a vector takes everything");
        }
        EntryKind::Dir | EntryKind::Fifo => {}
    }
    for xattr in &header.xattrs {
        out.extend_from_slice(b" xattr.");
        escape(&xattr.name, out);
        out.push(b'=');
        out.extend_from_slice(STANDARD.encode(&xattr.value).as_bytes());
    }
    out.push(b'\n');
}

/// As vis(3) does it with VIS_OCTAL, and what would be taken for something else in this format.
fn escape(field: &[u8], out: &mut Vec<u8>) {
    for &byte in field {
        match byte {
            b'\\' | b'#' | b'=' | b'*' | b'?' | b'[' => write!(out, "\\{byte:03o}").expect("a vector takes everything"),
            b'!'..=b'~' => out.push(byte),
            _ => write!(out, "\\{byte:03o}").expect("a vector takes everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Links;
    use super::*;
    use crate::survey::merged::Seen;
    use crate::tar::{Header, Time, Xattr};

    #[test]
    fn lines() {
        let text = |header: Header, is_dir| {
            let (path, seen) = (header.path().unwrap(), Seen { header, payload: None, is_implied: false });
            let mut out = Vec::new();
            line(&Line { path: &path, seen: &seen, links: Links { all: 2, is_dir } }, &mut out);
            String::from_utf8(out).unwrap()
        };
        let root = Header { mode: 0o755, ..Header::new("./", EntryKind::Dir) };
        assert_eq!(text(root, true), ". type=dir mode=0755 uid=0 gid=0 nlink=2 time=0.000000000\n");
        let file = Header {
            size: 7,
            mtime: Time { secs: 9, nanos: 5 },
            xattrs: vec![Xattr { name: b"user.a=".to_vec(), value: b"\x00".to_vec() }],
            ..Header::new(b"a/#b \xff".as_slice(), EntryKind::Regular)
        };
        assert_eq!(
            text(file, false),
            "./a/\\043b\\040\\377 type=file mode=0000 uid=0 gid=0 nlink=2 time=9.000000005 size=7 xattr.user.a\\075=AA==\n"
        );
        let link = Header { link: b"to\nx".to_vec(), ..Header::new("l", EntryKind::Symlink) };
        assert_eq!(text(link, false), "./l type=link mode=0777 uid=0 gid=0 nlink=2 time=0.000000000 link=to\\012x\n");
    }
}
