//! gzip out: one member of independent blocks, several compressed at once.
//!
//! The same content gives the same bytes, whatever the number of threads and however the content is cut. Each block of
//! content is compressed alone and ends at a byte, as pigz does it. It is one member, because some readers stop after
//! the first: Python's tarfile in stream mode and flate2's `GzDecoder` do.
//!
//! Level 7 of zlib-rs and blocks of 2 MiB give 1.016 to 1.018 of the bytes of `gzip -6` (measured on Debian and Python
//! images); level 6 gives 1.025 to 1.028.

use std::collections::VecDeque;
use std::io::{self, Write};

use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::{Compress, Compression, Decompress, DecompressError, FlushCompress, FlushDecompress, Status};

use crate::threads::{self, ThreadError};

/// Bytes of content in each block but the last; part of the profile.
pub const GZIP_BLOCK: usize = 2 << 20;

/// zlib's level; part of the profile.
pub const GZIP_LEVEL: u32 = 7;

/// RFC 1952: ID1, ID2, CM, FLG, four bytes of MTIME, XFL, OS. No name, no time, and a system that nobody knows.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Several layers are written at once, and each thread holds a block and what it is compressed to.
const MOST_THREADS: usize = 4;

/// Bytes that are compared at once.
const PIECE: usize = 1 << 16;

#[derive(Debug, thiserror::Error)]
pub enum GzipError {
    #[error("writing the layer: {0}")]
    Write(#[source] io::Error),
    #[error("{0}")]
    Threads(#[from] ThreadError),
    #[error("internal error: zlib did not take all of a block")]
    Left,
    #[error("internal error: a gzip block does not unpack to what went in")]
    ReadBack,
    #[error("internal error: a compressing thread stopped")]
    Stopped,
}

type Packed = Result<Block, GzipError>;

/// A compressed block, and the checksum of its content.
struct Block {
    bytes: Vec<u8>,
    crc: crc32fast::Hasher,
}

/// A block's content, and where it is awaited.
struct Job {
    content: Vec<u8>,
    is_last: bool,
    done: Sender<Packed>,
}

/// Takes content, front to back.
pub struct Gzip<'o> {
    content: Vec<u8>,
    jobs: Sender<Job>,
    /// Blocks that are being compressed, in their order.
    pending: VecDeque<Receiver<Packed>>,
    most: usize,
    crc: crc32fast::Hasher,
    /// Bytes of content.
    size: u64,
    out: &'o mut (dyn Write + Send),
}

/// Writes the gzip data of all that `write` hands in to `out`.
pub fn gzip<T, E: From<GzipError>>(
    threads: usize,
    out: &mut (dyn Write + Send),
    write: impl FnOnce(&mut Gzip<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let threads = threads.clamp(1, MOST_THREADS);
    std::thread::scope(|scope| {
        let (jobs, waiting) = bounded(threads);
        let start = |_| {
            let waiting: Receiver<Job> = waiting.clone();
            let pack = |job: Job| drop(job.done.send(block(&job.content, job.is_last)));
            threads::start(scope, move || waiting.iter().for_each(pack))
        };
        let workers = (0..threads).map(start).collect::<Result<Vec<_>, _>>().map_err(GzipError::from)?;
        let (content, pending) = (Vec::with_capacity(GZIP_BLOCK), VecDeque::new());
        let crc = crc32fast::Hasher::new();
        let mut gzip = Gzip { content, jobs, pending, most: threads + 1, crc, size: 0, out };
        let written = gzip.out.write_all(&HEAD).map_err(|error| GzipError::Write(error).into());
        let written = written.and_then(|()| write(&mut gzip));
        let written = written.and_then(|written| gzip.finish().map(|()| written).map_err(E::from));
        // The threads end when nobody has more for them.
        drop(gzip);
        // A panic comes first: the rest may follow from it.
        workers.into_iter().try_for_each(threads::Worker::join).map_err(GzipError::from)?;
        written
    })
}

impl Gzip<'_> {
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), GzipError> {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(GZIP_BLOCK - self.content.len()));
            self.content.extend_from_slice(now);
            bytes = later;
            if self.content.len() == GZIP_BLOCK {
                self.send(false)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, is_last: bool) -> Result<(), GzipError> {
        if self.pending.len() == self.most {
            self.write_first()?;
        }
        let room = if is_last { 0 } else { GZIP_BLOCK };
        let content = std::mem::replace(&mut self.content, Vec::with_capacity(room));
        let (done, packed) = bounded(1);
        self.jobs.send(Job { content, is_last, done }).map_err(|_| GzipError::Stopped)?;
        self.pending.push_back(packed);
        Ok(())
    }

    fn write_first(&mut self) -> Result<(), GzipError> {
        let Some(packed) = self.pending.pop_front() else { return Ok(()) };
        let Block { bytes, crc } = packed.recv().map_err(|_| GzipError::Stopped)??;
        self.crc.combine(&crc);
        self.out.write_all(&bytes).map_err(GzipError::Write)
    }

