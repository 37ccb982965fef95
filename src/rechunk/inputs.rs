//! What a run reads, image by image.

use crate::cache::Claim;
use crate::degraded::{Code, Notes};
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::oci::{Descriptor, Index, Platform, Reference};
use crate::progress::Progress;
use crate::push::LeftBehind;
use crate::registry::Traffic;
use crate::source::{Image, Source};
use crate::spool::Spool;
use crate::survey::old::{Ask, OldImages, Plannable};
use crate::unpack::UnpackedLayer;
use crate::watch::Trace;

use super::image::{Job, Layout};
use super::layers::{Written, note_written};
use super::merge::{self, Others};
use super::output::Output;
use super::read::{Reader, parts};
use super::sizes::check_sizes;
use super::twin::GzipSizes;
use super::unmatched::Unmatched;
use super::{ImageOutcome, PlannedImage, Request, attached, ostree, partial};

pub(super) struct Inputs<'a> {
    request: &'a Request,
    ask: Ask<'a>,
    source: Source<'a>,
    images: Vec<Image>,
    /// What else is laid over each other with these images.
    others: Others<'a>,
    old: OldImages<'a>,
}

/// All images, before anything points at them.
pub(super) struct Finished {
    pub images: Vec<ImageOutcome>,
    /// Those of the images, and behind them those of artifacts.
    pub manifests: Vec<Descriptor>,
    pub proofs: Vec<Proof>,
}

/// What the next run need not ask of a layer.
pub(super) type Proof = (BlobDigest, Claim, Option<Trace>);

impl<'a> Inputs<'a> {
    pub fn open(request: &'a Request, ask: Ask<'a>, progress: &'a Progress, notes: &mut Notes) -> Result<Self, Error> {
        let (source, images, others) = match &request.merge {
            Some(merge) => merge::open(request, merge, progress, notes)?,
            None => {
                let (source, images) = open_new(request, &request.new, progress, notes)?;
                (source, images, Others::default())
            }
        };
        Ok(Self { request, ask, source, images, others, old: OldImages::open(ask, progress, notes)? })
    }

    /// The index that led to the images.
    pub fn index(&self) -> Option<&Index> {
        self.images.first().and_then(|image| image.index.as_deref())
    }

    /// What refers to the newest previous image, if that is in a registry, and is none of these.
    pub fn left_behind(&self, others: &[BlobDigest]) -> Option<LeftBehind> {
        self.old.left_behind(0, others)
    }

