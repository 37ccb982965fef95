//! The previous images: manifests and TOCs. Their layer data is not needed to plan.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::codec::{FrameDecoder, FrameError, Sha256Stream};
use crate::digest::{DiffId, FileDigest};
use crate::error::Error;
use crate::oci::{Descriptor, Platform, Reference};
use crate::order::Previous;
use crate::order::cost::{Has, PullIndex, PullLayer};
use crate::source::{Image, IndexError, Source};
use crate::span::Span;
use crate::tar::TarPath;
use crate::toc::{ChunkedAnnotations, Toc};

pub(super) struct PreviousImages(Vec<Source>);

/// One previous image, for one platform.
pub(super) struct PreviousImage {
    pub reference: String,
    pub layers: Vec<PreviousLayer>,
    /// What a client that has the image has.
    pub has: Has,
}

pub(super) struct PreviousLayer {
    pub diff_id: Option<DiffId>,
    /// Descriptor and bytes of a layer with a TOC, which can be kept as it is.
    pub chunked: Option<(Descriptor, PullLayer, (File, Span))>,
    pub entries: u64,
}

impl PreviousLayer {
    /// Decodes the blob and hashes the tar. A previous image is an input like any other: its config may lie.
    pub fn holds_its_tar(&self) -> bool {
        let (Some((_, _, (file, span))), Some(diff_id)) = (&self.chunked, self.diff_id) else { return false };
        let Ok(mut decoder) = FrameDecoder::new() else { return false };
        let mut hash = Sha256Stream::new();
        let mut piece = Vec::new();
        let mut at = span.start();
        while at < span.end() {
            piece.resize(PIECE.min(span.end() - at) as usize, 0);
            let hashed = |tar: &[u8]| {
                hash.update(tar);
                Ok::<(), FrameError>(())
            };
            if file.read_exact_at(&mut piece, at).is_err() || decoder.push(&piece, hashed).is_err() {
                return false;
            }
            at += piece.len() as u64;
        }
        DiffId::from_bytes(hash.finish()) == diff_id
    }
}

/// Bytes of a blob read at once.
const PIECE: u64 = 1 << 20;

impl PreviousImages {
    pub fn open(references: &[Reference]) -> Result<Self, Error> {
        Ok(Self(references.iter().map(Source::open).collect::<Result<_, _>>()?))
    }

    /// Each previous image that has the platform, and what the newest of them tells about order.
    pub fn load(
        &self,
        platform: Option<&Platform>,
        notes: &mut Vec<String>,
    ) -> Result<(Vec<PreviousImage>, Previous), Error> {
        let mut loaded = Vec::new();
        let mut order = Previous::default();
        for source in &self.0 {
            let reference = source.reference().to_string();
            let Some(image) = pick(source.images(None)?, platform) else {
                let platform = platform.map_or_else(|| "this image".to_owned(), ToString::to_string);
                notes.push(format!("{reference}: nothing there for {platform}, so it is not compared with"));
                continue;
            };
            notes.extend(other_platform(&image, platform).map(|other| format!("{reference}: {other}")));
            let newest = loaded.is_empty().then_some(&mut order);
            loaded.push(load(source, &image, newest, notes)?);
        }
        Ok((loaded, order))
    }
}

/// The image for the platform; a lone image serves for any.
fn pick(mut images: Vec<Image>, platform: Option<&Platform>) -> Option<Image> {
    let same = platform.and_then(|platform| {
        images.iter().position(|image| image.platform.as_ref().is_some_and(|other| other.is_same(platform)))
    });
    match same {
        Some(at) => Some(images.swap_remove(at)),
        None if images.len() == 1 => images.pop(),
        None => None,
    }
}

/// Laying out against it is harmless, but seldom what was meant.
fn other_platform(image: &Image, platform: Option<&Platform>) -> Option<String> {
    let (found, wanted) = (image.config.platform().or_else(|| image.platform.clone())?, platform?);
    (!found.is_same_family(wanted)).then(|| format!("expected an image for {wanted}, found one for {found}"))
}

fn load(
    source: &Source,
    image: &Image,
    mut order: Option<&mut Previous>,
    notes: &mut Vec<String>,
) -> Result<PreviousImage, Error> {
    let reference = source.reference().to_string();
    let mut has = Has::default();
    let mut layers = Vec::new();
    let mut without_toc = 0;
    for (index, layer) in image.layers.iter().enumerate() {
        let mut loaded = PreviousLayer { diff_id: layer.diff_id, chunked: None, entries: 0 };
        let toc = match source.toc(layer) {
            Ok(toc) => toc,
            Err(IndexError::Source(error)) => return Err(error.into()),
            // Another tool's fault, which must not keep anybody from the next version.
            Err(error) => {
                notes.push(format!("{reference}: layer {index} is taken for one without a TOC: {error}"));
                None
            }
        };
        match (toc, &layer.descriptor, source.layer_file(layer)?) {
            (Some((annotations, toc)), Some(descriptor), Some((file, span))) => {
                let rows: Vec<_> = rows(&toc).collect();
                if let Some(order) = &mut order {
                    order.add_layer(index as u32, rows.iter().map(|(path, content)| (path, *content)));
                }
                let pull = pull_layer(descriptor, &annotations, &toc);
                has.add_layer(&pull);
                loaded.entries = toc.entries.len() as u64;
                loaded.chunked = Some((descriptor.clone(), pull, (file, span)));
            }
            (_, descriptor, _) => {
                without_toc += 1;
                has.layers.extend(descriptor.as_ref().map(|descriptor| descriptor.digest));
            }
        }
        layers.push(loaded);
    }
    if without_toc > 0 {
        let count = image.layers.len();
        notes.push(format!(
            "{reference}: {without_toc} of {count} layers have no TOC, so clients can reuse no file of theirs"
        ));
    }
    Ok(PreviousImage { reference, layers, has })
}

fn rows(toc: &Toc) -> impl Iterator<Item = (TarPath, Option<FileDigest>)> + '_ {
    toc.entries.iter().filter_map(|entry| Some((entry.header.path().ok()?, entry.payload.as_ref().map(|p| p.digest))))
}

fn pull_layer(descriptor: &Descriptor, annotations: &ChunkedAnnotations, toc: &Toc) -> PullLayer {
    let positions = &annotations.positions;
    let files = toc.entries.iter().filter_map(|entry| entry.payload.as_ref());
    let index = PullIndex {
        bytes: positions.toc.len() + positions.tar_split.len(),
        files: files.map(|payload| (payload.digest, Span::between(payload.offset, payload.end_offset))).collect(),
    };
    PullLayer { digest: descriptor.digest, size: descriptor.size, index: Some(index) }
}
