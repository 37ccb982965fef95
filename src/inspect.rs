//! What an image is made of: its layers, their indexes, its biggest files. Reads manifests and TOCs, never content.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::inventory::{held_bytes, toc_entries};
use crate::job::JobOptions;
use crate::oci::marks::OWNERS;
use crate::oci::{Platform, Reference};
use crate::order::Entry;
use crate::order::tree::{Shown, merge};
use crate::owner::Owners;
use crate::progress::Progress;
use crate::source::{Image, IndexError, Layer, Source};
use crate::survey::changes_always;
use crate::tar::TarPath;
use crate::toc::{ChunkedAnnotations, ESTARGZ_TOC_DIGEST, FOOTER_FRAME, Toc, TocEntry};

/// Files that are listed.
const BIGGEST: usize = 10;

#[derive(Debug, Clone)]
pub struct Inspection {
    pub images: Vec<InspectedImage>,
    /// What was left out of what the reference names.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct InspectedImage {
    pub reference: String,
    pub platform: Option<Platform>,
    /// Of the manifest; `None` for an image that came without one.
    pub digest: Option<BlobDigest>,
    pub layers: Vec<InspectedLayer>,
    /// The gzip image of the same platform.
    pub twin: Option<InspectedTwin>,
    /// Of the merged file system, as far as TOCs tell; each file once, however many links it has.
    pub biggest: Vec<BigFile>,
}

#[derive(Debug, Clone)]
pub struct InspectedTwin {
    pub digest: Option<BlobDigest>,
    /// The layers' digests and sizes.
    pub layers: Vec<(BlobDigest, u64)>,
}

#[derive(Debug, Clone)]
pub struct InspectedLayer {
    pub digest: Option<BlobDigest>,
    pub size: Option<u64>,
    /// For a layer that came without one, what it would have.
    pub media_type: String,
    pub compression: Compression,
    /// It claims to have a TOC of eStargz, which restrata does not read.
    pub is_estargz: bool,
    /// Where the TOC stands: "first", "end", or "none".
    pub index: String,
    /// What follows is known from a TOC only.
    pub entries: Option<u64>,
    /// Bytes of TOC and tar-split, compressed.
    pub index_bytes: u64,
    /// Bytes of all contents, uncompressed.
    pub content_bytes: Option<u64>,
    /// Chunks of the files that are cut.
    pub chunks: Option<u64>,
    /// Whose files the layer says that it shows, in restrata's annotation: a claim.
    pub owners: Option<String>,
    /// Most of its content is of files that change with every version, by their paths.
    pub changes_always: bool,
}

