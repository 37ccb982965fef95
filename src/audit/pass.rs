//! The audit in one pass, for a layer that is what it says: while the blob is unpacked front to back, the tar is compared
//! with the tar-split, and each file's content with the TOC. Nothing is unpacked or hashed a second time.
//!
//! It says yes only when all is so and in the usual order. It tells no faults: for that the blob is read by the TOC's
//! offsets, as podman does it.

use super::blob::Blob;
use super::findings::Findings;
use super::frames::{Observer, Watch};
use super::index;
use super::order;
use super::rebuild::{Pairing, Told};
use super::split::Split;
use super::{Said, alone, audit, too_large, walk, with_frames};
use crate::codec::Sha256Stream;
use crate::digest::{ChunkDigest, FileDigest};
use crate::error::Error;
use crate::progress::{Progress, SizeLimit};
use crate::toc::{ChunkKind, ChunkedAnnotations, Crc64, Payload, TarSplitItem, TocEntry};

/// What [`audit`] has against the layer first, if anything. What it unpacks to counts once, also when it is read twice.
pub fn fault(said: Said<'_>, blob: &Blob, size: &SizeLimit, progress: &Progress) -> Result<Option<String>, Error> {
    let once = size.fork();
    if is_plainly_sound(said, blob, &once, progress)? {
        size.join(&once).map_err(|source| too_large(said, blob, source))?;
        return Ok(None);
    }
    let mut findings = Findings::default();
    audit(said, blob, &mut findings, size, progress)?;
    Ok(findings.into_fault())
}

/// False when in doubt.
pub(super) fn is_plainly_sound(
    said: Said<'_>,
    blob: &Blob,
    size: &SizeLimit,
    progress: &Progress,
) -> Result<bool, Error> {
    let Said { descriptor, compression, .. } = said;
    let (mut findings, mut pairing_findings) = (Findings::default(), Findings::default());
    let annotations = ChunkedAnnotations::from_annotations(|key| descriptor.annotation(key));
    let Ok(Some(annotations)) = annotations else { return Ok(false) };
    if annotations.positions.parts().iter().any(|(_, span)| !span.fits_in(blob.len())) {
        return Ok(false);
    }
    let _alone = alone(descriptor);
    let Some(toc) = index::toc(&annotations, blob, true, &mut findings, progress)? else { return Ok(false) };
    order::check(&toc, &mut findings);
    if !findings.is_clean() {
        return Ok(false);
    }
    let mut pass = Pass {
        split: Split::open(blob, annotations.positions.tar_split, progress)?,
        pairing: Pairing::new(&toc, &mut pairing_findings),
        expected: Expected::Bytes(Vec::new(), 0),
        frame: 0,
        is_frame_new: false,
        end: None,
        is_in_doubt: false,
        progress,
    };
    pass.advance();
    let frames = walk(said, blob, &mut pass, &mut findings, Watch { size, progress })?;
    with_frames(&frames, progress, || index::place(descriptor, compression, blob, &frames, &mut findings))?;
    let Some(split) = pass.finish() else { return Ok(false) };
    split.finish(true, annotations.positions.tar_split_uncompressed, toc.tar_split_digest, &mut findings)?;
    Ok(findings.is_clean() && pairing_findings.is_clean())
}

struct Pass<'a> {
    split: Split<'a>,
    pairing: Pairing<'a>,
    expected: Expected<'a>,
    /// First byte of the frame that is unpacked.
    frame: u64,
    /// Nothing of it was seen yet.
    is_frame_new: bool,
    /// Where the next frame has to start, since a file's content ends there.
    end: Option<u64>,
    is_in_doubt: bool,
    progress: &'a Progress,
}

/// What comes next in the tar.
enum Expected<'a> {
    /// A segment of the tar-split, and how much of it was seen.
    Bytes(Vec<u8>, usize),
    Content(Box<Content<'a>>),
    End,
}

impl Observer for Pass<'_> {
    fn frame(&mut self, at: u64) {
        self.is_in_doubt |= self.end.take().is_some_and(|end| end != at);
        (self.frame, self.is_frame_new) = (at, true);
    }

    fn content(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() && !self.is_in_doubt {
            let taken = self.take(piece);
            self.is_frame_new = false;
            match taken {
                Some(taken) => piece = &piece[taken..],
                None => self.is_in_doubt = true,
            }
        }
    }
}

