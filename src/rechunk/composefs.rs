//! The label with the digest of the image's tree, which a signer can sign once, whatever the layers are.

use std::collections::HashSet;

use crate::digest::DiffId;
use crate::dump;
use crate::error::Error;
use crate::order::{Entry, times};
use crate::tar::{TarPath, Time};
use crate::unpack::UnpackedLayer;

use super::Request;
use super::image::{Job, Layout};

/// As long as a digest.
const PLACEHOLDER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

type Label = (String, Option<String>);

/// Before anything is read, so that nobody waits for nothing.
pub(super) fn expect_program(request: &Request) -> Result<(), Error> {
    match request.composefs_label {
        Some(_) => dump::expect_program(),
        None => Ok(()),
    }
}

/// The labels of the config before the digest is known.
pub(super) fn planned_labels(request: &Request) -> Vec<Label> {
    with_digest(request, || PLACEHOLDER.to_owned())
}

fn with_digest(request: &Request, digest: impl FnOnce() -> String) -> Vec<Label> {
    let own = request.composefs_label.as_ref().map(|key| (key.clone(), Some(digest())));
    request.labels.iter().cloned().chain(own).collect()
}

impl Job<'_, '_> {
    /// The labels of the config. The tree is that of the input, with the times that the output has.
    pub(super) fn labels(
        &self,
        layout: &Layout,
        unpacked: &[&UnpackedLayer],
        notes: &mut Vec<String>,
    ) -> Result<Vec<Label>, Error> {
        let Some(key) = &self.request.composefs_label else { return Ok(self.request.labels.clone()) };
        let layers: Vec<&[Entry]> = unpacked.iter().map(|layer| layer.inventory.entries.as_slice()).collect();
        let times = times(&layout.plan, &layers, self.old.segments());
        self.progress.hold(times.len() as u64 * size_of::<(TarPath, Time)>() as u64)?;
        let diff_ids: Vec<DiffId> = unpacked.iter().map(|layer| layer.diff_id).collect();
        let edits = dump::Edits {
            drop_xattrs: &self.request.drop_xattrs,
            is_left_out: &|path| layout.prune.iter().any(|prune| prune.takes(path)),
            times: &times,
            diff_ids: Some(&diff_ids),
        };
        notes.extend(self.source.take_notes());
        let digest = dump::digest_of(self.source, self.image, &edits, &self.request.resources, self.progress)?;
        // Whoever reads a directory a second time says the same of it again.
        let told: HashSet<&str> = notes.iter().map(String::as_str).collect();
        let mut more = self.source.take_notes();
        more.retain(|note| !told.contains(note.as_str()));
        notes.extend(more);
        let before = self.image.config.with_labels(&self.request.labels);
        if before.label(key).is_some_and(|before| before != digest) {
            notes.push(format!("the label {key} had another value, and is now the tree's digest {digest}"));
        }
        Ok(with_digest(self.request, || digest))
    }
}
