//! Directories that belong to a package with all that is in them, where no list says which files it has.

use super::claims::{Claims, Draft};
use super::evidence::Evidence;
use super::{Owner, Problem, gems, python};
use crate::tar::TarPath;

#[derive(Debug, Default)]
pub(super) struct Trees(Claims);

impl Trees {
    /// What a list claims belongs to no tree: `listed` are those lists.
    pub fn read(evidence: &[Evidence<'_>], listed: &Claims) -> (Self, Option<Problem>) {
        let mut draft = Draft::default();
        python::unrecorded::read(evidence, listed, &mut draft);
        gems::read(evidence, listed, &mut draft);
        let (claims, full) = draft.finish();
        (Self(claims), full)
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
        let above = || (1..path.len()).rev().filter(|&end| path[end] == b'/');
        whole.or_else(|| above().find_map(|end| self.0.exactly(&path[..end])))
    }
}
