//! What a pull moves: a replay of the client's own decisions, from manifests and TOCs alone.
//!
//! | file | decides |
//! | --- | --- |
//! | `local` | what of a layer the client has already |
//! | `ranges` | which ranges it asks for |
//! | `registry` | how the registry answers them |
//! | `bridge` | which of them a bridge asks the registry for |
//! | `replay` | a layer's requests, one after the other |
//! | `instances` | which image of an index with two each client takes |
//!
//! The rules are those of podman's container-libs; each says where it stands.

pub mod bridge;
mod instances;
mod local;
mod ranges;
mod registry;
mod replay;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt as _};

use crate::compression::Compression;
use crate::digest::{BlobDigest, ChunkDigest, FileDigest};
use crate::span::Span;

use local::{Lacked, Lookup};
use replay::Wanted;

pub use bridge::Upstream;
pub use instances::{Had, Instances};
pub use local::{Has, NewContent};
pub use ranges::{BRIDGED_GAP, MAX_RANGES, merge};
pub use registry::{HEADER_LIMIT, RegistryProfile};
pub use thin_vec::ThinVec;

/// Who pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// Reuses whole layers by their digests: containerd, docker with its containerd image store, podman as installed.
    Plain,
    /// docker with a graph driver (overlay2). It names a stored layer by all layers below it (ChainID), so it pulls every
    /// layer above the lowest changed one (moby `distribution/xfer/download.go`, `Download`).
    Docker,
    /// podman with partial pulls that reuses whole files: from 2026 on, on a store without reflinks.
    Podman,
    /// podman with partial pulls that reuses chunks of files as well: on a store with reflinks, and older versions on any.
    PodmanReflink,
    /// podman whose store keeps each content of a layer once (`use_composefs`).
    Composefs,
    /// As [`Plain`](Self::Plain), but it takes the gzip image of an index with two: docker with its containerd image store,
    /// containerd 1.7, kaniko. It has no weight of its own, and so stands last.
    PlainGzip,
}

impl Client {
    pub const ALL: [Self; 5] = [Self::Plain, Self::Docker, Self::Podman, Self::PodmanReflink, Self::Composefs];

    /// Those that differ where there is a gzip image, too.
    pub const WITH_GZIP: [Self; 6] =
        [Self::Plain, Self::PlainGzip, Self::Docker, Self::Podman, Self::PodmanReflink, Self::Composefs];

    /// True for clients that take the first image of their platform, which is the gzip one of two.
    pub const fn takes_gzip(self) -> bool {
        matches!(self, Self::PlainGzip | Self::Docker)
    }

    /// True for clients with partial pulls.
    pub const fn asks_for_ranges(self) -> bool {
        match self {
            Self::Plain | Self::PlainGzip | Self::Docker => false,
            Self::Podman | Self::PodmanReflink | Self::Composefs => true,
        }
    }

    /// Those of `registries` that make a difference to it; one for all where none does.
    pub fn registries(self, registries: &[RegistryProfile]) -> &[RegistryProfile] {
        match self.asks_for_ranges() {
            false => &RegistryProfile::ALL[..1],
            true => registries,
        }
    }

    /// As reports and options have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::PlainGzip => "plain-gzip",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::PodmanReflink => "podman-reflink",
            Self::Composefs => "composefs",
        }
    }
}

/// How one layer, or the image, comes to the client. The image's is the costliest of its layers'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PullOutcome {
    Reused,
    Partial,
    Whole,
    Failed,
}

impl PullOutcome {
    /// As reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reused => "reused",
            Self::Partial => "partial",
            Self::Whole => "whole",
            Self::Failed => "failed",
        }
    }
}

/// Why a layer comes whole, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("the client reuses whole layers only")]
    PlainClient,
    #[error("the layer has no index")]
    NoIndex,
    #[error("the layer's index is over 150 MiB")]
    BigIndex,
    #[error("the registry answers several ranges with {0}, at which the client pulls the whole layer")]
    FallsBack(u16),
    #[error("the registry answers {ranges} ranges with {status}, at which the client gives up")]
    GivesUp { status: u16, ranges: u64 },
    #[error("the layer's tar-split stands before its TOC, and the registry sends the whole layer instead of ranges")]
    IndexOrder,
}

/// A layer as a client sees it before it pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullLayer {
    pub digest: BlobDigest,
    /// Bytes of the blob.
    pub size: u64,
    /// `None`: a layer without a TOC, which is pulled whole.
    pub index: Option<PullIndex>,
}

