//! The blob front to back: a chain of whole frames that covers it exactly, its digest, and its DiffID.

use std::io::{self, BufReader, Read};

use super::blob::Blob;
use super::findings::Findings;
use super::frame_header::{Block, Descriptor, MAGIC, START};
use crate::codec::{FrameDecoder, FrameError, HashingReader, Sha256Stream};
use crate::digest::{BlobDigest, DiffId};
use crate::error::Error;
use crate::limits;
use crate::progress::{Progress, SizeLimit, Stop, TooLarge, Watched};
use crate::span::Span;
use crate::toc::{SKIPPABLE_HEADER, skippable_len};
use crate::units;

/// Bytes read, and handed to the decoder, at once.
const PIECE: usize = 1 << 20;

/// Where the frames lie.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// First bytes of frames with content, ascending.
    pub starts: Vec<u64>,
    /// Contents of skippable frames, without their headers, ascending.
    pub skippable: Vec<Span>,
    /// Everything before this byte is known: the blob's size if the chain is whole.
    pub walked: u64,
}

impl Frames {
    pub fn is_start(&self, at: u64) -> bool {
        self.starts.binary_search(&at).is_ok()
    }

    /// True where one frame ends and another, or nothing, follows.
    pub fn is_boundary(&self, at: u64) -> bool {
        let skippable = |span: &Span| span.start() - SKIPPABLE_HEADER;
        at == self.walked || self.is_start(at) || self.skippable.binary_search_by_key(&at, skippable).is_ok()
    }
}

/// What a walk looks at as it goes.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub size: &'a SizeLimit,
    pub progress: &'a Progress,
}

/// Why a walk ends without an answer.
pub(super) enum Cause {
    Error(Error),
    Stop(Stop),
}

impl<E: Into<Error>> From<E> for Cause {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Why the chain ends early.
enum Broken {
    Io(io::Error),
    /// At the byte where the frame starts.
    At(u64, String),
    Stop(Stop),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Stop::of(&error).map_or(Self::Io(error), Self::Stop)
    }
}

/// Why content is not handed on.
enum Undecoded {
    Fault(FrameError),
    Stop(Stop),
}

impl From<FrameError> for Undecoded {
    fn from(fault: FrameError) -> Self {
        Self::Fault(fault)
    }
}

/// Sees the blob while it is walked.
pub(super) trait Observer {
    /// A frame with content or without, or the blob's end, is at this byte.
    fn frame(&mut self, at: u64);
    /// What the last frame holds, piece by piece.
    fn content(&mut self, piece: &[u8]);
}

/// Looks away.
impl Observer for () {
    fn frame(&mut self, _: u64) {}
    fn content(&mut self, _: &[u8]) {}
}

/// Walks the whole blob. `digest` and `diff_id` are what it should have.
pub(super) fn walk(
    blob: &Blob,
    (digest, diff_id): (BlobDigest, Option<DiffId>),
    observer: &mut dyn Observer,
    findings: &mut Findings,
    watch: Watch<'_>,
) -> Result<Frames, Cause> {
    let bytes = blob.reader(Span::between(0, blob.len()))?;
    let walked = walk_bytes(bytes, (digest, diff_id), observer, findings, watch);
    walked.map_err(|error| match error {
        Unwalked::Io(error) => blob.error(error).into(),
        Unwalked::Stop(stop) => Cause::Stop(stop),
        Unwalked::Frame(error) => Cause::Error(error.into()),
    })
}

/// Why bytes can't be walked.
#[derive(Debug)]
pub(super) enum Unwalked {
    Io(io::Error),
    Stop(Stop),
    Frame(FrameError),
}

impl From<FrameError> for Unwalked {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// The same for a blob that need not be a file.
pub(super) fn walk_bytes(
    blob: impl Read,
    (digest, diff_id): (BlobDigest, Option<DiffId>),
    observer: &mut dyn Observer,
    findings: &mut Findings,
    watch: Watch<'_>,
) -> Result<Frames, Unwalked> {
    let input = HashingReader::new(watch.progress.watch_blob(blob));
    let mut walker = Walker {
        input: BufReader::with_capacity(PIECE, input),
        at: 0,
        decoder: FrameDecoder::new()?,
        pending: Vec::new(),
        tar: Some(Sha256Stream::new()),
        frames: Frames::default(),
        observer,
        findings,
        watch,
    };
    let chain = loop {
        match walker.frame() {
            Ok(true) => walker.frames.walked = walker.at,
            Ok(false) => break Ok(()),
            Err(broken) => break Err(broken),
        }
    };
    let whole = match chain {
        Ok(()) => true,
        Err(Broken::Io(error)) => return Err(Unwalked::Io(error)),
        Err(Broken::Stop(stop)) => return Err(Unwalked::Stop(stop)),
        Err(Broken::At(at, reason)) => {
            walker.findings.problem(format!("byte {at}: {reason}; what follows can't be told", at = units::count(at)));
            false
        }
    };
    let Walker { mut input, tar, frames, findings, .. } = walker;
    let rest = io::copy(&mut input, &mut io::sink());
    rest.map_err(|error| Stop::of(&error).map_or(Unwalked::Io(error), Unwalked::Stop))?;
    let found = input.into_inner().finish().map(BlobDigest::from_bytes);
    if let Some(found) = found.filter(|found| *found != digest) {
        findings.cause(format!("the blob is corrupt: the manifest says {digest}, its bytes have {found}"));
    }
    let found = tar.filter(|_| whole).map(|tar| DiffId::from_bytes(tar.finish()));
    if let (Some(expected), Some(found)) = (diff_id, found)
        && expected != found
    {
        findings.problem(format!("DiffID: the config has {expected}, the blob unpacks to {found}"));
    }
    Ok(frames)
}

struct Walker<'a, R> {
    input: BufReader<HashingReader<Watched<'a, R>>>,
    at: u64,
    decoder: FrameDecoder,
    /// Bytes of the frame that the decoder has not seen.
    pending: Vec<u8>,
    /// `None` once a frame did not decode.
    tar: Option<Sha256Stream>,
    frames: Frames,
    observer: &'a mut dyn Observer,
    findings: &'a mut Findings,
    watch: Watch<'a>,
}

