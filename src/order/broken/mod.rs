//! Entries at which podman gives up (container-libs `archive.Unpack`, `extractTarFileEntry`), or that it writes to another
//! place than they name: better told before a layer is published than by its clients.
//!
//! A link that stands before its target is none of them: the new order mends it.
//!
//! | file | finds |
//! | --- | --- |
//! | `names` | names that are neither a whiteout's nor a file's |
//! | `below` | what stands below something that is no directory |
//! | `links` | hard links that lead to no file |

mod below;
mod links;
mod names;

#[cfg(test)]
mod tests;

use super::{Entry, OverlayMark};
use crate::tar::TarPath;

use below::below_file;
use links::broken_link;
use names::broken_name;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenEntry {
    #[error("entry {path}: expected a hard link to another entry, found one that leads back to itself")]
    LinkToItself { path: TarPath },
    #[error("entry {path}: expected the target of the hard link in this layer or below, found nothing at {target}")]
    LinkToNothing { path: TarPath, target: TarPath },
    #[error("entry {path}: expected the target of the hard link in the same layer, found nothing at {target}")]
    LinkElsewhere { path: TarPath, target: TarPath },
    #[error("entry {path}: expected a hard link to a file, found a directory at {target}")]
    LinkToDir { path: TarPath, target: TarPath },
    #[error("entry {path}: expected a directory at {parent}, found an earlier entry of this layer that is none")]
    BelowFile { path: TarPath, parent: TarPath },
    #[error(
        "entry {path}: expected a directory at {parent}, found a symbolic link that leads to no directory of this layer (podman looks in the layer alone)"
    )]
    BelowLink { path: TarPath, parent: TarPath },
    #[error(
        "entry {path}: expected a hard link to a file by its own name, found {target}, which leads through the symbolic link {parent}"
    )]
    LinkThroughLink { path: TarPath, target: TarPath, parent: TarPath },
    #[error("entry {path}: expected names of at most 255 bytes, since no client can make a longer one, found {found}")]
    LongName { path: TarPath, found: usize },
    #[error("entry {path}: expected the name of what is to be hidden behind \".wh.\", found none")]
    NamelessWhiteout { path: TarPath },
    #[error(
        "entry {path}: expected nothing that overlayfs takes for its own (trusted.overlay.*, user.overlay.*, a device 0:0), since what it hides depends on the layers below, found such a thing"
    )]
    OverlayMark { path: TarPath },
    #[error("entry {path}: expected a directory that a layer can have, found {parent}, the name of a whiteout")]
    BelowWhiteout { path: TarPath, parent: TarPath },
}

/// The first entry that can't be extracted, and its layer; bottom first.
pub fn broken_entry(layers: &[&[Entry]]) -> Option<(usize, BrokenEntry)> {
    let mut layers = layers.iter().enumerate().map(|(layer, entries)| (layer, broken_above(entries, &layers[..layer])));
    layers.find_map(|(layer, broken)| Some((layer, broken?)))
}

/// The first entry of a layer that can't be extracted where these stand below.
pub fn broken_above(entries: &[Entry], below: &[&[Entry]]) -> Option<BrokenEntry> {
    broken_name(entries).or_else(|| below_file(entries)).or_else(|| broken_link(entries, below))
}

/// The first entry of a layer that can't be extracted wherever the layer stands: what is below it now may go. podman
/// looks for the targets of hard links in the layer alone (container-libs `storage/pkg/archive/archive.go`, `extractDir`).
pub fn broken_alone(entries: &[Entry]) -> Option<BrokenEntry> {
    if let Some(marked) = entries.iter().find(|entry| entry.overlay != OverlayMark::None) {
        return Some(BrokenEntry::OverlayMark { path: marked.path.clone() });
    }
    Some(match broken_above(entries, &[])? {
        BrokenEntry::LinkToNothing { path, target } => BrokenEntry::LinkElsewhere { path, target },
        other => other,
    })
}

/// Nearest first, without the root.
fn ancestors(path: &TarPath) -> impl Iterator<Item = TarPath> {
    std::iter::successors(path.parent(), TarPath::parent).take_while(|dir| !dir.is_root())
}
