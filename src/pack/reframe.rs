//! Other frames for a payload that is in the spool: at another level, or cut into chunks.

use super::diff_id::decode_frame;
use super::{PackError, Stock};
use crate::codec::{FrameDecoder, FrameEncoder, FrameError, Level, Sha256Stream, WHOLE_FRAME_INPUT};
use crate::digest::{ChunkDigest, FileDigest};
use crate::inventory::{Chunk, Frames, Payload, Stored};
use crate::progress::Progress;
use crate::span::Span;
use crate::toc::{ChunkKind, Chunker, Cut};

/// Compressed bytes of a long frame that are kept back before they go to the spool.
const PIECE: usize = 1 << 20;

/// A chunk of a file before it is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Bytes of content.
    pub size: u64,
    pub digest: ChunkDigest,
    /// Zeros only.
    pub hole: bool,
}

/// One for each thread.
pub struct Reframer<'a> {
    stock: Stock<'a>,
    progress: &'a Progress,
    encoder: FrameEncoder,
    decoder: FrameDecoder,
}

impl<'a> Reframer<'a> {
    pub fn new(stock: Stock<'a>, level: Level, progress: &'a Progress) -> Result<Self, FrameError> {
        Ok(Self { stock, progress, encoder: FrameEncoder::new(level)?, decoder: FrameDecoder::new()? })
    }

    /// Where podman would cut the content.
    pub fn slices(&mut self, payload: &Payload) -> Result<Vec<Slice>, PackError> {
        let mut chunker = Chunker::new();
        let mut cuts = Vec::new();
        self.content(payload, |content| {
            chunker.push(content, &mut cuts);
            Ok(())
        })?;
        chunker.finish(&mut cuts);
        let mut slices = Slices { cuts, slices: Vec::new(), hash: Sha256Stream::new() };
        self.content(payload, |content| {
            slices.push(content);
            Ok(())
        })?;
        Ok(slices.slices)
    }

    /// True when its frames hold the payload.
    pub fn is_sound(&mut self, payload: &Payload) -> bool {
        let Self { stock, decoder, progress, .. } = self;
        let mut whole = Sha256Stream::new();
        let mut is_part = |stored: &Stored, said: Option<&Chunk>| {
            let mut part = Sha256Stream::new();
            let read = decode_frame(stock, stored, decoder, |content| {
                progress.check()?;
                whole.update(content);
                if said.is_some() {
                    part.update(content);
                }
                Ok(())
            });
            let is_said =
                |chunk: &Chunk| part.bytes() == chunk.size && ChunkDigest::from_bytes(part.finish()) == chunk.digest;
            read.is_ok() && said.is_none_or(is_said)
        };
        payload.frames.parts().all(|(stored, said)| is_part(stored, said.filter(|chunk| !chunk.hole)))
            && FileDigest::from_bytes(whole.finish()) == payload.digest
    }

    /// New frames: one for each slice, or one for the whole payload when there are none.
    pub fn frames(&mut self, payload: &Payload, slices: &[Slice]) -> Result<Frames, PackError> {
        let sizes: Vec<u64> = match slices {
            [] => vec![payload.size],
            slices => slices.iter().map(|slice| slice.size).collect(),
        };
        let Self { stock, progress, encoder, decoder } = self;
        let mut writer = Writer { stock: *stock, encoder, sizes: sizes.into_iter(), frame: None, done: Vec::new() };
        for stored in payload.frames.stored() {
            decode_frame(stock, stored, decoder, |content| {
                progress.check()?;
                writer.push(content)
            })?;
        }
        let mut stored = writer.finish()?;
        let chunk = |(slice, stored): (&Slice, Stored)| Chunk {
            size: slice.size,
            stored,
            digest: slice.digest,
            hole: slice.hole,
        };
        match (slices, stored.pop()) {
            ([], Some(whole)) => Ok(Frames::Whole(whole)),
            (slices, Some(last)) => {
                Ok(Frames::Chunks(slices.iter().zip(stored.into_iter().chain([last])).map(chunk).collect()))
            }
            (_, None) => Err(PackError::Internal("content without frames")),
        }
    }

    fn content(
        &mut self,
        payload: &Payload,
        mut take: impl FnMut(&[u8]) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        let Self { stock, progress, decoder, .. } = self;
        let mut take = |content: &[u8]| {
            progress.check()?;
            take(content)
        };
        super::content(*stock, payload, decoder, &mut take)
    }
}

/// Hashes the content cut by cut.
struct Slices {
    cuts: Vec<Cut>,
    slices: Vec<Slice>,
    hash: Sha256Stream,
}

impl Slices {
    fn push(&mut self, mut content: &[u8]) {
        while let Some(cut) = self.cuts.get(self.slices.len()).filter(|_| !content.is_empty()) {
            let (now, later) = content.split_at(content.len().min((cut.len - self.hash.bytes()) as usize));
            self.hash.update(now);
            content = later;
            if self.hash.bytes() == cut.len {
                let digest = ChunkDigest::from_bytes(std::mem::take(&mut self.hash).finish());
                self.slices.push(Slice { size: cut.len, digest, hole: cut.kind == ChunkKind::Zeros });
            }
        }
    }
}

/// Compresses content into frames of given sizes.
struct Writer<'a> {
    stock: Stock<'a>,
    encoder: &'a mut FrameEncoder,
    sizes: std::vec::IntoIter<u64>,
    frame: Option<Open>,
    done: Vec<Stored>,
}

/// A frame that lacks content.
struct Open {
    size: u64,
    left: u64,
    /// Content of a frame that is compressed in one call, else compressed bytes.
    buffer: Vec<u8>,
    spans: Vec<Span>,
}

impl Writer<'_> {
    fn push(&mut self, mut content: &[u8]) -> Result<(), PackError> {
        while !content.is_empty() {
            let mut open = match self.frame.take() {
                Some(open) => open,
                None => self.begin()?,
            };
            let (now, later) = content.split_at(content.len().min(open.left as usize));
            content = later;
            open.left -= now.len() as u64;
            match open.size <= WHOLE_FRAME_INPUT {
                true => open.buffer.extend_from_slice(now),
                false => self.encoder.push(now, &mut open.buffer)?,
            }
            self.frame = self.go_on(open)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<Open, PackError> {
        let size = self.sizes.next().ok_or(PackError::Internal("more content than frames"))?;
        if size > WHOLE_FRAME_INPUT {
            self.encoder.begin(size)?;
        }
        Ok(Open { size, left: size, buffer: Vec::new(), spans: Vec::new() })
    }

    /// Ends the frame when it has all its content.
    fn go_on(&mut self, mut open: Open) -> Result<Option<Open>, PackError> {
        let is_long = open.size > WHOLE_FRAME_INPUT;
        if open.left == 0 && is_long {
            self.encoder.end(&mut open.buffer)?;
        }
        if is_long && (open.left == 0 || open.buffer.len() >= PIECE) {
            open.spans.push(self.stock.spool.append(&open.buffer)?);
            open.buffer.clear();
        }
        if open.left > 0 {
            return Ok(Some(open));
        }
        self.done.push(match is_long {
            true => Stored::Many(open.spans.into_boxed_slice()),
            false => Stored::One(self.stock.spool.append(self.encoder.frame(&open.buffer)?)?),
        });
        Ok(None)
    }

    fn finish(self) -> Result<Vec<Stored>, PackError> {
        match (self.frame, self.sizes.len()) {
            (None, 0) => Ok(self.done),
            _ => Err(PackError::Internal("less content than frames")),
        }
    }
}
