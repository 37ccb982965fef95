//! One file's content, fetched by the TOC's offsets as a partial client does.

use super::blob::Blob;
use super::findings::Findings;
use super::frames::Frames;
use crate::codec::{FrameDecoder, FrameError, Sha256Stream};
use crate::digest::{ChunkDigest, FileDigest};
use crate::error::Error;
use crate::progress::Progress;
use crate::span::Span;
use crate::toc::{Chunk, ChunkKind, Payload, TocEntry};
use crate::units;

/// Bytes read at once.
const PIECE: u64 = 1 << 20;

pub(super) struct Payloads<'a> {
    blob: &'a Blob<'a>,
    frames: &'a Frames,
    progress: &'a Progress,
    decoder: FrameDecoder,
    buffer: Vec<u8>,
}

impl<'a> Payloads<'a> {
    pub fn new(blob: &'a Blob<'a>, frames: &'a Frames, progress: &'a Progress) -> Result<Self, Error> {
        Ok(Self { blob, frames, progress, decoder: FrameDecoder::new()?, buffer: Vec::new() })
    }

    /// Hands on the content piece by piece. False when something was wrong with it.
    pub fn check(
        &mut self,
        entry: &TocEntry,
        payload: &Payload,
        findings: &mut Findings,
        mut content: impl FnMut(&[u8]),
    ) -> Result<bool, Error> {
        let name = String::from_utf8_lossy(&entry.header.name);
        let mut hash = Sha256Stream::new();
        for (span, chunk) in parts(payload) {
            let place = format!("entry {name:?}, content at bytes {} to {}", span.start(), span.end());
            if let Some(fault) = self.misplaced(span) {
                findings.problem(format!("{place}: {fault}"));
                return Ok(false);
            }
            let size = chunk.map_or(entry.header.size, |chunk| chunk.size);
            let mut part = Part { chunk, size, found: 0, sum: chunk.map(|_| Sha256Stream::new()), nonzero: false };
            let progress = self.progress;
            let decoded = self.decode(span, |piece| {
                progress.check()?;
                part.take(piece)?;
                hash.update(piece);
                content(piece);
                Ok(())
            })?;
            if let Err(fault) = decoded.and_then(|()| part.size_matches()) {
                findings.problem(format!("{place}: {fault}"));
                return Ok(false);
            }
            if let Some(fault) = part.fault() {
                findings.problem(format!("{place}: {fault}"));
            }
        }
        let found = FileDigest::from_bytes(hash.finish());
        if found != payload.digest {
            findings.problem(format!(
                "entry {name:?}, content at byte {}: the TOC has the digest {}, the content {found}",
                units::count(payload.offset),
                payload.digest
            ));
        }
        Ok(found == payload.digest)
    }

    fn misplaced(&self, span: Span) -> Option<&'static str> {
        if !span.fits_in(self.blob.len()) {
            return Some("it ends behind the blob");
        }
        if span.start() < self.frames.walked && !self.frames.is_start(span.start()) {
            return Some("no frame starts there");
        }
        let is_end = span.end() > self.frames.walked || self.frames.is_boundary(span.end());
        (!is_end).then_some("no frame ends there")
    }

    /// The outer error is about reading, the inner one about the content.
    fn decode(
        &mut self,
        span: Span,
        mut content: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Result<(), FrameError>, Error> {
        self.decoder.begin()?;
        let (mut at, mut is_done) = (span.start(), true);
        while at < span.end() {
            let len = PIECE.min(span.end() - at);
            self.buffer.resize(len as usize, 0);
            self.blob.read_exact_at(&mut self.buffer, at)?;
            at += len;
            match self.decoder.push(&self.buffer, &mut content) {
                Ok(done) => is_done = done,
                Err(Error::Frame(fault)) => return Ok(Err(fault)),
                Err(error) => return Err(error),
            }
        }
        Ok(if is_done { Ok(()) } else { Err(FrameError::Truncated) })
    }
}

/// The parts that can be fetched by themselves: the chunks, or the whole file.
fn parts(payload: &Payload) -> impl Iterator<Item = (Span, Option<&Chunk>)> {
    let whole = payload.chunks.is_empty().then(|| (Span::between(payload.offset, payload.end_offset), None));
    let ends = payload.chunks.iter().skip(1).map(|chunk| chunk.offset).chain([payload.end_offset]);
    let chunks = payload.chunks.iter().zip(ends).map(|(chunk, end)| (Span::between(chunk.offset, end), Some(chunk)));
    whole.into_iter().chain(chunks)
}

/// What is known of a part while it is decoded.
struct Part<'a> {
    chunk: Option<&'a Chunk>,
    size: u64,
    found: u64,
    sum: Option<Sha256Stream>,
    nonzero: bool,
}

impl Part<'_> {
    fn take(&mut self, piece: &[u8]) -> Result<(), FrameError> {
        self.found += piece.len() as u64;
        if self.found > self.size {
            return self.size_matches();
        }
        if let Some(sum) = &mut self.sum {
            sum.update(piece);
        }
        self.nonzero |= self.is_hole() && piece.iter().any(|byte| *byte != 0);
        Ok(())
    }

    fn is_hole(&self) -> bool {
        self.chunk.is_some_and(|chunk| chunk.kind == ChunkKind::Zeros)
    }

    fn size_matches(&self) -> Result<(), FrameError> {
        let (expected, found) = (self.size, self.found);
        if found == expected { Ok(()) } else { Err(FrameError::Size { expected, found }) }
    }

    fn fault(self) -> Option<String> {
        if self.nonzero {
            return Some("the TOC says zeros, the content has other bytes".to_owned());
        }
        let (chunk, sum) = self.chunk.zip(self.sum)?;
        let found = ChunkDigest::from_bytes(sum.finish());
        let differs = found != chunk.digest;
        differs.then(|| format!("the TOC has the chunk digest {}, the content {found}", chunk.digest))
    }
}
