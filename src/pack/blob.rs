//! The blob's bytes, front to back.

use std::io::Write;

use super::index::{Compressed, IndexError, TocSource, offsets, tar_split};
use super::parts::{Part, parts};
use super::{IndexPlace, Layer, NoIndex, PackError, headers};
use crate::inventory::{Chunk, Frames, Payload, Stored};
use crate::order::cost::{PullChunk, PullFile};
use crate::span::Span;
use crate::toc::{ChunkedAnnotations, Layout, SKIPPABLE_HEADER, encode_footer, skippable_header};

/// Bytes copied at once.
const PIECE: u64 = 1 << 20;

/// How often the TOC is built until its room fits. The compressed size moves by a few bytes when all offsets
/// move, so the second try fits; the rest is for what nobody foresaw.
const TRIES: usize = 6;

#[derive(Default)]
pub(super) struct Written {
    pub chunked: Option<ChunkedAnnotations>,
    pub no_index: Option<NoIndex>,
    pub files: Vec<PullFile>,
    /// The TOC as it stands in the blob.
    pub toc: Vec<u8>,
}

pub(super) fn write(layer: &Layer<'_>, out: &mut (dyn Write + Send)) -> Result<Written, PackError> {
    let parts = parts(layer.entries);
    let headers = headers::compress(layer, &parts)?;
    let (offsets, behind_head) = offsets(layer, &parts, &headers);
    let head = headers[0].map_or(0, Span::len);
    let mut writer = Writer { layer, out, buffer: Vec::new() };
    let Some(place) = layer.options.index else {
        writer.parts(&parts, &headers)?;
        return Ok(Written::default());
    };
    let index = tar_split(layer).and_then(|tar_split| {
        let source = TocSource { layer, offsets: &offsets, tar_split: tar_split.digest() };
        let (toc, layout) = match place {
            IndexPlace::First => settle(&source, head, &tar_split)?,
            IndexPlace::End => {
                let toc = source.compress(head)?;
                let (toc_len, tar_split_len) = (toc.bytes.len() as u64, tar_split.bytes.len() as u64);
                let layout = Layout::index_end(head + behind_head, toc_len, tar_split_len)?;
                (toc, layout)
            }
        };
        Ok((toc, tar_split, layout))
    });
    let (toc, tar_split, layout) = match index {
        Ok(index) => index,
        Err(IndexError::Pack(error)) => return Err(error),
        Err(IndexError::None(cause)) => {
            writer.parts(&parts, &headers)?;
            return Ok(Written { chunked: None, no_index: Some(cause), files: Vec::new(), toc: Vec::new() });
        }
    };
    let positions = layout.positions(toc.uncompressed, tar_split.uncompressed)?;
    match place {
        IndexPlace::First => {
            writer.parts(&parts[..1], &headers[..1])?;
            writer.index(&layout, &toc, &tar_split)?;
            writer.parts(&parts[1..], &headers[1..])?;
        }
        IndexPlace::End => {
            writer.parts(&parts, &headers)?;
            writer.index(&layout, &toc, &tar_split)?;
        }
    }
    writer.skippable(&encode_footer(&positions))?;
    let base = match place {
        IndexPlace::First => layout.end,
        IndexPlace::End => head,
    };
    Ok(Written {
        chunked: Some(ChunkedAnnotations { toc_digest: toc.digest(), positions }),
        no_index: None,
        files: files(layer, &offsets, base),
        toc: toc.bytes,
    })
}

fn files(layer: &Layer<'_>, offsets: &[Option<u64>], base: u64) -> Vec<PullFile> {
    let payloads = layer.entries.iter().zip(offsets).filter_map(|(entry, offset)| entry.payload.zip(*offset));
    let file = |(payload, at): (&Payload, u64)| {
        let mut start = base + at;
        let span = Span::between(start, start + payload.compressed());
        let chunks: &[Chunk] = if let Frames::Chunks(chunks) = &payload.frames { chunks } else { &[] };
        let chunk = |chunk: &Chunk| {
            let found = PullChunk { digest: chunk.digest, start, is_hole: chunk.hole };
            start += chunk.stored.len();
            found
        };
        PullFile { digest: payload.digest, span, chunks: chunks.iter().map(chunk).collect() }
    };
    payloads.map(file).collect()
}

/// The TOC holds offsets that depend on its own compressed size: reserve room, build it, and let the
/// padding take what is left of the room.
fn settle(source: &TocSource<'_>, head: u64, tar_split: &Compressed) -> Result<(Compressed, Layout), IndexError> {
    let tar_split = tar_split.bytes.len() as u64;
    let mut room = 0;
    for _ in 0..TRIES {
        let base = Layout::index_first(head, room, room, tar_split)?.end;
        let toc = source.compress(base)?;
        let size = toc.bytes.len() as u64;
        if size <= room {
            let layout = Layout::index_first(head, room, size, tar_split)?;
            // The proof of the fixed point: the offsets just written are where the payloads will stand.
            if layout.end != base {
                return Err(IndexError::Pack(PackError::Internal("payloads are not where the TOC says")));
            }
            return Ok((toc, layout));
        }
        room = size + size / 512 + 64;
    }
    Err(IndexError::Pack(PackError::Internal("the TOC's size did not settle")))
}

struct Writer<'a> {
    layer: &'a Layer<'a>,
    out: &'a mut (dyn Write + Send),
    buffer: Vec<u8>,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.out.write_all(bytes).map_err(PackError::Write)?;
        self.layer.progress.advance(bytes.len() as u64);
        Ok(())
    }

    fn skippable(&mut self, content: &[u8]) -> Result<(), PackError> {
        let len = u32::try_from(content.len()).map_err(|_| PackError::Internal("a skippable frame over 4 GiB"))?;
        self.bytes(&skippable_header(len))?;
        self.bytes(content)
    }

    fn index(&mut self, layout: &Layout, toc: &Compressed, tar_split: &Compressed) -> Result<(), PackError> {
        self.skippable(&toc.bytes)?;
        if !layout.padding.is_empty() {
            self.skippable(&vec![0; (layout.padding.len() - SKIPPABLE_HEADER) as usize])?;
        }
        self.skippable(&tar_split.bytes)
    }

    fn parts(&mut self, parts: &[Part], headers: &[Option<Span>]) -> Result<(), PackError> {
        for (part, header) in parts.iter().zip(headers) {
            self.layer.progress.check()?;
            match part {
                Part::Headers { .. } => header.map_or(Ok(()), |header| self.stored(&Stored::One(header)))?,
                Part::Payload(index) => {
                    let payload = self.layer.entries[*index as usize].payload;
                    payload.into_iter().flat_map(|p| p.frames.stored()).try_for_each(|stored| self.stored(stored))?;
                }
            }
        }
        Ok(())
    }

    fn stored(&mut self, stored: &Stored) -> Result<(), PackError> {
        for span in stored.spans() {
            let mut at = span.start();
            while at < span.end() {
                self.layer.progress.check()?;
                let piece = PIECE.min(span.end() - at);
                self.buffer.clear();
                let run = Span::new(at, piece).expect("inside the span");
                self.layer.stock.read(stored, run, &mut self.buffer)?;
                let buffer = std::mem::take(&mut self.buffer);
                self.bytes(&buffer)?;
                self.buffer = buffer;
                at += piece;
            }
        }
        Ok(())
    }
}
