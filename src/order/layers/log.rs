//! The previous image's layers: the log that a new version appends to.

use super::Segment;
use crate::order::paths::{Marks, PathId, Paths, Step};
use crate::order::tree::MergedTree;
use crate::tar::EntryKind;

pub(super) struct Log<'a> {
    pub paths: &'a Paths,
    pub segments: &'a [Segment],
    /// The paths of the segments' entries.
    pub ids: Vec<Vec<PathId>>,
}

impl Log<'_> {
    pub fn steps(&self, segment: usize) -> Vec<Step> {
        self.paths.steps(&self.segments[segment].entries, &self.ids[segment])
    }

    /// What all segments show together.
    pub fn merged(&self) -> MergedTree<'_> {
        MergedTree::of(self.paths, (0..self.segments.len()).map(|segment| self.steps(segment)))
    }

    /// Paths that some segment has an entry for, and that as a directory.
    pub fn dirs(&self) -> Marks {
        let mut dirs = Marks::new(self.paths);
        for (segment, ids) in self.segments.iter().zip(&self.ids) {
            for (_, id) in segment.entries.iter().zip(ids).filter(|(entry, _)| entry.kind == EntryKind::Dir) {
                dirs.mark(*id);
            }
        }
        dirs
    }
}
