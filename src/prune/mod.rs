//! Removes the blobs of a layout that nothing in it leads to.
//!
//! What is needed is found in `walk`, which rather keeps too much: if one document can't be read, nobody knows what it
//! leads to, and nothing is removed.

mod walk;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::digest::BlobDigest;
use crate::error::{Error, PruneError};
use crate::oci::{Reference, Transport};
use crate::progress::Progress;
use crate::sink::LockedLayout;
use crate::source::Source;

use walk::needed;

#[derive(Debug, Clone)]
pub struct Pruned {
    pub reference: String,
    /// False: it is only said what would be.
    pub is_done: bool,
    /// Blobs that something leads to, and their bytes.
    pub needed: (u64, u64),
    /// The others with their sizes, sorted.
    pub unneeded: Vec<(BlobDigest, u64)>,
    /// Stages of runs that were killed, and the bytes of their files.
    pub leftovers: (u64, u64),
    pub notes: Vec<String>,
}

impl Pruned {
    pub fn unneeded_bytes(&self) -> u64 {
        self.unneeded.iter().map(|(_, size)| size).sum()
    }
}

/// Finds what is not needed, and removes it if `remove` says so.
pub fn prune(reference: &Reference, remove: bool, progress: &Progress) -> Result<Pruned, Error> {
    match (reference.transport(), reference.which()) {
        (Transport::Oci, None) => {}
        (Transport::Oci, Some(_)) => return Err(PruneError::Tag { reference: reference.to_string() }.into()),
        _ => return Err(PruneError::Transport { reference: reference.to_string() }.into()),
    }
    let path = reference.path();
    // Says what is wrong with a path that is no layout, and whether there is one.
    Source::open(reference)?;
    let layout = LockedLayout::lock(path, progress)?;
    let mut notes = Vec::new();
    match layout.writing() {
        Some(stage) if remove => return Err(PruneError::Writing { stage }.into()),
        Some(_) => notes.push("another run writes into the layout; what it needs is not counted".to_owned()),
        None => {}
    }
    let blobs = blobs(path, &mut notes)?;
    let needed = needed(path, &blobs, progress)?;
    let (kept, unneeded): (Vec<_>, Vec<_>) = blobs.into_iter().partition(|(digest, _)| needed.contains(digest));
    let leftovers = layout.leftovers();
    if remove {
        for (digest, _) in &unneeded {
            progress.check()?;
            layout.remove_blob(*digest)?;
        }
        leftovers.iter().try_for_each(|leftover| layout.remove_leftover(leftover))?;
    }
    Ok(Pruned {
        reference: reference.to_string(),
        is_done: remove,
        needed: (kept.len() as u64, kept.iter().map(|(_, size)| size).sum()),
        unneeded,
        leftovers: (leftovers.len() as u64, leftovers.iter().map(|leftover| leftover.bytes).sum()),
        notes,
    })
}

/// The layout's blobs with their sizes.
fn blobs(layout: &Path, notes: &mut Vec<String>) -> Result<BTreeMap<BlobDigest, u64>, PruneError> {
    let dir = layout.join("blobs/sha256");
    for path in [layout.join("blobs"), dir.clone()] {
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => return Err(PruneError::Link { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            _ => {}
        }
    }
    let io = |source| PruneError::Io { path: dir.clone(), doing: "listing the blobs", source };
    let (mut blobs, mut others) = (BTreeMap::new(), 0_u64);
    for entry in fs::read_dir(&dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let meta = entry.metadata().map_err(io)?;
        let digest = entry.file_name().to_str().and_then(|name| format!("sha256:{name}").parse().ok());
        match digest.filter(|_| meta.is_file()) {
            Some(digest) => drop(blobs.insert(digest, meta.len())),
            None => others += 1,
        }
    }
    if others > 0 {
        notes.push(format!("{others} files in blobs/sha256 have no digest for a name; they stay"));
    }
    Ok(blobs)
}
