//! The pool that hashes payloads and, unless they are only compared, compresses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::budget::ByteBudget;
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
        budget: &'scope ByteBudget,
        progress: &'scope Progress,
    ) -> Self {
        let (sender, receiver) = bounded::<Job>(1024);
        for _ in 0..options.threads.max(1) {
            let receiver = receiver.clone();
            scope.spawn(move || {
                let mut worker = Worker { encoder: options.level.map(FrameEncoder::new), spool, out: Vec::new() };
                for job in receiver {
                    let freed = match &job.content {
                        Content::Whole(content) => content.len() as u64,
                        Content::Streamed { .. } => 0,
                    };
                    let result = worker.payload(job.content);
                    budget.give(freed);
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
    out: Vec<u8>,
}

impl Worker<'_> {
    fn payload(&mut self, content: Content) -> Result<Payload, UnpackError> {
        let encoder = match &mut self.encoder {
            None => None,
            Some(Ok(encoder)) => Some(encoder),
            Some(Err(error)) => return Err(error.clone().into()),
        };
        self.out.clear();
        let mut sums = Sums::default();
        let stored = match (content, encoder) {
            (Content::Whole(content), None) => {
                sums.update(&content);
                None
            }
            (Content::Whole(content), Some(encoder)) => {
                sums.update(&content);
                Some(Stored::One(self.spool.append(encoder.frame(&content)?)?))
            }
            (Content::Streamed { size, pieces }, encoder) => {
                let spans = stream(encoder, self.spool, &mut self.out, size, pieces, &mut sums)?;
                spans.map(|spans| Stored::Many(spans.into_boxed_slice()))
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

/// The frame's spans; `None` when there is no encoder.
fn stream(
    mut encoder: Option<&mut FrameEncoder>,
    spool: &Spool,
    out: &mut Vec<u8>,
    size: u64,
    pieces: Receiver<Vec<u8>>,
    sums: &mut Sums,
) -> Result<Option<Vec<Span>>, UnpackError> {
    if let Some(encoder) = &mut encoder {
        encoder.begin(size)?;
    }
    let mut spans = Vec::new();
    for piece in pieces {
        sums.update(&piece);
        if let Some(encoder) = &mut encoder {
            encoder.push(&piece, out)?;
        }
        if out.len() >= PIECE {
            spans.push(spool.append(out)?);
            out.clear();
        }
    }
    if sums.hash.bytes() != size {
        // The reader has the cause.
        return Err(UnpackError::Stopped);
    }
    let Some(encoder) = encoder else { return Ok(None) };
    encoder.end(out)?;
    spans.push(spool.append(out)?);
    Ok(Some(spans))
}
