use serde::Serialize;

use crate::prune::Pruned;

use super::print;

#[derive(Serialize)]
struct Prune<'a> {
    reference: &'a str,
    removed: bool,
    unneeded_blobs: u64,
    unneeded_bytes: u64,
    needed_blobs: u64,
    needed_bytes: u64,
    leftovers: u64,
    leftover_bytes: u64,
    blobs: Vec<Blob>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Blob {
    digest: String,
    size: u64,
}

pub fn prune(pruned: &Pruned) -> String {
    let blob = |(digest, size): &(crate::digest::BlobDigest, u64)| Blob { digest: digest.to_string(), size: *size };
    print(&Prune {
        reference: &pruned.reference,
        removed: pruned.is_done,
        unneeded_blobs: pruned.removed.len() as u64,
        unneeded_bytes: pruned.removed_bytes(),
        needed_blobs: pruned.needed.0,
        needed_bytes: pruned.needed.1,
        leftovers: pruned.leftovers.0,
        leftover_bytes: pruned.leftovers.1,
        blobs: pruned.removed.iter().map(blob).collect(),
        notes: &pruned.notes,
    })
}
