//! What is known of blobs from runs before, in the user's cache directory: what was proven about them, and indexes of
//! layers in registries.
//!
//! | file | does |
//! | --- | --- |
//! | `proofs` | what was proven: a blob's digest stands for its bytes, so what once held for them holds for ever |
//! | `indexes` | indexes, which need not be downloaded again; bounded |
//! | `records` | the files, and whom they may belong to |
//! | `upkeep` | what is there, and how it is removed |
//!
//! A record is a small file. A damaged or missing one is a miss, never an error, and so is a cache that can't be
//! written: it costs time, nothing else.

mod indexes;
mod proofs;
mod records;
mod upkeep;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use proofs::{Claim, Proof};
pub use upkeep::{CacheError, Contents, Stock};

use indexes::Room;
use records::Records;

/// Remembers proofs and indexes. Clones share what they count.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    records: Records,
    room: Room,
}

impl Cache {
    /// `$XDG_CACHE_HOME/restrata`, else `~/.cache/restrata`. A relative path means nothing there (XDG base directory
    /// specification).
    pub fn of_user() -> Self {
        let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| home.join(".cache")));
        base.map_or_else(Self::default, |base| Self::at(base.join("restrata")))
    }

    pub fn at(dir: PathBuf) -> Self {
        Self { records: Records::at(dir), room: Room::default() }
    }

    /// `None`: nothing is remembered.
    pub fn dir(&self) -> Option<&Path> {
        self.records.dir()
    }
}
