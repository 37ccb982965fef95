//! Decisions: what becomes of each entry and layer, and in which order. No I/O, no clock, integers only.
//!
//! Knows entries by path, kind and content digest; nothing of tar bytes, TOCs or OCI.
//!
//! - [`normalise`]: a layer's entries as a client would end up with them: the last of several wins.
//! - [`broken_entry`]: what no client can extract.
//! - [`sequence`]: the order inside a layer, against the previous image.
//! - [`plan`]: what is kept and what is written; the value between unpack and pack.

mod broken;
pub mod cost;
mod normalise;
mod plan;
mod sequence;
pub mod tree;

pub use broken::{BrokenEntry, broken_entry};
pub use normalise::{Live, Role, normalise};
pub use plan::{Fate, LayerPlan, NewLayer, Plan, plan};
pub use sequence::{Previous, sequence};

use crate::digest::FileDigest;
use crate::tar::{EntryKind, TarPath};

/// What deciding needs to know of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub path: &'a TarPath,
    pub kind: EntryKind,
    /// A hard link's target.
    pub target: Option<&'a TarPath>,
    /// Digest and bytes of a regular file's content; `None` when there is none.
    pub content: Option<(FileDigest, u64)>,
}
