//! Names that are neither a whiteout's nor a file's. Clients make of them what no layer above can hide again, or stop
//! (container-libs `storage/pkg/archive/diff.go`, `UnpackLayer`: it takes what is behind `.wh.` for a name, and looks at the
//! last part of a path alone).

use super::{BrokenEntry, ancestors};
use crate::order::Entry;
use crate::order::tree::{self, Whiteout, whiteout};
use crate::tar::TarPath;

pub(super) fn broken_name(entries: &[Entry]) -> Option<BrokenEntry> {
    entries.iter().find_map(|entry| broken(&entry.path))
}

fn broken(path: &TarPath) -> Option<BrokenEntry> {
    if let Some(part) = too_long(path) {
        return Some(BrokenEntry::LongName { path: path.clone(), found: part });
    }
    // Almost no path has any such part.
    let is_likely = |bytes: &[u8]| bytes.windows(tree::WHITEOUT.len()).any(|part| part == tree::WHITEOUT);
    if !is_likely(path.as_bytes()) {
        return None;
    }
    let parts: Vec<TarPath> = std::iter::once(path.clone()).chain(ancestors(path)).collect();
    // From the top: what is below AUFS's own is skipped by all.
    for part in parts.iter().rev().filter(|part| part.file_name().starts_with(tree::WHITEOUT)) {
        match whiteout(part) {
            Some(Whiteout::Reserved) => return None,
            None => return Some(BrokenEntry::NamelessWhiteout { path: path.clone() }),
            Some(_) if part != path => {
                return Some(BrokenEntry::BelowWhiteout { path: path.clone(), parent: part.clone() });
            }
            Some(_) => {}
        }
    }
    None
}

/// Bytes of a name that no Linux file system takes. A whiteout is made by another name.
fn too_long(path: &TarPath) -> Option<usize> {
    if path.as_bytes().len() <= NAME_BYTES {
        return None;
    }
    let name = path.file_name();
    let name = if whiteout(path).is_some() { &name[tree::WHITEOUT.len()..] } else { name };
    let dirs = path.as_bytes().split(|&b| b == b'/').rev().skip(1);
    std::iter::once(name).chain(dirs).map(<[u8]>::len).find(|&len| len > NAME_BYTES)
}

/// Linux's NAME_MAX.
const NAME_BYTES: usize = 255;
