//! Sparse maps of the four formats that GNU tar has written. No client unpacks a sparse entry from
//! a layer reliably (OCI image spec, layer.md: "SHOULD NOT be used"), so they are expanded.

use super::block::{GNU_SPARSE, Header as Block, number};
use super::pax::{self, BadPax, Records};
use crate::limits;
use crate::span::Span;

/// Which runs of a file are stored; everything between them is zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseMap {
    segments: Vec<Span>,
    size: u64,
}

impl SparseMap {
    /// Segments must ascend, not overlap and end within `size`.
    pub(super) fn new(segments: Vec<Span>, size: u64) -> Result<Self, BadPax> {
        let mut end = 0;
        for segment in &segments {
            if segment.start() < end || !segment.fits_in(size) {
                return Err(BadPax("sparse segments that overlap or pass the file's end"));
            }
            end = segment.end();
        }
        Ok(Self { segments, size })
    }

    /// The file's size with its holes, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The stored runs, as places in the expanded file.
    pub fn segments(&self) -> &[Span] {
        &self.segments
    }

    pub(super) fn stored(&self) -> u64 {
        self.segments.iter().map(|s| s.len()).sum()
    }
}

pub(super) fn push_segment(segments: &mut Vec<Span>, offset: i64, len: i64) -> Result<(), BadPax> {
    const BAD: BadPax = BadPax("a sparse segment that is no run of bytes");
    if segments.len() >= limits::SPARSE_SEGMENTS {
        return Err(BadPax("too many sparse segments"));
    }
    let start = u64::try_from(offset).map_err(|_| BAD)?;
    let len = u64::try_from(len).map_err(|_| BAD)?;
    segments.push(Span::new(start, len).ok_or(BAD)?);
    Ok(())
}

/// The up to four segments in an old GNU header, and whether extension blocks follow.
pub(super) fn old_gnu_header(block: Block<'_>, segments: &mut Vec<Span>) -> Result<bool, BadPax> {
    elements(block.bytes(GNU_SPARSE), segments)
}

/// The up to 21 segments in an extension block, and whether another one follows.
pub(super) fn old_gnu_extension(block: Block<'_>, segments: &mut Vec<Span>) -> Result<bool, BadPax> {
    elements(block.bytes(0..512), segments)
}

fn elements(bytes: &[u8], segments: &mut Vec<Span>) -> Result<bool, BadPax> {
    let count = bytes.len() / 24;
    for element in bytes[..count * 24].chunks_exact(24) {
        if element[0] == 0 {
            break;
        }
        let field = |range| number(&element[range]).map_err(|_| BadPax("a sparse number that is none"));
        push_segment(segments, field(0..12)?, field(12..24)?)?;
    }
    Ok(bytes[count * 24] != 0)
}

/// How a pax header describes a sparse file.
pub(super) enum PaxSparse {
    /// Formats 0.0 and 0.1: the map is in the header.
    Map(Vec<Span>),
    /// Format 1.0: the map stands in front of the payload.
    InPayload,
}

pub(super) fn from_pax(records: &Records) -> Result<Option<PaxSparse>, BadPax> {
    let version = (records.get(b"GNU.sparse.major"), records.get(b"GNU.sparse.minor"));
    match version {
        (Some(b"1"), Some(b"0")) => Ok(Some(PaxSparse::InPayload)),
        (Some(b"0"), Some(b"0" | b"1")) => map_0_1(records).map(Some),
        (None, None) if records.get(pax::SPARSE_MAP).is_some() => map_0_1(records).map(Some),
        _ => Ok(None),
    }
}

fn map_0_1(records: &Records) -> Result<PaxSparse, BadPax> {
    let count = records.get(b"GNU.sparse.numblocks").map(pax::integer).transpose()?;
    let numbers: Vec<&[u8]> = match records.get(pax::SPARSE_MAP) {
        Some(map) => map.split(|&b| b == b',').collect(),
        None => Vec::new(),
    };
    if count.and_then(|n| n.checked_mul(2)) != i64::try_from(numbers.len()).ok() {
        return Err(BadPax("a sparse map whose length is not its record's count"));
    }
    let mut segments = Vec::new();
    for pair in numbers.chunks_exact(2) {
        push_segment(&mut segments, pax::integer(pair[0])?, pax::integer(pair[1])?)?;
    }
    Ok(PaxSparse::Map(segments))
}

/// The numbers of a format 1.0 map, gathered block by block.
#[derive(Debug, Default)]
pub(super) struct Map1x0 {
    text: Vec<u8>,
    newlines: u64,
    /// Of segments; the first line.
    count: Option<u64>,
}

impl Map1x0 {
    /// Takes the next block of the payload; the map when it is complete.
    pub fn push(&mut self, block: &[u8]) -> Result<Option<Vec<Span>>, BadPax> {
        self.text.extend_from_slice(block);
        self.newlines += block.iter().filter(|&&b| b == b'\n').count() as u64;
        if self.text.len() as u64 > limits::TAR_SPECIAL_BYTES {
            return Err(BadPax("a sparse map that is too long"));
        }
        if self.newlines == 0 {
            return Ok(None);
        }
        let mut lines = self.text.split(|&b| b == b'\n');
        let first = lines.next().unwrap_or_default();
        let count = match self.count {
            Some(count) => count,
            // Once: the line can be a megabyte of zeros.
            None => u64::try_from(pax::integer(first)?).map_err(|_| BadPax("a negative count of sparse segments"))?,
        };
        self.count = Some(count);
        if self.newlines < count.saturating_mul(2).saturating_add(1) {
            return Ok(None);
        }
        let mut segments = Vec::new();
        for _ in 0..count {
            let mut next = || pax::integer(lines.next().unwrap_or_default());
            let (offset, len) = (next()?, next()?);
            push_segment(&mut segments, offset, len)?;
        }
        Ok(Some(segments))
    }
}
