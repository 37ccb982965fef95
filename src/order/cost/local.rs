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
        let layers: Vec<&PullLayer> = layers.into_iter().collect();
        let indexes = || layers.iter().filter_map(|layer| layer.index.as_ref());
        let mut has = Self::default();
        has.layers.extend(layers.iter().map(|layer| layer.digest));
        has.tocs.extend(indexes().map(|index| index.toc_digest));
        // A table that grows to a million files step by step takes twice the time.
        has.files.reserve(indexes().map(|index| index.files.len()).sum());
        has.files.extend(indexes().flat_map(|index| &index.files).map(|file| &file.digest));
        let chunks = indexes().flat_map(|index| &index.files).flat_map(|file| &file.chunks);
        has.chunks.extend(chunks.filter(|chunk| !chunk.is_hole).map(|chunk| &chunk.digest));
        has
    }

    /// Is the layer there already? A client with partial pulls also takes one with the same TOC for it (container-libs
    /// `image/storage/storage_dest.go`, `tryReusingBlobAsPending`).
    pub fn has_layer(&self, layer: &PullLayer, client: Client) -> bool {
        let has_toc = || layer.index.as_ref().is_some_and(|index| self.tocs.contains(&index.toc_digest));
        self.layers.contains(&layer.digest) || (client != Client::Plain && has_toc())
    }

    /// The layer's files that are in no local one, which is the same for all clients with partial pulls.
    pub(super) fn lacked<'l>(&self, layer: &'l PullLayer) -> Vec<&'l PullFile> {
        let index = layer.index.as_ref().filter(|_| !self.has_layer(layer, Client::Podman));
        let files = index.into_iter().flat_map(|index| &index.files);
        files.filter(|file| !self.files.contains(&file.digest)).collect()
    }

    /// Adds the parts of the blob that the client must fetch for a file that it lacks, in ascending order. Neighbours in one
    /// file are one part (`mergeMissingChunks`, its first loop).
    pub(super) fn missing(&self, file: &PullFile, client: Client, out: &mut Vec<Span>) {
        if file.chunks.is_empty() {
            out.push(file.span);
            return;
        }
        let ends = file.chunks.iter().skip(1).map(|next| next.start).chain([file.span.end()]);
        let mut open: Option<Span> = None;
        for (chunk, end) in file.chunks.iter().zip(ends) {
            let is_local = client == Client::PodmanReflink && self.chunks.contains(&chunk.digest);
            if chunk.is_hole || is_local {
                out.extend(open.take());
                continue;
            }
            open = Some(Span::between(open.map_or(chunk.start, |span| span.start()), end));
        }
        out.extend(open);
    }
}