impl<R: Read> Walker<'_, R> {
    /// False at the blob's end.
    fn frame(&mut self) -> Result<bool, Broken> {
        let start = self.at;
        self.observer.frame(start);
        self.pending.clear();
        match self.read(4, start) {
            Err(Broken::At(..)) if self.at == start => return Ok(false),
            read => read?,
        }
        if self.frames.starts.len() + self.frames.skippable.len() >= limits::FRAMES {
            return Err(Broken::At(
                start,
                format!("expected at most {} frames, found more", units::count(limits::FRAMES as u64)),
            ));
        }
        if self.pending == MAGIC {
            self.frames.starts.push(start);
            return self.content(start).map(|()| true);
        }
        let magic: [u8; 4] = self.pending.as_slice().try_into().unwrap_or_default();
        self.pending.resize(SKIPPABLE_HEADER as usize, 0);
        if skippable_len(self.pending.as_slice().try_into().unwrap_or_default()).is_none() {
            return Err(Broken::At(start, format!("expected a frame, found the bytes {magic:02x?}")));
        }
        self.pending.clear();
        self.read(4, start)?;
        let len = u32::from_le_bytes(self.pending.as_slice().try_into().unwrap_or_default());
        self.skip(len.into(), start)?;
        self.frames.skippable.push(Span::between(start + SKIPPABLE_HEADER, self.at));
        Ok(true)
    }

    /// A frame with content, behind its magic.
    fn content(&mut self, start: u64) -> Result<(), Broken> {
        self.read(1, start)?;
        let descriptor = Descriptor(self.pending[START - 1]);
        self.read(descriptor.rest_len(), start)?;
        let (window, most) = (descriptor.window(&self.pending[START..]), 1 << limits::ZSTD_WINDOW_LOG);
        if window > most {
            self.findings.problem(format!(
                "the frame at byte {start} needs a window of {window} bytes: expected at most {most}, where decoders stop", start = units::count(start), window = units::count(window), most = units::count(most)));
        }
        let mut decoded = self.decoder.begin().map_err(Undecoded::from);
        loop {
            let before = self.pending.len();
            self.read(3, start)?;
            let head = self.pending[before..].try_into().unwrap_or_default();
            let at = self.at - 3;
            let block = Block::parse(head).ok_or_else(|| {
                Broken::At(
                    start,
                    format!("a frame whose block at byte {at} has no valid header", at = units::count(at)),
                )
            })?;
            self.read(block.stored, start)?;
            if block.is_last {
                break;
            }
            if self.pending.len() >= PIECE && decoded.is_ok() {
                decoded = self.decode().map(drop);
            }
            if let Err(Undecoded::Stop(stop)) = decoded {
                return Err(Broken::Stop(stop));
            }
            if decoded.is_err() {
                self.pending.clear();
            }
        }
        self.read(if descriptor.has_checksum() { 4 } else { 0 }, start)?;
        let decoded = decoded.and_then(|()| self.decode());
        let fault = match decoded {
            Ok(true) => return Ok(()),
            Ok(false) => FrameError::Truncated,
            Err(Undecoded::Fault(fault)) => fault,
            Err(Undecoded::Stop(stop)) => return Err(Broken::Stop(stop)),
        };
        self.tar = None;
        self.findings.problem(format!("the frame at bytes {start} to {} does not decode: {fault}", self.at));
        Ok(())
    }

    /// True when the frame is at its end.
    fn decode(&mut self) -> Result<bool, Undecoded> {
        let pending = std::mem::take(&mut self.pending);
        let Self { tar, watch, observer, .. } = self;
        // A few bytes can stand for gigabytes.
        let done = self.decoder.push(&pending, |content| {
            watch.progress.check().map_err(|interrupted| Undecoded::Stop(Stop::Interrupted(interrupted)))?;
            watch.size.take(content.len() as u64).map_err(|error: TooLarge| Undecoded::Stop(Stop::TooLarge(error)))?;
            if let Some(tar) = tar {
                tar.update(content);
            }
            observer.content(content);
            Ok(())
        });
        self.pending = pending;
        self.pending.clear();
        done
    }

    /// Appends to `pending`.
    fn read(&mut self, len: usize, start: u64) -> Result<(), Broken> {
        let got = (&mut self.input).take(len as u64).read_to_end(&mut self.pending)?;
        self.at += got as u64;
        if got < len { Err(self.cut(start)) } else { Ok(()) }
    }

    fn skip(&mut self, len: u64, start: u64) -> Result<(), Broken> {
        let got = io::copy(&mut (&mut self.input).take(len), &mut io::sink())?;
        self.at += got;
        if got < len { Err(self.cut(start)) } else { Ok(()) }
    }

    fn cut(&self, start: u64) -> Broken {
        Broken::At(start, format!("a frame that is cut short by the blob's end at byte {}", units::count(self.at)))
    }
}
