//! The zstd:chunked format, without I/O: bytes in, values out, and back.
//!
//! | file | holds |
//! | --- | --- |
//! | `entry` | what a TOC says |
//! | `parse`, `build` | from JSON to entries: syntax, then meaning |
//! | `write` | from entries to JSON |
//! | `tarsplit` | the tar without its contents |
//! | `annotations`, `footer` | where the index lies, as the manifest and as the blob say it |
//! | `agree` | whether the two say the same |
//! | `blob` | where the parts of a blob lie |
//! | `chunker` | where a file is cut |
//! | `text`, `time` | JSON strings, base64, numbers and times as Go writes them |
//!
//! # Grammar
//!
//! A blob is zstd frames and skippable frames (RFC 8878). Unpacked one after the other they are the layer's tar.
//! The index may stand anywhere, since only annotations and footer say where.
//!
//! ```text
//! blob       ::= head index payloads footer          index first (what this tool writes)
//!              | payloads index footer               index last (podman)
//! head       ::= frame                               headers of the first entries
//! index      ::= skippable(TOC) [skippable(padding)] skippable(tar-split)
//! payloads   ::= { frame }                           each file or chunk starts a frame; headers between them
//! TOC        ::= frame                               JSON, zstd
//! tar-split  ::= frame                               JSON lines, zstd
//! footer     ::= skippable(64 bytes)
//! skippable  ::= 0x184D2A50 length content           both little-endian, 32 bits
//! ```
//!
//! # Footer
//!
//! Eight little-endian words of 64 bits. Offsets count from the start of the blob and point behind the header of
//! the skippable frame.
//!
//! | at | word |
//! | --- | --- |
//! | 0 | offset of the TOC |
//! | 8 | bytes of the TOC |
//! | 16 | bytes of the TOC when unpacked |
//! | 24 | 1, the kind of TOC |
//! | 32 | offset of the tar-split |
//! | 40 | bytes of the tar-split |
//! | 48 | bytes of the tar-split when unpacked |
//! | 56 | `GNUlInUx` |

mod agree;
mod annotations;
mod blob;
mod build;
mod chunker;
mod entry;
mod footer;
#[doc(hidden)]
pub mod fuzz;
mod parse;
mod tarsplit;
mod text;
mod time;
mod write;

pub use agree::{Disagreement, expect_checksum, expect_footer, expect_frame, expect_inside, expect_zstd};
pub use annotations::{
    AnnotationError, ChunkedAnnotations, ESTARGZ_TOC_DIGEST, PositionError, Positions, TAR_SPLIT_DIGEST,
    TAR_SPLIT_POSITION, TOC_DIGEST, TOC_POSITION,
};
pub use blob::{FOOTER_FRAME, Layout, LayoutError, PADDING};
pub use build::EntryFault;
pub use chunker::{Chunker, Cut};
pub use entry::{Chunk, ChunkKind, Payload, Toc, TocEntry};
pub use footer::{
    FOOTER_BYTES, FooterError, SKIPPABLE_HEADER, SKIPPABLE_MAGIC, decode_footer, encode_footer, skippable_header,
    skippable_len,
};
pub use parse::TocError;
pub use tarsplit::{Crc64, TarSplitError, TarSplitItem, TarSplitReader, TarSplitWriter};
pub use time::{from_rfc3339, to_rfc3339};
pub use write::{TocWriter, Unrepresentable, can_hold};

#[cfg(test)]
mod tests;
