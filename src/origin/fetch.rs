//! Runs of bytes from a registry into the spool: few requests, several at once.

use std::collections::BTreeMap;
use std::io::Read;

use super::{FrameBlob, Origin};
use crate::progress::{Interrupted, Progress};
use crate::registry::{Answer, RegistryError, StoredBlob};
use crate::span::Span;
use crate::spool::{Spool, SpoolError};
use crate::threads::{self, ThreadError};

/// Runs that are this near become one. Eight requests are under way, so one costs an eighth of the time to the registry and
/// back: at 20 ms and 50 Mbit/s, about so many bytes.
const NEAR: u64 = 16 << 10;

/// Bytes of one request at most: each of those that are under way is in memory.
pub(super) const MOST: u64 = 2 << 20;

/// Requests at once.
const AT_ONCE: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0}")]
    Registry(#[from] RegistryError),
    #[error("{0}")]
    Spool(#[from] SpoolError),
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    #[error("{0}")]
    Threads(#[from] ThreadError),
}

/// Puts these runs, each in the blob of a number, into the spool, as far as the blobs are in a registry.
pub fn fetch(
    blobs: &[FrameBlob<'_>],
    runs: impl IntoIterator<Item = (u32, Span)>,
    spool: &Spool,
    progress: &Progress,
) -> Result<(), FetchError> {
    let mut of_blobs: BTreeMap<u32, Vec<Span>> = BTreeMap::new();
    for (number, run) in runs {
        if matches!(blobs[number as usize].origin(), Origin::Registry(_)) {
            of_blobs.entry(number).or_default().push(run);
        }
    }
    let mut firsts = Vec::new();
    for (number, runs) in of_blobs {
        let blob = &blobs[number as usize];
        let pieces = blob.lacks(&pieces(runs));
        if let (Origin::Registry(stored), Some(_)) = (blob.origin(), pieces.first()) {
            firsts.push(Fetch { blob, stored, pieces });
        }
    }
    // The first request tells whether the registry does ranges. If not, the blob is read once.
    let take = |at: usize| firsts[at].first(spool, progress).map(|rest| (at, rest));
    let rest = threads::each(AT_ONCE, firsts.len(), take)?;
    let rest: Vec<(usize, Span)> =
        rest.into_iter().flat_map(|(at, rest)| rest.iter().map(move |it| (at, *it))).collect();
    threads::each(AT_ONCE, rest.len(), |number| {
        let (at, piece) = rest[number];
        firsts[at].piece(piece, spool, progress)
    })?;
    Ok(())
}

/// The runs in ascending pieces for a request each.
fn pieces(mut runs: Vec<Span>) -> Vec<Span> {
    runs.sort_by_key(|run| (run.start(), run.end()));
    let mut joined: Vec<Span> = Vec::new();
    for run in runs.into_iter().filter(|run| !run.is_empty()) {
        match joined.last_mut().filter(|last| run.start() <= last.end().saturating_add(NEAR)) {
            Some(last) => *last = Span::between(last.start(), last.end().max(run.end())),
            None => joined.push(run),
        }
    }
    let cut = |run: Span| {
        let starts = (run.start()..run.end()).step_by(MOST as usize);
        starts.map(move |start| Span::between(start, run.end().min(start + MOST)))
    };
    joined.into_iter().flat_map(cut).collect()
}

struct Fetch<'f, 'a> {
    blob: &'f FrameBlob<'a>,
    stored: &'f StoredBlob<'a>,
    /// Ascending, at least one.
    pieces: Vec<Span>,
}

impl Fetch<'_, '_> {
    /// Fetches the first piece; gives those that are left.
    fn first(&self, spool: &Spool, progress: &Progress) -> Result<&[Span], FetchError> {
        let (StoredBlob { repository, digest, size }, first) = (self.stored, self.pieces[0]);
        let mut whole = match repository.ranges(*digest, *size, &[first])? {
            Answer::Parts(mut parts) => {
                parts.next_span()?;
                self.keep(first, &mut parts, spool, progress)?;
                return Ok(&self.pieces[1..]);
            }
            Answer::Whole(whole) => whole,
            Answer::Refused(_) => self.stored.open()?,
        };
        let mut at = 0;
        for piece in &self.pieces {
            let skipped = std::io::copy(&mut (&mut whole).take(piece.start() - at), &mut std::io::sink());
            skipped.map_err(|error| repository.failure(error))?;
            self.keep(*piece, &mut whole, spool, progress)?;
            at = piece.end();
        }
        Ok(&[])
    }

    fn piece(&self, piece: Span, spool: &Spool, progress: &Progress) -> Result<(), FetchError> {
        let StoredBlob { repository, digest, size } = self.stored;
        self.put(piece, &repository.read_at(*digest, *size, piece)?, spool, progress)
    }

    fn keep(&self, piece: Span, from: &mut dyn Read, spool: &Spool, progress: &Progress) -> Result<(), FetchError> {
        let mut bytes = vec![0; piece.len() as usize];
        from.read_exact(&mut bytes).map_err(|error| self.stored.repository.failure(error))?;
        self.put(piece, &bytes, spool, progress)
    }

    fn put(&self, piece: Span, bytes: &[u8], spool: &Spool, progress: &Progress) -> Result<(), FetchError> {
        progress.check()?;
        self.blob.add(piece.start(), spool.append(bytes)?);
        progress.advance(bytes.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_runs_are_one_request_and_long_ones_several() {
        let pieces = |runs: &[(u64, u64)]| {
            let pieces = pieces(runs.iter().map(|&(start, end)| Span::between(start, end)).collect());
            pieces.iter().map(|piece| (piece.start(), piece.end())).collect::<Vec<_>>()
        };
        assert_eq!(pieces(&[]), []);
        assert_eq!(pieces(&[(5, 5)]), []);
        assert_eq!(pieces(&[(NEAR + 20, NEAR + 30), (0, 20), (10, 15)]), [(0, NEAR + 30)]);
        assert_eq!(pieces(&[(0, 20), (NEAR + 21, NEAR + 30)]), [(0, 20), (NEAR + 21, NEAR + 30)]);
        assert_eq!(
            pieces(&[(1, 2 * MOST + 2)]),
            [(1, MOST + 1), (MOST + 1, 2 * MOST + 1), (2 * MOST + 1, 2 * MOST + 2)]
        );
    }
}