    /// The platforms of the images.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.images.iter().filter_map(|image| image.platform.as_ref())
    }

    fn all_sources(&self) -> impl Iterator<Item = &Source<'a>> {
        std::iter::once(&self.source).chain(self.others.sources())
    }

    /// What went over the network to read them.
    pub fn traffic(&self) -> Traffic {
        self.all_sources().map(Source::traffic).chain([self.old.traffic()]).sum()
    }

    /// Writes every image.
    pub fn write<'s>(
        &'s self,
        output: Output<'_, 's>,
        progress: &Progress,
        notes: &mut Notes,
    ) -> Result<Finished, Error> {
        let (mut proofs, mut hides_indexes) = (Vec::new(), None);
        let attached: Vec<_> = self.all_sources().map(|source| (source, source.take_attached())).collect();
        let written = self.each(progress, notes, |job, unpacked, layout, notes| {
            expect_strict(self.request, notes)?;
            let labels = job.labels(layout, &unpacked.iter().collect::<Vec<_>>(), notes)?;
            let level = job.reframe(unpacked, layout)?;
            let written = job.write(output, unpacked, &layout.plan, level)?;
            note_written(&written, notes);
            expect_strict(self.request, notes)?;
            proofs.extend(written.iter().flat_map(Written::proofs));
            let hides = match hides_indexes {
                Some(hides) => hides,
                None => partial::hides_indexes(self.request, output, &written, notes)?,
            };
            hides_indexes = Some(hides);
            job.publish(output, layout, written, &labels, hides)
        })?;
        let (images, manifests): (_, Vec<Vec<Descriptor>>) = written.into_iter().unzip();
        let mut manifests: Vec<Descriptor> = manifests.into_iter().flatten().collect();
        for (source, attached) in attached {
            let artifacts = attached::hand_on(&attached, source, output, &manifests, notes)?;
            manifests.extend(artifacts);
        }
        Ok(Finished { images, manifests, proofs })
    }

    /// What would be written.
    pub fn plan(&self, progress: &Progress, notes: &mut Notes) -> Result<Vec<PlannedImage>, Error> {
        let attached: Vec<_> = self.all_sources().flat_map(Source::take_attached).collect();
        attached::note_planned(&attached, notes);
        self.each(progress, notes, |job, unpacked, layout, _| {
            Ok(job.planned(layout, &unpacked.iter().collect::<Vec<_>>()))
        })
    }

    /// Reads and plans every image; `finish` does the rest of the work on it.
    fn each<'s, T>(
        &'s self,
        progress: &Progress,
        notes: &mut Notes,
        mut finish: impl FnMut(&Job<'_, 's>, &mut [UnpackedLayer], &mut Layout, &mut Notes) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let Self { request, source, .. } = self;
        note_absent(source, notes);
        let (mut finished, mut unmatched) = (Vec::new(), Unmatched::default());
        for (number, image) in self.images.iter().enumerate() {
            progress.give_all_back();
            ostree::check_config(request, image)?;
            let spool = Spool::new(&request.resources.spool_dir)?;
            let opened = self.old.load(image.platform.as_ref(), progress, notes)?;
            check_sizes(request, image)?;
            let stack = self.others.around(number, (source, image));
            let (parts, images) = parts(stack.iter().copied());
            let reader = Reader { request, parts: &parts, images: &images, spool: &spool, progress };
            let (unpacked, old) = reader.read(opened, self.ask, notes)?;
            let old = only(old)?;
            let gzip_sizes = GzipSizes::new(progress);
            let job = Job { request, source, image, old, spool: &spool, progress, gzip_sizes };
            let (mut unpacked, differences) = match &request.merge {
                Some(merge) => {
                    let (layer, differences) = job.merged(merge, &stack, &images, unpacked, notes)?;
                    (vec![layer], differences)
                }
                None => (unpacked, Vec::new()),
            };
            let layers: Vec<&UnpackedLayer> = unpacked.iter().collect();
            let mut layout = Layout { differences, ..job.layout(&layers, notes)? };
            job.check_planned_sizes(&layout.plan)?;
            unmatched.add(job.unmatched(&layers));
            if number + 1 == self.images.len() {
                std::mem::take(&mut unmatched).note(notes);
            }
            // A package database can have hundreds of megabytes.
            unpacked.iter_mut().for_each(|layer| layer.inventory.evidence = Vec::new());
            finished.push(finish(&job, &mut unpacked, &mut layout, notes)?);
        }
        notes.extend(source.take_notes());
        Ok(finished)
    }
}

/// A new image, and what it is for each platform.
pub(super) fn open_new<'a>(
    request: &'a Request,
    new: &Reference,
    progress: &'a Progress,
    notes: &mut Notes,
) -> Result<(Source<'a>, Vec<Image>), Error> {
    let source = request.resources.open(new, progress)?;
    let source = source.with_config(request.config.clone());
    let images = source.images(request.platform.as_ref())?;
    if request.formats.has_twin() && images.iter().any(|image| image.platform.is_none()) {
        return Err(Error::NoPlatform { reference: source.reference().to_string() });
    }
    for image in &images {
        // One of them alone would be written, and some clients would then get the other one's files.
        if let Some(reason) = image.twin_differences().into_iter().next() {
            return Err(Error::Twins { reference: source.reference().to_string(), reason });
        }
        if image.twin.is_some() && !request.formats.has_gzip() {
            notes.push(format!(
                    "{} has a gzip image beside the zstd image, and this run writes none: clients that cannot read zstd can't \
                     pull the result (--twin gzip writes both)",
                    source.reference()
                ));
        }
    }
    Ok((source, images))
}

/// What NEW has nothing for.
pub(super) fn note_absent(source: &Source<'_>, notes: &mut Notes) {
    let absent = |note| format!("{note} (--platform takes the one that is meant)");
    source.take_absent().into_iter().for_each(|note| notes.degraded(Code::PlatformAbsent, absent(note)));
    notes.extend(source.take_notes());
}

/// Of an image alone.
fn only(members: Vec<Plannable<'_>>) -> Result<Plannable<'_>, Error> {
    members.into_iter().next().ok_or(Error::Internal("an image without old images"))
}

pub(super) fn expect_strict(request: &Request, notes: &Notes) -> Result<(), Error> {
    match notes.degradations() {
        [_, ..] if request.strict => Err(Error::Strict { degraded: notes.degradations().to_vec() }),
        _ => Ok(()),
    }
}
