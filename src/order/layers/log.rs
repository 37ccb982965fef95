//! The previous image's layers: the log that a new version appends to.

use super::Segment;
use crate::order::paths::{PathId, Paths, Step};

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
}
