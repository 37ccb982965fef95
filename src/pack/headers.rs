//! Compresses the header frames, many at a time.

use super::parts::Part;
use super::{Layer, PackError};
use crate::codec::FrameEncoder;
use crate::span::Span;
use crate::tar::END_OF_ARCHIVE;
use crate::threads;

/// Parts that a thread takes at once.
const BATCH: usize = 256;

/// Where each part's header frame lies in the spool; payload parts have `None`.
pub(super) fn compress(layer: &Layer<'_>, parts: &[Part]) -> Result<Vec<Option<Span>>, PackError> {
    let batches = parts.len().div_ceil(BATCH);
    let begin = || Ok::<_, PackError>(FrameEncoder::new(layer.options.level)?);
    let frames = threads::each_with(layer.options.threads, batches, begin, |encoder, batch| {
        layer.progress.check()?;
        let end = parts.len().min((batch + 1) * BATCH);
        compress_batch(layer, &parts[batch * BATCH..end], encoder)
    })?;
    Ok(frames.into_iter().flatten().collect())
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
