//! The pool that hashes and compresses payloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::budget::Budgets;
use super::{Options, UnpackError};
use crate::codec::{FrameEncoder, Sha256Stream};
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
                let mut worker = Worker { encoder: FrameEncoder::new(options.level), spool, budgets, out: Vec::new() };
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
    encoder: Result<FrameEncoder, crate::codec::FrameError>,
    spool: &'a Spool,
    budgets: &'a Budgets,
    out: Vec<u8>,
}

impl Worker<'_> {
    fn payload(&mut self, content: Content) -> Result<Payload, UnpackError> {
        let encoder = self.encoder.as_mut().map_err(|e| e.clone())?;
        self.out.clear();
        let mut hash = Sha256Stream::new();
        let mut crc = Crc64::new();
        let stored = match content {
            Content::Whole(content) => {
                hash.update(&content);
                crc.update(&content);
                Stored::One(self.spool.append(encoder.frame(&content)?)?)
            }
            Content::Streamed { size, pieces } => {
                encoder.begin(size)?;
                let mut spans = Vec::new();
                let mut result = Ok(());
                // To the end even after a failure: what is left in the channel holds room that others wait for.
                for piece in pieces {
                    if result.is_ok() {
                        hash.update(&piece);
                        crc.update(&piece);
                        result = compress_piece(encoder, &piece, self.spool, &mut self.out, &mut spans);
                    }
                    self.budgets.streamed.give(piece.len() as u64);
                }
                result?;
                if hash.bytes() != size {
                    // The reader has the cause.
                    return Err(UnpackError::Stopped);
                }
                encoder.end(&mut self.out)?;
                spans.push(self.spool.append(&self.out)?);
                Stored::Many(spans.into_boxed_slice())
            }
        };
        let size = hash.bytes();
        let frame = Frame { size, stored, chunk: None, hole: false };
        Ok(Payload {
            digest: FileDigest::from_bytes(hash.finish()),
            size,
            crc64: crc.finish(),
            frames: Box::new([frame]),
        })
    }
}

fn compress_piece(
    encoder: &mut FrameEncoder,
    piece: &[u8],
    spool: &Spool,
    out: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), UnpackError> {
    encoder.push(piece, out)?;
    if out.len() >= PIECE {
        spans.push(spool.append(out)?);
        out.clear();
    }
    Ok(())
}
