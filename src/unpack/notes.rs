//! What of a layer is worth a note, beside its entries.

use super::layer::Expanded;
use crate::order::Entry;
use crate::remark::Remark;
use crate::units::size;

/// Zeros from which on they cost time that a user notices.
const MANY_ZEROS: u64 = 1 << 30;

pub(super) fn sparse(expanded: &Expanded) -> Option<Remark> {
    let Expanded { files, zeros, first } = expanded;
    let cost = match *zeros >= MANY_ZEROS {
        true => format!("; {} of zeros, which are hashed and compressed like any content", size(*zeros)),
        false => String::new(),
    };
    (*files > 0).then(|| {
        Remark::counted(
            *files,
            "sparse file: rechunk writes its holes out as zeros",
            "sparse files: rechunk writes their holes out as zeros",
            Some(format!("the first is {first}{cost}")),
        )
    })
}

pub(super) fn global_headers(count: u64) -> Option<Remark> {
    (count > 0).then(|| {
        Remark::counted(
            count,
            "global pax header: docker and podman ignore it, and rechunk leaves it out",
            "global pax headers: docker and podman ignore them, and rechunk leaves them out",
            None,
        )
    })
}

/// Files that an eStargz layer has beside its content. Its own snapshotter hides them, other clients don't.
const LANDMARKS: [&[u8]; 3] = [b".prefetch.landmark", b".no.prefetch.landmark", b"stargz.index.json"];

pub(super) fn landmarks(entries: &[Entry]) -> Option<Remark> {
    let found = entries.iter().filter(|entry| LANDMARKS.contains(&entry.path.as_bytes()));
    let names: Vec<String> = found.map(|entry| entry.path.to_string()).collect();
    let what = "eStargz's own files are in it: podman and docker show them as files of the image, and so rechunk keeps \
                them; its --prune PATH leaves one out";
    (!names.is_empty()).then(|| Remark::from(what).with_detail(names.join(", ")))
}
