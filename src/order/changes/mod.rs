//! What is new in an image for clients that have an older one, and what of the bytes they pull they could have been spared.
//!
//! | file | decides |
//! | --- | --- |
//! | `files` | what became of each path, as the merged layers show it |
//! | `parts` | what each byte of a layer is that a plain client pulls |
//! | `stores` | the largest layer, what comes onto a client's disk, and what moves there |
//!
//! docs/cost.md defines the numbers.

mod files;
mod parts;
mod stores;

#[cfg(test)]
mod tests;

use super::Entry;
use crate::digest::{BlobDigest, DiffId};
use crate::tar::TarPath;

pub use files::Counts;
pub use parts::{Parts, Same};
pub use stores::Stores;

use files::Shown;
use parts::Ledger;

/// A layer, as far as it is compared.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub digest: BlobDigest,
    pub diff_id: DiffId,
    /// Bytes of the blob.
    pub size: u64,
    /// Compressed bytes of TOC and tar-split.
    pub index_bytes: u64,
    pub entries: &'a [Entry],
}

/// The difference to one older image. All bytes are compressed ones, if nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Content that the older image has nowhere and the new one shows, each once.
    pub changed_bytes: u64,
    /// Paths of the merged file systems.
    pub counts: Counts,
    /// What the layers are made of that a plain client pulls.
    pub parts: Parts,
    pub stores: Stores,
    /// Of each layer, bottom first; `None` for one that clients have.
    pub layers: Vec<Option<Parts>>,
    /// Whose content a plain client pulls, by the owners' numbers.
    pub owners: Vec<OwnerShare>,
    /// Files with content that the older image has not, those that the new one hides among them: most bytes first.
    pub files: Vec<FileShare>,
    /// Paths that the new image does not show any more, at most [`REMOVED`]: those whose content it still has stand first.
    pub removed: Vec<Removed>,
    /// How many removed paths the new image still has the content of.
    pub readable: u64,
}

/// Removed paths that are listed.
pub const REMOVED: usize = 100;

/// A path that the older image shows and the new one does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    pub path: TarPath,
    /// The layer of the new image that still has its content, which no path shows: whoever has the layer can read it.
    pub layer: Option<usize>,
}

impl Changes {
    /// Files whose content is in `changed_bytes`.
    pub fn changed_files(&self) -> u64 {
        self.files.iter().filter(|file| file.state != FileState::Hidden).count() as u64
    }
}

/// An owner's content in the layers that a plain client pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerShare {
    /// As the caller numbers them; `None` for what nobody owns.
    pub owner: Option<u32>,
    pub changed_files: u64,
    pub changed_bytes: u64,
    /// Content that clients have, or that comes a second time.
    pub avoidable_bytes: u64,
}

/// One file's new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileShare {
    pub path: TarPath,
    /// Counted from 0, the lowest.
    pub layer: usize,
    pub owner: Option<u32>,
    pub state: FileState,
    /// Bytes of content, uncompressed.
    pub size: u64,
    pub changed_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileState {
    /// The older image shows nothing there.
    Added,
    Changed,
    /// A higher layer of the new image hides it: nobody will see what was pulled.
    Hidden,
}

impl FileState {
    /// As reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Hidden => "hidden",
        }
    }
}

/// Compares layers, bottom first. `owner` numbers the owners of the paths that it is asked for.
pub fn changes<'a>(old: &[Side<'a>], new: &[Side<'a>], mut owner: impl FnMut(&'a TarPath) -> Option<u32>) -> Changes {
    let (was, is) = (Shown::of(old), Shown::of(new));
    let mut ledger = Ledger::new(old, &was);
    let layers: Vec<Option<Parts>> =
        new.iter().enumerate().map(|(number, layer)| ledger.layer(number, layer, &is, &mut owner)).collect();
    let mut parts = Parts::default();
    layers.iter().flatten().for_each(|layer| parts.add(layer));
    let (owners, files) = ledger.finish();
    let counts = files::counts(&was, &is);
    let kept = |layer: usize| new.iter().position(|kept| kept.digest == old[layer].digest);
    let (removed, readable) = files::removed(&was, &is, kept);
    let stores = Stores::of(old, new);
    Changes { changed_bytes: parts.new, counts, parts, stores, layers, owners, files, removed, readable }
}
