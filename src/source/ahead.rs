//! Reads ahead where a blob is read piece by piece in ascending order: a request takes longer than a few kilobytes more.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::digest::BlobDigest;
use crate::span::Span;
use crate::threads::lock;

/// Bytes that are read at once at most, unless more are asked for.
const MOST: u64 = 1 << 20;

/// A piece that begins this many bytes behind the one before, or fewer, continues it.
const NEAR: u64 = 64 << 10;

/// Blobs that are remembered.
const BLOBS: usize = 16;

/// What was read last of each blob, the latest first.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<VecDeque<Window>>);

#[derive(Debug)]
struct Window {
    blob: BlobDigest,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn part(&self, span: Span) -> Option<&[u8]> {
        let from = usize::try_from(span.start().checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from + usize::try_from(span.len()).ok()?)
    }
}

impl Ahead {
    /// Fills `out` with the blob's bytes from `at` on, which are inside of its `size`. `fetch` gets what is not at hand.
    pub fn read<E>(
        &self,
        (blob, size): (BlobDigest, u64),
        out: &mut [u8],
        at: u64,
        fetch: impl FnOnce(Span) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let asked = Span::between(at, at + out.len() as u64);
        let wanted = {
            let windows = lock(&self.0);
            let last = windows.iter().find(|window| window.blob == blob);
            if let Some(part) = last.and_then(|window| window.part(asked)) {
                out.copy_from_slice(part);
                return Ok(());
            }
            let continues = |window: &&Window| at >= window.start && at <= window.end().saturating_add(NEAR);
            let more = last.filter(continues).map_or(0, |window| (window.bytes.len() as u64 * 2).min(MOST));
            Span::between(at, (at + more.max(asked.len())).min(size))
        };
        let bytes = fetch(wanted)?;
        out.copy_from_slice(&bytes[..out.len()]);
        let mut windows = lock(&self.0);
        windows.retain(|window| window.blob != blob);
        windows.push_front(Window { blob, start: at, bytes });
        windows.truncate(BLOBS);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 8 << 20;

    /// The bytes of a blob that stand for their offsets.
    fn fetched(span: Span) -> Vec<u8> {
        (span.start()..span.end()).map(|at| (at / 1000) as u8).collect()
    }

    /// Reads pieces, and returns what was fetched for them.
    fn fetches(ahead: &Ahead, blob: u8, pieces: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut fetches = Vec::new();
        for &(at, len) in pieces {
            let mut out = vec![0; len as usize];
            let fetch = |span: Span| {
                fetches.push((span.start(), span.len()));
                Ok::<_, ()>(fetched(span))
            };
            ahead.read((BlobDigest::from_bytes([blob; 32]), SIZE), &mut out, at, fetch).unwrap();
            assert_eq!(out, fetched(Span::between(at, at + len)), "{at} {len}");
        }
        fetches
    }

    #[test]
    fn pieces_in_a_row_are_read_in_ever_longer_runs() {
        let pieces: Vec<(u64, u64)> = (0..4000).map(|n| (n * 2000, 1500)).collect();
        let fetches = fetches(&Ahead::default(), 1, &pieces);
        assert!(fetches.len() < 25 && fetches.iter().all(|(_, len)| *len <= MOST), "{fetches:?}");
        assert_eq!(fetches[0], (0, 1500));
        let (at, len) = fetches[fetches.len() - 1];
        assert!(at + len <= SIZE);
    }

    #[test]
    fn a_piece_elsewhere_is_read_alone() {
        let ahead = Ahead::default();
        assert_eq!(
            fetches(&ahead, 1, &[(0, 10), (5 << 20, 10), (1 << 20, 10)]),
            [(0, 10), (5 << 20, 10), (1 << 20, 10)]
        );
        // What was asked for is read whole.
        assert_eq!(fetches(&ahead, 1, &[((1 << 20) + 10, 3 << 20)]), [((1 << 20) + 10, 3 << 20)]);
        assert_eq!(fetches(&ahead, 1, &[((1 << 20) + 100, 50)]), []);
    }

    #[test]
    fn blobs_do_not_disturb_each_other() {
        let ahead = Ahead::default();
        assert_eq!(fetches(&ahead, 1, &[(0, 100)]), [(0, 100)]);
        assert_eq!(fetches(&ahead, 2, &[(0, 100)]), [(0, 100)]);
        assert_eq!(fetches(&ahead, 1, &[(0, 50)]), []);
        for blob in 3..=18 {
            fetches(&ahead, blob, &[(0, 100)]);
        }
        assert_eq!(fetches(&ahead, 1, &[(0, 50)]), [(0, 50)]);
    }
}
