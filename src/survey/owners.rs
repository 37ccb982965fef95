//! The package databases that an image shows, and whose each file is.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt as _;

use super::SurveyedImage;
use crate::codec::{FrameDecoder, FrameError, Sha256Stream};
use crate::digest::FileDigest;
use crate::error::Error;
use crate::limits;
use crate::order::Entry;
use crate::order::tree::{Whiteout, whiteout};
use crate::owner::{Owner, Owners, is_evidence};
use crate::source::{Image, Layer, Source};
use crate::span::Span;
use crate::tar::TarPath;
use crate::toc::{self, Toc};

/// Bytes of a frame that are read at once.
const PIECE: u64 = 1 << 20;

/// A file of a package database.
pub(super) enum Evidence {
    Content(Vec<u8>),
    /// In frames of the layer's blob.
    Frames(Frames),
}

#[derive(Clone, Copy)]
pub(super) struct Frames {
    span: Span,
    /// Bytes of content.
    size: u64,
    digest: FileDigest,
}

/// The package databases in a layer with a TOC. They are read only when an image shows them.
pub(super) fn in_frames(toc: &Toc, entries: &[Entry]) -> Vec<(usize, Evidence)> {
    let frames = |size: u64, payload: &toc::Payload| {
        let span = Span::between(payload.offset, payload.end_offset);
        Evidence::Frames(Frames { span, size, digest: payload.digest })
    };
    let evidence = |(at, (row, entry)): (usize, (&toc::TocEntry, &Entry))| {
        let payload = row.payload.as_ref()?;
        let is_wanted = row.header.size <= limits::EVIDENCE_FILE_BYTES as u64 && is_evidence(&entry.path);
        is_wanted.then(|| (at, frames(row.header.size, payload)))
    };
    toc.entries.iter().zip(entries).enumerate().filter_map(evidence).collect()
}

/// What of the evidence the layers show, bottom first: that of a layer goes by the numbers of its entries.
pub fn shown<'a, T>(
    layers: impl IntoIterator<Item = (&'a [Entry], impl IntoIterator<Item = (usize, T)>)>,
) -> BTreeMap<&'a TarPath, T> {
    let mut shown: BTreeMap<&TarPath, T> = BTreeMap::new();
    for (entries, evidence) in layers {
        if !shown.is_empty() {
            for entry in entries {
                match whiteout(&entry.path) {
                    Some(Whiteout::Path(gone)) => shown.retain(|path, _| **path != gone && !path.is_below(&gone)),
                    Some(Whiteout::Opaque(dir)) => shown.retain(|path, _| !path.is_below(&dir)),
                    Some(Whiteout::Reserved) | None => {}
                }
            }
        }
        shown.extend(evidence.into_iter().map(|(index, content)| (&entries[index].path, content)));
    }
    shown
}

impl SurveyedImage {
    /// Whose the files are that the image shows. `source` and `image` are those that it was surveyed from. What can't be
    /// read is worth a note, and its files have no owner.
    pub fn owners(&self, source: &Source, image: &Image, notes: &mut Vec<String>) -> Result<Owners, Error> {
        let layers = self.layers.iter().zip(&image.layers).map(|(surveyed, layer)| {
            let evidence = surveyed.evidence.iter().map(move |(index, evidence)| (*index, (layer, evidence)));
            (surveyed.entries.as_slice(), evidence)
        });
        let mut files: Vec<(&TarPath, Cow<'_, [u8]>)> = Vec::new();
        for (path, (layer, evidence)) in shown(layers) {
            match evidence {
                Evidence::Content(content) => files.push((path, Cow::Borrowed(content))),
                Evidence::Frames(frames) => match decoded(source, layer, frames)? {
                    Ok(content) => files.push((path, Cow::Owned(content))),
                    Err(fault) => notes.push(format!("{}: {path}: {fault}; its files have no owner", self.reference)),
                },
            }
        }
        let (mut owners, warnings) = Owners::read(files.iter().map(|(path, content)| (*path, content.as_ref())));
        notes.extend(warnings.iter().map(|warning| format!("{}: {warning}", self.reference)));
        for layer in &self.layers {
            for (index, hint) in &layer.hints {
                owners.hint(&layer.entries[*index].path, hint.clone());
            }
        }
        Ok(owners)
    }
}

/// The outer error is about reading, the inner one about the content.
fn decoded(source: &Source, layer: &Layer, frames: &Frames) -> Result<Result<Vec<u8>, String>, Error> {
    let Some((file, blob)) = source.layer_file(layer)? else { return Ok(Err("the layer has no blob".to_owned())) };
    let mut decoder = FrameDecoder::new()?;
    decoder.begin()?;
    let (mut content, mut buffer) = (Vec::new(), Vec::new());
    let mut at = frames.span.start();
    while at < frames.span.end() {
        buffer.resize(PIECE.min(frames.span.end() - at) as usize, 0);
        if let Err(fault) = file.read_exact_at(&mut buffer, blob.start() + at) {
            return Ok(Err(fault.to_string()));
        }
        at += buffer.len() as u64;
        let pushed = decoder.push(&buffer, |piece| {
            content.extend_from_slice(piece);
            match content.len() as u64 > frames.size {
                true => Err(FrameError::Size { expected: frames.size, found: content.len() as u64 }),
                false => Ok(()),
            }
        });
        if let Err(fault) = pushed {
            return Ok(Err(fault.to_string()));
        }
    }
    let found = FileDigest::from_bytes(Sha256Stream::of(&content));
    Ok(match found == frames.digest {
        true => Ok(content),
        false => Err(format!("expected content with the digest {}, found {found}", frames.digest)),
    })
}

/// Owners as numbers, from 0 in the order in which they are met.
#[derive(Default)]
pub struct Roll<'a> {
    numbers: HashMap<Owner<'a>, u32>,
    /// By their numbers.
    pub names: Vec<String>,
}

impl<'a> Roll<'a> {
    pub fn number(&mut self, owner: Owner<'a>) -> u32 {
        let names = &mut self.names;
        *self.numbers.entry(owner).or_insert_with_key(|owner| {
            names.push(owner.to_string());
            names.len() as u32 - 1
        })
    }
}
