//! A layer that was read, with its headers in the spool, as clients show it.

use std::collections::BTreeSet;

use super::UnpackError;
use crate::inventory::{Inventory, Restated, settle};
use crate::order::Entry;
use crate::progress::Progress;
use crate::spool::Spool;
use crate::tar::{Header, decode, encode};
use crate::toc;

/// Adds to the layer's notes what is not as its headers say.
pub(super) fn as_extracted(inventory: &mut Inventory, spool: &Spool, progress: &Progress) -> Result<(), UnpackError> {
    let odd = std::mem::take(&mut inventory.odd).into_iter().collect();
    let mut layer = TarLayer { inventory, spool, progress, odd };
    let notes = settle(&mut layer)?;
    let odd = layer.odd;
    inventory.odd = odd.into_iter().collect();
    inventory.notes.extend(notes);
    Ok(())
}

struct TarLayer<'a> {
    inventory: &'a mut Inventory,
    spool: &'a Spool,
    progress: &'a Progress,
    /// Entries that a TOC can't hold.
    odd: BTreeSet<usize>,
}

impl Restated for TarLayer<'_> {
    type Error = UnpackError;

    fn entries(&self) -> &[Entry] {
        &self.inventory.entries
    }

    fn header(&self, at: usize) -> Result<Header, UnpackError> {
        self.progress.check()?;
        let mut blocks = Vec::new();
        self.spool.read(self.inventory.bodies[at].header, &mut blocks)?;
        decode(&blocks).ok_or(UnpackError::Internal("a header in the spool that does not scan"))
    }

    fn restate(&mut self, at: usize, header: &Header) -> Result<(), UnpackError> {
        let blocks = self.spool.append(&encode(header))?;
        self.inventory.restate(at, header, blocks)?;
        match toc::can_hold(header) {
            Ok(()) => self.odd.remove(&at),
            Err(_) => self.odd.insert(at),
        };
        Ok(())
    }
}
