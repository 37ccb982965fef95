//! Cut points equal to podman's, so that chunks made here are found by clients that have podman's.
//!
//! The rules (container-libs `chunked/compressor`): a rolling sum over the last 64 bytes cuts behind a byte when
//! its low 16 bits are ones; there is no least or greatest length, and a cut does not reset the sum.
//! A maximal run of 1,024 zeros or more is one chunk by itself, whatever its length and wherever it stands:
//! the data before it ends there, no cut is looked for inside, and the sum goes on as if the zeros had passed.
//! A shorter run is data like any other, at the end of the file too.

use super::entry::ChunkKind;

/// Bytes that the sum sees.
const WINDOW: usize = 64;
/// Added to each byte, so that zeros count.
const CHAR_OFFSET: u32 = 31;
/// The sum over zeros only: what a file starts with, and what every long run of zeros leaves.
const ZERO_SUM: Sum = Sum { s1: 64 * CHAR_OFFSET, s2: 64 * 63 * CHAR_OFFSET };

/// Zeros that make a hole.
const HOLE: u64 = 1024;
/// A run of [`HOLE`] bytes covers at least one whole block of this size, wherever it starts.
const PROBE: usize = HOLE as usize / 2;

/// A finished chunk: `len` bytes behind the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub len: u64,
    pub kind: ChunkKind,
}

/// Finds the chunks of one file, fed piece by piece; how it is cut into pieces makes no difference.
///
/// Cuts may lag behind: while a file's last bytes are a run of zeros, whether they are a hole is open.
#[derive(Debug, Clone)]
pub struct Chunker {
    sum: Sum,
    /// The last bytes that went through the sum, oldest first.
    window: [u8; WINDOW],
    /// Bytes since the last cut that went through the sum.
    open: u64,
    /// Zeros at the end of what was pushed that did not go through the sum yet.
    zeros: u64,
}

/// bup's checksum: `s1` is the sum of the window, `s2` the sum of its prefixes. Only the low bits of `s2` decide.
#[derive(Debug, Clone, Copy)]
struct Sum {
    s1: u32,
    s2: u32,
}

impl Default for Chunker {
    fn default() -> Self {
        Self { sum: ZERO_SUM, window: [0; WINDOW], open: 0, zeros: 0 }
    }
}

impl Chunker {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the file and appends the chunks that they finish.
    pub fn push(&mut self, data: &[u8], cuts: &mut Vec<Cut>) {
        let mut data = data;
        if self.zeros > 0 {
            let more = leading_zeros(data);
            self.zeros += more as u64;
            data = &data[more..];
            if data.is_empty() {
                return;
            }
            self.settle_zeros(cuts);
        }
        let tail = trailing_zeros(data);
        let mut body = &data[..data.len() - tail];
        while let Some((start, end)) = find_hole(body) {
            self.roll(&body[..start], cuts);
            self.hole((end - start) as u64, cuts);
            body = &body[end..];
        }
        self.roll(body, cuts);
        self.zeros = tail as u64;
    }

    /// The file ends. The lengths of all cuts together are its size; an empty file has none.
    pub fn finish(mut self, cuts: &mut Vec<Cut>) {
        self.settle_zeros(cuts);
        self.cut_data(cuts);
    }

    /// The run of zeros has ended.
    fn settle_zeros(&mut self, cuts: &mut Vec<Cut>) {
        let zeros = std::mem::take(&mut self.zeros);
        if zeros >= HOLE {
            self.hole(zeros, cuts);
            return;
        }
        // After a window of zeros the sum stands still, and it does not cut.
        let seen = zeros.min(WINDOW as u64);
        self.roll(&[0; WINDOW][..seen as usize], cuts);
        self.open += zeros - seen;
    }

    fn hole(&mut self, len: u64, cuts: &mut Vec<Cut>) {
        self.cut_data(cuts);
        cuts.push(Cut { len, kind: ChunkKind::Zeros });
        self.sum = ZERO_SUM;
        self.window = [0; WINDOW];
    }

    fn cut_data(&mut self, cuts: &mut Vec<Cut>) {
        if self.open > 0 {
            cuts.push(Cut { len: self.open, kind: ChunkKind::Data });
            self.open = 0;
        }
    }

    fn roll(&mut self, data: &[u8], cuts: &mut Vec<Cut>) {
        let head = data.len().min(WINDOW);
        let window = self.window;
        self.scan(&data[..head], &window[..head], cuts);
        self.scan(&data[head..], &data[..data.len() - head], cuts);
        self.window.copy_within(head.., 0);
        self.window[WINDOW - head..].copy_from_slice(&data[data.len() - head..]);
    }

    /// `old` holds for each byte of `new` the one that leaves the window.
    fn scan(&mut self, new: &[u8], old: &[u8], cuts: &mut Vec<Cut>) {
        let Sum { mut s1, mut s2 } = self.sum;
        let mut cut_at = 0;
        for (at, (&new, &old)) in new.iter().zip(old).enumerate() {
            s1 = s1.wrapping_add(new.into()).wrapping_sub(old.into());
            s2 = s2.wrapping_add(s1).wrapping_sub((u32::from(old) + CHAR_OFFSET) * WINDOW as u32);
            if s2 as u16 == u16::MAX {
                let len = at + 1 - cut_at;
                cuts.push(Cut { len: self.open + len as u64, kind: ChunkKind::Data });
                self.open = 0;
                cut_at += len;
            }
        }
        self.open += (new.len() - cut_at) as u64;
        self.sum = Sum { s1, s2 };
    }
}

/// The first run of zeros that is a hole. `data` starts and ends with another byte, so the run is whole.
fn find_hole(data: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(block) = data.get(from..from + PROBE) {
        // The last byte decides nearly always.
        if block[PROBE - 1] != 0 || trailing_zeros(block) < PROBE {
            from += PROBE;
            continue;
        }
        let start = from - trailing_zeros(&data[..from]);
        let end = from + PROBE + leading_zeros(&data[from + PROBE..]);
        if (end - start) as u64 >= HOLE {
            return Some((start, end));
        }
        from = end;
    }
    None
}

fn leading_zeros(data: &[u8]) -> usize {
    let (words, rest) = data.as_chunks::<32>();
    match words.iter().position(|word| *word != [0; 32]) {
        Some(at) => at * 32 + words[at].iter().take_while(|byte| **byte == 0).count(),
        None => words.len() * 32 + rest.iter().take_while(|byte| **byte == 0).count(),
    }
}

fn trailing_zeros(data: &[u8]) -> usize {
    let (rest, words) = data.as_rchunks::<32>();
    let count = |bytes: &[u8]| bytes.iter().rev().take_while(|byte| **byte == 0).count();
    match words.iter().rev().position(|word| *word != [0; 32]) {
        Some(at) => at * 32 + count(&words[words.len() - 1 - at]),
        None => words.len() * 32 + count(rest),
    }
}

#[cfg(test)]
#[path = "chunker_tests.rs"]
mod tests;
