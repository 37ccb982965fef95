//! The plan: a value between unpack and pack, which can be printed, tested and thrown away.

use std::ops::Range;

use super::{Made, Members};
use crate::tar::{TarPath, Time};

/// An entry of the new image: its layer, and its index in that layer.
pub type Place = (u32, u32);

/// Bottom layer first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub layers: Vec<LayerPlan>,
    /// Segments, by index, of which nothing is left. Those of other images are none of them.
    pub dropped: Vec<usize>,
}

impl Plan {
    /// Moves fresh files that are reused in part to the end of the fresh ones: clients that can't fetch them whole, and
    /// still ask for one range.
    pub fn defer(&mut self, is_partial: impl Fn(Place) -> bool) {
        for layer in &mut self.layers {
            layer.entries[layer.fresh_run.clone()].sort_by_key(|written| written.carrier().is_some_and(&is_partial));
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    pub state: State,
    /// The segments, by index, that this layer is or takes over.
    pub segments: Vec<usize>,
    /// Whose files it shows, by their numbers, most bytes first.
    pub owners: Vec<u32>,
    pub unowned: Option<Unowned>,
    /// Most of what it shows changes with every version.
    pub changes_always: bool,
    pub reason: Reason,
    /// Empty for a kept layer.
    pub entries: Vec<Written>,
    /// Where in `entries` those stand together whose content clients of the previous image lack; empty in path order.
    pub fresh_run: Range<usize>,
    /// How many entries have content that clients of the previous image lack.
    pub fresh_entries: usize,
    /// The members of the family that this new layer is for; `None` for one that only this image has.
    pub members: Option<Members>,
    /// Compressed content bytes that the image shows, and those that a layer above hides.
    pub live: u64,
    pub dead: u64,
}

/// A layer's files that no package owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unowned {
    /// Compressed, and never none.
    pub bytes: u64,
    /// The deepest directory that they are all below.
    pub dir: TarPath,
    /// How many owners have more bytes of the layer.
    pub rank: usize,
}

/// What became of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A segment as it is, byte for byte.
    Kept,
    /// What no kept layer shows.
    Fresh,
    /// A segment without what is dead in it.
    Cleaned,
    /// Several in one, so that there are not too many.
    Merged,
}

impl State {
    /// As reports and annotations have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Fresh => "fresh",
            Self::Cleaned => "cleaned",
            Self::Merged => "merged",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Kept, Self::Fresh, Self::Cleaned, Self::Merged].into_iter().find(|state| state.name() == name)
    }
}

/// Why a layer is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The image shows all of it, or enough.
    Live,
    /// Nothing of it is shown, but clients that name layers by those below would have to move all above it.
    StoodOn,
    /// It belongs to the base image, whose layers are not touched.
    Base,
    /// Another image has it, and this one shows nearly all of it.
    Shared,
    /// No kept layer shows these entries.
    NotShown,
    /// Too much of the image was dead, and most for what it costs in this layer.
    Waste,
    /// It holds bytes of a path that is to be purged.
    Purge,
    /// A client could not be told in a layer above that some of its entries are gone.
    CannotHide,
    /// Clients can't extract it.
    Broken,
    /// There were more layers than allowed.
    Limit,
}

impl Reason {
    /// As reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::StoodOn => "stood-on",
            Self::Base => "base",
            Self::Shared => "shared",
            Self::NotShown => "not-shown",
            Self::Waste => "waste",
            Self::Purge => "purge",
            Self::CannotHide => "cannot-hide",
            Self::Broken => "broken",
            Self::Limit => "limit",
        }
    }
}

/// An entry of a layer that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    Entry {
        at: Place,
        role: Role,
        /// Instead of the entry's own.
        mtime: Option<Time>,
    },
    /// A directory of which the new image has no entry.
    Implied { path: TarPath, made: Made, mtime: Time },
    /// Hides this path of lower layers.
    Whiteout(TarPath),
}

impl Written {
    /// The entry whose content is written here.
    pub fn carrier(&self) -> Option<Place> {
        match self {
            Self::Entry { at, role: Role::Itself, .. } => Some(*at),
            Self::Entry { role: Role::Heir(inode), .. } => Some(*inode),
            Self::Entry { role: Role::LinkTo(_), .. } | Self::Implied { .. } | Self::Whiteout(_) => None,
        }
    }
}

/// How an entry of the new image is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// As it came.
    Itself,
    /// With everything but its name taken from that entry, which the image does not show.
    Heir(Place),
    /// As a hard link to where that entry is.
    LinkTo(Place),
}
