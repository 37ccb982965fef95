//! Layers that were read, with their headers in the spool, as clients show them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{UnpackError, UnpackedLayer};
use crate::inventory::{Inventory, Restated, add_link, restated, settle};
use crate::order::tree::merge;
use crate::order::{Entry, Place};
use crate::progress::Progress;
use crate::span::Span;
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

/// Hard links to files of lower layers, which containerd makes on top of those (podman and docker stop at them): they say
/// what the file is, too. `image` are all layers of an image, bottom first, by their numbers in `layers`. True if there are such.
pub fn settle_across(
    layers: &mut [UnpackedLayer],
    image: &[usize],
    spool: &Spool,
    progress: &Progress,
) -> Result<bool, (usize, UnpackError)> {
    let entries: Vec<&[Entry]> = entries(layers, image);
    let said = links_below(&entries);
    if said.is_empty() {
        return Ok(false);
    }
    let number = |(layer, at): Place| (image[layer as usize] as u32, at);
    let mut names: BTreeMap<Place, Vec<Place>> = BTreeMap::new();
    for node in merge(&entries).iter().filter_map(|(_, shown)| shown.entry()) {
        if said.contains_key(&node.inode) {
            names.entry(node.inode).or_default().push(node.at);
        }
    }
    for (inode, links) in said {
        let mut shown = header(layers, number(inode), spool)?;
        for link in links {
            add_link(&mut shown, header(layers, number(link), spool)?);
        }
        for place in std::iter::once(inode).chain(names.remove(&inode).unwrap_or_default()).map(number) {
            progress.check().map_err(|error| (place.0 as usize, error.into()))?;
            if let Some(new) = restated(header(layers, place, spool)?, &shown) {
                restate(layers, place, &new, spool)?;
            }
        }
    }
    Ok(true)
}

/// True for an image of whose layers one changes what another one says.
pub fn is_settled_across(layers: &[UnpackedLayer], image: &[usize]) -> bool {
    !links_below(&entries(layers, image)).is_empty()
}

fn entries<'a>(layers: &'a [UnpackedLayer], image: &[usize]) -> Vec<&'a [Entry]> {
    image.iter().map(|&number| layers[number].inventory.entries.as_slice()).collect()
}

type Failed = (usize, UnpackError);

fn header(layers: &[UnpackedLayer], (number, at): Place, spool: &Spool) -> Result<Header, Failed> {
    let body = &layers[number as usize].inventory.bodies[at as usize];
    read(spool, body.header).map_err(|error| (number as usize, error))
}

fn restate(layers: &mut [UnpackedLayer], (number, at): Place, header: &Header, spool: &Spool) -> Result<(), Failed> {
    let inventory = &mut layers[number as usize].inventory;
    let blocks = spool.append(&encode(header)).map_err(UnpackError::from);
    let done = blocks.and_then(|blocks| Ok(inventory.restate(at as usize, header, blocks)?));
    inventory.odd.retain(|odd| *odd != at as usize);
    inventory.odd.extend(toc::can_hold(header).is_err().then_some(at as usize));
    done.map_err(|error| (number as usize, error))
}

fn read(spool: &Spool, header: Span) -> Result<Header, UnpackError> {
    let mut blocks = Vec::new();
    spool.read(header, &mut blocks)?;
    decode(&blocks).ok_or(UnpackError::Internal("a header in the spool that does not scan"))
}

/// The links of each file that is in a lower layer, in the order in which they are made.
fn links_below(entries: &[&[Entry]]) -> BTreeMap<Place, Vec<Place>> {
    let mut said: BTreeMap<Place, Vec<Place>> = BTreeMap::new();
    for (number, layer) in entries.iter().enumerate() {
        let mut targets: HashSet<_> = layer.iter().filter_map(|entry| entry.target.as_ref()).collect();
        if !targets.is_empty() {
            layer.iter().for_each(|entry| _ = targets.remove(&entry.path));
        }
        // Almost no layer has any.
        if targets.is_empty() {
            continue;
        }
        let mut found: Vec<(Place, Place)> = Vec::new();
        for node in merge(&entries[..=number]).iter().filter_map(|(_, shown)| shown.entry()) {
            if node.at.0 as usize == number && node.inode.0 < node.at.0 {
                found.push((node.at, node.inode));
            }
        }
        found.sort_unstable();
        found.into_iter().for_each(|(link, inode)| said.entry(inode).or_default().push(link));
    }
    said
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
        read(self.spool, self.inventory.bodies[at].header)
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
