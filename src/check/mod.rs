//! fsck for images.
//!
//! A layer with a TOC is [audited](crate::audit); `plain` asks of one without for digest, DiffID, and that the tar can be
//! read.
//!
//! What is wrong is a problem; what only costs requests or is unusual is a remark. At last all layers' entries are
//! looked at together: can a client extract them? Memory holds the entries, and one layer's TOC and frame offsets for
//! each thread, never content.

mod plain;
mod twin;

use crate::audit::{Audited, Blob, Findings, Said, audit};
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::inventory::{held_bytes, toc_entries_noted};
use crate::job::JobOptions;
use crate::oci::{Descriptor, Platform, Reference};
use crate::order::{Entry, OverlayMark, broken_entry};
use crate::progress::{Phase, Progress, SizeLimit};
pub use crate::remark::Remark;
use crate::source::{Image, Layer, Source, stored_bytes};
use crate::threads;
use crate::toc::TOC_DIGEST;

#[derive(Debug, Clone)]
pub struct CheckReport {
    /// What is wrong with indexes, manifests and configs: no image can be seen behind them.
    pub problems: Vec<String>,
    pub images: Vec<CheckedImage>,
    /// What was left out of what the reference names.
    pub notes: Vec<String>,
}

impl CheckReport {
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.images.iter().all(|image| image.problems().next().is_none())
    }
}

#[derive(Debug, Clone)]
pub struct CheckedImage {
    pub platform: Option<Platform>,
    pub layers: Vec<CheckedLayer>,
    /// The gzip image of the same platform.
    pub twin: Option<CheckedTwin>,
}

impl CheckedImage {
    /// Its own layers, and then those of its twin.
    pub fn all_layers(&self) -> impl Iterator<Item = &CheckedLayer> {
        self.layers.iter().chain(self.twin.iter().flat_map(|twin| &twin.layers))
    }

    pub fn problems(&self) -> impl Iterator<Item = &String> {
        let twin = self.twin.iter().flat_map(|twin| &twin.problems);
        self.all_layers().flat_map(|layer| &layer.problems).chain(twin)
    }
}

#[derive(Debug, Clone)]
pub struct CheckedTwin {
    pub digest: Option<BlobDigest>,
    pub layers: Vec<CheckedLayer>,
    /// Where it is another image than the zstd one.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct CheckedLayer {
    /// Of the blob; for a root file system, of the tar that was made of it.
    pub digest: BlobDigest,
    /// Bytes of the blob.
    pub size: u64,
    /// "zstd:chunked, index first", "zstd:chunked, index last", "gzip", "zstd" or "tar".
    pub kind: &'static str,
    pub entries: u64,
    /// zstd frames with content, where they were counted.
    pub frames: u64,
    /// Most bytes between two neighbouring files' contents.
    pub largest_gap: u64,
    pub problems: Vec<String>,
    pub remarks: Vec<Remark>,
}

/// Checks every layer of the image; fails only when it can't be asked, and not when something in it is damaged.
pub fn check(
    reference: &Reference,
    platform: Option<&Platform>,
    options: JobOptions,
    progress: &Progress,
) -> Result<CheckReport, Error> {
    let opened =
        options.open(reference, progress).and_then(|source| source.images(platform).map(|images| (source, images)));
    let (source, images) = match opened {
        Ok(opened) => opened,
        Err(error) if error.is_damage() => {
            return Ok(CheckReport { problems: vec![error.to_string()], images: Vec::new(), notes: Vec::new() });
        }
        Err(error) => return Err(error.into()),
    };
    let checked = images.iter().map(|image| {
        progress.give_all_back();
        let job = Job { source: &source, options: &options, progress, size: &progress.size_limit() };
        let layers = job.layers(image)?;
        progress.give_all_back();
        let twin = image.twin.as_deref().map(|twin| {
            let (digest, problems) = (twin.manifest_digest, twin::problems(image));
            // An image of its own.
            let job = Job { size: &progress.size_limit(), ..job };
            Ok::<_, Error>(CheckedTwin { digest, layers: job.layers(twin)?, problems })
        });
        Ok(CheckedImage { platform: image.platform.clone(), layers, twin: twin.transpose()? })
    });
    let images = checked.collect::<Result<_, Error>>()?;
    Ok(CheckReport { problems: Vec::new(), images, notes: source.take_notes() })
}

/// What checking any layer needs.
#[derive(Clone, Copy)]
struct Job<'a> {
    source: &'a Source<'a>,
    options: &'a JobOptions,
    progress: &'a Progress,
    size: &'a SizeLimit,
}

