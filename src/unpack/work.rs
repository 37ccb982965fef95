//! The pool that hashes payloads and, unless they are only compared, compresses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::budget::{Budgets, Held};
use super::seen::SeenContent;
use super::{Options, Seen, UnpackError};
use crate::codec::{FrameEncoder, FrameError, Sha256Stream};
use crate::digest::FileDigest;
use crate::inventory::{Frames, Known, Payload, Stored};
use crate::progress::Progress;
use crate::span::Span;
use crate::spool::Spool;
use crate::threads::{self, ThreadError};
use crate::toc::Crc64;

/// Bytes of one piece of a streamed payload, and of the compressed pieces in the spool.
pub(super) const PIECE: usize = 1 << 20;

pub(super) enum Content<'a> {
    Whole(Piece<'a>),
    /// The sender closes the channel when `size` bytes were sent, or earlier when it failed.
    Streamed {
        size: u64,
        pieces: Receiver<Piece<'a>>,
    },
}

/// Bytes with the room that they take.
pub(super) struct Piece<'a> {
    pub bytes: Vec<u8>,
    pub held: Held<'a>,
}

pub(super) struct Job<'a> {
    /// Of the entry in its layer.
    pub index: usize,
    pub content: Content<'a>,
    /// The content is wanted as it is, too: it goes to the spool, since an image can have gigabytes of it.
    pub keep: bool,
    pub done: Sender<(usize, Result<Hashed, UnpackError>)>,
}

/// A payload that a worker is done with.
pub(super) struct Hashed {
    pub payload: Payload,
    pub compiled_from: Option<u32>,
    /// Where the content itself lies, if it was asked for.
    pub kept: Option<Stored>,
}

pub(super) struct Pool<'a> {
    jobs: Sender<Job<'a>>,
    stopped: Arc<AtomicBool>,
    budgets: &'a Budgets,
}

/// Drops what is queued when a worker panics. A channel keeps its jobs though nobody receives any more, and each job holds
/// an end of the channel that its reader waits on.
struct DrainOnPanic<'a> {
    jobs: Receiver<Job<'a>>,
    stop: StopOnPanic<'a>,
}

impl Drop for DrainOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop.stop();
            // Until the pool is gone: a reader may be about to send one.
            self.jobs.iter().for_each(drop);
        }
    }
}

/// Stops a pool when its thread panics: what the thread had is lost, so the others need not go on.
pub(super) struct StopOnPanic<'a> {
    stopped: Arc<AtomicBool>,
    budgets: &'a Budgets,
}

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop();
        }
    }
}

impl StopOnPanic<'_> {
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.budgets.close();
    }
}

impl<'scope> Pool<'scope> {
    /// Workers end when the pool is gone.
    pub fn start(
        scope: &'scope Scope<'scope, '_>,
        options: Options<'scope>,
        spool: &'scope Spool,
        budgets: &'scope Budgets,
        progress: &'scope Progress,
    ) -> Result<(Self, Vec<threads::Worker<'scope, ()>>), ThreadError> {
        let (sender, receiver) = bounded::<Job<'scope>>(1024);
        let pool = Self { jobs: sender, stopped: Arc::default(), budgets };
        let mut workers = Vec::new();
        for _ in 0..options.threads.max(1) {
            let receiver = receiver.clone();
            let drain = DrainOnPanic { jobs: receiver.clone(), stop: pool.stop_on_panic() };
            let work = move || {
                let _drain = drain;
                let mut worker = Worker {
                    encoder: options.level.map(FrameEncoder::new),
                    known: options.known,
                    expect_known: options.expect_known,
                    seen: options.seen,
                    spool,
                    progress,
                    out: Vec::new(),
                };
                for job in receiver {
                    let result = worker.content(job.content, job.keep);
                    let result = result.and_then(|hashed| worker.tell(&hashed).map(|()| hashed));
                    // A reader that failed no longer listens.
                    let _ = job.done.send((job.index, result));
                }
            };
            workers.push(threads::start(scope, work)?);
        }
        Ok((pool, workers))
    }

    pub fn stop_on_panic(&self) -> StopOnPanic<'scope> {
        StopOnPanic { stopped: Arc::clone(&self.stopped), budgets: self.budgets }
    }

    pub fn budgets(&self) -> &'scope Budgets {
        self.budgets
    }

    /// Readers see it at their next entry.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub fn send(&self, job: Job<'scope>) -> Result<(), UnpackError> {
        self.jobs.send(job).map_err(|_| UnpackError::Stopped)
    }
}

struct Worker<'a> {
    /// `None`: content is hashed only.
    encoder: Option<Result<FrameEncoder, FrameError>>,
    known: &'a Known,
    expect_known: bool,
    seen: Option<&'a Seen>,
    spool: &'a Spool,
    progress: &'a Progress,
    out: Vec<u8>,
}