    /// The last block, which may be empty, and the trailer: the checksum, and the size modulo 2^32.
    fn finish(&mut self) -> Result<(), GzipError> {
        self.send(true)?;
        while !self.pending.is_empty() {
            self.write_first()?;
        }
        let (crc, size) = (self.crc.clone().finalize(), self.size as u32);
        let trailer = [crc.to_le_bytes(), size.to_le_bytes()].concat();
        self.out.write_all(&trailer).map_err(GzipError::Write)
    }
}

/// One block, which was read back once.
fn block(content: &[u8], is_last: bool) -> Packed {
    // Room for all: where a flush has to go on, zlib may write another mark. What can't be compressed grows a little.
    let mut bytes = Vec::with_capacity(content.len() + content.len() / 64 + 1024);
    let mut compress = Compress::new(Compression::new(GZIP_LEVEL), false);
    let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
    let status = compress.compress_vec(content, &mut bytes, flush).map_err(|_| GzipError::Left)?;
    let is_done = status == if is_last { Status::StreamEnd } else { Status::Ok };
    if !is_done || compress.total_in() != content.len() as u64 || bytes.len() == bytes.capacity() {
        return Err(GzipError::Left);
    }
    if !is_content(&bytes, content).unwrap_or(false) {
        return Err(GzipError::ReadBack);
    }
    bytes.shrink_to_fit();
    let mut crc = crc32fast::Hasher::new();
    crc.update(content);
    Ok(Block { bytes, crc })
}

/// True when a block of its own unpacks to this, and to the end.
fn is_content(packed: &[u8], mut content: &[u8]) -> Result<bool, DecompressError> {
    let mut decompress = Decompress::new(false);
    let (mut rest, mut piece) = (packed, vec![0; PIECE]);
    loop {
        let (read, written) = (decompress.total_in(), decompress.total_out());
        let status = decompress.decompress(rest, &mut piece, FlushDecompress::None)?;
        let (read, written) = ((decompress.total_in() - read) as usize, (decompress.total_out() - written) as usize);
        rest = &rest[read..];
        match content.strip_prefix(&piece[..written]) {
            Some(later) => content = later,
            None => return Ok(false),
        }
        if status == Status::StreamEnd || (read, written) == (0, 0) {
            return Ok(content.is_empty() && rest.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::bufread::GzDecoder;
    use std::io::Read as _;

    fn content(len: usize) -> Vec<u8> {
        (0..len as u32).flat_map(|n| (n / 7).wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
    }

    fn packed(content: &[u8], threads: usize, piece: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let write = |gzip: &mut Gzip<'_>| content.chunks(piece).try_for_each(|piece| gzip.push(piece));
        gzip::<_, GzipError>(threads, &mut out, write).unwrap();
        out
    }

    /// By a reader that stops after the first member.
    fn unpacked(packed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut decoder = GzDecoder::new(packed);
        decoder.read_to_end(&mut out).unwrap();
        assert!(decoder.into_inner().is_empty());
        out
    }

    #[test]
    fn bytes_do_not_depend_on_threads_or_pieces() {
        let content = content(9 * GZIP_BLOCK + 12_345);
        let one = packed(&content, 1, content.len());
        assert!(unpacked(&one) == content);
        for (threads, piece) in [(1, 4_096), (2, 1 << 20), (7, 3_000_001), (64, 1 << 22)] {
            assert!(packed(&content, threads, piece) == one, "{threads} threads, pieces of {piece}");
        }
    }

    #[test]
    fn edges_of_blocks() {
        for len in [0, 1, GZIP_BLOCK - 1, GZIP_BLOCK, GZIP_BLOCK + 1, 2 * GZIP_BLOCK] {
            let content = content(len);
            assert!(unpacked(&packed(&content, 2, 1 << 20)) == content, "{len}");
        }
    }

    #[test]
    fn what_cannot_be_compressed_hardly_grows() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let content: Vec<u8> = (0..GZIP_BLOCK + 100_000).map(|_| next()).collect();
        let packed = packed(&content, 2, 1 << 20);
        assert!(unpacked(&packed) == content);
        assert!(packed.len() < content.len() + content.len() / 1000, "{}", packed.len());
    }

    /// An empty block is two bytes (RFC 1951); checksum and size are zeros.
    #[test]
    fn nothing_is_these_bytes() {
        assert_eq!(packed(&[], 3, 1), [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_was_changed_is_no_content() {
        let content = content(100_000);
        for is_last in [false, true] {
            let good = block(&content, is_last).unwrap().bytes;
            let is = |packed: &[u8], content: &[u8]| is_content(packed, content).unwrap_or(false);
            assert!(is(&good, &content));
            assert!(!is(&good, &content[1..]) && !is(&good, &content[..99_999]));
            assert!(!is(&[good.as_slice(), &[0xff]].concat(), &content));
            assert!(!is(&good[..good.len() / 2], &content));
        }
    }

    #[test]
    fn a_writer_that_fails_ends_it() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("full"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let content = content(20 * GZIP_BLOCK);
        let failed = gzip::<_, GzipError>(2, &mut Full, |gzip| gzip.push(&content)).unwrap_err();
        assert_eq!(failed.to_string(), "writing the layer: full");
    }
}
