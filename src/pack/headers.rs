//! Compresses the header frames, many at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::parts::Part;
use super::{Layer, PackError};
use crate::codec::FrameEncoder;
use crate::span::Span;
use crate::tar::END_OF_ARCHIVE;

/// Parts that a thread takes at once.
const BATCH: usize = 256;

/// Where each part's header frame lies in the spool; payload parts have `None`.
pub(super) fn compress(layer: &Layer<'_>, parts: &[Part]) -> Result<Vec<Option<Span>>, PackError> {
    let batches = parts.len().div_ceil(BATCH);
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Vec<Option<Span>>>> = (0..batches).map(|_| Mutex::default()).collect();
    let work = || -> Result<(), PackError> {
        let mut encoder = FrameEncoder::new(layer.options.level)?;
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = done.get(batch) else { return Ok(()) };
            layer.progress.check()?;
            let end = parts.len().min((batch + 1) * BATCH);
            let frames = compress_batch(layer, &parts[batch * BATCH..end], &mut encoder)?;
            *slot.lock().map_err(|_| PackError::Internal("a header thread panicked"))? = frames;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..layer.options.threads.min(batches)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| PackError::Internal("a header thread panicked"))?)
    })?;
    Ok(done.into_iter().flat_map(|slot| slot.into_inner().unwrap_or_default()).collect())
}

fn compress_batch(
    layer: &Layer<'_>,
    parts: &[Part],
    encoder: &mut FrameEncoder,
) -> Result<Vec<Option<Span>>, PackError> {
    let (mut raw, mut header, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let mut lens = Vec::with_capacity(parts.len());
    for part in parts {
        let Part::Headers { padding, first, count, end } = *part else {
            lens.push(None);
            continue;
        };
        raw.clear();
        raw.resize(padding.into(), 0);
        for entry in &layer.entries[first as usize..][..count as usize] {
            layer.header_bytes(entry, &mut header)?;
            raw.extend_from_slice(&header);
        }
        if end {
            raw.extend_from_slice(&END_OF_ARCHIVE);
        }
        let start = out.len();
        out.extend_from_slice(encoder.frame(&raw)?);
        lens.push(Some((out.len() - start) as u64));
    }
    let mut start = layer.stock.spool.append(&out)?.start();
    let place = |len: Option<u64>| {
        len.map(|len| {
            let span = Span::new(start, len).expect("inside the spool");
            start = span.end();
            span
        })
    };
    Ok(lens.into_iter().map(place).collect())
}
