//! What a TOC says: entries in tar order, and where each one's content lies in the blob.

use super::parse::{self, TocError};
use crate::digest::{BlobDigest, ChunkDigest, FileDigest};
use crate::tar::Header;

/// A whole table of contents. What [`Toc::parse`] returns holds the promises of the fields' docs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Toc {
    /// In tar order, which is the order of the offsets too. No path stands here twice.
    pub entries: Vec<TocEntry>,
    /// SHA-256 of the compressed tar-split. Without it clients download the layer whole.
    pub tar_split_digest: Option<BlobDigest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TocEntry {
    /// `uname` and `gname` are empty: a TOC does not hold them.
    pub header: Header,
    /// Exactly for regular files with content.
    pub payload: Option<Payload>,
}

/// Where the content of a regular file lies in the compressed blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub digest: FileDigest,
    /// Byte of the blob at which the content's first frame starts; never 0.
    pub offset: u64,
    /// First byte of the blob behind the content's last frame.
    pub end_offset: u64,
    /// Empty: one frame holds the whole file. Else the chunks in order; together they are the file.
    pub chunks: Vec<Chunk>,
}

/// A part of a file that can be fetched by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Byte of the blob at which the chunk's frame starts; it ends where the next chunk starts.
    pub offset: u64,
    /// Byte of the file at which the chunk starts.
    pub chunk_offset: u64,
    /// Bytes of content; never 0.
    pub size: u64,
    pub digest: ChunkDigest,
    pub kind: ChunkKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    Data,
    /// Zeros only: clients punch a hole and fetch nothing. The frame is there all the same.
    Zeros,
}

impl Toc {
    /// Reads the uncompressed JSON and checks all that can be checked without the blob.
    pub fn parse(json: &[u8]) -> Result<Self, TocError> {
        parse::parse(json)
    }
}
