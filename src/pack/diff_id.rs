//! The DiffID of the new tar, over headers from the spool and content decoded from its frames.

use std::io::Write;
use std::ops::Range;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Layer, PackError, Stock};
use crate::codec::{self, FrameDecoder, Sha256Stream};
use crate::digest::{ChunkDigest, DiffId, FileDigest};
use crate::inventory::{Payload, Stored};
use crate::span::Span;
use crate::tar::{END_OF_ARCHIVE, padding};
use crate::threads;

/// Bytes of tar in one piece, about.
const PIECE: usize = 1 << 20;
/// Pieces that one thread decodes ahead of the hash.
const AHEAD: usize = 4;
/// Content bytes of a batch of entries.
const BATCH: u64 = 2 << 20;

enum Message {
    Tar(Vec<u8>),
    BatchDone,
}

type Lane = Sender<Result<Message, PackError>>;

/// The tar's DiffID. The same bytes go to `gzip` as gzip data, so that they are decoded once for both.
pub(super) fn diff_id(layer: &Layer<'_>, gzip: Option<&mut (dyn Write + Send)>) -> Result<DiffId, PackError> {
    match gzip {
        None => hashed(layer, |_| Ok(())),
        Some(out) => codec::gzip(layer.options.threads, out, |gzip| hashed(layer, |tar| Ok(gzip.push(tar)?))),
    }
}

/// Hashing is one thread's work. Decoding is slower, so it is spread over lanes: batch n is decoded by lane
/// n modulo their number, which keeps the order without a queue to sort.
fn hashed(layer: &Layer<'_>, mut take: impl FnMut(&[u8]) -> Result<(), PackError>) -> Result<DiffId, PackError> {
    let batches = batches(layer);
    let lanes = layer.options.threads.saturating_sub(1).clamp(1, 3);
    let mut hash = Sha256Stream::new();
    std::thread::scope(|scope| -> Result<(), PackError> {
        let (mut receivers, mut workers) = (Vec::new(), Vec::new());
        for lane in 0..lanes {
            let (sender, receiver) = bounded(AHEAD);
            let mine = batches.iter().skip(lane).step_by(lanes);
            workers.push(threads::start(scope, move || decode_lane(layer, mine, &sender))?);
            receivers.push(receiver);
        }
        let hashed = hash_lanes(&receivers, batches.len(), |tar| {
            hash.update(tar);
            take(tar)
        });
        // Lanes that wait for room go on and end.
        drop(receivers);
        // A lane that panicked has closed its channel; its panic is the cause.
        workers.into_iter().try_for_each(threads::Worker::join)?;
        hashed
    })?;
    hash.update(&END_OF_ARCHIVE);
    take(&END_OF_ARCHIVE)?;
    Ok(DiffId::from_bytes(hash.finish()))
}

fn hash_lanes(
    lanes: &[Receiver<Result<Message, PackError>>],
    batches: usize,
    mut take: impl FnMut(&[u8]) -> Result<(), PackError>,
) -> Result<(), PackError> {
    for batch in 0..batches {
        let lane = &lanes[batch % lanes.len()];
        while let Message::Tar(bytes) = lane.recv().map_err(|_| PackError::Internal("a decoding thread stopped"))?? {
            take(&bytes)?;
        }
    }
    Ok(())
}

fn batches(layer: &Layer<'_>) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, entry) in layer.entries.iter().enumerate() {
        bytes += entry.header.len() + entry.payload.map_or(0, |payload| payload.size);
        if bytes >= BATCH {
            batches.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    batches.push(start..layer.entries.len());
    batches
}

fn decode_lane<'a>(layer: &Layer<'_>, batches: impl Iterator<Item = &'a Range<usize>>, lane: &Lane) {
    let run = || -> Result<(), PackError> {
        let mut decoder = FrameDecoder::new()?;
        for batch in batches {
            layer.progress.check()?;
            decode_batch(layer, batch.clone(), &mut decoder, lane)?;
        }
        Ok(())
    };
    if let Err(error) = run() {
        let _ = lane.send(Err(error));
    }
}

fn decode_batch(
    layer: &Layer<'_>,
    batch: Range<usize>,
    decoder: &mut FrameDecoder,
    lane: &Lane,
) -> Result<(), PackError> {
    let send = |message| lane.send(Ok(message)).map_err(|_| PackError::Internal("the hashing thread stopped"));
    let mut tar = Vec::with_capacity(PIECE);
    for entry in &layer.entries[batch] {
        layer.stock.spool.read(entry.header, &mut tar)?;
        if let Some(payload) = entry.payload {
            decode_payload(layer, payload, decoder, &mut tar, &send)?;
            tar.resize(tar.len() + padding(payload.size), 0);
        }
    }
    send(Message::Tar(tar))?;
    send(Message::BatchDone)
}

/// Appends the content to `tar`, which is sent off whenever it is long enough.
fn decode_payload(
    layer: &Layer<'_>,
    payload: &Payload,
    decoder: &mut FrameDecoder,
    tar: &mut Vec<u8>,
    send: &impl Fn(Message) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let mut found = 0;
    // What another image's TOC says of its frames is a claim.
    let is_claim = |stored: &Stored| matches!(stored, Stored::Blob(..));
    let mut hash = payload.frames.stored().any(is_claim).then(Sha256Stream::new);
    for (stored, said) in payload.frames.parts() {
        // Nobody looks a hole up by its digest.
        let said = said.filter(|chunk| is_claim(stored) && !chunk.hole);
        let mut part = said.map(|_| Sha256Stream::new());
        let decoded = decode_frame(&layer.stock, stored, decoder, |content| {
            layer.progress.check()?;
            found += content.len() as u64;
            hash.iter_mut().chain(&mut part).for_each(|hash| hash.update(content));
            tar.extend_from_slice(content);
            if tar.len() >= PIECE {
                send(Message::Tar(std::mem::replace(tar, Vec::with_capacity(PIECE + (1 << 17)))))?;
            }
            Ok(())
        });
        decoded.map_err(|error| match error {
            PackError::Frame(source) if is_claim(stored) => PackError::NoFrame { expected: payload.digest, source },
            other => other,
        })?;
        let found = part.map(|part| ChunkDigest::from_bytes(part.finish()));
        if let Some((said, found)) = said.zip(found).filter(|(said, found)| said.digest != *found) {
            return Err(PackError::ChunkLie { expected: said.digest, found });
        }
    }
    if let Some(found) = hash.map(|hash| FileDigest::from_bytes(hash.finish())).filter(|it| *it != payload.digest) {
        return Err(PackError::Lie { expected: payload.digest, found });
    }
    if found != payload.size {
        return Err(crate::codec::FrameError::Size { expected: payload.size, found }.into());
    }
    Ok(())
}

pub(super) fn decode_frame(
    stock: &Stock<'_>,
    stored: &Stored,
    decoder: &mut FrameDecoder,
    mut take: impl FnMut(&[u8]) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let mut compressed = Vec::new();
    for span in stored.spans() {
        let mut at = span.start();
        while at < span.end() {
            let piece = (PIECE as u64).min(span.end() - at);
            compressed.clear();
            stock.read(stored, Span::new(at, piece).expect("inside the span"), &mut compressed)?;
            decoder.push(&compressed, &mut take)?;
            at += piece;
        }
    }
    Ok(())
}
