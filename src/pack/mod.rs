//! Entries in the plan's order -> a zstd:chunked blob, a plain one, or gzip data, or two of them.
//!
//! Three things happen side by side: header frames are compressed, the DiffID is taken over what the
//! frames decode to (so a layer is never published whose frames were not read back once), and the
//! index is built and the blob written. Payload frames are copied from the spool as they are.

mod blob;
mod diff_id;
mod headers;
mod index;
mod parts;
mod reframe;
mod regzip;

use std::io::{self, Write};

pub use reframe::{Reframer, Slice};
pub use regzip::regzip;

use crate::codec::{FrameDecoder, FrameError, GzipError, Level};
use crate::digest::{ChunkDigest, DiffId, FileDigest};
use crate::inventory::{Body, Payload, Stored};
use crate::limits;
use crate::order::Entry;
use crate::order::cost::PullFile;
use crate::origin::FrameBlob;
use crate::progress::{Interrupted, Progress};
use crate::span::Span;
use crate::spool::{Spool, SpoolError};
use crate::tar::{EntryKind, Header, TarPath, decode};
use crate::threads::{self, ThreadError};
use crate::toc::{ChunkedAnnotations, LayoutError, PositionError, Unrepresentable};
use crate::units;

/// Where the TOC and tar-split stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexPlace {
    /// At the blob's front: a registry that ignores ranges sends a few MB before the client hangs up.
    #[default]
    First,
    /// At the end, as podman writes it.
    End,
}

#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub level: Level,
    /// `None`: the blob gets no index.
    pub index: Option<IndexPlace>,
    pub threads: usize,
}

/// One entry of the new layer.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    pub path: &'a TarPath,
    pub kind: EntryKind,
    /// The header's blocks in the spool.
    pub header: Span,
    pub payload: Option<&'a Payload>,
}

impl<'a> Placed<'a> {
    /// The entry as it was read.
    pub fn of(entry: &'a Entry, body: &'a Body) -> Self {
        Self { path: &entry.path, kind: entry.kind, header: body.header, payload: body.payload.as_ref() }
    }
}

/// Where the bytes of headers and frames are.
#[derive(Clone, Copy)]
pub struct Stock<'a> {
    pub spool: &'a Spool,
    /// Blobs of previous images.
    pub blobs: &'a [FrameBlob<'a>],
}

impl Stock<'_> {
    /// Appends to `out` the bytes of a run of `stored`.
    fn read(&self, stored: &Stored, run: Span, out: &mut Vec<u8>) -> Result<(), PackError> {
        let Stored::Blob(number, _) = stored else { return Ok(self.spool.read(run, out)?) };
        let blob = self.blobs.get(*number as usize).ok_or(PackError::Internal("no such previous blob"))?;
        blob.read(self.spool, run, out).map_err(PackError::Previous)
    }
}

/// Where a layer's blobs go.
#[derive(Default)]
pub struct Blobs<'o> {
    pub zstd: Option<&'o mut (dyn Write + Send)>,
    /// The same tar as gzip data.
    pub gzip: Option<&'o mut (dyn Write + Send)>,
}

/// A layer that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedLayer {
    pub diff_id: DiffId,
    /// `None` when the format can't hold an entry; the blob is then an ordinary zstd layer.
    pub chunked: Option<ChunkedAnnotations>,
    /// Why, then.
    pub no_index: Option<NoIndex>,
    /// In the order of the TOC; empty without one.
    pub files: Vec<PullFile>,
    /// The TOC as it stands in the blob; empty without one.
    pub toc: Vec<u8>,
}

/// Why a layer gets no index. It is a valid layer all the same; every client pulls it whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoIndex {
    #[error("{0}")]
    Entry(#[from] Unrepresentable),
    #[error(
        "its TOC would have more than {} bytes, above which podman pulls a layer whole",
        units::count(limits::TOC_BYTES)
    )]
    TooLong,
    #[error("its TOC would have more than {} rows, above which restrata reads none", units::count(limits::TOC_ROWS as u64))]
    TooManyRows,
    #[error(
        "its tar-split would have more than {} bytes, above which restrata reads none",
        units::count(limits::TAR_SPLIT_COMPRESSED_BYTES)
    )]
    TarSplitTooLong,
}

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("{0}")]
    Spool(#[from] SpoolError),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Gzip(#[from] GzipError),
    #[error("the previous image's layer unpacks to a tar {found}: expected {expected}; leave this image out")]
    OtherTar { expected: DiffId, found: DiffId },
    #[error("reading a frame of the previous image: {0}")]
    Previous(#[source] io::Error),
    #[error(
        "the previous image's TOC says that {expected} is there, but its frame holds {found}; leave this image out"
    )]
    Lie { expected: FileDigest, found: FileDigest },
    #[error(
        "the previous image's TOC says that a chunk {expected} is there, but its frame holds {found}; leave this image out"
    )]
    ChunkLie { expected: ChunkDigest, found: ChunkDigest },
    #[error(
        "the previous image's TOC says that {expected} is there, but there is no such frame: {source}; leave this image out"
    )]
    NoFrame { expected: FileDigest, source: FrameError },
    #[error("writing the layer: {0}")]
    Write(#[source] io::Error),
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    #[error("the index: {0}")]
    Layout(#[from] LayoutError),
    #[error("the index: {0}")]
    Position(#[from] PositionError),
    #[error("{0}")]
    Threads(#[from] ThreadError),
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// What every part of packing needs.
#[derive(Clone, Copy)]
struct Layer<'a> {
    entries: &'a [Placed<'a>],
    stock: Stock<'a>,
    options: Options,
    progress: &'a Progress,
}

impl Layer<'_> {
    /// The header's blocks of one entry.
    fn header_bytes(&self, entry: &Placed<'_>, out: &mut Vec<u8>) -> Result<(), SpoolError> {
        out.clear();
        self.stock.spool.read(entry.header, out)
    }
}

/// Writes the layer's blobs, in one pass.
pub fn pack(
    entries: &[Placed<'_>],
    stock: Stock<'_>,
    options: Options,
    progress: &Progress,
    blobs: Blobs<'_>,
) -> Result<PackedLayer, PackError> {
    let layer = Layer { entries, stock, options, progress };
    let Blobs { zstd, gzip } = blobs;
    let write = || zstd.map_or_else(|| Ok(blob::Written::default()), |out| blob::write(&layer, out));
    let (diff_id, written) = threads::beside(|| diff_id::diff_id(&layer, gzip), write)?;
    let blob::Written { chunked, no_index, files, toc } = written?;
    Ok(PackedLayer { diff_id: diff_id?, chunked, no_index, files, toc })
}

/// Hands on the content of a payload, piece by piece.
pub fn content(
    stock: Stock<'_>,
    payload: &Payload,
    decoder: &mut FrameDecoder,
    mut take: impl FnMut(&[u8]) -> Result<(), PackError>,
) -> Result<(), PackError> {
    payload.frames.stored().try_for_each(|stored| diff_id::decode_frame(&stock, stored, decoder, &mut take))
}

/// The fields of a header in the spool.
pub fn read_header(spool: &Spool, header: Span) -> Result<Header, PackError> {
    let mut bytes = Vec::new();
    spool.read(header, &mut bytes)?;
    parse_header(&bytes)
}

/// A header's fields, from bytes that this program scanned or made before.
fn parse_header(bytes: &[u8]) -> Result<Header, PackError> {
    decode(bytes).ok_or(PackError::Internal("a header in the spool that does not scan"))
}
