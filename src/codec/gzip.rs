//! gzip out: members of a fixed number of bytes, several compressed at once.
//!
//! The same content gives the same bytes, whatever the number of threads and however the content is cut. Level 7 of
//! zlib-rs and members of 2 MiB give 1.016 to 1.018 of the bytes of `gzip -6` (measured on Debian and Python images);
//! level 6 gives 1.025 to 1.028.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};

use crate::threads::{self, ThreadError};

/// Bytes of content in each member but the last; part of the profile.
pub const GZIP_MEMBER: usize = 2 << 20;

/// zlib's level; part of the profile.
pub const GZIP_LEVEL: u32 = 7;

/// RFC 1952: nobody knows. Any other number would depend on the machine.
const UNKNOWN_SYSTEM: u8 = 255;

/// Several layers are written at once, and each thread holds a member and what it is compressed to.
const MOST_THREADS: usize = 4;

/// Bytes that are compared at once.
const PIECE: usize = 1 << 16;

#[derive(Debug, thiserror::Error)]
pub enum GzipError {
    #[error("writing the layer: {0}")]
    Write(#[source] io::Error),
    #[error("{0}")]
    Threads(#[from] ThreadError),
    #[error("internal error: a gzip member does not unpack to what went in")]
    ReadBack,
    #[error("internal error: a compressing thread stopped")]
    Stopped,
}

type Packed = Result<Vec<u8>, GzipError>;

/// A member's content, and where its bytes are awaited.
struct Job {
    content: Vec<u8>,
    done: Sender<Packed>,
}

/// Takes content, front to back.
pub struct Gzip<'o> {
    content: Vec<u8>,
    jobs: Sender<Job>,
    /// Members that are being compressed, in their order.
    pending: VecDeque<Receiver<Packed>>,
    most: usize,
    is_begun: bool,
    out: &'o mut (dyn Write + Send),
}

/// Writes the gzip data of all that `write` hands in to `out`. No content is one empty member.
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
            threads::start(scope, move || waiting.iter().for_each(|job| drop(job.done.send(member(&job.content)))))
        };
        let workers = (0..threads).map(start).collect::<Result<Vec<_>, _>>().map_err(GzipError::from)?;
        let (content, pending) = (Vec::with_capacity(GZIP_MEMBER), VecDeque::new());
        let mut gzip = Gzip { content, jobs, pending, most: threads + 1, is_begun: false, out };
        let written = write(&mut gzip).and_then(|written| gzip.finish().map(|()| written).map_err(E::from));
        // The threads end when nobody has more for them.
        drop(gzip);
        // A panic comes first: the rest may follow from it.
        workers.into_iter().try_for_each(threads::Worker::join).map_err(GzipError::from)?;
        written
    })
}

impl Gzip<'_> {
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), GzipError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(GZIP_MEMBER - self.content.len()));
            self.content.extend_from_slice(now);
            bytes = later;
            if self.content.len() == GZIP_MEMBER {
                self.send()?;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), GzipError> {
        if self.pending.len() == self.most {
            self.write_first()?;
        }
        let content = std::mem::replace(&mut self.content, Vec::with_capacity(GZIP_MEMBER));
        let (done, packed) = bounded(1);
        self.jobs.send(Job { content, done }).map_err(|_| GzipError::Stopped)?;
        self.pending.push_back(packed);
        self.is_begun = true;
        Ok(())
    }

    fn write_first(&mut self) -> Result<(), GzipError> {
        let Some(packed) = self.pending.pop_front() else { return Ok(()) };
        let packed = packed.recv().map_err(|_| GzipError::Stopped)??;
        self.out.write_all(&packed).map_err(GzipError::Write)
    }

    fn finish(&mut self) -> Result<(), GzipError> {
        if !self.content.is_empty() || !self.is_begun {
            self.send()?;
        }
        while !self.pending.is_empty() {
            self.write_first()?;
        }
        Ok(())
    }
}

/// One member, which was read back once.
fn member(content: &[u8]) -> Packed {
    let builder = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
    let mut encoder = builder.write(Vec::with_capacity(content.len() / 2), Compression::new(GZIP_LEVEL));
    let packed = encoder.write_all(content).and_then(|()| encoder.finish()).map_err(GzipError::Write)?;
    match is_content(&packed, content) {
        Ok(true) => Ok(packed),
        Ok(false) | Err(_) => Err(GzipError::ReadBack),
    }
}

fn is_content(packed: &[u8], mut content: &[u8]) -> io::Result<bool> {
    let mut decoder = GzDecoder::new(packed);
    let mut piece = vec![0; PIECE];
    loop {
        let found = decoder.read(&mut piece)?;
        if found == 0 {
            return Ok(content.is_empty() && decoder.get_ref().is_empty());
        }
        match content.strip_prefix(&piece[..found]) {
            Some(rest) => content = rest,
            None => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;

    fn content(len: usize) -> Vec<u8> {
        (0..len as u32).flat_map(|n| (n / 7).wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
    }

    fn packed(content: &[u8], threads: usize, piece: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let write = |gzip: &mut Gzip<'_>| content.chunks(piece).try_for_each(|piece| gzip.push(piece));
        gzip::<_, GzipError>(threads, &mut out, write).unwrap();
        out
    }

    fn unpacked(packed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        MultiGzDecoder::new(packed).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn bytes_do_not_depend_on_threads_or_pieces() {
        let content = content(9 * GZIP_MEMBER + 12_345);
        let one = packed(&content, 1, content.len());
        assert!(unpacked(&one) == content);
        for (threads, piece) in [(1, 4_096), (2, 1 << 20), (7, 3_000_001), (64, 1 << 22)] {
            assert!(packed(&content, threads, piece) == one, "{threads} threads, pieces of {piece}");
        }
    }

    #[test]
    fn edges_are_members() {
        for (len, members) in [(0, 1), (1, 1), (GZIP_MEMBER, 1), (GZIP_MEMBER + 1, 2), (2 * GZIP_MEMBER, 2)] {
            let content = content(len);
            let packed = packed(&content, 2, 1 << 20);
            assert!(unpacked(&packed) == content, "{len}");
            let mut rest = packed.as_slice();
            let mut found = 0;
            while !rest.is_empty() {
                let mut decoder = GzDecoder::new(rest);
                io::copy(&mut decoder, &mut io::sink()).unwrap();
                rest = decoder.into_inner();
                found += 1;
            }
            assert_eq!(found, members, "{len}");
        }
    }

    /// No name, no time, no system: ID1 ID2 CM FLG MTIME XFL OS. The rest is RFC 1951's: an empty block, and zeros.
    #[test]
    fn an_empty_member_is_these_bytes() {
        assert_eq!(packed(&[], 3, 1), [31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_was_changed_is_no_content() {
        let content = content(100_000);
        let good = member(&content).unwrap();
        assert!(is_content(&good, &content).unwrap());
        assert!(!is_content(&good, &content[1..]).unwrap() && !is_content(&good, &content[..99_999]).unwrap());
        assert!(!is_content(&[good.as_slice(), &[0]].concat(), &content).unwrap());
        assert!(is_content(&good[..good.len() - 1], &content).is_err());
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
        let content = content(20 * GZIP_MEMBER);
        let failed = gzip::<_, GzipError>(2, &mut Full, |gzip| gzip.push(&content)).unwrap_err();
        assert_eq!(failed.to_string(), "writing the layer: full");
    }
}
