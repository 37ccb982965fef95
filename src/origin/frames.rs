//! Frames of an old blob.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use super::Origin;
use super::fetch::MOST;
use crate::span::Span;
use crate::spool::Spool;
use crate::threads::lock;
use crate::watch::Watched;

/// An old blob that frames are copied from. Those of a registry have to be [fetched](super::fetch) before.
#[derive(Debug)]
pub struct FrameBlob<'a> {
    origin: Origin<'a>,
    /// What was fetched: where a piece starts in the blob, and where it lies in the spool.
    pieces: Mutex<BTreeMap<u64, Span>>,
}

impl<'a> FrameBlob<'a> {
    pub fn new(origin: Origin<'a>) -> Self {
        Self { origin, pieces: Mutex::default() }
    }

    pub fn origin(&self) -> &Origin<'a> {
        &self.origin
    }

    /// The file that has to stay as it is while frames are copied from it.
    pub fn file(&self) -> Option<&Watched> {
        match &self.origin {
            Origin::File(file) => Some(file),
            Origin::Registry(_) => None,
        }
    }

    /// Appends the bytes of `run`, an offset in the blob, to `out`.
    pub fn read(&self, spool: &Spool, run: Span, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.resize(start + run.len() as usize, 0);
        match &self.origin {
            Origin::File(file) => file.file().read_exact_at(&mut out[start..], file.span().start() + run.start()),
            Origin::Registry(_) => self.read_fetched(spool, run, &mut out[start..]),
        }
    }

    fn read_fetched(&self, spool: &Spool, run: Span, mut out: &mut [u8]) -> io::Result<()> {
        let mut at = run.start();
        while !out.is_empty() {
            let Some((skip, piece)) = self.piece_at(at) else {
                return Err(io::Error::other("a frame that was not fetched"));
            };
            let (now, later) = out.split_at_mut(out.len().min((piece.len() - skip) as usize));
            spool.read_at(now, piece.start() + skip).map_err(io::Error::other)?;
            at += now.len() as u64;
            out = later;
        }
        Ok(())
    }

    /// A piece that has the blob's byte `at`, and where in it. Pieces of two fetches may overlap.
    fn piece_at(&self, at: u64) -> Option<(u64, Span)> {
        let pieces = lock(&self.pieces);
        let mut before = pieces.range(at.saturating_sub(MOST)..=at).rev();
        before.find_map(|(start, piece)| (at - start < piece.len()).then_some((at - start, *piece)))
    }

    pub(super) fn add(&self, start: u64, piece: Span) {
        lock(&self.pieces).insert(start, piece);
    }

    /// Those of the pieces, offsets in the blob, that are not in the spool yet. They ascend.
    pub(super) fn lacks(&self, pieces: &[Span]) -> Vec<Span> {
        let have = lock(&self.pieces);
        pieces
            .iter()
            .filter(|piece| have.get(&piece.start()).is_none_or(|it| it.len() < piece.len()))
            .copied()
            .collect()
    }
}
