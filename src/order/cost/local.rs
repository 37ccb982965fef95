//! What a client has. Files and chunks are found by their digests in every local layer that has a TOC
//! (container-libs `storage/pkg/chunked/cache_linux.go`, `writeCache` and `findDigestInternal`).

use std::sync::Arc;

use foldhash::HashSet;

use super::{Client, PullFile, PullIndex, PullLayer};
use crate::digest::{BlobDigest, ChunkDigest, FileDigest};
use crate::span::Span;

/// What a client has already.
#[derive(Debug, Clone, Default)]
pub struct Has<'a> {
    layers: HashSet<BlobDigest>,
    /// The same, bottom first.
    chain: Vec<BlobDigest>,
    tocs: HashSet<BlobDigest>,
    files: HashSet<&'a FileDigest>,
    chunks: HashSet<&'a ChunkDigest>,
}

impl<'a> Has<'a> {
    /// Who pulled these layers, bottom first.
    pub fn of(layers: impl IntoIterator<Item = &'a PullLayer>) -> Self {
        let layers: Vec<&PullLayer> = layers.into_iter().collect();
        let indexes = || layers.iter().filter_map(|layer| layer.index.as_ref());
        let mut has = Self::default();
        has.layers.extend(layers.iter().map(|layer| layer.digest));
        has.chain.extend(layers.iter().map(|layer| layer.digest));
        has.tocs.extend(indexes().map(|index| index.toc_digest));
        // A table that grows to a million files step by step takes twice the time.
        has.files.reserve(indexes().map(|index| index.files.len()).sum());
        has.files.extend(indexes().flat_map(|index| &index.files).map(|file| &file.digest));
        has.chunks.extend(indexes().flat_map(PullIndex::chunks));
        has
    }

    /// The image's layers, bottom first.
    pub(super) fn chain(&self) -> &[BlobDigest] {
        &self.chain
    }

    /// Is the layer there already? A client with partial pulls also takes one with the same TOC for it (container-libs
    /// `image/storage/storage_dest.go`, `tryReusingBlobAsPending`).
    pub fn has_layer(&self, layer: &PullLayer, client: Client) -> bool {
        let has_toc = || layer.index.as_ref().is_some_and(|index| self.tocs.contains(&index.toc_digest));
        self.layers.contains(&layer.digest) || (client.asks_for_ranges() && has_toc())
    }

    /// What is new to the client in each layer, bottom first; `None` for a layer without an index that the client lacks.
    /// `read` is content of layers that the client has without an index: no pull finds it there, but new it is not. `diff`
    /// counts alike.
    pub fn new_content(&self, layers: &[Arc<PullLayer>], read: &HashSet<&FileDigest>) -> Vec<Option<NewContent>> {
        let mut seen = HashSet::default();
        let mut of_layer = |layer: &Arc<PullLayer>| {
            let mut new = NewContent::default();
            if self.layers.contains(&layer.digest) {
                return Some(new);
            }
            let is_there = |digest: &FileDigest| self.files.contains(digest) || read.contains(digest);
            for file in &layer.index.as_ref()?.files {
                if !is_there(&file.digest) && seen.insert(file.digest) {
                    new.files += 1;
                    new.bytes += file.span.len();
                }
            }
            Some(new)
        };
        layers.iter().map(&mut of_layer).collect()
    }

    /// The layer's files that are in no local one, which is the same for all clients with partial pulls. `arriving` are
    /// those of the layers below that are on their way, too.
    pub(super) fn lacked<'l>(&self, layer: &'l PullLayer, arriving: &HashSet<&FileDigest>) -> Vec<Lacked<'l>> {
        let index = layer.index.as_ref().filter(|_| !self.has_layer(layer, Client::Podman));
        let files = index.into_iter().flat_map(|index| &index.files);
        let lacked = files.filter(|file| !self.files.contains(&file.digest));
        lacked.map(|file| Lacked { file, arrives: arriving.contains(&file.digest) }).collect()
    }
}

/// Content of a layer that a client has in no layer, and no layer below brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewContent {
    /// Each content once.
    pub files: u64,
    /// As compressed in the blob.
    pub bytes: u64,
}

/// A file that the client does not have.
#[derive(Clone, Copy)]
pub(super) struct Lacked<'l> {
    pub file: &'l PullFile,
    /// A layer below brings it.
    pub arrives: bool,
}

/// Where a client looks for content.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'a> {
    pub client: Client,
    pub has: &'a Has<'a>,
    /// Chunks of the layers below that are on their way, too.
    pub arriving: &'a HashSet<&'a ChunkDigest>,
}

/// Whether content that is on its way counts as there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arriving {
    Lacks,
    Has,
}

impl Lookup<'_> {
    /// Adds the parts of the blob that the client must fetch for a file that it lacks, in ascending order. Neighbours in one
    /// file are one part (`mergeMissingChunks`, its first loop).
    pub fn missing(&self, lacked: &Lacked<'_>, arriving: Arriving, out: &mut Vec<Span>) {
        let Lacked { file, arrives } = lacked;
        if *arrives && arriving == Arriving::Has {
            return;
        }
        if file.chunks.is_empty() {
            out.push(file.span);
            return;
        }
        let ends = file.chunks.iter().skip(1).map(|next| next.start).chain([file.span.end()]);
        let mut open: Option<Span> = None;
        for (chunk, end) in file.chunks.iter().zip(ends) {
            if chunk.is_hole || self.has_chunk(&chunk.digest, arriving) {
                out.extend(open.take());
                continue;
            }
            open = Some(Span::between(open.map_or(chunk.start, |span| span.start()), end));
        }
        out.extend(open);
    }

    fn has_chunk(&self, digest: &ChunkDigest, arriving: Arriving) -> bool {
        let arrives = || arriving == Arriving::Has && self.arriving.contains(digest);
        self.client == Client::PodmanReflink && (self.has.chunks.contains(digest) || arrives())
    }
}
