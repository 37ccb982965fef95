//! What a client has. Files and chunks are found by their digests in every local layer that has a TOC
//! (container-libs `storage/pkg/chunked/cache_linux.go`, `writeCache` and `findDigestInternal`).

use std::collections::HashSet;

use super::{Client, PullFile, PullLayer};
use crate::digest::{BlobDigest, ChunkDigest, FileDigest};
use crate::span::Span;

/// What a client has already.
#[derive(Debug, Clone, Default)]
pub struct Has<'a> {
    layers: HashSet<BlobDigest>,
    tocs: HashSet<BlobDigest>,
    files: HashSet<&'a FileDigest>,
    chunks: HashSet<&'a ChunkDigest>,
}

impl<'a> Has<'a> {
    /// Who pulled these layers.
    pub fn of(layers: impl IntoIterator<Item = &'a PullLayer>) -> Self {
        let mut has = Self::default();
        layers.into_iter().for_each(|layer| has.add(layer));
        has
    }

    pub(super) fn add(&mut self, layer: &'a PullLayer) {
        self.layers.insert(layer.digest);
        let Some(index) = &layer.index else { return };
        self.tocs.insert(index.toc_digest);
        self.files.extend(index.files.iter().map(|file| &file.digest));
        let chunks = index.files.iter().flat_map(|file| &file.chunks).filter(|chunk| !chunk.is_hole);
        self.chunks.extend(chunks.map(|chunk| &chunk.digest));
    }

    /// Is the layer there already? A client with partial pulls also takes one with the same TOC for it (container-libs
    /// `image/storage/storage_dest.go`, `tryReusingBlobAsPending`).
    pub fn has_layer(&self, layer: &PullLayer, client: Client) -> bool {
        let has_toc = || layer.index.as_ref().is_some_and(|index| self.tocs.contains(&index.toc_digest));
        self.layers.contains(&layer.digest) || (client != Client::Plain && has_toc())
    }

    pub fn has_file(&self, digest: &FileDigest) -> bool {
        self.files.contains(digest)
    }

    fn has_chunk(&self, digest: &ChunkDigest) -> bool {
        self.chunks.contains(digest)
    }
}

/// Where a client looks for content, and how.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'a> {
    pub client: Client,
    pub has: &'a Has<'a>,
    /// Layers that are on their way, too.
    pub arriving: Option<&'a Has<'a>>,
}

impl Lookup<'_> {
    fn all(&self) -> impl Iterator<Item = &Has<'_>> {
        [Some(self.has), self.arriving].into_iter().flatten()
    }

    /// Adds the parts of the blob that the client must fetch for a file, in ascending order. Neighbours in one file are one
    /// part (`mergeMissingChunks`, its first loop).
    pub fn missing(&self, file: &PullFile, out: &mut Vec<Span>) {
        if self.all().any(|has| has.has_file(&file.digest)) {
            return;
        }
        if file.chunks.is_empty() {
            out.push(file.span);
            return;
        }
        let ends = file.chunks.iter().skip(1).map(|next| next.start).chain([file.span.end()]);
        let mut open: Option<Span> = None;
        for (chunk, end) in file.chunks.iter().zip(ends) {
            let is_local = self.client == Client::PodmanReflink && self.all().any(|has| has.has_chunk(&chunk.digest));
            if chunk.is_hole || is_local {
                out.extend(open.take());
                continue;
            }
            open = Some(Span::between(open.map_or(chunk.start, |span| span.start()), end));
        }
        out.extend(open);
    }
}