impl PullLayer {
    /// The same for a client that does not find the TOC.
    pub fn without_index(&self) -> Self {
        Self { index: None, ..*self }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullIndex {
    /// Digest of the compressed TOC: a client takes a layer with the same one for the same layer.
    pub toc_digest: BlobDigest,
    /// Where TOC and tar-split lie in the blob.
    pub toc: Span,
    pub tar_split: Span,
    /// Bytes of the uncompressed TOC.
    pub toc_size: u64,
    /// Regular files with content, in the order of the TOC.
    pub files: Vec<PullFile>,
}

impl PullIndex {
    /// Compressed bytes of TOC and tar-split.
    pub fn bytes(&self) -> u64 {
        self.toc.len() + self.tar_split.len()
    }

    /// Of all files, without holes.
    fn chunks(&self) -> impl Iterator<Item = &ChunkDigest> {
        let chunks = self.files.iter().flat_map(|file| &file.chunks).filter(|chunk| !chunk.is_hole);
        chunks.map(|chunk| &chunk.digest)
    }
}

/// A file's content, and the blob's bytes that hold it. There are a million of them: what most have none of takes a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullFile {
    pub digest: FileDigest,
    pub span: Span,
    /// Empty for content in one frame.
    pub chunks: ThinVec<PullChunk>,
}

/// A part of a file. It ends where the next one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullChunk {
    pub digest: ChunkDigest,
    /// Byte of the blob.
    pub start: u64,
    /// Zeros only, which no client fetches.
    pub is_hole: bool,
}

/// Requests and bytes. Byte counts are of blob bodies, unless they say something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub requests: u64,
    /// Ranges of content; an index's two are not counted.
    pub ranges: u64,
    pub index_bytes: u64,
    /// Content that the client lacks; for a whole layer, the blob.
    pub data_bytes: u64,
    /// Of `data_bytes`: content that layers below bring, too. podman pulls up to six layers at once and takes it from those
    /// that are in its store by then, so it reads this much less at best.
    pub shared_bytes: u64,
    /// Bytes that the client reads and throws away: gaps between ranges, and what comes before them when a registry
    /// sends the whole layer.
    pub gap_bytes: u64,
    /// What the registry may send beside `blob_bytes` before it sees that the client has hung up, at most: what is left
    /// of the layer. How much of it is sent is up to the buffers between them.
    pub hang_up_bytes: u64,
    /// Headers and boundaries of multipart answers, as Go's mime/multipart writes them.
    pub multipart_bytes: u64,
    /// The longest Range header of a request.
    pub range_header_bytes: u64,
    /// Of layers, and nothing without a bridge.
    pub upstream: Upstream,
}

impl Cost {
    /// Bodies of the layers' blobs.
    pub const fn blob_bytes(&self) -> u64 {
        self.index_bytes + self.data_bytes + self.gap_bytes
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.ranges += other.ranges;
        self.index_bytes += other.index_bytes;
        self.data_bytes += other.data_bytes;
        self.shared_bytes += other.shared_bytes;
        self.gap_bytes += other.gap_bytes;
        self.hang_up_bytes += other.hang_up_bytes;
        self.multipart_bytes += other.multipart_bytes;
        self.range_header_bytes = self.range_header_bytes.max(other.range_header_bytes);
        self.upstream.add(other.upstream);
    }
}

/// One layer's part of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPull {
    pub digest: BlobDigest,
    pub outcome: PullOutcome,
    /// For a layer that comes whole or not at all.
    pub why: Option<Why>,
    pub cost: Cost,
    /// What is read of the blob's content, in ascending order; the whole blob for a whole layer.
    pub fetched: Vec<Span>,
}

/// A pull's cost for one client and registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The image that the client has; `None` for a first pull.
    pub from: Option<String>,
    pub client: Client,
    /// Which image of an index with two the client takes; `None` where there is one.
    pub image: Option<Compression>,
    pub registry: RegistryProfile,
    pub outcome: PullOutcome,
    pub config_bytes: u64,
    /// Of the layers, and the request for the config. What a failed layer moved is not in it.
    pub cost: Cost,
    /// Bottom first, with those that the client has.
    pub layers: Vec<LayerPull>,
}

impl Pull {
    /// All blob bodies.
    pub const fn blob_bytes(&self) -> u64 {
        self.cost.blob_bytes() + self.config_bytes
    }

    /// What goes to the registry behind a bridge, with the config.
    pub fn upstream(&self) -> Option<Upstream> {
        let Upstream { requests, bytes } = self.cost.upstream;
        let with_config = Upstream { requests: requests + 1, bytes: bytes + self.config_bytes };
        (self.registry == RegistryProfile::Bridge).then_some(with_config)
    }

