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
    let mut gathered =
        Gathered { layer, out: Vec::new(), frames: Vec::with_capacity(parts.len()), waiting: Vec::new() };
    let (mut raw, mut header) = (Vec::new(), Vec::new());
    for part in parts {
        let Part::Headers { padding, first, count, end } = *part else {
            gathered.frames.push(None);
            continue;
        };
        layer.progress.check()?;
        raw.clear();
        raw.resize(padding.into(), 0);
        for entry in &layer.entries[first as usize..][..count as usize] {
            layer.header_bytes(entry, &mut header)?;
            raw.extend_from_slice(&header);
        }
        if end {
            raw.extend_from_slice(&END_OF_ARCHIVE);
        }
        gathered.push(encoder.frame(&raw)?)?;
    }
    gathered.flush()?;
    Ok(gathered.frames)
}

/// Bytes of frames that go to the spool together.
const GATHERED: usize = 1 << 20;

/// Frames on their way to the spool: most are so small that one write for each would cost more than compressing them.
struct Gathered<'a> {
    layer: &'a Layer<'a>,
    out: Vec<u8>,
    frames: Vec<Option<Span>>,
    /// Which of `frames` are in `out`, and how long they are.
    waiting: Vec<(usize, u64)>,
}

impl Gathered<'_> {
    fn push(&mut self, frame: &[u8]) -> Result<(), PackError> {
        self.out.extend_from_slice(frame);
        self.waiting.push((self.frames.len(), frame.len() as u64));
        self.frames.push(None);
        if self.out.len() < GATHERED { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), PackError> {
        let mut start = self.layer.stock.spool.append(&self.out)?.start();
        for (at, len) in self.waiting.drain(..) {
            let span = Span::new(start, len).expect("inside the spool");
            self.frames[at] = Some(span);
            start = span.end();
        }
        self.out.clear();
        Ok(())
    }
}
