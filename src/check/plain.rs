//! Layers without a TOC: digest, DiffID, and that the tar can be read.

use super::{CheckedLayer, Job};
use crate::audit::{Blob, Findings};
use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::inventory::Known;
use crate::order::Entry;
use crate::source::{Layer, SourceError};
use crate::spool::Spool;
use crate::toc::expect_checksum;
use crate::unpack::{self, LayerInput, unpack};

impl Job<'_> {
    /// `blob` is `None` for a root file system, whose tar is made while it is read. Returns the entries, if they can be
    /// read.
    pub(super) fn plain(
        &self,
        layer: &Layer,
        blob: Option<&Blob>,
        checked: &mut CheckedLayer,
        findings: &mut Findings,
    ) -> Result<Option<Vec<Entry>>, Error> {
        checked.kind = kind(blob)?;
        if let Some(descriptor) = &layer.descriptor
            && let Err(fault) = expect_checksum(|key| descriptor.annotation(key))
        {
            findings.problem(fault.to_string());
        }
        let spool = Spool::new(&self.options.spool_dir)?;
        let input = LayerInput {
            open: Box::new(|| self.source.open_layer(layer).map_err(SourceError::into_io)),
            verified: layer.descriptor.as_ref().map(|descriptor| descriptor.digest),
            diff_id: layer.diff_id,
        };
        let how = unpack::Options {
            level: None,
            known: &Known::default(),
            expect_known: false,
            seen: None,
            threads: 1,
            drop_xattrs: &[],
            size: self.size,
        };
        match unpack(vec![input], &spool, how, self.progress) {
            Ok(layers) => {
                let unpacked = layers.into_iter().next().ok_or(Error::Internal("a layer was not unpacked"))?;
                checked.entries = unpacked.inventory.entries.len() as u64;
                unpacked.inventory.notes.into_iter().for_each(|note| findings.remark(note));
                if blob.is_none() {
                    checked.digest = BlobDigest::from_bytes(*unpacked.diff_id.as_bytes());
                }
                Ok(Some(unpacked.inventory.entries))
            }
            Err((_, error)) if error.is_damage() => {
                findings.problem(error.to_string());
                Ok(None)
            }
            Err((_, source)) => {
                let reference = self.source.reference().to_string();
                Err(Error::unpack(reference, checked.digest.to_string(), source))
            }
        }
    }
}

fn kind(blob: Option<&Blob>) -> Result<&'static str, Error> {
    let Some(blob) = blob else { return Ok("tar") };
    let mut head = [0; Compression::MAGIC];
    let len = head.len().min(usize::try_from(blob.len()).unwrap_or(head.len()));
    blob.read_exact_at(&mut head[..len], 0)?;
    Ok(match Compression::detect(&head[..len]) {
        Compression::None => "tar",
        packed => packed.name(),
    })
}
