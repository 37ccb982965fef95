//! What is known of an entry between unpack and pack. Joins the format's and the decisions' views.

use crate::digest::{ChunkDigest, FileDigest};
use crate::span::Span;
use crate::tar::{EntryKind, TarPath};

/// Bytes in a spool, in one or more runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    One(Span),
    Many(Box<[Span]>),
}

impl Stored {
    pub fn spans(&self) -> &[Span] {
        match self {
            Self::One(span) => std::slice::from_ref(span),
            Self::Many(spans) => spans,
        }
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.spans().iter().map(|span| span.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One zstd frame of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of content.
    pub size: u64,
    pub stored: Stored,
    /// Set when the file is cut into chunks.
    pub chunk: Option<ChunkDigest>,
    /// The chunk is zeros only.
    pub hole: bool,
}

/// A regular file's content: what it is and where its frames lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub digest: FileDigest,
    /// Bytes of content, never 0.
    pub size: u64,
    /// CRC-64 GO-ISO of the content, which tar-split keeps.
    pub crc64: u64,
    pub frames: Box<[Frame]>,
}

impl Payload {
    /// Compressed bytes.
    pub fn compressed(&self) -> u64 {
        self.frames.iter().map(|frame| frame.stored.len()).sum()
    }
}

/// One entry of a layer. Its header's bytes stay in the spool, so that a million entries fit in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub path: TarPath,
    pub kind: EntryKind,
    /// A hard link's target.
    pub target: Option<TarPath>,
    /// The header's blocks.
    pub header: Span,
    pub payload: Option<Payload>,
}

/// A layer's entries in the order of its tar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    pub items: Vec<Item>,
    /// Bytes of all content.
    pub content_bytes: u64,
    /// Said once for each layer, for the user.
    pub notes: Vec<String>,
}
