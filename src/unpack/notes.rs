//! What of a layer is worth a note, beside its entries.

use super::layer::Expanded;
use crate::order::Entry;

/// Zeros from which on they cost time that a user notices.
const MANY_ZEROS: u64 = 1 << 30;

pub(super) fn sparse(expanded: &Expanded) -> Option<String> {
    let Expanded { files, zeros, first } = expanded;
    let cost = match *zeros >= MANY_ZEROS {
        true => format!(": {} GiB of zeros, which are hashed and compressed like any content", zeros >> 30),
        false => String::new(),
    };
    (*files > 0).then(|| format!("{files} sparse files written out with their holes as zeros (first: {first}){cost}"))
}

pub(super) fn global_headers(count: u64) -> Option<String> {
    (count > 0).then(|| format!("{count} global pax headers left out, as docker and podman ignore them"))
}

/// Files that an eStargz layer has beside its content. Its own snapshotter hides them, other clients don't.
const LANDMARKS: [&[u8]; 3] = [b".prefetch.landmark", b".no.prefetch.landmark", b"stargz.index.json"];

pub(super) fn landmarks(entries: &[Entry]) -> Option<String> {
    let found = entries.iter().filter(|entry| LANDMARKS.contains(&entry.path.as_bytes()));
    let names: Vec<String> = found.map(|entry| entry.path.to_string()).collect();
    let note = || {
        format!(
            "eStargz's own files are in it ({}): podman and docker show them as files of the image, and so they stay; \
             --prune PATH leaves one out",
            names.join(", ")
        )
    };
    (!names.is_empty()).then(note)
}
