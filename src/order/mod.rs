//! Decisions: what becomes of each entry and layer, and in which order. No I/O, no clock, integers only.
//!
//! Knows entries by path, kind and content digest; nothing of tar bytes, TOCs or OCI.
//!
//! Tables are hashed by foldhash, seeded anew in each process. Whoever builds an image could, with great effort, make one that plans
//! slowly; SipHash, which withstands that, took a third of all planning.
//!
//! - `normalise`: a layer's entries as a client would end up with them: the last of several wins.
//! - [`OverlayMark`]: what overlayfs takes for its own.
//! - [`readings`]: where clients show an image differently.
//! - `paths`: paths as numbers, so that trees are arrays.
//! - [`extract`]: where a client puts a layer's entries, and whose files its hard links are.
//! - [`broken_entry`]: what no client can extract.
//! - [`Previous`]: what clients have.
//! - `sequence`: the order inside a layer, against that.
//! - [`layers`]: which layers there are, and in which one each entry stands.
//! - [`Plan`]: what is kept and what is written; the value between unpack and pack.
//! - [`chunking`]: which files are cut into chunks.
//! - [`cost`]: what a pull moves.
//! - [`debris`]: what builders leave behind for their mounts.
//! - [`forecast`]: layers of a plan as clients would see them.
//! - [`ImpliedDirs`]: what directories without an entry take.
//! - [`changes`]: what is new to clients that have an older image, and what they pull for nothing.
//! - [`Members`]: images that are planned together.
//! - [`layouts`]: what other layouts of a sequence of images would cost.

mod broken;
pub mod changes;
pub mod chunking;
pub mod cost;
pub mod debris;
mod extract;
mod forecast;
mod implied;
pub mod layers;
pub mod layouts;
mod members;
mod normalise;
mod overlay;
mod paths;
mod plan;
mod previous;
mod readings;
mod sequence;
pub mod tree;

pub use broken::{BrokenEntry, broken_above, broken_alone, broken_entry};
pub use extract::{Extracted, Moved, extract, is_plain};
pub use forecast::{forecast, times};
pub use implied::ImpliedDirs;
pub use members::Members;
pub use overlay::OverlayMark;
pub use plan::{LayerPlan, Place, Plan, Reason, Role, State, Unowned, Written};
pub use previous::Previous;
pub use readings::{Readings, readings};

use sequence::{Below, sequence};

use crate::digest::FileDigest;
use crate::tar::{EntryKind, TarPath, Time};

/// One path of a layer, as far as deciding goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: TarPath,
    pub kind: EntryKind,
    /// A hard link's target.
    pub target: Option<TarPath>,
    /// `None` when there is none.
    pub content: Option<Content>,
    pub traits: Traits,
    pub mtime: Time,
    pub overlay: OverlayMark,
    /// A directory whose setgid bit goes on to those that clients make in it.
    pub is_setgid: bool,
    /// A regular file that can be run, and is no library.
    pub is_program: bool,
}

/// A regular file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    pub digest: FileDigest,
    /// Bytes, never 0.
    pub size: u64,
    /// Compressed bytes.
    pub stored: u64,
    /// The source's time that byte-code of Python records, in seconds modulo 2^32.
    pub compiled_from: Option<u32>,
}

/// Stands for mode, owner, xattrs, symlink text and device: two entries look alike when these are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Traits([u8; 16]);

impl Traits {
    const PLAIN: Self = Self([0; 16]);
    const SETGID: Self = Self([1; 16]);

    /// Of a directory without an entry, and of one with an entry that says the same.
    pub const fn of_made(made: Made) -> Self {
        match made {
            Made::Plain => Self::PLAIN,
            Made::Setgid => Self::SETGID,
        }
    }

    /// How clients make a directory without an entry that looks so.
    pub fn made(self) -> Option<Made> {
        [Made::Plain, Made::Setgid].into_iter().find(|made| Self::of_made(*made) == self)
    }

    /// Half of a SHA-256 over everything that is to be compared: no two looks share it by chance.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(half)
    }
}

/// How clients make a directory that has no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// With mode 0755 and root as owner.
    Plain,
    /// And with the setgid bit, which the kernel hands on from the directory above.
    Setgid,
}

/// An entry as the order inside a layer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    pub path: &'a TarPath,
    pub kind: EntryKind,
    pub target: Option<&'a TarPath>,
    /// Digest and bytes.
    pub content: Option<(FileDigest, u64)>,
}

impl<'a> From<&'a Entry> for View<'a> {
    fn from(entry: &'a Entry) -> Self {
        let content = entry.content.map(|content| (content.digest, content.size));
        Self { path: &entry.path, kind: entry.kind, target: entry.target.as_ref(), content }
    }
}
