//! Whether a zstd:chunked layer is what it says, as strict as the strictest client.
//!
//! | file | asks |
//! | --- | --- |
//! | `frames` | is the blob a chain of whole frames, has it its digest, and what it unpacks to its DiffID? |
//! | `index` | do annotations, footer, TOC and frames agree? |
//! | `split`, `rebuild`, `compare` | does tar-split say what the TOC says, and do both make the DiffID's tar? |
//! | `payloads` | is each file's content where the TOC says, and is it what the TOC says? |
//! | `order` | gaps, parents, hard links |
//! | `pass` | all of this in one pass, for a layer that is sound |
//!
//! The blob is read twice: once front to back as a plain client does, once by the TOC's offsets as podman does. Memory
//! holds the TOC and the frames' offsets, never content.

mod blob;
mod compare;
mod findings;
mod frame_header;
mod frames;
#[doc(hidden)]
pub mod fuzz;
mod index;
mod order;
mod pass;
mod payloads;
mod rebuild;
mod split;

#[cfg(test)]
mod pass_tests;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard};

use crate::compression::Compression;
use crate::digest::DiffId;
use crate::error::Error;
use crate::limits;
use crate::oci::Descriptor;
use crate::progress::{Progress, SizeLimit, Stop, TooLarge};
use crate::threads::lock;
use crate::toc::Toc;

use frames::{Cause, Frames, Observer, Watch};

pub use blob::Blob;
pub use findings::Findings;
pub use pass::fault;

/// Part of what is remembered of a proof. Raise it when an audit asks more than before: old proofs then count no longer.
pub const RULES: u32 = 1;

/// What a manifest and a config say of a layer.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub descriptor: &'a Descriptor,
    pub compression: Compression,
    pub diff_id: Option<DiffId>,
}

/// What a layer was found to be, beside the findings.
#[derive(Debug)]
pub struct Audited {
    /// Whether the index stands at the front; `None` when the annotations lead to none.
    pub is_first: Option<bool>,
    /// zstd frames with content.
    pub frames: u64,
    /// Most bytes between two neighbouring files' contents.
    pub largest_gap: u64,
    /// `None` when it can't be read.
    pub toc: Option<Toc>,
}

/// Fails only when the layer can't be asked, and not when something in it is damaged.
///
/// `size` is that of the image. Each byte that the layer unpacks to counts once.
pub fn audit(
    said: Said<'_>,
    blob: &Blob,
    findings: &mut Findings,
    size: &SizeLimit,
    progress: &Progress,
) -> Result<Audited, Error> {
    let watch = Watch { size, progress };
    let frames = walk(said, blob, &mut (), findings, watch)?;
    with_frames(&frames, progress, || index_of(said, blob, &frames, findings, progress))
}

fn walk(
    said: Said<'_>,
    blob: &Blob,
    observer: &mut dyn Observer,
    findings: &mut Findings,
    watch: Watch<'_>,
) -> Result<Frames, Error> {
    let asked = (said.descriptor.digest, said.diff_id);
    frames::walk(blob, asked, observer, findings, watch).map_err(|cause| match cause {
        Cause::Stop(Stop::Interrupted(interrupted)) => interrupted.into(),
        Cause::Stop(Stop::TooLarge(source)) => too_large(said, blob, source),
        Cause::Error(error) => error,
    })
}

fn too_large(said: Said<'_>, blob: &Blob, source: TooLarge) -> Error {
    let reference = blob.path().display().to_string();
    Error::TooLarge { reference, layer: said.descriptor.digest.to_string(), source }
}

/// With memory set aside for the frames.
fn with_frames<T>(frames: &Frames, progress: &Progress, ask: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let held = limits::HELD_FRAME * (frames.starts.len() + frames.skippable.len()) as u64;
    progress.hold(held)?;
    let asked = ask();
    progress.give_back(held);
    asked
}

/// Held while a large TOC is in memory: one at a time, see [`limits::TOC_ALONE_BYTES`].
fn alone(descriptor: &Descriptor) -> Option<MutexGuard<'static, ()>> {
    static LARGE: Mutex<()> = Mutex::new(());
    let is_large = index::toc_bytes(descriptor).is_some_and(|bytes| bytes > limits::TOC_ALONE_BYTES);
    is_large.then(|| lock(&LARGE))
}

fn index_of(
    said: Said<'_>,
    blob: &Blob,
    frames: &Frames,
    findings: &mut Findings,
    progress: &Progress,
) -> Result<Audited, Error> {
    let Said { descriptor, compression, diff_id } = said;
    let _alone = alone(descriptor);
    let mut audited = Audited { is_first: None, frames: frames.starts.len() as u64, largest_gap: 0, toc: None };
    let Some(mut index) = index::read(descriptor, compression, blob, frames, findings, progress)? else {
        return Ok(audited);
    };
    audited.is_first = Some(index.is_first);
    if let Some(toc) = &index.toc {
        audited.largest_gap = order::check(toc, findings);
        rebuild::rebuild(blob, frames, (&index, toc), diff_id, findings, progress)?;
    }
    audited.toc = index.toc.take();
    Ok(audited)
}