impl Job<'_> {
    /// Several layers at once, since each is one thread's work.
    fn layers(&self, image: &Image) -> Result<Vec<CheckedLayer>, Error> {
        self.progress.begin(Phase::Reading, stored_bytes(&image.layers));
        let looked = threads::each(self.options.threads, image.layers.len(), |index| self.layer(&image.layers[index]))?;
        let (mut checked, entries): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
        extracted(&mut checked, &entries);
        Ok(checked)
    }

    fn layer(&self, layer: &Layer) -> Result<Looked, Error> {
        self.progress.check()?;
        let mut findings = Findings::default();
        let mut checked = CheckedLayer {
            digest: named(layer),
            size: layer.descriptor.as_ref().map_or(0, |descriptor| descriptor.size),
            kind: "",
            entries: 0,
            frames: 0,
            largest_gap: 0,
            problems: Vec::new(),
            remarks: Vec::new(),
        };
        let is_chunked = layer.descriptor.as_ref().is_some_and(|d| d.annotation(TOC_DIGEST).is_some());
        let entries = match self.source.layer_bytes(layer) {
            Ok(Some(bytes)) => {
                let blob = Blob::new(bytes, self.source.reference().path());
                checked.size = blob.len();
                let looked = match layer.descriptor.as_ref().filter(|_| is_chunked) {
                    Some(descriptor) => self.chunked(layer, descriptor, &blob, &mut checked, &mut findings),
                    None => self.plain(layer, Some(&blob), &mut checked, &mut findings),
                };
                match looked {
                    // A registry finds damage while the layer is read.
                    Err(Error::Source(error)) if error.is_damage() => {
                        findings.problem(error.to_string());
                        None
                    }
                    looked => looked?,
                }
            }
            Ok(None) => self.plain(layer, None, &mut checked, &mut findings)?,
            Err(error) if error.is_damage() => {
                checked.kind = if is_chunked { "zstd:chunked" } else { "unread" };
                findings.problem(error.to_string());
                None
            }
            Err(error) => return Err(error.into()),
        };
        (checked.problems, checked.remarks) = findings.into_lists();
        Ok((checked, entries))
    }
}

impl Job<'_> {
    fn chunked(
        &self,
        layer: &Layer,
        descriptor: &Descriptor,
        blob: &Blob,
        checked: &mut CheckedLayer,
        findings: &mut Findings,
    ) -> Result<Option<Vec<Entry>>, Error> {
        let said = Said { descriptor, compression: layer.compression, diff_id: layer.diff_id };
        let Audited { is_first, frames, largest_gap, toc } = audit(said, blob, findings, self.size, self.progress)?;
        (checked.frames, checked.largest_gap) = (frames, largest_gap);
        checked.kind = match is_first {
            Some(true) => "zstd:chunked, index first",
            Some(false) => "zstd:chunked, index last",
            None => "zstd:chunked",
        };
        checked.entries = toc.as_ref().map_or(0, |toc| toc.entries.len() as u64);
        let (entries, notes) = toc.as_ref().map(toc_entries_noted).unzip();
        notes.into_iter().flatten().for_each(|note: Remark| findings.remark(note));
        self.progress.hold(entries.as_deref().map_or(0, held_bytes))?;
        Ok(entries)
    }
}

/// A layer, and its entries if they can be read.
type Looked = (CheckedLayer, Option<Vec<Entry>>);

/// What stands above a layer that can't be read can't be judged.
fn extracted(checked: &mut [CheckedLayer], entries: &[Option<Vec<Entry>>]) {
    for (checked, entries) in checked.iter_mut().zip(entries) {
        checked.remarks.extend(marked(entries.as_deref().unwrap_or_default()));
    }
    let readable: Vec<&[Entry]> = entries.iter().map_while(Option::as_deref).collect();
    if let Some((layer, broken)) = broken_entry(&readable) {
        checked[layer].problems.push(broken.to_string());
    }
}

/// Entries with what overlayfs takes for its own.
fn marked(entries: &[Entry]) -> Option<Remark> {
    let mut marked = entries.iter().filter(|entry| entry.overlay != OverlayMark::None);
    let first = marked.next()?;
    Some(Remark::counted(
        1 + marked.count() as u64,
        "entry has something that overlayfs takes for its own (trusted.overlay.*, user.overlay.*, a device 0:0): \
         clients differ in what they show there",
        "entries have something that overlayfs takes for its own (trusted.overlay.*, user.overlay.*, a device 0:0): \
         clients differ in what they show there",
        Some(first.path.to_string()),
    ))
}

/// A docker-archive stores the tar itself, whose digest is the DiffID.
fn named(layer: &Layer) -> BlobDigest {
    let tar = layer.diff_id.map_or([0; 32], |diff_id| *diff_id.as_bytes());
    layer.descriptor.as_ref().map_or(BlobDigest::from_bytes(tar), |descriptor| descriptor.digest)
}
