//! Layouts that know of no version before: a layer is made of what the image shows, in path order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::popularity::Graph;
use super::{Owners, Stock, Version};
use crate::order::cost::PullLayer;
use crate::order::forecast::{Item, numbered, pull_layer};
use crate::order::tree::merge;
use crate::order::{Entry, Place};
use crate::tar::TarPath;

/// Layers that an image gets at most, in all layouts, and the bytes from which on an unowned file has one of its own: chunkah's
/// own numbers.
const MOST_LAYERS: usize = 64;
const BIG: u64 = 1 << 20;

pub(super) fn one_layer(version: Version<'_>, stock: &mut Stock) -> Vec<Arc<PullLayer>> {
    let rows = rows(version);
    vec![layer(&rows, 0..rows.len(), stock)]
}

/// The largest owner's layer is the lowest; what is left stands on top.
pub(super) fn owners(version: Version<'_>, stock: &mut Stock) -> Vec<Arc<PullLayer>> {
    let rows = rows(version);
    let mut groups: BTreeMap<Key<'_>, Group> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let group = groups.entry(key(&rows, row, version, stock)).or_default();
        group.rows.push(at);
        group.stored += if row.first == at { stored(row.carrier, stock) } else { 0 };
    }
    let mut rest = groups.remove(&Key::Rest).unwrap_or_default();
    let mut own: Vec<Group> = groups.into_values().collect();
    own.sort_by_key(|group| Reverse(group.stored));
    rest.rows.extend(own.drain(own.len().min(MOST_LAYERS - 1)..).flat_map(|group| group.rows));
    let groups = own.into_iter().chain([rest]).filter(|group| !group.rows.is_empty());
    groups.map(|group| layer(&rows, with_parents(&rows, &group.rows), stock)).collect()
}

/// Whose owners get layers first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Contest {
    Nixpkgs,
    Nix2container,
}

/// The most popular owner's layer is the lowest. All other owners share one above them, and what nobody owns stands on top, as what a
/// Nix image has beside its store.
pub(super) fn popular(version: Version<'_>, contest: Contest, stock: &mut Stock) -> Vec<Arc<PullLayer>> {
    let rows = rows(version);
    let (mut groups, mut rest): (BTreeMap<u32, Vec<usize>>, Vec<usize>) = Default::default();
    for (at, row) in rows.iter().enumerate() {
        let (layer, entry) = rows[row.first].at;
        match version.labels[layer as usize][entry as usize].owner {
            Some(owner) => groups.entry(owner).or_default().push(at),
            None => rest.push(at),
        }
    }
    let Owners { names, needs } = version.owners;
    let graph = Graph::new(names.len(), needs);
    let scores = match contest {
        Contest::Nixpkgs => graph.contest(),
        Contest::Nix2container => graph.paths(),
    };
    let mut own: Vec<(u32, Vec<usize>)> = groups.into_iter().collect();
    own.sort_by_key(|(owner, _)| (Reverse(scores[*owner as usize]), &names[*owner as usize]));
    let mut own: Vec<Vec<usize>> = own.into_iter().map(|(_, rows)| rows).collect();
    let shared = own.drain(own.len().min(MOST_LAYERS - 2)..).flatten().collect();
    let groups = own.into_iter().chain([shared, rest]).filter(|group: &Vec<usize>| !group.is_empty());
    groups.map(|group| layer(&rows, with_parents(&rows, &group), stock)).collect()
}

/// A path that the image has an entry for.
struct Row<'a> {
    path: TarPath,
    at: Place,
    /// The entry that carries type, metadata and content.
    carrier: &'a Entry,
    /// The first path of the same file, by its place in the list.
    first: usize,
    /// The nearest directory above that has an entry.
    above: Option<usize>,
}

fn rows(version: Version<'_>) -> Vec<Row<'_>> {
    let mut firsts: HashMap<Place, usize> = HashMap::new();
    let mut open: Vec<usize> = Vec::new();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (path, shown) in merge(version.layers) {
        let Some(node) = shown.entry() else { continue };
        while open.last().is_some_and(|&dir| !path.is_below(&rows[dir].path)) {
            open.pop();
        }
        let (layer, entry) = node.inode;
        let carrier = &version.layers[layer as usize][entry as usize];
        let first = *firsts.entry(node.inode).or_insert(rows.len());
        rows.push(Row { path, at: node.at, carrier, first, above: open.last().copied() });
        if node.is_dir {
            open.push(rows.len() - 1);
        }
    }
    rows
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Owner(u32),
    Big(&'a TarPath),
    Rest,
}

#[derive(Default)]
struct Group {
    rows: Vec<usize>,
    stored: u64,
}

/// All paths of a file go with the first one.
fn key<'a>(rows: &'a [Row<'_>], row: &Row<'_>, version: Version<'_>, stock: &mut Stock) -> Key<'a> {
    let first = &rows[row.first];
    let (layer, entry) = first.at;
    match version.labels[layer as usize][entry as usize].owner {
        Some(owner) => Key::Owner(owner),
        None if stored(first.carrier, stock) >= BIG => Key::Big(&first.path),
        None => Key::Rest,
    }
}

fn stored(carrier: &Entry, stock: &mut Stock) -> u64 {
    carrier.content.map_or(0, |content| stock.stored(&content))
}

fn with_parents(rows: &[Row<'_>], own: &[usize]) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for &row in own {
        let mut next = Some(row);
        while let Some(row) = next.filter(|row| all.insert(*row)) {
            next = rows[row].above;
        }
    }
    all
}

/// Layers are the same ones when nothing but times differs: who rebuilds an image for such a layout keeps them still, or no
/// layer would stay.
fn layer(rows: &[Row<'_>], of_layer: impl IntoIterator<Item = usize>, stock: &mut Stock) -> Arc<PullLayer> {
    // To take one layer for another by chance would cost the report a few bytes.
    let mut hash = DefaultHasher::new();
    let mut items = Vec::new();
    for at in of_layer {
        let row = &rows[at];
        let content = row.carrier.content;
        (&row.path, &rows[row.first].path, row.carrier.kind, row.carrier.traits).hash(&mut hash);
        content.map(|content| content.digest).hash(&mut hash);
        let content = content.filter(|_| row.first == at).map(|content| (content.digest, stock.stored(&content)));
        items.push(Item { path: &row.path, content });
    }
    Arc::new(pull_layer(numbered(hash.finish()), &items))
}
