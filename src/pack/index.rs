//! TOC and tar-split of a layer.

use super::parts::Part;
use super::{Layer, NoIndex, PackError, parse_header};
use crate::codec::{FrameEncoder, FrameError, Level, Sha256Stream};
use crate::digest::BlobDigest;
use crate::inventory::{Frames, Payload};
use crate::limits;
use crate::span::Span;
use crate::tar::{END_OF_ARCHIVE, padding};
use crate::toc::{self, Chunk, ChunkKind, TarSplitWriter, TocEntry, TocWriter};

/// The index travels whole with every update, so it is worth a high level; the next ones cost several times
/// the time for a percent (docs/format.md).
const INDEX_LEVEL: Level = Level::index();

/// Bytes handed to the compressor at once: fixed, since unpledged streaming depends on it.
const PIECE: usize = 1 << 20;

/// A compressed part of the index.
pub(super) struct Compressed {
    pub bytes: Vec<u8>,
    pub uncompressed: u64,
}

impl Compressed {
    pub fn digest(&self) -> BlobDigest {
        BlobDigest::from_bytes(Sha256Stream::of(&self.bytes))
    }
}

/// Why there is no index, or what went wrong.
pub(super) enum IndexError {
    None(NoIndex),
    Pack(PackError),
}

impl<E: Into<PackError>> From<E> for IndexError {
    fn from(error: E) -> Self {
        Self::Pack(error.into())
    }
}

/// tar-split does not depend on where payloads lie.
pub(super) fn tar_split(layer: &Layer<'_>) -> Result<Compressed, IndexError> {
    let row_count =
        |payload: &Payload| if let Frames::Chunks(chunks) = &payload.frames { chunks.len().max(1) } else { 1 };
    let rows: usize = layer.entries.iter().map(|entry| entry.payload.map_or(1, row_count)).sum();
    if rows > limits::TOC_ROWS {
        return Err(IndexError::None(NoIndex::TooManyRows));
    }
    let mut stream = Stream::new()?;
    let mut writer = TarSplitWriter::new();
    let (mut segment, mut header) = (Vec::new(), Vec::new());
    let mut pad = 0;
    for entry in layer.entries {
        layer.header_bytes(entry, &mut header)?;
        segment.clear();
        segment.resize(pad, 0);
        segment.extend_from_slice(&header);
        writer.segment(&segment, &mut stream.pending);
        let name = parse_header(&header)?.name;
        let (size, crc64) = entry.payload.map_or((0, None), |payload| (payload.size, Some(payload.crc64)));
        writer.file(&name, size, crc64, &mut stream.pending);
        pad = padding(size);
        stream.compress()?;
        layer.progress.check()?;
        if stream.out.len() as u64 > limits::TAR_SPLIT_COMPRESSED_BYTES {
            return Err(IndexError::None(NoIndex::TarSplitTooLong));
        }
    }
    segment.clear();
    segment.resize(pad, 0);
    segment.extend_from_slice(&END_OF_ARCHIVE);
    writer.segment(&segment, &mut stream.pending);
    Ok(stream.finish()?)
}

/// The TOC's JSON, with the offset of each payload.
pub(super) struct TocSource<'a> {
    pub layer: &'a Layer<'a>,
    /// Offset of each entry's payload behind the first frame that follows the index; `None` without content.
    pub offsets: &'a [Option<u64>],
    pub tar_split: BlobDigest,
}

impl TocSource<'_> {
    /// Compressed, for payload frames that start at byte `base` of the blob.
    pub fn compress(&self, base: u64) -> Result<Compressed, IndexError> {
        let mut stream = Stream::new()?;
        let mut writer = TocWriter::new();
        let mut header = Vec::new();
        for (entry, offset) in self.layer.entries.iter().zip(self.offsets) {
            self.layer.header_bytes(entry, &mut header)?;
            let payload = entry.payload.zip(*offset).map(|(payload, offset)| toc_payload(payload, base + offset));
            let row = TocEntry { header: parse_header(&header)?, payload };
            writer.push(&row, &mut stream.pending).map_err(|cause| IndexError::None(cause.into()))?;
            stream.compress()?;
            self.layer.progress.check()?;
            if stream.uncompressed + stream.pending.len() as u64 > limits::TOC_BYTES {
                return Err(IndexError::None(NoIndex::TooLong));
            }
        }
        writer.finish(Some(self.tar_split), &mut stream.pending);
        Ok(stream.finish()?)
    }
}

fn toc_payload(payload: &Payload, offset: u64) -> toc::Payload {
    let mut chunks = Vec::new();
    let (mut at, mut chunk_offset) = (offset, 0);
    if let Frames::Chunks(parts) = &payload.frames {
        for part in parts {
            let kind = if part.hole { ChunkKind::Zeros } else { ChunkKind::Data };
            chunks.push(Chunk { offset: at, chunk_offset, size: part.size, digest: part.digest, kind });
            at += part.stored.len();
            chunk_offset += part.size;
        }
    }
    toc::Payload { digest: payload.digest, offset, end_offset: offset + payload.compressed(), chunks }
}

/// Offsets of payloads, from the first part behind the index on.
pub(super) fn offsets(layer: &Layer<'_>, parts: &[Part], headers: &[Option<Span>]) -> (Vec<Option<u64>>, u64) {
    let mut offsets = vec![None; layer.entries.len()];
    let mut at = 0;
    for (part, header) in parts.iter().zip(headers).skip(1) {
        match part {
            Part::Headers { .. } => at += header.map_or(0, Span::len),
            Part::Payload(index) => {
                offsets[*index as usize] = Some(at);
                at += layer.entries[*index as usize].payload.map_or(0, Payload::compressed);
            }
        }
    }
    (offsets, at)
}

/// Compresses in pieces of one size, so that a million entries never stand in memory as JSON.
struct Stream {
    encoder: FrameEncoder,
    pending: Vec<u8>,
    out: Vec<u8>,
    uncompressed: u64,
}

impl Stream {
    fn new() -> Result<Self, FrameError> {
        let mut encoder = FrameEncoder::new(INDEX_LEVEL)?;
        encoder.begin_unpledged()?;
        Ok(Self { encoder, pending: Vec::new(), out: Vec::new(), uncompressed: 0 })
    }

    fn compress(&mut self) -> Result<(), FrameError> {
        let mut taken = 0;
        while self.pending.len() - taken >= PIECE {
            self.encoder.push(&self.pending[taken..taken + PIECE], &mut self.out)?;
            taken += PIECE;
        }
        self.pending.drain(..taken);
        self.uncompressed += taken as u64;
        Ok(())
    }

    fn finish(mut self) -> Result<Compressed, PackError> {
        self.compress()?;
        self.encoder.push(&self.pending, &mut self.out)?;
        self.encoder.end(&mut self.out)?;
        Ok(Compressed { bytes: self.out, uncompressed: self.uncompressed + self.pending.len() as u64 })
    }
}
