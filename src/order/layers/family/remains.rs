//! What is left of layers that go. It outlived what it stood with, so it does not stand with what is new.

use std::collections::BTreeMap;

use crate::order::layers::claims::Claims;
use crate::order::layers::log::Log;
use crate::order::layers::new::NewTree;
use crate::order::layers::{Agreed, Mtime, Standing};
use crate::order::paths::PathId;

/// From so many compressed bytes on, what is left of a layer has a layer of its own again.
const LEAST: u64 = 1 << 20;

/// Which layer each file was in, of those that members agreed to give up.
pub(in crate::order::layers) struct Remains(Option<Claims>);

impl Remains {
    pub fn new(new: &NewTree<'_>, log: &Log<'_>, agreed: Agreed<'_>, mtime: Mtime) -> Self {
        let goes: Vec<bool> = (0..log.segments.len()).map(|n| agreed.standing(n) == Standing::Goes).collect();
        Self(goes.contains(&true).then(|| Claims::new(new, log, &goes, mtime)))
    }

    /// New files of one set: those that are new indeed, and what is left of layers, each with the bytes of its content.
    pub fn part(&self, new: &NewTree<'_>, files: Vec<PathId>) -> (Vec<PathId>, Vec<Vec<PathId>>) {
        let Some(gone) = &self.0 else { return (files, Vec::new()) };
        let mut by_layer: BTreeMap<usize, Vec<PathId>> = BTreeMap::new();
        let mut fresh = Vec::new();
        for first in files {
            match gone.segment(first) {
                Some(segment) => by_layer.entry(segment).or_default().push(first),
                None => fresh.push(first),
            }
        }
        let is_large = |files: &Vec<PathId>| files.iter().map(|&first| new.stored(first)).sum::<u64>() >= LEAST;
        let (mut parts, small): (Vec<_>, Vec<_>) = by_layer.into_values().partition(is_large);
        let mut small = small.concat();
        small.sort_unstable();
        parts.extend((!small.is_empty()).then_some(small));
        (fresh, parts)
    }
}
