//! Body of the fuzz target: a chain of frames is walked the same however its bytes come, and to its end only if a decoder
//! reads it to its end.

use std::io::{self, Read};

use super::Findings;
use super::frames::{Frames, Watch, walk_bytes};
use crate::codec::Sha256Stream;
use crate::digest::{BlobDigest, DiffId};
use crate::progress::{Progress, SizeLimit};

/// A few bytes can stand for gigabytes.
const MOST: u64 = 1 << 20;

/// The first byte says how the rest comes in pieces.
pub fn fuzz_frames(data: &[u8]) {
    let Some((&piece, blob)) = data.split_first() else { return };
    let whole = walk(blob, usize::MAX, None);
    assert_eq!(walk(blob, usize::from(piece).max(1), None), whole);
    let Some((frames, problems)) = whole else { return };
    let len = blob.len() as u64;
    let skippable = frames.skippable.iter().map(|span| span.start());
    assert!(frames.walked <= len && frames.starts.is_sorted() && skippable.is_sorted());
    assert!(frames.starts.iter().all(|start| *start < len) && frames.skippable.iter().all(|span| span.fits_in(len)));
    assert!(frames.is_boundary(frames.walked));
    assert!(!problems.is_empty() || frames.walked == len);
    let decoded = decoded(blob);
    if problems.is_empty() {
        let tar = decoded.expect("a chain of whole frames");
        let diff_id = DiffId::from_bytes(Sha256Stream::of(&tar));
        assert_eq!(walk(blob, usize::MAX, Some(diff_id)).map(|(_, problems)| problems), Some(Vec::new()));
    }
}

/// `None` for what unpacks to more than is good for a test.
fn walk(blob: &[u8], piece: usize, diff_id: Option<DiffId>) -> Option<(Frames, Vec<String>)> {
    let mut findings = Findings::default();
    let digest = BlobDigest::from_bytes(Sha256Stream::of(blob));
    let watch = Watch { size: &SizeLimit::new(MOST), progress: &Progress::new() };
    let frames = walk_bytes(Pieces { blob, piece }, (digest, diff_id), &mut (), &mut findings, watch).ok()?;
    Some((frames, findings.into_lists().0))
}

fn decoded(blob: &[u8]) -> io::Result<Vec<u8>> {
    let mut tar = Vec::new();
    // The decoder wants one frame at least.
    if blob.is_empty() {
        return Ok(tar);
    }
    let mut decoder = zstd::stream::read::Decoder::new(blob)?.take(MOST + 1);
    decoder.read_to_end(&mut tar)?;
    Ok(tar)
}

struct Pieces<'a> {
    blob: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = buf.len().min(self.piece);
        self.blob.read(&mut buf[..want])
    }
}