    /// The first layer that can't be pulled, and why.
    pub fn failure(&self) -> Option<(usize, Why)> {
        self.layers.iter().enumerate().find_map(|(index, layer)| {
            layer.why.filter(|_| layer.outcome == PullOutcome::Failed).map(|why| (index, why))
        })
    }
}

/// The cost of an image with a config of `config_size` bytes for a client that has `has`.
///
/// No layer is taken to help another one of the same pull; [`Cost::shared_bytes`] says how much it could.
pub fn pull(
    layers: &[Arc<PullLayer>],
    config_size: u64,
    has: &Has<'_>,
    client: Client,
    registry: RegistryProfile,
    from: Option<String>,
) -> Pull {
    replayed(layers, &wanted(layers, &lacked(layers, has), has, client), config_size, client, registry, from)
}

/// What [`pull`] says for each client and those of `registries` that make a difference to it. Files are looked up once for
/// all of them.
pub fn pulls(
    layers: &[Arc<PullLayer>],
    config_size: u64,
    has: &Has<'_>,
    from: Option<&str>,
    registries: &[RegistryProfile],
) -> Vec<Pull> {
    pulls_of(&Client::ALL, layers, config_size, has, from, registries)
}

fn pulls_of(
    clients: &[Client],
    layers: &[Arc<PullLayer>],
    config_size: u64,
    has: &Has<'_>,
    from: Option<&str>,
    registries: &[RegistryProfile],
) -> Vec<Pull> {
    let lacked = lacked(layers, has);
    let of_client = |&client: &Client| {
        let wanted = wanted(layers, &lacked, has, client);
        let pull = |&registry| replayed(layers, &wanted, config_size, client, registry, from.map(str::to_owned));
        client.registries(registries).iter().map(pull).collect::<Vec<_>>()
    };
    clients.iter().flat_map(of_client).collect()
}

fn lacked<'l>(layers: &'l [Arc<PullLayer>], has: &Has<'_>) -> Vec<Vec<Lacked<'l>>> {
    let mut arriving = HashSet::new();
    let of_layer = |layer: &'l Arc<PullLayer>| {
        let lacked = has.lacked(layer, &arriving);
        arriving.extend(lacked.iter().map(|lacked| &lacked.file.digest));
        lacked
    };
    layers.iter().map(of_layer).collect()
}

fn wanted<'l>(layers: &'l [Arc<PullLayer>], lacked: &[Vec<Lacked<'_>>], has: &Has<'_>, client: Client) -> Vec<Wanted> {
    if client == Client::Docker {
        return wanted_by_docker(layers, has);
    }
    let mut arriving = HashSet::new();
    let of_layer = |(layer, lacked): (&'l Arc<PullLayer>, &Vec<Lacked<'_>>)| {
        let wanted = Wanted::of(layer, lacked, Lookup { client, has, arriving: &arriving });
        if client == Client::PodmanReflink && matches!(wanted, Wanted::Parts { .. }) {
            arriving.extend(layer.index.iter().flat_map(PullIndex::chunks));
        }
        wanted
    };
    layers.iter().zip(lacked).map(of_layer).collect()
}

/// Everything above the layers that both images have from the bottom on. A blob that stands twice in the image is
/// downloaded once.
fn wanted_by_docker(layers: &[Arc<PullLayer>], has: &Has<'_>) -> Vec<Wanted> {
    let same = layers.iter().zip(has.chain()).take_while(|(layer, digest)| layer.digest == **digest).count();
    let mut arriving = HashSet::new();
    let of_layer = |(at, layer): (usize, &Arc<PullLayer>)| match at < same || !arriving.insert(layer.digest) {
        true => Wanted::Nothing,
        false => Wanted::Whole(Why::PlainClient),
    };
    layers.iter().enumerate().map(of_layer).collect()
}

fn replayed(
    layers: &[Arc<PullLayer>],
    wanted: &[Wanted],
    config_size: u64,
    client: Client,
    registry: RegistryProfile,
    from: Option<String>,
) -> Pull {
    let layers: Vec<LayerPull> =
        layers.iter().zip(wanted).map(|(layer, wanted)| replay::layer(layer, wanted, registry)).collect();
    let mut cost = Cost { requests: 1, ..Cost::default() };
    layers.iter().filter(|layer| layer.outcome != PullOutcome::Failed).for_each(|layer| cost.add(&layer.cost));
    let outcome = layers.iter().map(|layer| layer.outcome).max().unwrap_or(PullOutcome::Reused);
    Pull { from, client, image: None, registry, outcome, config_bytes: config_size, cost, layers }
}
