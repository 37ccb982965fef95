use serde::Serialize;

use crate::prune::Pruned;

use super::print;

#[derive(Serialize)]
struct Prune<'a> {
    reference: &'a str,
    /// Without --force nothing is.
    removed_blobs: u64,
    removed_bytes: u64,
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
    let unneeded = (pruned.unneeded.len() as u64, pruned.unneeded_bytes());
    let (removed_blobs, removed_bytes) = if pruned.is_done { unneeded } else { (0, 0) };
    print(&Prune {
        reference: &pruned.reference,
        removed_blobs,
        removed_bytes,
        unneeded_blobs: unneeded.0,
        unneeded_bytes: unneeded.1,
        needed_blobs: pruned.needed.0,
        needed_bytes: pruned.needed.1,
        leftovers: pruned.leftovers.0,
        leftover_bytes: pruned.leftovers.1,
        blobs: pruned.unneeded.iter().map(blob).collect(),
        notes: &pruned.notes,
    })
}