impl InspectedLayer {
    /// The form in which the blob is stored, in a word.
    pub fn form(&self) -> &'static str {
        match self.compression {
            Compression::Zstd if self.entries.is_some() => "zstd:chunked",
            Compression::Gzip if self.is_estargz => "eStargz",
            Compression::None => "tar",
            packed => packed.name(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigFile {
    pub path: String,
    /// Counted from 0, the lowest.
    pub layer: usize,
    /// Bytes of content.
    pub size: u64,
    /// Bytes in the blob.
    pub compressed: u64,
}

pub fn inspect(
    reference: &Reference,
    platform: Option<&Platform>,
    options: &JobOptions,
    progress: &Progress,
) -> Result<Inspection, Error> {
    let source = options.open(reference, progress)?;
    let images = source.images(platform)?;
    let images = images.iter().map(|image| inspect_image(&source, image, progress)).collect::<Result<_, _>>()?;
    Ok(Inspection { images, notes: source.take_notes() })
}

fn inspect_image(source: &Source, image: &Image, progress: &Progress) -> Result<InspectedImage, Error> {
    let (mut layers, mut entries) = (Vec::new(), Vec::new());
    for (index, layer) in image.layers.iter().enumerate() {
        let toc = source.toc(layer, progress).map_err(|fault| match fault {
            IndexError::TooMany(error) => error.into(),
            // Names the layer itself.
            IndexError::Source(error) => error.into(),
            fault => Error::Index {
                reference: source.reference().to_string(),
                layer: layer.descriptor.as_ref().map_or_else(|| index.to_string(), |d| d.digest.to_string()),
                reason: fault.to_string(),
            },
        })?;
        let inspected = inspect_layer(source, layer, toc.as_ref())?;
        // Of a TOC's rows the entries alone stay, which are much smaller.
        let of_layer = toc.map(|(_, toc)| toc_entries(&toc)).unwrap_or_default();
        progress.hold(held_bytes(&of_layer))?;
        // A layer that somebody gave to an owner is that owner's, whatever is in it.
        let is_named = inspected.owners.as_deref().is_some_and(|owners| owners.starts_with("user:"));
        let changes_always = !is_named && changes_always(&Owners::default(), &of_layer);
        layers.push(InspectedLayer { changes_always, ..inspected });
        entries.push(of_layer);
    }
    Ok(InspectedImage {
        reference: source.reference().to_string(),
        platform: image.platform.clone(),
        digest: image.manifest_digest,
        layers,
        twin: image.twin.as_deref().map(|twin| InspectedTwin {
            digest: twin.manifest_digest,
            layers: twin.manifest.layers().iter().map(|layer| (layer.digest, layer.size)).collect(),
        }),
        biggest: biggest(&entries),
    })
}

fn inspect_layer(
    source: &Source,
    layer: &Layer,
    toc: Option<&(ChunkedAnnotations, Toc)>,
) -> Result<InspectedLayer, Error> {
    let (descriptor, compression) = (layer.descriptor.as_ref(), layer.compression);
    // A docker-archive has no descriptors, but its members have sizes.
    let size = match descriptor {
        Some(descriptor) => Some(descriptor.size),
        None => source.layer_bytes(layer)?.map(|bytes| bytes.size()),
    };
    let mut inspected = InspectedLayer {
        digest: descriptor.map(|descriptor| descriptor.digest),
        size,
        media_type: descriptor.map_or(compression.media_type(), |descriptor| &descriptor.media_type).to_owned(),
        compression,
        is_estargz: descriptor.is_some_and(|descriptor| descriptor.annotation(ESTARGZ_TOC_DIGEST).is_some()),
        index: "none".to_owned(),
        entries: None,
        index_bytes: 0,
        content_bytes: None,
        chunks: None,
        owners: descriptor.and_then(|descriptor| descriptor.annotation(OWNERS)).map(str::to_owned),
        changes_always: false,
    };
    if let Some((ChunkedAnnotations { positions, .. }, toc)) = toc {
        let payloads = || toc.entries.iter().filter_map(|entry| entry.payload.as_ref());
        let is_last = size.is_some_and(|size| {
            size.saturating_sub(positions.toc.end().max(positions.tar_split.end())) <= FOOTER_FRAME
        });
        inspected.index = if is_last { "end" } else { "first" }.to_owned();
        inspected.entries = Some(toc.entries.len() as u64);
        inspected.index_bytes = positions.toc.len() + positions.tar_split.len();
        inspected.content_bytes = Some(toc.entries.iter().map(content_size).fold(0, u64::saturating_add));
        inspected.chunks = Some(payloads().map(|payload| payload.chunks.len() as u64).sum());
    }
    Ok(inspected)
}

/// Sizes in a TOC are claims: sums of them may not overflow.
fn content_size(entry: &TocEntry) -> u64 {
    entry.payload.as_ref().map_or(0, |_| entry.header.size)
}

fn biggest(entries: &[Vec<Entry>]) -> Vec<BigFile> {
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    let layers: Vec<&[Entry]> = entries.iter().map(Vec::as_slice).collect();
    for (path, shown) in merge(&layers) {
        let Shown::Entry(node) = shown else { continue };
        let layer = node.inode.0 as usize;
        let entry = entries.get(layer).and_then(|entries| entries.get(node.inode.1 as usize));
        let Some(content) = entry.and_then(|entry| entry.content) else { continue };
        if seen.insert(node.inode) {
            files.push((Reverse(content.size), path, layer, content.stored));
        }
    }
    files.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    files.truncate(BIGGEST);
    let file = |(Reverse(size), path, layer, compressed): (_, TarPath, _, _)| BigFile {
        path: path.to_string(),
        layer,
        size,
        compressed,
    };
    files.into_iter().map(file).collect()
}
