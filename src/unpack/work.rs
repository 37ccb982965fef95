//! The pool that hashes payloads and, unless they are only compared, compresses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::budget::{Budgets, ByteBudget};
use super::{Options, UnpackError};
use crate::codec::{FrameEncoder, FrameError, Sha256Stream};
use crate::digest::FileDigest;
use crate::inventory::{Frame, Payload, Stored};
use crate::progress::Progress;
use crate::span::Span;
use crate::spool::Spool;
use crate::toc::Crc64;

/// Bytes of one piece of a streamed payload, and of the compressed pieces in the spool.
pub(super) const PIECE: usize = 1 << 20;

pub(super) enum Content {
    Whole(Vec<u8>),
    /// The sender closes the channel when `size` bytes were sent, or earlier when it failed.
    Streamed {
        size: u64,
        pieces: Receiver<Vec<u8>>,
    },
}

pub(super) struct Job {
    pub item: usize,
    pub content: Content,
    pub done: Sender<(usize, Result<Payload, UnpackError>)>,
}

#[derive(Clone)]
pub(super) struct Pool {
    jobs: Sender<Job>,
    stopped: Arc<AtomicBool>,
}

impl Pool {
    /// Workers end when every clone of the pool is gone.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        options: Options,
        spool: &'scope Spool,
        budgets: &'scope Budgets,
        progress: &'scope Progress,
    ) -> Self {
        let (sender, receiver) = bounded::<Job>(1024);
        for _ in 0..options.threads.max(1) {
            let receiver = receiver.clone();
            scope.spawn(move || {
                let mut worker = Worker {
                    encoder: options.level.map(FrameEncoder::new),
                    spool,
                    budget: &budgets.streamed,
                    out: Vec::new(),
                };
                for job in receiver {
                    let freed = match &job.content {
                        Content::Whole(content) => content.len() as u64,
                        Content::Streamed { .. } => 0,
                    };
                    let result = worker.payload(job.content);
                    budgets.whole.give(freed);
                    if let Ok(payload) = &result {
                        progress.add_content(payload.size);
                    }
                    // A reader that failed no longer listens.
                    let _ = job.done.send((job.item, result));
                }
            });
        }
        Self { jobs: sender, stopped: Arc::default() }
    }

    /// Readers see it at their next entry.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub fn send(&self, job: Job) -> Result<(), UnpackError> {
        self.jobs.send(job).map_err(|_| UnpackError::Stopped)
    }
}

struct Worker<'a> {
    /// `None`: content is hashed only.
    encoder: Option<Result<FrameEncoder, FrameError>>,
    spool: &'a Spool,
    /// Room that the pieces of streamed files hold.
    budget: &'a ByteBudget,
    out: Vec<u8>,
}

impl Worker<'_> {
    fn payload(&mut self, content: Content) -> Result<Payload, UnpackError> {
        self.out.clear();
        let mut sums = Sums::default();
        let stored = match content {
            Content::Whole(content) => {
                sums.update(&content);
                let encoder = self.encoder.as_mut().map(|encoder| encoder.as_mut().map_err(|error| error.clone()));
                match encoder.transpose()? {
                    None => None,
                    Some(encoder) => Some(Stored::One(self.spool.append(encoder.frame(&content)?)?)),
                }
            }
            Content::Streamed { size, pieces } => {
                // All pieces, even after a failure: what is left in the channel holds room that others wait for.
                let mut frame = self.begin(size);
                let mut spans = Vec::new();
                for piece in pieces {
                    if frame.is_ok() {
                        sums.update(&piece);
                        frame = self.push(&piece, &mut spans);
                    }
                    self.budget.give(piece.len() as u64);
                }
                frame?;
                if sums.hash.bytes() != size {
                    // The reader has the cause.
                    return Err(UnpackError::Stopped);
                }
                self.end(spans)?
            }
        };
        let size = sums.hash.bytes();
        let frame = stored.map(|stored| Frame { size, stored, chunk: None, hole: false });
        Ok(Payload {
            digest: FileDigest::from_bytes(sums.hash.finish()),
            size,
            crc64: sums.crc.finish(),
            frames: frame.into_iter().collect(),
        })
    }

    fn begin(&mut self, size: u64) -> Result<(), UnpackError> {
        match &mut self.encoder {
            None => Ok(()),
            Some(Ok(encoder)) => Ok(encoder.begin(size)?),
            Some(Err(error)) => Err(error.clone().into()),
        }
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

    fn end(&mut self, mut spans: Vec<Span>) -> Result<Option<Stored>, UnpackError> {
        let Some(Ok(encoder)) = &mut self.encoder else { return Ok(None) };
        encoder.end(&mut self.out)?;
        spans.push(self.spool.append(&self.out)?);
        Ok(Some(Stored::Many(spans.into_boxed_slice())))
    }
}

#[derive(Default)]
struct Sums {
    hash: Sha256Stream,
    crc: Crc64,
}

impl Sums {
    fn update(&mut self, content: &[u8]) {
        self.hash.update(content);
        self.crc.update(content);
    }
}
