//! The package databases that an image shows, and whose each file is.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::{SurveyedImage, Surveyor};
use crate::codec::{FrameDecoder, FrameError, Sha256Stream};
use crate::digest::FileDigest;
use crate::error::Error;
use crate::inventory::Stored;
use crate::limits;
use crate::order::Entry;
use crate::order::tree::{Whiteout, whiteout};
use crate::owner::{Depth, Hint, Needs, Owner, Owners, Problem, Wanted, Warning, is_evidence, wanted};
use crate::registry::RegistryError;
use crate::source::{Image, Layer, Source, SourceError};
use crate::span::Span;
use crate::spool::Spool;
use crate::tar::TarPath;
use crate::toc::{self, Toc};

/// Bytes of a frame that are read at once.
const PIECE: u64 = 1 << 20;

/// A file of a package database.
pub(super) enum Evidence {
    Spooled(Arc<Spool>, Stored),
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
        let is_wanted = row.header.size <= limits::EVIDENCE_BYTES as u64 && is_evidence(&entry.path);
        is_wanted.then(|| (at, frames(row.header.size, payload)))
    };
    toc.entries.iter().zip(entries).enumerate().filter_map(evidence).collect()
}

/// A layer, as far as it tells whose files are.
pub struct Telling<'a, T> {
    pub entries: &'a [Entry],
    /// Package databases, by the numbers of their entries.
    pub evidence: Vec<(usize, T)>,
    /// What entries say of their owner themselves.
    pub hints: &'a [(usize, Hint)],
}

/// Whose the files are that the layers show, bottom first, and what could not be read. `size` is what `read` will bring;
/// of what it brings not, it has told.
pub fn owners<T>(
    layers: Vec<Telling<'_, T>>,
    size: impl Fn(&T) -> u64,
    read: impl FnMut(&TarPath, &T) -> Result<Option<Vec<u8>>, Error>,
) -> Result<(Owners, Vec<Warning>), Error> {
    told(layers, Depth::Owners, size, read).map(|(owners, _, warnings)| (owners, warnings))
}

/// As [`owners`]; and who needs whom, if `depth` asks for it.
fn told<T>(
    layers: Vec<Telling<'_, T>>,
    depth: Depth,
    size: impl Fn(&T) -> u64,
    read: impl FnMut(&TarPath, &T) -> Result<Option<Vec<u8>>, Error>,
) -> Result<(Owners, Needs, Vec<Warning>), Error> {
    let mut hints = Vec::new();
    for Telling { entries, hints: of_layer, .. } in &layers {
        hints.extend(of_layer.iter().map(|(index, hint)| (&entries[*index].path, hint)));
    }
    let evidence = layers.into_iter().map(|layer| (layer.entries, layer.evidence));
    let (files, over) = contents(shown(evidence), depth, size, read)?;
    let files = || files.iter().map(|(path, content)| (path, content.as_slice()));
    let (mut owners, mut warnings) = Owners::read(files());
    let needs = match depth {
        Depth::Owners => Needs::default(),
        Depth::Needs => Needs::read(files(), &owners),
    };
    warnings.extend(over);
    hints.into_iter().for_each(|(path, hint)| owners.hint(path, hint.clone()));
    Ok((owners, needs, warnings))
}

/// What of the evidence the layers show, bottom first: that of a layer goes by the numbers of its entries. An entry that
/// stands for several has the content of each.
fn shown<'a, T>(
    layers: impl IntoIterator<Item = (&'a [Entry], impl IntoIterator<Item = (usize, T)>)>,
) -> BTreeMap<TarPath, Vec<T>> {
    let mut shown: BTreeMap<TarPath, Vec<T>> = BTreeMap::new();
    for (entries, evidence) in layers {
        if !shown.is_empty() {
            for entry in entries {
                match whiteout(&entry.path) {
                    Some(Whiteout::Path(gone)) => {
                        shown.remove(&gone);
                        hide_below(&mut shown, &gone);
                    }
                    Some(Whiteout::Opaque(dir)) => hide_below(&mut shown, &dir),
                    Some(Whiteout::Reserved) | None => {}
                }
            }
        }
        let mut last = None;
        for (index, content) in evidence {
            let contents = shown.entry(entries[index].path.clone()).or_default();
            if last != Some(index) {
                contents.clear();
            }
            contents.push(content);
            last = Some(index);
        }
    }
    shown
}

