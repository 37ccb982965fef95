//! zstd frames out, and back in.
//!
//! The same content must give the same bytes on every run and thread count. libzstd's one-shot and streaming
//! calls differ above 128 KiB, and unpledged streaming depends on how the input was cut
//! (measured, docs/format.md). So: always pledge the size; one shot up to [`WHOLE_FRAME_INPUT`], streaming above.

use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use crate::limits;
use crate::units;

/// Bytes up to which a frame is compressed in one call; part of the format profile.
pub const WHOLE_FRAME_INPUT: u64 = 16 << 20;

/// A zstd compression level, 1 to 22.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(i32);

impl Level {
    /// `None` outside 1 to 22.
    pub fn new(level: i32) -> Option<Self> {
        (1..=22).contains(&level).then_some(Self(level))
    }

    pub const DEFAULT: Self = Self(3);

    /// For TOC and tar-split.
    pub const fn index() -> Self {
        Self(9)
    }

    pub const fn get(self) -> i32 {
        self.0
    }
}

/// What libzstd said; or how much came out where something else was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("zstd: {0}")]
    Zstd(&'static str),
    #[error("zstd frame: expected {expected} bytes of content, found {found}", expected = units::count(*expected), found = units::count(*found))]
    Size { expected: u64, found: u64 },
    #[error("zstd frame: ends before its content does")]
    Truncated,
}

fn zstd_error(code: usize) -> FrameError {
    FrameError::Zstd(zstd_safe::get_error_name(code))
}

/// libzstd's version as a number (10507 is 1.5.7): frames are reproducible within one version only.
pub fn library_version() -> u32 {
    zstd_safe::version_number()
}

/// One compression context, reused for frame after frame: a new one for each costs twice the time.
pub struct FrameEncoder {
    context: CCtx<'static>,
    buffer: Vec<u8>,
}

impl FrameEncoder {
    pub fn new(level: Level) -> Result<Self, FrameError> {
        let mut context = CCtx::create();
        for parameter in [
            CParameter::CompressionLevel(level.get()),
            // For frames that are copied to later versions without a decode. Four bytes each.
            CParameter::ChecksumFlag(true),
            CParameter::ContentSizeFlag(true),
        ] {
            context.set_parameter(parameter).map_err(zstd_error)?;
        }
        Ok(Self { context, buffer: Vec::with_capacity(CCtx::out_size()) })
    }

    /// One frame with `content`, which must not be longer than [`WHOLE_FRAME_INPUT`].
    pub fn frame(&mut self, content: &[u8]) -> Result<&[u8], FrameError> {
        self.begin(content.len() as u64)?;
        self.buffer.clear();
        self.buffer.reserve(zstd_safe::compress_bound(content.len()));
        self.context.compress2(&mut self.buffer, content).map_err(zstd_error)?;
        Ok(&self.buffer)
    }

    /// Starts a streamed frame of exactly `size` bytes.
    pub fn begin(&mut self, size: u64) -> Result<(), FrameError> {
        self.context.reset(ResetDirective::SessionOnly).map_err(zstd_error)?;
        self.context.set_pledged_src_size(Some(size)).map_err(zstd_error)?;
        Ok(())
    }

    /// Starts a streamed frame of unknown size. Its bytes depend on how the content is cut, so cut it evenly.
    pub fn begin_unpledged(&mut self) -> Result<(), FrameError> {
        self.context.reset(ResetDirective::SessionOnly).map_err(zstd_error)?;
        Ok(())
    }

    /// Takes more content; appends what is ready.
    pub fn push(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        let mut input = InBuffer::around(content);
        while input.pos() < content.len() {
            self.step(&mut input, ZSTD_EndDirective::ZSTD_e_continue, out)?;
        }
        Ok(())
    }

    /// Ends the streamed frame. Fails when the content was not as long as pledged.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let mut input = InBuffer::around(&[]);
        while self.step(&mut input, ZSTD_EndDirective::ZSTD_e_end, out)? > 0 {}
        Ok(())
    }

    fn step(
        &mut self,
        input: &mut InBuffer<'_>,
        end: ZSTD_EndDirective,
        out: &mut Vec<u8>,
    ) -> Result<usize, FrameError> {
        self.buffer.clear();
        self.buffer.reserve(CCtx::out_size());
        let mut output = OutBuffer::around(&mut self.buffer);
        let left = self.context.compress_stream2(&mut output, input, end).map_err(zstd_error)?;
        out.extend_from_slice(&self.buffer);
        Ok(left)
    }
}

