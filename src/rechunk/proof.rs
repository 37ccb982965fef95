//! Whether an old layer is what it says. A previous image is an input like any other: its config and its TOC may lie,
//! under digests that are right.

use std::io::Read;

use crate::audit::{Blob, Findings, Said, audit};
use crate::cache::{Cache, Proof, Stamp};
use crate::digest::BlobDigest;
use crate::order::Entry;
use crate::progress::Progress;
use crate::source::blob_reader;
use crate::spool::Spool;
use crate::survey::tar_inventory;
use crate::toc::TOC_DIGEST;
use crate::unpack::LayerInput;

use super::old::OldLayer;
use super::planned::is_marked;

impl OldLayer {
    /// Is the blob what its descriptor says, its tar what its DiffID says, and what `entries` of its TOC say? What was
    /// proven once is not unpacked again, and a file that was not written to since is not read again.
    ///
    /// Of a layer that was never restrata's all is asked that any client may ask: its tar-split, and where its frames are.
    pub fn is_sound(&self, entries: &[Entry], cache: &Cache, spool: &Spool) -> bool {
        // A layer without a TOC was read whole to know its entries.
        let Some(toc) = self.toc_digest() else { return true };
        let Ok(meta) = self.place.0.metadata() else { return false };
        let is_whole_file = meta.len() == self.place.1.len();
        let proof = Proof { diff_id: self.diff_id, toc, stamp: Stamp::of(&meta) };
        let known = cache.proof(self.descriptor.digest);
        let is_sound = match known.filter(|known| known.diff_id == proof.diff_id && known.toc == toc) {
            Some(known) if is_whole_file && known.stamp == proof.stamp => return true,
            Some(_) => self.is_blob(),
            None if is_marked(&self.descriptor) => self.is_tar(entries, spool),
            None => self.is_clean(),
        };
        if is_sound {
            cache.remember(self.descriptor.digest, proof);
        }
        is_sound
    }

    fn toc_digest(&self) -> Option<BlobDigest> {
        self.pull.index.as_ref()?;
        self.descriptor.annotation(TOC_DIGEST)?.parse().ok()
    }

    fn is_blob(&self) -> bool {
        let read = self.open().and_then(|mut blob| std::io::copy(&mut blob, &mut std::io::sink()));
        read.is_ok()
    }

    /// Unpacks the layer, which checks its digest and DiffID, and compares.
    fn is_tar(&self, entries: &[Entry], spool: &Spool) -> bool {
        let (digest, diff_id) = (self.descriptor.digest, self.diff_id);
        let input = LayerInput { open: Box::new(|| self.open()), verified: Some(digest), diff_id: Some(diff_id) };
        let found = tar_inventory(input, spool, 1, &Progress::new());
        found.is_ok_and(|found| found.entries.len() == entries.len() && found.entries.iter().zip(entries).all(is_same))
    }

    fn is_clean(&self) -> bool {
        let (file, span) = &self.place;
        let Ok(file) = file.try_clone() else { return false };
        let blob = Blob::new(file, *span, self.reference.as_ref());
        let said = Said { descriptor: &self.descriptor, compression: self.compression, diff_id: Some(self.diff_id) };
        let mut findings = Findings::default();
        audit(said, &blob, &mut findings, &Progress::new()).is_ok() && findings.into_lists().0.is_empty()
    }

    fn open(&self) -> std::io::Result<Box<dyn Read + Send>> {
        let (file, span) = &self.place;
        Ok(Box::new(blob_reader(file.try_clone()?, *span, self.descriptor.digest)))
    }
}

/// But for what only one of the two can tell: compressed bytes, and what byte-code records.
fn is_same((tar, toc): (&Entry, &Entry)) -> bool {
    let content = |entry: &Entry| entry.content.map(|content| (content.digest, content.size));
    (&tar.path, tar.kind, &tar.target, tar.traits, tar.mtime, tar.overlay)
        == (&toc.path, toc.kind, &toc.target, toc.traits, toc.mtime, toc.overlay)
        && content(tar) == content(toc)
}
