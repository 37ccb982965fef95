//! What a plan goes by.

use super::family::Sets;
use super::{Old, Weights};
use crate::order::Entry;
use crate::tar::{TarPath, Time};

/// Everything that a plan goes by.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The new image's, bottom first.
    pub layers: &'a [&'a [Entry]],
    pub labels: &'a Labels<'a>,
    pub old: &'a Old<'a>,
    pub options: &'a Options,
    pub agreed: Agreed<'a>,
}

/// What the members of a family agreed on; for an image alone, nothing.
#[derive(Clone, Copy, Default)]
pub struct Agreed<'a> {
    /// This image's number.
    pub member: usize,
    /// By segment; those that are not told are free.
    pub standing: &'a [Standing],
    /// Who else has each file that is new.
    pub sets: Option<&'a Sets>,
}

/// What members agreed on a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Standing {
    /// Each decides alone.
    #[default]
    Free,
    /// It stays for all who have it.
    Stays,
    /// It goes for all who have it, and what they show of it is new.
    Goes,
}

impl Agreed<'_> {
    pub(super) fn standing(&self, segment: usize) -> Standing {
        self.standing.get(segment).copied().unwrap_or_default()
    }
}

/// A share in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

/// What time an entry gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mtime {
    /// The previous image's where nothing else differs: rebuilt images stamp every file anew. A Python source keeps
    /// its own when its byte-code records that.
    Previous,
    /// The input's.
    Keep,
    /// The input's, but nothing later than this.
    Clamp(Time),
}

/// A part of the tree that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prune {
    pub path: TarPath,
    /// The directory itself stays, as a place to mount something.
    pub keep_dir: bool,
}

impl Prune {
    pub fn takes(&self, path: &TarPath) -> bool {
        path.is_below(&self.path) || (*path == self.path && !self.keep_dir)
    }
}

impl Options {
    /// Layers of a first layout at most, so that updates have room. Each merge in an update makes docker's clients pull all above
    /// it, so they get more.
    pub(super) fn first_layers(&self) -> usize {
        if self.clients.has_docker() { self.max_layers / 2 } else { self.max_layers * 3 / 4 }
    }

    /// Layers that are left when there are too many. Above the lowest that merges, docker's clients pull all others anyway: more
    /// merges then make room for several updates.
    pub(super) fn most_merged(&self) -> usize {
        if self.clients.has_docker() { self.max_layers - self.max_layers / 8 } else { self.max_layers }
    }

    /// The number of the path in `own_layers` that a file is at or below; the longest, if there are several.
    pub(super) fn own_layer(&self, path: &TarPath) -> Option<usize> {
        let takes = |own: &TarPath| own == path || path.is_below(own);
        let found = self.own_layers.iter().enumerate().filter(|(_, own)| takes(own));
        found.max_by_key(|(_, own)| own.as_bytes().len()).map(|(number, _)| number)
    }
}

#[derive(Debug, Clone)]
pub struct Options {
    /// Compressed bytes that no client shows, of the image's.
    pub max_waste: Share,
    pub max_layers: usize,
    /// Bytes of files' content, as unpacked, of each layer that is written. One file alone may be more.
    pub max_layer_size: Option<u64>,
    /// Paths whose former content is to be in no layer.
    pub purge: Vec<TarPath>,
    /// What is left out.
    pub prune: Vec<Prune>,
    /// Files at or below each of these paths stand in layers of their own.
    pub own_layers: Vec<TarPath>,
    pub mtime: Mtime,
    /// Entries stand in path order.
    pub canonical: bool,
    /// Whose bytes count.
    pub clients: Weights,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_waste: Share(1000),
            max_layers: 64,
            max_layer_size: None,
            purge: Vec::new(),
            prune: Vec::new(),
            own_layers: Vec::new(),
            mtime: Mtime::Previous,
            canonical: false,
            clients: Weights::default(),
        }
    }
}

/// How often an entry is expected to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change {
    #[default]
    Seldom,
    /// With every version, such as package databases and caches.
    Always,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Label {
    pub owner: Option<u32>,
    pub change: Change,
    /// The layer format's index can't hold it.
    pub odd: bool,
}

/// A label for every entry of every layer of the new image.
pub struct Labels<'a>(pub &'a [Vec<Label>]);