/// One decompression context for single frames.
pub struct FrameDecoder {
    context: DCtx<'static>,
    buffer: Vec<u8>,
}

impl FrameDecoder {
    pub fn new() -> Result<Self, FrameError> {
        let mut context = DCtx::create();
        context.set_parameter(DParameter::WindowLogMax(limits::ZSTD_WINDOW_LOG)).map_err(zstd_error)?;
        Ok(Self { context, buffer: Vec::with_capacity(DCtx::out_size()) })
    }

    /// Appends the content of one or several whole frames, which must be `size` bytes long together.
    pub fn frame(&mut self, compressed: &[u8], size: u64, out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.begin()?;
        let start = out.len();
        self.push(compressed, |content| {
            out.extend_from_slice(content);
            if (out.len() - start) as u64 > size {
                Err(FrameError::Size { expected: size, found: (out.len() - start) as u64 })
            } else {
                Ok(())
            }
        })?;
        let found = (out.len() - start) as u64;
        if found == size { Ok(()) } else { Err(FrameError::Size { expected: size, found }) }
    }

    pub fn begin(&mut self) -> Result<(), FrameError> {
        self.context.reset(ResetDirective::SessionOnly).map_err(zstd_error)?;
        Ok(())
    }

    /// Takes more of the frames and hands on their content piece by piece. True when the last byte ended a frame.
    pub fn push<E: From<FrameError>>(
        &mut self,
        compressed: &[u8],
        mut content: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut input = InBuffer::around(compressed);
        let mut hint = 1;
        loop {
            self.buffer.clear();
            self.buffer.reserve(DCtx::out_size());
            let mut output = OutBuffer::around(&mut self.buffer);
            let room = output.capacity();
            hint = match input.pos() == compressed.len() && hint == 0 {
                true => return Ok(true),
                false => self.context.decompress_stream(&mut output, &mut input).map_err(zstd_error)?,
            };
            let full = self.buffer.len() == room;
            if !self.buffer.is_empty() {
                content(&self.buffer)?;
            }
            // A full buffer may hide more output behind a used-up input.
            if input.pos() == compressed.len() && !full {
                return Ok(hint == 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(len: usize) -> Vec<u8> {
        (0..len as u32).flat_map(|n| (n / 7).wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
    }

    #[test]
    fn frames_round_trip_and_repeat() {
        let mut encoder = FrameEncoder::new(Level::DEFAULT).unwrap();
        let mut decoder = FrameDecoder::new().unwrap();
        for len in [0, 1, 512, 100_000, 700_000] {
            let content = content(len);
            let mut back = Vec::new();
            let once = encoder.frame(&content).unwrap().to_vec();
            assert!(once == encoder.frame(&content).unwrap());
            decoder.frame(&once, len as u64, &mut back).unwrap();
            assert!(back == content);
        }
    }

    #[test]
    fn streamed_frames_do_not_depend_on_the_pieces() {
        let content = content(3_000_000);
        let mut encoder = FrameEncoder::new(Level::DEFAULT).unwrap();
        let mut stream = |piece: usize| {
            let mut out = Vec::new();
            encoder.begin(content.len() as u64).unwrap();
            content.chunks(piece).for_each(|piece| encoder.push(piece, &mut out).unwrap());
            encoder.end(&mut out).unwrap();
            out
        };
        let whole = stream(content.len());
        assert!(stream(4096) == whole && stream(1 << 20) == whole);
        let mut back = Vec::new();
        FrameDecoder::new().unwrap().frame(&whole, content.len() as u64, &mut back).unwrap();
        assert!(back == content);
    }

    #[test]
    fn wrong_sizes_are_named() {
        let frame = FrameEncoder::new(Level::DEFAULT).unwrap().frame(&[1; 100]).unwrap().to_vec();
        let mut decoder = FrameDecoder::new().unwrap();
        assert_eq!(decoder.frame(&frame, 99, &mut Vec::new()), Err(FrameError::Size { expected: 99, found: 100 }));
        assert_eq!(decoder.frame(&frame, 101, &mut Vec::new()), Err(FrameError::Size { expected: 101, found: 100 }));
    }
}
