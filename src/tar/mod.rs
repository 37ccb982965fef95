//! Tar headers as bytes, and the view that Go has of them.
//!
//! podman compares the TOC with tar-split under the rules of Go's `archive/tar` (the fork in
//! vbatts/tar-split) and refuses a layer where they differ, so [`Header`] holds what that reader
//! would report, not what POSIX or GNU tar would. Bytes are kept as they came ([`RawEntry::raw`]).
//!
//! No I/O: [`Scanner`] is fed 512-byte blocks and says when it has an entry.

mod block;
mod encode;
#[doc(hidden)]
pub mod fuzz;
mod header;
mod path;
mod pax;
mod scan;
mod sparse;
#[cfg(test)]
mod tests;

pub use block::{BLOCK, padding};
pub use encode::{decode, encode};
pub use header::{EntryKind, Header, Time, Xattr};
pub use path::{PathError, TarPath};
pub use scan::{RawEntry, Rewrite, ScanError, Scanner, Step};
pub use sparse::SparseMap;

/// The end of every archive that this tool writes: two blocks of zeros.
pub const END_OF_ARCHIVE: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
