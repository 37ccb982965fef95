//! Tar headers as bytes, and the view that Go has of them.

mod header;
mod path;

pub use header::{EntryKind, Header, Time, Xattr};
pub use path::{PathError, TarPath};
