//! Layers as they would be written, with the index first (docs/format.md): content as it is stored, and an estimate of
//! what stands beside it.

use std::borrow::Cow;
use std::sync::Arc;

use super::cost::{PullFile, PullIndex, PullLayer, ThinVec};
use super::layers::Segment;
use super::tree::{Shown, merge};
use super::{Entry, LayerPlan, Made, OverlayMark, Place, Plan, Role, State, Traits, Written};
use crate::digest::{BlobDigest, FileDigest};
use crate::span::Span;
use crate::tar::{EntryKind, TarPath, Time};

/// The layers of the image that `plan` makes of `layers`; `segments` are those that can be kept. A new one has a digest
/// that no other layer has, and no chunks.
pub fn forecast(plan: &Plan, layers: &[&[Entry]], segments: &[Segment]) -> Vec<Arc<PullLayer>> {
    let of_layer = |(number, layer): (u64, &LayerPlan)| match (layer.state, layer.segments.as_slice()) {
        (State::Kept, [kept]) => Arc::clone(&segments[*kept].pull),
        // Counted from the top: those of a sequence of forecasts are counted from below.
        _ => Arc::new(pull_layer(numbered(u64::MAX - number), &items(&entries(layer, layers)))),
    };
    (0..).zip(&plan.layers).map(of_layer).collect()
}

/// When each path of the planned image was changed, as clients show it, in the order of the merged tree. A directory that no layer has an
/// entry of has no time.
pub fn times(plan: &Plan, layers: &[&[Entry]], segments: &[Segment]) -> Vec<(TarPath, Time)> {
    let planned = plan.layers.iter().map(|layer| match (layer.state, layer.segments.as_slice()) {
        (State::Kept, [kept]) => Cow::Borrowed(segments[*kept].entries.as_slice()),
        _ => Cow::Owned(entries(layer, layers)),
    });
    let planned: Vec<Cow<'_, [Entry]>> = planned.collect();
    let planned: Vec<&[Entry]> = planned.iter().map(AsRef::as_ref).collect();
    let time = |shown: Shown| {
        let (layer, entry) = shown.entry()?.inode;
        Some(planned[layer as usize][entry as usize].mtime)
    };
    merge(&planned).into_iter().filter_map(|(path, shown)| Some((path, time(shown)?))).collect()
}

/// What the layer's TOC would say.
pub(super) fn entries(layer: &LayerPlan, layers: &[&[Entry]]) -> Vec<Entry> {
    layer.entries.iter().map(|written| entry(written, layers)).collect()
}

fn entry(written: &Written, layers: &[&[Entry]]) -> Entry {
    let read = |(layer, entry): Place| &layers[layer as usize][entry as usize];
    match written {
        Written::Entry { at, role, mtime } => {
            let named = read(*at);
            let entry = match role {
                Role::Itself => named.clone(),
                Role::Heir(inode) => Entry { path: named.path.clone(), ..read(*inode).clone() },
                Role::LinkTo(holder) => Entry {
                    kind: EntryKind::HardLink,
                    target: Some(read(*holder).path.clone()),
                    content: None,
                    ..named.clone()
                },
            };
            Entry { mtime: mtime.unwrap_or(entry.mtime), overlay: OverlayMark::None, ..entry }
        }
        Written::Implied { path, made, mtime } => {
            Entry { mtime: *mtime, traits: Traits::of_made(*made), ..bare(path, EntryKind::Dir) }
        }
        Written::Whiteout(path) => bare(path, EntryKind::Regular),
    }
}

fn bare(path: &TarPath, kind: EntryKind) -> Entry {
    let (path, traits, overlay) = (path.clone(), Traits::of_made(Made::Plain), OverlayMark::None);
    Entry {
        path,
        kind,
        target: None,
        content: None,
        traits,
        mtime: Time::default(),
        overlay,
        is_setgid: false,
        is_program: false,
    }
}

/// An entry, as far as bytes go.
pub(super) struct Item<'a> {
    pub path: &'a TarPath,
    /// Digest and compressed bytes.
    pub content: Option<(FileDigest, u64)>,
}

pub(super) fn items(entries: &[Entry]) -> Vec<Item<'_>> {
    let content = |entry: &Entry| entry.content.map(|content| (content.digest, content.stored));
    entries.iter().map(|entry| Item { path: &entry.path, content: content(entry) }).collect()
}

/// What stands beside content in a blob, in compressed bytes: least squares over the 59 layers of six Node images
/// as restrata writes them (docs/history.md).
mod beside {
    /// Of every index, TOC and tar-split together.
    pub const INDEX: u64 = 600;
    /// An entry's share of the index: digests and check-sums don't compress.
    pub const INDEX_OF_FILE: u64 = 105;
    pub const INDEX_OF_OTHER: u64 = 45;
    /// The first header, padding, end of the archive and footer.
    pub const FRAME: u64 = 400;
    /// A header in a frame of its own, beside its path.
    pub const HEADER: u64 = 72;
    /// One among many in a frame.
    pub const SHARED_HEADER: u64 = 12;
    /// A row of the TOC's JSON, which compresses to a sixth; beside its path.
    pub const ROW: u64 = 250;
}

/// A layer of these entries, which stand in this order behind those without content.
pub(super) fn pull_layer(digest: BlobDigest, items: &[Item<'_>]) -> PullLayer {
    let files = items.iter().filter(|item| item.content.is_some()).count() as u64;
    let others = items.len() as u64 - files;
    let index = beside::INDEX + files * beside::INDEX_OF_FILE + others * beside::INDEX_OF_OTHER;
    let toc = Span::between(0, index / 2);
    let tar_split = Span::between(toc.end(), index);
    let mut at = index + beside::FRAME + others * beside::SHARED_HEADER;
    let mut spans = Vec::with_capacity(files as usize);
    for item in items {
        let Some((digest, stored)) = item.content else { continue };
        let start = at + beside::HEADER + item.path.as_bytes().len() as u64;
        at = start + stored;
        spans.push(PullFile { digest, span: Span::between(start, at), chunks: ThinVec::new() });
    }
    let rows = items.iter().map(|item| beside::ROW + item.path.as_bytes().len() as u64);
    let index = PullIndex { toc_digest: digest, toc, tar_split, toc_size: rows.sum(), files: spans };
    PullLayer { digest, size: at, index: Some(index) }
}

/// Stands for a blob whose bytes are not known.
pub(super) fn numbered(number: u64) -> BlobDigest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    BlobDigest::from_bytes(bytes)
}
