//! From entries to TOC JSON, one by one, in podman's key order.

use super::entry::{Chunk, ChunkKind, Payload, TocEntry};
use super::{text, time};
use crate::digest::BlobDigest;
use crate::tar::{EntryKind, Header, Time};

/// What a TOC can't hold. The layer can be written all the same, without a TOC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrepresentable {
    /// Go replaces such bytes when it writes JSON; the client would then find another name in the tar-split.
    #[error("entry {name:?}: its {field} is not UTF-8, which a TOC can't hold")]
    NotUtf8 { name: String, field: &'static str },
    #[error(
        "entry {name:?}: its {field} ({secs} s from 1970) can't stand in a TOC: expected a time in the years 0 to 9999"
    )]
    Time { name: String, field: &'static str, secs: i64 },
    #[error("entry {name:?}: its {field} is {found}: a TOC holds at most 9223372036854775807")]
    Number { name: String, field: &'static str, found: u64 },
    /// podman takes an empty key for the end of the object that it stands in.
    #[error("entry {name:?}: an xattr without a name, which clients can't read in a TOC")]
    NamelessXattr { name: String },
}

/// Whether a TOC can hold an entry, but for its content.
pub fn can_hold(header: &Header) -> Result<(), Unrepresentable> {
    let mut scratch = Vec::new();
    push_header(&mut scratch, header, utf8(header, "name", &header.name)?)
}

/// Writes a TOC while the entries come.
#[derive(Debug, Default)]
pub struct TocWriter {
    has_rows: bool,
}

impl TocWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the entry's rows. After an error `out` is as before, and the writer can go on.
    pub fn push(&mut self, entry: &TocEntry, out: &mut Vec<u8>) -> Result<(), Unrepresentable> {
        let before = out.len();
        out.extend_from_slice(if self.has_rows { b"," } else { OPENING });
        let written = push_entry(out, entry);
        match written {
            Ok(()) => self.has_rows = true,
            Err(_) => out.truncate(before),
        }
        written
    }

    pub fn finish(self, tar_split_digest: Option<BlobDigest>, out: &mut Vec<u8>) {
        if !self.has_rows {
            out.extend_from_slice(OPENING);
        }
        out.push(b']');
        if let Some(digest) = tar_split_digest {
            out.extend_from_slice(b",\"tarSplitDigest\":");
            text::push_digest(out, digest.as_bytes());
        }
        out.push(b'}');
    }
}

const OPENING: &[u8] = b"{\"version\":1,\"entries\":[";

fn push_entry(out: &mut Vec<u8>, entry: &TocEntry) -> Result<(), Unrepresentable> {
    let header = &entry.header;
    let name = utf8(header, "name", &header.name)?;
    push_header(out, header, name)?;
    if let Some(payload) = &entry.payload {
        push_payload(out, header, name, payload)?;
    }
    out.push(b'}');
    Ok(())
}

fn push_header(out: &mut Vec<u8>, header: &Header, name: &str) -> Result<(), Unrepresentable> {
    push_opening(out, kind(header.kind), name);
    if !header.link.is_empty() {
        out.extend_from_slice(b",\"linkName\":");
        text::push_string(out, utf8(header, "link", &header.link)?);
    }
    push_i64(out, b",\"mode\":", header.mode);
    push_u64(out, b",\"size\":", offset(header, "size", header.size)?);
    push_i64(out, b",\"uid\":", header.uid);
    push_i64(out, b",\"gid\":", header.gid);
    push_time(out, header, "modtime", header.mtime)?;
    for (field, value) in [("accesstime", header.atime), ("changetime", header.ctime)] {
        if let Some(value) = value {
            push_time(out, header, field, value)?;
        }
    }
    push_i64(out, b",\"devMajor\":", header.devmajor);
    push_i64(out, b",\"devMinor\":", header.devminor);
    push_xattrs(out, header)
}

