//! A layer as it would be written, with the index first (docs/format.md).

use crate::digest::{BlobDigest, FileDigest};
use crate::order::cost::{PullFile, PullIndex, PullLayer};
use crate::span::Span;
use crate::tar::TarPath;

/// An entry, as far as bytes go.
pub(super) struct Item<'a> {
    pub path: &'a TarPath,
    /// Digest and compressed bytes.
    pub content: Option<(FileDigest, u64)>,
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
        spans.push(PullFile { digest, span: Span::between(start, at), chunks: Box::default() });
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