impl Worker<'_> {
    fn content(&mut self, content: Content<'_>, keep: bool) -> Result<Hashed, UnpackError> {
        self.out.clear();
        match content {
            Content::Whole(Piece { bytes: content, held: _held }) => {
                #[cfg(test)]
                super::tests::panic_if_asked(&content);
                self.progress.check()?;
                let mut sums = Sums::default();
                sums.update(&content);
                let spool = self.spool;
                let digest = sums.digest();
                let frames = match (self.had(&digest), self.encoder()?) {
                    (_, None) => Frames::None,
                    (Some(had), _) => had,
                    (None, Some(encoder)) => {
                        let frame = encoder.frame(&content)?;
                        Frames::Whole(Stored::One(spool.append(frame)?))
                    }
                };
                let kept = keep.then(|| spool.append(&content)).transpose()?.map(Stored::One);
                Ok(Hashed { kept, ..sums.hashed(frames) })
            }
            Content::Streamed { size, pieces } => self.streamed(size, &pieces, keep),
        }
    }

    fn streamed(&mut self, size: u64, pieces: &Receiver<Piece<'_>>, keep: bool) -> Result<Hashed, UnpackError> {
        let mut sums = Sums::default();
        let mut kept = keep.then(Vec::new);
        // What is likely known is hashed only. If it is not, the caller reads the layer again.
        let wait = self.encoder.is_some() && self.expect_known && self.is_likely_had(size);
        let mut spans = Vec::new();
        let mut state = if wait { Ok(()) } else { self.begin(size) };
        // All pieces, even after a failure: what is left in the channel holds room that others wait for.
        for Piece { bytes: piece, held: _held } in pieces {
            #[cfg(test)]
            super::tests::panic_if_asked(&piece);
            state = state.and_then(|()| Ok(self.progress.check()?));
            if state.is_ok() {
                sums.update(&piece);
                if let Some(kept) = &mut kept {
                    state = self.spool.append(&piece).map(|span| kept.push(span)).map_err(UnpackError::from);
                }
            }
            if state.is_ok() && !wait {
                state = self.push(&piece, &mut spans);
            }
        }
        state?;
        if sums.hash.bytes() != size {
            // The reader has the cause.
            return Err(UnpackError::Stopped);
        }
        let frames = match wait {
            true => self.had(&sums.digest()).unwrap_or(Frames::None),
            false => self.end(spans)?,
        };
        let kept = kept.map(|spans| Stored::Many(spans.into_boxed_slice()));
        Ok(Hashed { kept, ..sums.hashed(frames) })
    }

    /// Frames of content that a previous image or another layer has.
    fn had(&self, digest: &FileDigest) -> Option<Frames> {
        let known = self.known.frames(digest).cloned();
        known.or_else(|| self.seen.and_then(|seen| seen.frames(digest)))
    }

    fn is_likely_had(&self, size: u64) -> bool {
        self.known.has_size(size) || self.seen.is_some_and(|seen| !seen.is_first(size))
    }

    /// Other layers need not compress it.
    fn tell(&self, hashed: &Hashed) -> Result<(), UnpackError> {
        let Some(seen) = self.seen else { return Ok(()) };
        let content = SeenContent { payload: hashed.payload.clone(), compiled_from: hashed.compiled_from };
        let (_, is_new) = seen.content(content);
        Ok(self.progress.hold(if is_new { Seen::HELD_CONTENT } else { 0 })?)
    }

    fn encoder(&mut self) -> Result<Option<&mut FrameEncoder>, UnpackError> {
        let encoder = self.encoder.as_mut().map(|encoder| encoder.as_mut().map_err(|error| error.clone()));
        Ok(encoder.transpose()?)
    }

    fn begin(&mut self, size: u64) -> Result<(), UnpackError> {
        self.encoder()?.map_or(Ok(()), |encoder| Ok(encoder.begin(size)?))
    }

    fn push(&mut self, piece: &[u8], spans: &mut Vec<Span>) -> Result<(), UnpackError> {
        let Some(Ok(encoder)) = &mut self.encoder else { return Ok(()) };
        encoder.push(piece, &mut self.out)?;
        if self.out.len() >= PIECE {
            spans.push(self.spool.append(&self.out)?);
            self.out.clear();
        }
        Ok(())
    }

    fn end(&mut self, mut spans: Vec<Span>) -> Result<Frames, UnpackError> {
        let Some(Ok(encoder)) = &mut self.encoder else { return Ok(Frames::None) };
        encoder.end(&mut self.out)?;
        spans.push(self.spool.append(&self.out)?);
        Ok(Frames::Whole(Stored::Many(spans.into_boxed_slice())))
    }
}

#[derive(Default)]
struct Sums {
    hash: Sha256Stream,
    crc: Crc64,
    /// The content's first bytes.
    head: [u8; 16],
}

impl Sums {
    fn update(&mut self, content: &[u8]) {
        if self.hash.bytes() == 0 {
            let len = content.len().min(self.head.len());
            self.head[..len].copy_from_slice(&content[..len]);
        }
        self.hash.update(content);
        self.crc.update(content);
    }

    fn digest(&self) -> FileDigest {
        FileDigest::from_bytes(self.hash.clone().finish())
    }

    fn hashed(self, frames: Frames) -> Hashed {
        let compiled_from = compiled_from(&self.head);
        let size = self.hash.bytes();
        let digest = FileDigest::from_bytes(self.hash.finish());
        Hashed { payload: Payload { digest, size, crc64: self.crc.finish(), frames }, compiled_from, kept: None }
    }
}

/// A byte-code file of Python starts with two bytes of version, a line break, flags, and without flags its source's time
/// (PEP 552).
fn compiled_from(head: &[u8; 16]) -> Option<u32> {
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    (head[2..4] == *b"\r\n" && word(4) == 0).then(|| word(8))
}
