//! What is known of an entry between unpack and pack. Joins the format's and the decisions' views.

mod entry;
mod extracted;
pub mod overlay;
mod xattrs;

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;

use foldhash::HashSet;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use crate::digest::{ChunkDigest, FileDigest};
use crate::limits;
use crate::order::cost::{PullChunk, PullFile, PullIndex};
use crate::order::{Content, Entry, ImpliedDirs};
use crate::owner::Hint;
use crate::remark::Remark;
use crate::span::Span;
use crate::tar::{EntryKind, Header, PathError, TarPath};
use crate::toc::{self, ChunkKind, ChunkedAnnotations, Toc, TocEntry};

use entry::entry;
pub use entry::implied_dir;
use extracted::TocLayer;
pub use extracted::{Restated, add_link, restated, settle};
pub use xattrs::{XattrGlob, XattrGlobError, drop_xattrs};

/// Where a frame's bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// In the spool, in one run.
    One(Span),
    /// In the spool, in several.
    Many(Box<[Span]>),
    /// In a blob of a previous image, by its number.
    Blob(u32, Span),
}

impl Stored {
    pub fn spans(&self) -> &[Span] {
        match self {
            Self::One(span) | Self::Blob(_, span) => std::slice::from_ref(span),
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

/// One chunk of a file's content, in a zstd frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes of content.
    pub size: u64,
    pub stored: Stored,
    pub digest: ChunkDigest,
    /// Zeros only.
    pub hole: bool,
}

/// The frames that hold a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frames {
    /// Content that was only hashed.
    None,
    /// One frame for the whole file.
    Whole(Stored),
    Chunks(Box<[Chunk]>),
}

impl Frames {
    pub fn stored(&self) -> impl Iterator<Item = &Stored> {
        let (whole, chunks) = match self {
            Self::None => (None, [].as_slice()),
            Self::Whole(stored) => (Some(stored), [].as_slice()),
            Self::Chunks(chunks) => (None, &**chunks),
        };
        whole.into_iter().chain(chunks.iter().map(|chunk| &chunk.stored))
    }

    /// With the chunk that each frame holds, if it is one.
    pub fn parts(&self) -> impl Iterator<Item = (&Stored, Option<&Chunk>)> {
        let chunks = if let Self::Chunks(chunks) = self { &**chunks } else { &[] };
        let chunks = chunks.iter().map(Some).chain(std::iter::repeat(None));
        self.stored().zip(chunks)
    }

