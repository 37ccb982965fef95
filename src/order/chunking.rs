//! Which files are cut into chunks, so that a client can reuse a part of them.
//!
//! Chunks cost bytes in every pull of the layer: each has a row in the TOC, and small frames compress worse. They pay
//! for a file of which the previous image has a good part in chunks, and for one that changes with every version, such
//! as a package database: cut today, it can be reused in part tomorrow (docs/benchmarks.md has the measurements).

use foldhash::HashSet;

use crate::digest::ChunkDigest;

/// A file below this is a few chunks at most.
pub const LEAST: u64 = 256 << 10;

/// Bytes of content for each that clients have in chunks, up to which cutting pays.
const WORTH: u64 = 4;

/// A file that could be cut.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Digest and bytes of each chunk, in order.
    pub chunks: Vec<(ChunkDigest, u64)>,
    /// It changes with every version.
    pub is_hot: bool,
}

/// What to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cutting {
    Whole,
    /// In chunks, of which clients have none.
    Chunks,
    /// In chunks, of which clients have some: a file that is fetched in several ranges.
    Partial,
}

/// Decides for the files of one layer. `max_ranges` bounds the ranges that a client with chunks asks for: one for the
/// files that come whole, and for each file that is reused in part one for every run that it lacks. The largest savings
/// go first.
pub fn decide(files: &[Candidate], known: &HashSet<ChunkDigest>, max_ranges: usize) -> Vec<Cutting> {
    let reuse: Vec<Reuse> = files.iter().map(|file| Reuse::of(file, known)).collect();
    let mut cutting: Vec<Cutting> =
        files.iter().map(|file| if file.is_hot { Cutting::Chunks } else { Cutting::Whole }).collect();
    let mut order: Vec<usize> = (0..files.len()).filter(|&n| reuse[n].pays()).collect();
    order.sort_by_key(|&n| (std::cmp::Reverse(reuse[n].known / reuse[n].runs.max(1)), n));
    let mut left = max_ranges.saturating_sub(1) as u64;
    for n in order {
        if reuse[n].runs <= left {
            left -= reuse[n].runs;
            cutting[n] = Cutting::Partial;
        } else {
            cutting[n] = Cutting::Whole;
        }
    }
    cutting
}

/// What clients have of a file.
struct Reuse {
    known: u64,
    all: u64,
    /// Runs of chunks that they lack.
    runs: u64,
}

impl Reuse {
    fn of(file: &Candidate, known: &HashSet<ChunkDigest>) -> Self {
        let mut reuse = Self { known: 0, all: 0, runs: 0 };
        let mut in_run = false;
        for (digest, size) in &file.chunks {
            let has = known.contains(digest);
            reuse.all += size;
            reuse.known += if has { *size } else { 0 };
            reuse.runs += u64::from(!has && !in_run);
            in_run = !has;
        }
        reuse
    }

    fn pays(&self) -> bool {
        self.known > 0 && self.known * WORTH >= self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[u8], is_hot: bool) -> Candidate {
        let chunk = |n: &u8| (ChunkDigest::from_bytes([*n; 32]), 100_000);
        Candidate { chunks: chunks.iter().map(chunk).collect(), is_hot }
    }

    fn known() -> HashSet<ChunkDigest> {
        (1..10).map(|n| ChunkDigest::from_bytes([n; 32])).collect()
    }

    #[test]
    fn chunks_pay_where_clients_have_some() {
        let files = [file(&[1, 2, 20, 3], false), file(&[1, 20, 21, 22, 23], false), file(&[20, 21], true)];
        assert_eq!(decide(&files, &known(), 16), [Cutting::Partial, Cutting::Whole, Cutting::Chunks]);
    }

    #[test]
    fn the_largest_savings_get_the_ranges() {
        let files = [file(&[1, 20, 2, 21, 3, 22], false), file(&[1, 2, 3, 4, 20], false)];
        assert_eq!(decide(&files, &known(), 3), [Cutting::Whole, Cutting::Partial]);
        assert_eq!(decide(&files, &known(), 5), [Cutting::Partial, Cutting::Partial]);
        assert_eq!(decide(&files, &known(), 1), [Cutting::Whole, Cutting::Whole]);
    }
}