impl<'a> Pass<'a> {
    /// How many bytes of a piece are as expected; `None` for one that is not.
    fn take(&mut self, piece: &[u8]) -> Option<usize> {
        if self.end.is_some() {
            return None;
        }
        let (taken, is_done) = match &mut self.expected {
            Expected::Bytes(bytes, seen) => {
                let len = piece.len().min(bytes.len() - *seen);
                if bytes[*seen..*seen + len] != piece[..len] {
                    return None;
                }
                *seen += len;
                (len, *seen == bytes.len())
            }
            Expected::Content(content) => {
                let taken = content.take(piece, self.is_frame_new.then_some(self.frame))?;
                (taken, content.left == 0)
            }
            Expected::End => return None,
        };
        if is_done {
            if let Expected::Content(content) = std::mem::replace(&mut self.expected, Expected::End) {
                self.end = Some(content.payload.end_offset);
                self.is_in_doubt |= !content.holds();
            }
            self.advance();
        }
        Some(taken)
    }

    /// To the next item of the tar-split that has bytes in the tar.
    fn advance(&mut self) {
        while !self.is_in_doubt {
            // Any number of items have no bytes in the tar. The audit that follows the doubt says that it was interrupted.
            if self.progress.is_cancelled() {
                self.is_in_doubt = true;
                return;
            }
            match self.split.next() {
                Ok(Some(TarSplitItem::Segment(bytes))) => {
                    self.pairing.segment(&bytes);
                    if !bytes.is_empty() {
                        self.expected = Expected::Bytes(bytes, 0);
                        return;
                    }
                }
                Ok(Some(TarSplitItem::File { name, size, crc64 })) => match self.pairing.file(&name, size) {
                    Told::Nothing => {}
                    Told::Content(entry, payload) => {
                        self.expected = Expected::Content(Box::new(Content::new(entry, payload, crc64)));
                        return;
                    }
                    Told::Unknown => self.is_in_doubt = true,
                },
                Ok(None) => {
                    self.expected = Expected::End;
                    return;
                }
                Err(_) => self.is_in_doubt = true,
            }
        }
    }

    /// `None` when not all of the tar was as expected.
    fn finish(self) -> Option<Split<'a>> {
        let is_all = matches!(self.expected, Expected::End) && self.end.is_none();
        (is_all && !self.is_in_doubt && self.pairing.unseen().next().is_none()).then_some(self.split)
    }
}

/// A file's content while it passes.
struct Content<'a> {
    payload: &'a Payload,
    left: u64,
    crc64: Option<u64>,
    crc: Crc64,
    hash: Sha256Stream,
    /// The chunk that passes, and its bytes so far.
    chunk: usize,
    chunk_hash: Sha256Stream,
}

impl<'a> Content<'a> {
    fn new(entry: &TocEntry, payload: &'a Payload, crc64: Option<u64>) -> Self {
        Self {
            payload,
            left: entry.header.size,
            crc64,
            crc: Crc64::new(),
            hash: Sha256Stream::new(),
            chunk: 0,
            chunk_hash: Sha256Stream::new(),
        }
    }

    /// Takes what is left of the file or of its chunk. `frame` is where a frame starts with this piece.
    fn take(&mut self, piece: &[u8], frame: Option<u64>) -> Option<usize> {
        let chunk = self.payload.chunks.get(self.chunk);
        let (start, seen) =
            chunk.map_or((self.payload.offset, self.hash.bytes()), |chunk| (chunk.offset, self.chunk_hash.bytes()));
        if seen == 0 && frame != Some(start) {
            return None;
        }
        let left = chunk.map_or(self.left, |chunk| chunk.size - seen).min(self.left);
        let piece = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        self.crc.update(piece);
        self.hash.update(piece);
        self.left -= piece.len() as u64;
        if let Some(chunk) = chunk {
            if chunk.kind == ChunkKind::Zeros && piece.iter().any(|byte| *byte != 0) {
                return None;
            }
            self.chunk_hash.update(piece);
            if self.chunk_hash.bytes() == chunk.size {
                let found = std::mem::take(&mut self.chunk_hash).finish();
                if ChunkDigest::from_bytes(found) != chunk.digest {
                    return None;
                }
                self.chunk += 1;
            }
        }
        Some(piece.len())
    }

    /// Asked of the whole file.
    fn holds(self) -> bool {
        self.chunk == self.payload.chunks.len()
            && FileDigest::from_bytes(self.hash.finish()) == self.payload.digest
            && self.crc64.is_none_or(|crc64| crc64 == self.crc.finish())
    }
}