    /// Compressed bytes.
    pub fn len(&self) -> u64 {
        self.stored().map(Stored::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A regular file's content: what it is and where its frames lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub digest: FileDigest,
    /// Bytes of content, never 0.
    pub size: u64,
    /// CRC-64 GO-ISO of the content, which tar-split keeps.
    pub crc64: u64,
    pub frames: Frames,
}

impl Payload {
    /// As an entry has it.
    pub fn content(&self, compiled_from: Option<u32>) -> Content {
        Content { digest: self.digest, size: self.size, stored: self.compressed(), compiled_from }
    }

    /// Compressed bytes.
    pub fn compressed(&self) -> u64 {
        self.frames.len()
    }
}

/// Content that previous images have in frames that can be copied.
#[derive(Debug, Default)]
pub struct Known {
    hasher: RandomState,
    frames: Vec<(FileDigest, Frames)>,
    /// Numbers in `frames`: images can have a million files.
    table: HashTable<u32>,
    sizes: HashSet<u64>,
    paths: HashSet<TarPath>,
}

impl Known {
    /// The first of several stays.
    pub fn add(&mut self, digest: FileDigest, size: u64, frames: Frames) {
        let Self { hasher, frames: all, table, sizes, .. } = self;
        let is_same = |&number: &u32| all[number as usize].0 == digest;
        let rehash = |&number: &u32| hasher.hash_one(all[number as usize].0);
        if let Slot::Vacant(slot) = table.entry(hasher.hash_one(digest), is_same, rehash) {
            slot.insert(all.len() as u32);
            all.push((digest, frames));
        }
        sizes.insert(size);
    }

    /// Frames in these blobs are known no longer. Sizes stay: one too many costs time alone.
    pub fn forget(&mut self, blobs: &BTreeSet<u32>) {
        let lies_there = |stored: &Stored| matches!(stored, Stored::Blob(blob, _) if blobs.contains(blob));
        for (_, frames) in self.frames.iter_mut().filter(|(_, frames)| frames.stored().any(lies_there)) {
            *frames = Frames::None;
        }
    }

    pub fn frames(&self, digest: &FileDigest) -> Option<&Frames> {
        let is_same = |&number: &u32| self.frames[number as usize].0 == *digest;
        let number = self.table.find(self.hasher.hash_one(digest), is_same)?;
        Some(&self.frames[*number as usize].1).filter(|frames| !matches!(frames, Frames::None))
    }

    /// Adds the paths of a previous image, so that the same ones of the new image take no memory of their own.
    pub fn add_paths(&mut self, entries: &[Entry]) {
        self.paths.extend(entries.iter().map(|entry| entry.path.clone()));
    }

    fn shared(&self, path: &TarPath) -> Option<TarPath> {
        self.paths.get(path).cloned()
    }

    /// True when some content of this many bytes is known: a file of that size is worth hashing before it is compressed.
    pub fn has_size(&self, size: u64) -> bool {
        self.sizes.contains(&size)
    }
}

/// What an entry is written from. Its header's bytes stay in the spool, so that a million entries fit in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The header's blocks.
    pub header: Span,
    pub payload: Option<Payload>,
}

/// A layer's entries in the order of its tar, and what each is written from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    pub entries: Vec<Entry>,
    pub bodies: Vec<Body>,
    /// Entries, by index, that a TOC can't hold.
    pub odd: Vec<usize>,
    /// Package databases: entry, and where in the spool the content lies.
    pub evidence: Vec<(usize, Stored)>,
    /// What entries say of their owner themselves.
    pub hints: Vec<(usize, Hint)>,
    /// Bytes of all content.
    pub content_bytes: u64,
    /// Patterns, by their numbers, that some xattr was dropped by.
    pub dropped: BTreeSet<usize>,
    /// Bytes of memory that were set aside for the entries.
    pub held: u64,
    /// Said once for each layer, for the user.
    pub notes: Vec<Remark>,
}

impl Inventory {
    /// Adds an entry whose header's blocks lie in `blocks`. Returns the bytes of memory that its paths take.
    pub fn push(&mut self, header: &Header, blocks: Span, known: &Known) -> Result<u64, PathError> {
        if toc::can_hold(header).is_err() {
            self.odd.push(self.entries.len());
        }
        let mut entry = entry(header)?;
        let target = entry.target.as_ref().map_or(0, path_bytes);
        let path = match known.shared(&entry.path) {
            Some(shared) => {
                entry.path = shared;
                0
            }
            None => path_bytes(&entry.path),
        };
        self.entries.push(entry);
        self.bodies.push(Body { header: blocks, payload: None });
        Ok(path + target)
    }

    /// Writes entry `index` anew; its content stays. Whether a TOC can hold it now is for the caller to say in `odd`.
    pub fn restate(&mut self, index: usize, header: &Header, blocks: Span) -> Result<(), PathError> {
        let old = &mut self.entries[index];
        // The header in the spool has lost overlay's marks.
        *old = Entry { content: old.content, overlay: old.overlay, ..entry(header)? };
        self.bodies[index].header = blocks;
        Ok(())
    }

    /// Content that was only hashed, by the numbers of its entries.
    pub fn without_frames(&self) -> impl Iterator<Item = (usize, FileDigest)> {
        let payloads = self.bodies.iter().enumerate().filter_map(|(at, body)| Some((at, body.payload.as_ref()?)));
        payloads.filter(|(_, payload)| matches!(payload.frames, Frames::None)).map(|(at, payload)| (at, payload.digest))
    }

    /// Gives the content of entry `index`, which was only hashed, its frames.
    pub fn set_frames(&mut self, index: usize, frames: Frames) {
        let Some(payload) = &mut self.bodies[index].payload else { return };
        payload.frames = frames;
        let stored = payload.compressed();
        if let Some(content) = &mut self.entries[index].content {
            content.stored = stored;
        }
    }

    /// No entry will follow. A vector that grew has room for up to twice as many, and an image can have a million.
    pub fn finish(&mut self) {
        self.entries.shrink_to_fit();
        self.bodies.shrink_to_fit();
    }

