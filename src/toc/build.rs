//! From rows to entries: what a row may claim, and how the rows of one file belong together.

use std::collections::HashSet;

use super::entry::{Chunk, ChunkKind, Payload, TocEntry};
use super::parse::{Row, TocError};
use super::text;
use super::time::{self, Parsed};
use crate::digest::{ChunkDigest, DigestError, FileDigest};
use crate::tar::{EntryKind, Header, PathError, TarPath, Time, Xattr};

/// What is wrong with one entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    #[error("the type is {found:?}: expected one of {KINDS}")]
    Kind { found: String },
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("a second entry for the same path")]
    Duplicate,
    #[error("{field} is {found}: expected 0 or more")]
    Negative { field: &'static str, found: i64 },
    #[error("{field} is {found:?}: expected an RFC 3339 time in the years 0 to 9999")]
    Time { field: &'static str, found: String },
    #[error("the value of xattr {name:?} is not base64")]
    Xattr { name: String },
    #[error("{field}: {source}")]
    Digest { field: &'static str, source: DigestError },
    #[error("digest is {found}: expected that of no content, since the size is 0")]
    NotEmpty { found: FileDigest },
    #[error("a chunk that does not follow a row of its own file with content")]
    StrayChunk,
    #[error("chunkType is {found:?}: expected \"zeros\" or nothing")]
    ChunkKind { found: String },
    #[error("{field} is {found}: expected {expected}")]
    Mismatch { field: &'static str, expected: u64, found: u64 },
    #[error("{field} is {found}: expected {least} or more")]
    TooLow { field: &'static str, least: u64, found: u64 },
    #[error("the content has no end: expected endOffset or a later entry with content")]
    NoEnd,
}

const KINDS: &str = "reg, hardlink, symlink, char, block, dir, fifo, chunk";

/// SHA-256 of no bytes.
const EMPTY: FileDigest = FileDigest::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// Takes rows in order.
#[derive(Default)]
pub(super) struct Builder {
    entries: Vec<TocEntry>,
    paths: HashSet<TarPath>,
    /// The newest file with content. It stays open until the next one, whose offset may be its end.
    open: Option<OpenFile>,
    /// Where chunk rows may follow: right behind the row of `open` or its chunks.
    takes_chunks: bool,
    /// First byte of the blob behind the content of all closed files.
    end: u64,
}

struct OpenFile {
    /// Where in `entries` it stands.
    at: usize,
    digest: FileDigest,
    first: Part,
    more: Vec<Part>,
}

/// The part of a row that says where content lies; numbers are 0 when the row left them out.
struct Part {
    offset: u64,
    end: u64,
    chunk_offset: u64,
    size: u64,
    digest: Option<ChunkDigest>,
    kind: ChunkKind,
}

impl Builder {
    pub(super) fn row(&mut self, row: &Row<'_>) -> Result<(), TocError> {
        let named = |fault| TocError::Entry { name: row.name.to_string(), fault };
        if row.kind == "chunk" {
            return self.chunk(row).map_err(named);
        }
        let header = header(row).map_err(named)?;
        let first = first_part(row, &header).map_err(named)?;
        if !self.paths.insert(header.path().map_err(|fault| named(fault.into()))?) {
            return Err(named(EntryFault::Duplicate));
        }
        self.takes_chunks = first.is_some();
        if let Some((digest, first)) = first {
            self.close(Some(first.offset))?;
            self.open = Some(OpenFile { at: self.entries.len(), digest, first, more: Vec::new() });
        }
        self.entries.push(TocEntry { header, payload: None });
        Ok(())
    }

    fn chunk(&mut self, row: &Row<'_>) -> Result<(), EntryFault> {
        let open = self.open.as_mut().filter(|_| self.takes_chunks).ok_or(EntryFault::StrayChunk)?;
        if self.entries[open.at].header.name != row.name.as_bytes() {
            return Err(EntryFault::StrayChunk);
        }
        open.more.push(part(row)?);
        Ok(())
    }

    /// `next`: where the next file's content starts.
    fn close(&mut self, next: Option<u64>) -> Result<(), TocError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let entry = &mut self.entries[open.at];
        let payload = open.payload(entry.header.size, self.end, next).map_err(|fault| {
            let name = String::from_utf8_lossy(&entry.header.name).into_owned();
            TocError::Entry { name, fault }
        })?;
        self.end = payload.end_offset;
        entry.payload = Some(payload);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<TocEntry>, TocError> {
        self.close(None)?;
        Ok(self.entries)
    }
}

/// The digest and the first part of a regular file with content. Other kinds have none, whatever their row says.
fn first_part(row: &Row<'_>, header: &Header) -> Result<Option<(FileDigest, Part)>, EntryFault> {
    if header.kind != EntryKind::Regular {
        return Ok(None);
    }
    let digest = digest("digest", &row.digest)?;
    match digest {
        Some(found) if header.size == 0 && found != EMPTY => Err(EntryFault::NotEmpty { found }),
        _ if header.size == 0 => Ok(None),
        Some(digest) => Ok(Some((digest, part(row)?))),
        None => Err(missing_digest("digest")),
    }
}

impl OpenFile {
    fn payload(self, size: u64, least: u64, next: Option<u64>) -> Result<Payload, EntryFault> {
        let end_offset = self.end(next)?;
        let offset = self.first.offset;
        // No content starts at 0: a header comes first, and clients take 0 for "left out".
        at_least("offset", least.max(1), offset)?;
        let whole = self.more.is_empty() && self.first.digest.is_none();
        let chunks = if whole { self.whole(size)? } else { self.chunks(size)? };
        at_least("endOffset", chunks.last().map_or(offset, |last| last.offset).saturating_add(1), end_offset)?;
        Ok(Payload { digest: self.digest, offset, end_offset, chunks })
    }

    /// podman writes `endOffset` on the first row only and reads it from the last one. Where neither
    /// has it, the content is taken to reach up to the next file's.
    fn end(&self, next: Option<u64>) -> Result<u64, EntryFault> {
        let last = self.more.last().map_or(self.first.end, |last| last.end);
        match (self.first.end, last) {
            (0, 0) => next.ok_or(EntryFault::NoEnd),
            (end, 0) | (0, end) => Ok(end),
            (expected, found) => equal("endOffset", expected, found).map(|()| expected),
        }
    }

    fn whole(&self, size: u64) -> Result<Vec<Chunk>, EntryFault> {
        if self.first.kind == ChunkKind::Zeros {
            return Err(missing_digest("chunkDigest"));
        }
        equal("chunkOffset", 0, self.first.chunk_offset)?;
        if self.first.size != 0 {
            equal("chunkSize", size, self.first.size)?;
        }
        Ok(Vec::new())
    }

    fn chunks(&self, size: u64) -> Result<Vec<Chunk>, EntryFault> {
        let mut chunks: Vec<Chunk> = Vec::with_capacity(1 + self.more.len());
        let mut done = 0;
        for (at, part) in std::iter::once(&self.first).chain(&self.more).enumerate() {
            equal("chunkOffset", done, part.chunk_offset)?;
            let left = size - done;
            let is_last = at == self.more.len();
            let chunk_size = if is_last && part.size == 0 { left } else { part.size };
            at_least("chunkSize", 1, chunk_size)?;
            if chunk_size > left || (is_last && chunk_size < left) {
                return Err(EntryFault::Mismatch { field: "chunkSize", expected: left, found: chunk_size });
            }
            if let Some(before) = chunks.last() {
                at_least("offset", before.offset.saturating_add(1), part.offset)?;
            }
            let digest = part.digest.ok_or_else(|| missing_digest("chunkDigest"))?;
            chunks.push(Chunk { offset: part.offset, chunk_offset: done, size: chunk_size, digest, kind: part.kind });
            done += chunk_size;
        }
        Ok(chunks)
    }
}

fn header(row: &Row<'_>) -> Result<Header, EntryFault> {
    let kind = match row.kind.as_ref() {
        "reg" => EntryKind::Regular,
        "hardlink" => EntryKind::HardLink,
        "symlink" => EntryKind::Symlink,
        "char" => EntryKind::Char,
        "block" => EntryKind::Block,
        "dir" => EntryKind::Dir,
        "fifo" => EntryKind::Fifo,
        found => return Err(EntryFault::Kind { found: found.chars().take(100).collect() }),
    };
    Ok(Header {
        link: row.link_name.as_bytes().to_vec(),
        mode: row.mode,
        uid: row.uid,
        gid: row.gid,
        size: number("size", row.size)?,
        mtime: time("modtime", &row.modtime)?.unwrap_or_default(),
        atime: time("accesstime", &row.accesstime)?,
        ctime: time("changetime", &row.changetime)?,
        devmajor: row.dev_major,
        devminor: row.dev_minor,
        xattrs: xattrs(row)?,
        ..Header::new(row.name.as_bytes(), kind)
    })
}

fn xattrs(row: &Row<'_>) -> Result<Vec<Xattr>, EntryFault> {
    row.xattrs
        .iter()
        .flatten()
        .map(|(name, value)| {
            let value = text::decode_base64(value).ok_or_else(|| EntryFault::Xattr { name: name.clone() })?;
            Ok(Xattr { name: name.as_bytes().to_vec(), value })
        })
        .collect()
}

fn part(row: &Row<'_>) -> Result<Part, EntryFault> {
    let kind = match row.chunk_type.as_ref() {
        "" => ChunkKind::Data,
        "zeros" => ChunkKind::Zeros,
        found => return Err(EntryFault::ChunkKind { found: found.chars().take(100).collect() }),
    };
    Ok(Part {
        offset: number("offset", row.offset)?,
        end: number("endOffset", row.end_offset)?,
        chunk_offset: number("chunkOffset", row.chunk_offset)?,
        size: number("chunkSize", row.chunk_size)?,
        digest: digest("chunkDigest", &row.chunk_digest)?,
        kind,
    })
}

fn number(field: &'static str, found: i64) -> Result<u64, EntryFault> {
    u64::try_from(found).map_err(|_| EntryFault::Negative { field, found })
}

fn time(field: &'static str, text: &str) -> Result<Option<Time>, EntryFault> {
    match time::parse(text) {
        _ if text.is_empty() => Ok(None),
        Some(Parsed::At(time)) => Ok(Some(time)),
        Some(Parsed::Absent) => Ok(None),
        None => Err(EntryFault::Time { field, found: text.chars().take(100).collect() }),
    }
}

fn digest<D: std::str::FromStr<Err = DigestError>>(field: &'static str, text: &str) -> Result<Option<D>, EntryFault> {
    match text {
        "" => Ok(None),
        _ => text.parse().map(Some).map_err(|source| EntryFault::Digest { field, source }),
    }
}

fn missing_digest(field: &'static str) -> EntryFault {
    EntryFault::Digest { field, source: DigestError::Algorithm { found: String::new() } }
}

fn equal(field: &'static str, expected: u64, found: u64) -> Result<(), EntryFault> {
    if found == expected { Ok(()) } else { Err(EntryFault::Mismatch { field, expected, found }) }
}

fn at_least(field: &'static str, least: u64, found: u64) -> Result<(), EntryFault> {
    if found >= least { Ok(()) } else { Err(EntryFault::TooLow { field, least, found }) }
}