/// A directory comes right before what is below it.
fn hide_below<T>(shown: &mut BTreeMap<TarPath, T>, dir: &TarPath) {
    let behind = (Bound::Excluded(dir), Bound::Unbounded);
    while let Some(below) = shown.range(behind).next().map(|(path, _)| path.clone()).filter(|path| path.is_below(dir)) {
        shown.remove(&below);
    }
}

/// Files and what is in them.
type Contents = Vec<(TarPath, Vec<u8>)>;

/// Content of package databases, in the order of their paths and as far as it fits into memory. What does not fit is worth
/// a warning.
fn contents<T>(
    shown: BTreeMap<TarPath, Vec<T>>,
    depth: Depth,
    size: impl Fn(&T) -> u64,
    mut read: impl FnMut(&TarPath, &T) -> Result<Option<Vec<u8>>, Error>,
) -> Result<(Contents, Option<Warning>), Error> {
    let (mut files, mut left) = (Vec::new(), limits::EVIDENCE_BYTES as u64);
    let mut over: Option<(TarPath, usize)> = None;
    for (path, evidence) in shown.iter().flat_map(|(path, all)| all.iter().map(move |one| (path, one))) {
        let wanted = wanted(path, depth, |path| shown.contains_key(path));
        let size = if wanted == Wanted::Content { size(evidence) } else { 0 };
        match left.checked_sub(size).filter(|_| files.len() < limits::EVIDENCE_FILES) {
            _ if wanted == Wanted::Nothing => {}
            None => over.get_or_insert((path.clone(), 0)).1 += 1,
            Some(_) if wanted == Wanted::Name => files.push((path.clone(), Vec::new())),
            Some(rest) => {
                left = rest;
                files.extend(read(path, evidence)?.map(|content| (path.clone(), content)));
            }
        }
    }
    let warning = over.map(|(path, count)| Warning { path, problem: Problem::TooLarge { count } });
    Ok((files, warning))
}

impl Surveyor<'_> {
    /// Whose the files are that an image shows. `source` and `image` are those that it was surveyed from. What can't be
    /// read is worth a note, and its files have no owner.
    pub fn owners(&mut self, of: &SurveyedImage, source: &Source, image: &Image) -> Result<Owners, Error> {
        self.owners_and(Depth::Owners, of, source, image).map(|(owners, _)| owners)
    }

    /// As [`Self::owners`]; and who needs whom, which costs a registry a request more for each Python distribution.
    pub fn owners_and_needs(
        &mut self,
        of: &SurveyedImage,
        source: &Source,
        image: &Image,
    ) -> Result<(Owners, Needs), Error> {
        self.owners_and(Depth::Needs, of, source, image)
    }

    fn owners_and(
        &mut self,
        depth: Depth,
        of: &SurveyedImage,
        source: &Source,
        image: &Image,
    ) -> Result<(Owners, Needs), Error> {
        let notes = &mut self.notes;
        let layers = of.layers.iter().zip(&image.layers).map(|(surveyed, layer)| Telling {
            entries: &surveyed.entries,
            evidence: surveyed.evidence.iter().map(|(index, evidence)| (*index, (layer, evidence))).collect(),
            hints: &surveyed.hints,
        });
        let size = |(_, evidence): &(&Layer, &Evidence)| match evidence {
            Evidence::Spooled(_, stored) => stored.len(),
            Evidence::Frames(frames) => frames.size,
        };
        let (mut owners, needs, warnings) =
            told(layers.collect(), depth, size, |path, (layer, evidence)| match evidence {
                Evidence::Spooled(spool, stored) => Ok(Some(spool.read_all(stored.spans())?)),
                Evidence::Frames(frames) => match decoded(source, layer, frames)? {
                    Ok(content) => Ok(Some(content)),
                    Err(fault) => {
                        notes.push(format!("{}: {path}: {fault}; its files have no owner", of.reference));
                        Ok(None)
                    }
                },
            })?;
        notes.extend(warnings.iter().map(|warning| format!("{}: {warning}", of.reference)));
        owners.name(&self.resources.named);
        Ok((owners, needs))
    }
}

