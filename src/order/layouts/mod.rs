//! What other layouts of a sequence of images would cost: layers as they are forecast, from entries alone.
//!
//! | file | decides |
//! | --- | --- |
//! | `flat` | one layer for all, one for each large owner, or one for each popular owner |
//! | `popularity` | which owners are popular: much of the image needs them |
//! | `planned` | restrata's own layers, each version planned against the one before |
//! | `tally` | what the updates of a sequence cost, and what a registry stores |
//!
//! How good the estimates are: docs/history.md.

mod flat;
mod planned;
mod popularity;
mod tally;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use foldhash::HashMap;

use super::cost::PullLayer;
use super::layers::{Label, Options, PlanError};
use super::{Content, Entry};
use crate::digest::FileDigest;

pub use tally::{Cell, Tally, View};

use flat::Contest;
use planned::Planned;

/// How an image's files are shared out to layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    OneLayer,
    /// The 63 largest owners have a layer each, and all others one together, as chunkah does it: a file of 1 MiB or more
    /// that nobody owns is an owner by itself.
    Owners,
    /// The 62 most popular owners have a layer each, as nixpkgs' `buildLayeredImage` counts popularity.
    Nixpkgs,
    /// As nix2container counts it.
    Nix2container,
    /// restrata's, with its default options.
    Planned,
}

impl Layout {
    pub const ALL: [Self; 5] = [Self::OneLayer, Self::Owners, Self::Nixpkgs, Self::Nix2container, Self::Planned];

    /// As reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneLayer => "one-layer",
            Self::Owners => "owners",
            Self::Nixpkgs => "nixpkgs",
            Self::Nix2container => "nix2container",
            Self::Planned => "restrata",
        }
    }
}

/// An image of a sequence.
#[derive(Clone, Copy)]
pub struct Version<'a> {
    /// Entries, bottom first.
    pub layers: &'a [&'a [Entry]],
    /// Of every entry of every layer. Owners' numbers mean something within this version alone.
    pub labels: &'a [Vec<Label>],
    pub owners: Owners<'a>,
}

/// Owners by their numbers; restrata's layouts need none of it.
#[derive(Clone, Copy, Default)]
pub struct Owners<'a> {
    pub names: &'a [String],
    /// Each with another one that it needs.
    pub needs: &'a [(u32, u32)],
}

/// The versions of a sequence in one layout, oldest first.
pub struct Sequence {
    stock: Stock,
    kind: Kind,
}

enum Kind {
    OneLayer,
    Owners,
    Popular(Contest),
    Planned(Box<Planned>),
}

impl Sequence {
    pub fn new(layout: Layout) -> Self {
        let kind = match layout {
            Layout::OneLayer => Kind::OneLayer,
            Layout::Owners => Kind::Owners,
            Layout::Nixpkgs => Kind::Popular(Contest::Nixpkgs),
            Layout::Nix2container => Kind::Popular(Contest::Nix2container),
            Layout::Planned => return Self::planned(Options::default(), 1),
        };
        Self { stock: Stock::default(), kind }
    }

    /// restrata's layouts, each planned against so many versions before.
    pub fn planned(options: Options, previous: usize) -> Self {
        Self { stock: Stock::default(), kind: Kind::Planned(Box::new(Planned::new(options, previous))) }
    }

    /// The next version's layers, bottom first. One that a version before had, too, has the same digest; which digest
    /// that is means nothing.
    pub fn layers(&mut self, version: Version<'_>) -> Result<Vec<Arc<PullLayer>>, PlanError> {
        match &mut self.kind {
            Kind::OneLayer => Ok(flat::one_layer(version, &mut self.stock)),
            Kind::Owners => Ok(flat::owners(version, &mut self.stock)),
            Kind::Popular(contest) => Ok(flat::popular(version, *contest, &mut self.stock)),
            Kind::Planned(planned) => planned.layers(version, &mut self.stock),
        }
    }

    /// Compressed bytes of dead entries in the newest version's layers; a layout that knows of no version before has none.
    pub fn dead_bytes(&self) -> u64 {
        match &self.kind {
            Kind::OneLayer | Kind::Owners | Kind::Popular(_) => 0,
            Kind::Planned(planned) => planned.dead_bytes(),
        }
    }
}

/// Compressed bytes of each content where it was first seen. Versions may have been compressed at several levels, and of a
/// layer without a TOC nobody knows which file compressed how well: unchanged content must not seem to change with that.
#[derive(Default)]
struct Stock(HashMap<FileDigest, u64>);

impl Stock {
    fn stored(&mut self, content: &Content) -> u64 {
        *self.0.entry(content.digest).or_insert(content.stored)
    }
}
