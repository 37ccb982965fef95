//! Directories that belong to a package with all that is in them, where no list says which files it has.

use super::claims::{Claims, Draft, Room};
use super::evidence::Evidence;
use super::{Owner, gems, python};
use crate::tar::TarPath;

#[derive(Debug, Default)]
pub(super) struct Trees(Claims);

impl Trees {
    /// What a list claims belongs to no tree: `listed` are those lists.
    pub fn read(evidence: &[Evidence<'_>], listed: &Claims, room: Room) -> (Self, Room) {
        let mut draft = Draft::within(room);
        python::unrecorded::read(evidence, listed, &mut draft);
        gems::read(evidence, listed, &mut draft);
        let (claims, room) = draft.finish();
        (Self(claims), room)
    }

    /// By the innermost tree.
    pub fn owner_of(&self, path: &TarPath) -> Option<Owner<'_>> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = path.as_bytes();
        self.around(bytes).or_else(|| self.around(&python::source_of(bytes)?))
    }

    fn around(&self, path: &[u8]) -> Option<Owner<'_>> {
        let whole = self.0.exactly(path).or_else(|| self.0.exactly(python::unrecorded::module(path)?));
        whole.or_else(|| self.0.around(path))
    }
}