fn push_xattrs(out: &mut Vec<u8>, header: &Header) -> Result<(), Unrepresentable> {
    for (at, xattr) in header.xattrs.iter().enumerate() {
        if xattr.name.is_empty() {
            return Err(Unrepresentable::NamelessXattr { name: shown(header) });
        }
        out.extend_from_slice(if at == 0 { b",\"xattrs\":{" } else { b"," });
        text::push_string(out, utf8(header, "xattr name", &xattr.name)?);
        out.push(b':');
        text::push_base64(out, &xattr.value);
    }
    if !header.xattrs.is_empty() {
        out.push(b'}');
    }
    Ok(())
}

/// Leaves the last row open. It carries `endOffset` too when there are several: podman ends the last chunk
/// there and else at the next file, or behind the last file at the TOC, which with the index first lies in front.
fn push_payload(out: &mut Vec<u8>, header: &Header, name: &str, payload: &Payload) -> Result<(), Unrepresentable> {
    let end = offset(header, "endOffset", payload.end_offset)?;
    out.extend_from_slice(b",\"digest\":");
    text::push_digest(out, payload.digest.as_bytes());
    push_u64(out, b",\"offset\":", payload.offset);
    push_u64(out, b",\"endOffset\":", end);
    for (at, chunk) in payload.chunks.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b"},");
            push_opening(out, "chunk", name);
            push_u64(out, b",\"offset\":", chunk.offset);
            if at + 1 == payload.chunks.len() {
                push_u64(out, b",\"endOffset\":", end);
            }
        }
        push_chunk(out, chunk);
    }
    Ok(())
}

fn push_chunk(out: &mut Vec<u8>, chunk: &Chunk) {
    push_u64(out, b",\"chunkSize\":", chunk.size);
    push_u64(out, b",\"chunkOffset\":", chunk.chunk_offset);
    out.extend_from_slice(b",\"chunkDigest\":");
    text::push_digest(out, chunk.digest.as_bytes());
    if chunk.kind == ChunkKind::Zeros {
        out.extend_from_slice(b",\"chunkType\":\"zeros\"");
    }
}

fn push_opening(out: &mut Vec<u8>, kind: &str, name: &str) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"name\":");
    text::push_string(out, name);
}

/// Go's `omitempty`: nothing for 0.
fn push_u64(out: &mut Vec<u8>, key: &[u8], number: u64) {
    if number != 0 {
        out.extend_from_slice(key);
        text::push_u64(out, number);
    }
}

fn push_i64(out: &mut Vec<u8>, key: &[u8], number: i64) {
    if number != 0 {
        out.extend_from_slice(key);
        text::push_i64(out, number);
    }
}

fn push_time(out: &mut Vec<u8>, header: &Header, field: &'static str, value: Time) -> Result<(), Unrepresentable> {
    if !time::is_representable(value) {
        return Err(Unrepresentable::Time { name: shown(header), field, secs: value.secs });
    }
    out.extend_from_slice(b",\"");
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b"\":");
    time::push(out, value);
    Ok(())
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Regular => "reg",
        EntryKind::HardLink => "hardlink",
        EntryKind::Symlink => "symlink",
        EntryKind::Char => "char",
        EntryKind::Block => "block",
        EntryKind::Dir => "dir",
        EntryKind::Fifo => "fifo",
    }
}

fn utf8<'a>(header: &Header, field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Unrepresentable> {
    std::str::from_utf8(bytes).map_err(|_| Unrepresentable::NotUtf8 { name: shown(header), field })
}

/// Go reads sizes and offsets into an `int64`. The largest of an entry's numbers stands for all.
fn offset(header: &Header, field: &'static str, found: u64) -> Result<u64, Unrepresentable> {
    match i64::try_from(found) {
        Ok(_) => Ok(found),
        Err(_) => Err(Unrepresentable::Number { name: shown(header), field, found }),
    }
}

fn shown(header: &Header) -> String {
    String::from_utf8_lossy(&header.name).into_owned()
}