/// The outer error is about reading, the inner one about the content.
fn decoded(source: &Source, layer: &Layer, frames: &Frames) -> Result<Result<Vec<u8>, String>, Error> {
    let Some(blob) = source.layer_bytes(layer)? else { return Ok(Err("the layer has no blob".to_owned())) };
    let mut decoder = FrameDecoder::new()?;
    decoder.begin()?;
    // The sizes of all of them were counted before.
    let (mut content, mut buffer) = (Vec::with_capacity(frames.size as usize), Vec::new());
    let mut at = frames.span.start();
    while at < frames.span.end() {
        buffer.resize(PIECE.min(frames.span.end() - at) as usize, 0);
        if let Err(fault) = blob.read_exact_at(&mut buffer, at) {
            if RegistryError::of(&fault).is_some() {
                return Err(SourceError::Network(fault).into());
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> TarPath {
        TarPath::new(name.as_bytes()).unwrap()
    }

    #[test]
    fn what_does_not_fit_into_memory_is_left_out_with_one_warning() {
        let half = limits::EVIDENCE_BYTES as u64 / 2;
        let shown: BTreeMap<TarPath, Vec<u64>> =
            [("a", half), ("b", half + 1), ("c", half), ("d", 1)].map(|(name, size)| (path(name), vec![size])).into();
        let mut read = Vec::new();
        let (files, warning) = contents(
            shown,
            Depth::Owners,
            |size| *size,
            |path, _| {
                read.push(path.to_string());
                Ok((path.to_string() != "/c").then(|| vec![1]))
            },
        )
        .unwrap();
        assert_eq!(read, ["/a", "/c"]);
        assert_eq!(files, [(path("a"), vec![1])]);
        let warning = warning.unwrap().to_string();
        assert!(warning.starts_with("/b: not read") && warning.contains("1 more"), "{warning}");
    }

    #[test]
    fn what_says_nothing_more_is_not_read() {
        let dist = |file: &str| path(&format!("s/six-1.dist-info/{file}"));
        let names = [dist("METADATA"), dist("top_level.txt"), path("s/yaml-1.dist-info/top_level.txt"), dist("RECORD")];
        let shown: BTreeMap<TarPath, Vec<u64>> = names.map(|name| (name, vec![1])).into();
        let mut read = Vec::new();
        let (files, _) = contents(
            shown,
            Depth::Owners,
            |size| *size,
            |path, _| {
                read.push(path.clone());
                Ok(Some(vec![1]))
            },
        )
        .unwrap();
        assert_eq!(read, [dist("RECORD"), path("s/yaml-1.dist-info/top_level.txt")]);
        assert!(files.contains(&(dist("METADATA"), Vec::new())) && files.len() == 3, "{files:?}");
    }

    #[test]
    fn whiteouts_hide_what_lower_layers_show() {
        use crate::order::tree::tests::entry;
        use crate::tar::EntryKind::Regular;
        let of = |names: &[&str]| names.iter().map(|name| entry(name, Regular, "")).collect::<Vec<_>>();
        let lower = of(&["a/x", "a/y/z", "a-", "b/x", "c"]);
        let upper = of(&[".wh.a", "b/.wh..wh..opq", "b/n", "c"]);
        let all =
            shown([(lower.as_slice(), (0..5).map(|at| (at, 0)).collect::<Vec<_>>()), (&upper, vec![(2, 1), (3, 1)])]);
        let all: Vec<(String, Vec<i32>)> = all.into_iter().map(|(path, layer)| (path.to_string(), layer)).collect();
        assert_eq!(all, [("/a-", 0), ("/b/n", 1), ("/c", 1)].map(|(path, layer)| (path.to_owned(), vec![layer])));
    }

    #[test]
    fn an_entry_can_stand_for_several_files() {
        use crate::order::tree::tests::entry;
        use crate::tar::EntryKind::Regular;
        let layer = [entry("status", Regular, ""), entry("status", Regular, "")];
        let of = |evidence: &[(usize, i32)]| shown([(layer.as_slice(), evidence.to_vec())])[&path("status")].clone();
        assert_eq!((of(&[(1, 7), (1, 8)]), of(&[(0, 7), (1, 8)])), (vec![7, 8], vec![8]));
    }
}
