//! What a client's store does with the layers: which one a pull waits for, what comes onto its disk, and what moves.

use foldhash::{HashSet, HashSetExt as _};

use super::Side;

/// Of the new image's layers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stores {
    /// The largest layer that a plain client pulls: its number, counted from 0, and bytes of its blob.
    pub largest: Option<(usize, u64)>,
    /// Content of the layers that a plain client pulls, as it is unpacked.
    pub new_disk_bytes: u64,
    /// Layers that clients have, but above the lowest one that changed, counted from 0.
    pub moved: Vec<usize>,
    /// Bytes of their blobs.
    pub moved_bytes: u64,
    /// And their content, as it is unpacked.
    pub moved_disk_bytes: u64,
}

impl Stores {
    pub(super) fn of(old: &[Side<'_>], new: &[Side<'_>]) -> Self {
        let has: HashSet<_> = old.iter().map(|layer| layer.digest).collect();
        let same = new.iter().zip(old).take_while(|(new, old)| new.digest == old.digest).count();
        let mut seen = HashSet::new();
        let mut stores = Self::default();
        for (number, layer) in new.iter().enumerate().skip(same) {
            // A TOC can promise any size.
            let contents = layer.entries.iter().filter_map(|entry| entry.content);
            let unpacked = contents.fold(0_u64, |sum, content| sum.saturating_add(content.size));
            // A blob that stands twice is pulled once, and unpacked at each of its places.
            let is_first = seen.insert(layer.digest);
            if has.contains(&layer.digest) {
                stores.moved.push(number);
                stores.moved_bytes = stores.moved_bytes.saturating_add(if is_first { layer.size } else { 0 });
                stores.moved_disk_bytes = stores.moved_disk_bytes.saturating_add(unpacked);
                continue;
            }
            stores.new_disk_bytes = stores.new_disk_bytes.saturating_add(unpacked);
            if stores.largest.is_none_or(|(_, most)| layer.size > most) {
                stores.largest = Some((number, layer.size));
            }
        }
        stores
    }
}