    /// Gives entry `index` its content.
    pub fn set_payload(&mut self, index: usize, payload: Payload, compiled_from: Option<u32>) {
        self.content_bytes += payload.size;
        self.entries[index].content = Some(payload.content(compiled_from));
        self.bodies[index].payload = Some(payload);
    }
}

/// What a path takes in memory: its bytes, and what the allocator and the counter of its copies add.
fn path_bytes(path: &TarPath) -> u64 {
    path.as_bytes().len() as u64 + 24
}

/// Bytes of memory that a TOC takes while it is read: its text, the names in it twice, and its rows.
pub fn toc_reading_bytes(json: &[u8]) -> u64 {
    let rows = json.iter().filter(|byte| **byte == b'{').count() as u64;
    3 * json.len() as u64 + limits::HELD_READING * rows
}

/// Bytes of memory that entries of a TOC take.
pub fn held_bytes(entries: &[Entry]) -> u64 {
    let mut implied = ImpliedDirs::default();
    let of = |entry: &Entry| {
        let paths = [Some(&entry.path), entry.target.as_ref()].into_iter().flatten().map(path_bytes);
        limits::HELD_ROW + paths.sum::<u64>() + implied.above(entry)
    };
    entries.iter().map(of).sum()
}

/// The entries of a TOC as clients show them. Names that are no paths were refused when it was parsed.
pub fn toc_entries(toc: &Toc) -> Vec<Entry> {
    toc_entries_noted(toc).0
}

/// With notes on what clients show otherwise than the rows say.
pub fn toc_entries_noted(toc: &Toc) -> (Vec<Entry>, Vec<Remark>) {
    let mut entries = Vec::with_capacity(toc.entries.len());
    entries.extend(toc_rows(toc).filter_map(toc_entry));
    let mut layer = TocLayer::new(toc, entries);
    // The rows have names that are paths, and the entries as well.
    let notes = settle(&mut layer).unwrap_or_default();
    (layer.entries, notes)
}

fn toc_entry(row: &TocEntry) -> Option<Entry> {
    let mut entry = entry(&row.header).ok()?;
    entry.content = row.payload.as_ref().map(|payload| Content {
        digest: payload.digest,
        size: row.header.size,
        stored: payload.end_offset - payload.offset,
        compiled_from: None,
    });
    Some(entry)
}

/// The rows that are entries.
fn toc_rows(toc: &Toc) -> impl Iterator<Item = &TocEntry> {
    let is_entry = |row: &&TocEntry| row.header.kind != EntryKind::HardLink || row.header.link_path().is_ok();
    toc.entries.iter().filter(is_entry)
}

/// What a client sees of an index.
pub fn pull_index(annotations: &ChunkedAnnotations, files: Vec<PullFile>) -> PullIndex {
    let positions = &annotations.positions;
    PullIndex {
        toc_digest: annotations.toc_digest,
        toc: positions.toc,
        tar_split: positions.tar_split,
        toc_size: positions.toc_uncompressed,
        files,
    }
}

/// The files that a TOC tells of.
pub fn pull_files(toc: &Toc) -> Vec<PullFile> {
    let chunk = |chunk: &toc::Chunk| PullChunk {
        digest: chunk.digest,
        start: chunk.offset,
        is_hole: chunk.kind == ChunkKind::Zeros,
    };
    let payloads = toc.entries.iter().filter_map(|entry| entry.payload.as_ref());
    let file = |payload: &toc::Payload| PullFile {
        digest: payload.digest,
        span: Span::between(payload.offset, payload.end_offset),
        chunks: payload.chunks.iter().map(chunk).collect(),
    };
    // As many as the TOC tells of can be a million: no room is kept for more.
    let mut files: Vec<PullFile> = payloads.map(file).collect();
    files.shrink_to_fit();
    files
}

/// A payload's frames in a previous image's blob.
pub fn toc_frames(payload: &toc::Payload, blob: u32) -> Frames {
    let stored = |start, end| Stored::Blob(blob, Span::between(start, end));
    if payload.chunks.is_empty() {
        return Frames::Whole(stored(payload.offset, payload.end_offset));
    }
    let ends = payload.chunks.iter().skip(1).map(|next| next.offset).chain([payload.end_offset]);
    let chunk = |(chunk, end): (&toc::Chunk, u64)| Chunk {
        size: chunk.size,
        stored: stored(chunk.offset, end),
        digest: chunk.digest,
        hole: chunk.kind == ChunkKind::Zeros,
    };
    Frames::Chunks(payload.chunks.iter().zip(ends).map(chunk).collect())
}
