//! The old image as a plan takes it: one value, checked when it is made.

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt as _};

use crate::digest::BlobDigest;
use crate::order::cost::PullLayer;
use crate::order::{Entry, Previous};

/// A layer that clients of the previous image have, or one of the base image.
#[derive(Debug, Clone)]
pub struct Segment {
    pub entries: Arc<Vec<Entry>>,
    /// As clients see it.
    pub pull: Arc<PullLayer>,
    /// It stays whatever is dead in it.
    pub is_base: bool,
    /// Clients can't extract it, so it must not stay as it is.
    pub is_broken: bool,
    /// Another image has it. It is of use where the new image shows nearly all of it.
    pub is_shared: bool,
}

/// What a new version can build on, and what clients have.
#[derive(Debug, Clone, Default)]
pub struct Old<'a> {
    segments: &'a [Segment],
    /// The layers of each previous image, bottom first; newest image first.
    have: Vec<&'a [Arc<PullLayer>]>,
    previous: Previous<'a>,
}

/// Such layers are no old image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OldError {
    #[error("segment {0} is of the base, but stands above one that is not")]
    BaseAbove(usize),
    #[error("segment {0} is neither of the base, nor a layer of the newest previous image, nor shared")]
    NotHeld(usize),
    #[error("segment {0} is shared, but stands below one that is not")]
    SharedBelow(usize),
    #[error("the old layers have {0} entries: expected at most {max}", max = u32::MAX)]
    TooMany(u64),
}

impl<'a> Old<'a> {
    /// `segments` are layers of the base, then layers of the newest previous image, then shared ones, each in their image's
    /// order. `have` has all layers of each previous image.
    pub fn new(segments: &'a [Segment], have: Vec<&'a [Arc<PullLayer>]>) -> Result<Self, OldError> {
        let base = segments.iter().take_while(|segment| segment.is_base).count();
        let above = &segments[base..];
        if let Some(at) = above.iter().position(|segment| segment.is_base) {
            return Err(OldError::BaseAbove(base + at));
        }
        let shared = above.iter().position(|segment| segment.is_shared).unwrap_or(above.len());
        if above[shared..].iter().any(|segment| !segment.is_shared) {
            return Err(OldError::SharedBelow(base + shared));
        }
        let mut newest: HashSet<BlobDigest> = HashSet::new();
        newest.extend(have.first().copied().unwrap_or_default().iter().map(|layer| layer.digest));
        if let Some(at) = above[..shared].iter().position(|segment| !newest.contains(&segment.pull.digest)) {
            return Err(OldError::NotHeld(base + at));
        }
        let count: u64 = segments.iter().map(|segment| segment.entries.len() as u64).sum();
        if u32::try_from(count).is_err() {
            return Err(OldError::TooMany(count));
        }
        let mut previous = Previous::default();
        // Clients find content through TOCs alone.
        let held = |segment: &Segment| segment.pull.index.is_some() && !segment.is_shared;
        for (number, segment) in (0..).zip(segments).filter(|(_, segment)| held(segment)) {
            previous.add_layer(number, &segment.entries);
        }
        Ok(Self { segments, have, previous })
    }

    /// The log, bottom first.
    pub fn segments(&self) -> &'a [Segment] {
        self.segments
    }

    /// The layers of each previous image, bottom first; newest image first.
    pub fn have(&self) -> &[&'a [Arc<PullLayer>]] {
        &self.have
    }

    pub(super) fn previous(&self) -> &Previous<'a> {
        &self.previous
    }
}
