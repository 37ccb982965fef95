//! Files that are proven first and copied later: what was proven has to be what is copied.
//!
//! A proof holds for a [`Stamp`]. Who uses the bytes takes the stamp before and looks again afterwards; when the file
//! looks different, something wrote to it, and it has to be proven again. Writes through a memory map may leave no mark
//! in a stamp until the kernel writes them back; the reader of the copy then finds a wrong digest.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bytes::FileBytes;
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::progress::Progress;
use crate::span::Span;
use crate::threads::lock;

/// A file as it was: one that still looks so was not written to since. Device, inode, bytes, and nanoseconds of mtime
/// and of ctime, which nobody can set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp([u64; 5]);

/// Longer than a tick of the clock that file systems stamp with: 10 ms at most.
const TICK: Duration = Duration::from_millis(20);

/// How often something is tried with a file that is written to all the time.
const TRIES: usize = 3;

impl Stamp {
    pub fn of(meta: &Metadata) -> Self {
        let nanos = |secs: i64, nanos| secs.wrapping_mul(1_000_000_000).wrapping_add(nanos).cast_unsigned();
        let (mtime, ctime) = (nanos(meta.mtime(), meta.mtime_nsec()), nanos(meta.ctime(), meta.ctime_nsec()));
        Self([meta.dev(), meta.ino(), meta.size(), mtime, ctime])
    }

    /// Taken when the last change is so long ago that the next one leaves a mark. `None` for a file that is written to
    /// all the time.
    pub fn settled(look: impl Fn() -> io::Result<Metadata>) -> io::Result<Option<Self>> {
        for _ in 0..TRIES {
            let meta = look()?;
            let Some(wait) = until_settled(&meta) else { return Ok(Some(Self::of(&meta))) };
            std::thread::sleep(wait);
        }
        let meta = look()?;
        Ok(until_settled(&meta).is_none().then(|| Self::of(&meta)))
    }

    pub fn words(&self) -> [u64; 5] {
        self.0
    }

    pub const fn from_words(words: [u64; 5]) -> Self {
        Self(words)
    }
}

/// How a file is known again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// It looks the same. Its owner may be another user, who can set mtime back.
    Same(Stamp),
    /// It is a file of this program that got its name since: a rename changes ctime.
    Renamed(Stamp),
}

impl Trace {
    pub fn leads_to(&self, later: &Stamp) -> bool {
        match self {
            Self::Same(stamp) => stamp == later,
            Self::Renamed(stamp) => stamp.0[..4] == later.0[..4],
        }
    }
}

/// `None` for a time in the future, too: the clock of another machine says nothing about ours.
fn until_settled(meta: &Metadata) -> Option<Duration> {
    let changed = Duration::new(meta.ctime().try_into().ok()?, meta.ctime_nsec().try_into().ok()?);
    let age = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(changed)?;
    TICK.checked_sub(age).filter(|wait| !wait.is_zero())
}

/// A part of a file, and the stamp that what is known of its bytes holds for. Clones share all of it: an image may have
/// more layers than a process may have open files.
#[derive(Debug, Clone)]
pub struct Watched(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes: FileBytes,
    /// `None` when the file never came to rest: then nothing is known.
    stamp: Mutex<Option<Stamp>>,
}

impl Watched {
    /// Before anything is read.
    pub fn new(bytes: FileBytes) -> io::Result<Self> {
        let stamp = Stamp::settled(|| bytes.file.metadata())?;
        Ok(Self(Arc::new(Shared { bytes, stamp: Mutex::new(stamp) })))
    }

    pub fn bytes(&self) -> &FileBytes {
        &self.0.bytes
    }

    /// For [`FileExt::read_at`]: the cursor is shared.
    pub fn file(&self) -> &File {
        &self.0.bytes.file
    }

    pub fn span(&self) -> Span {
        self.0.bytes.span
    }

    /// Take it before the bytes are used, and ask [`is`](Self::is) afterwards.
    pub fn stamp(&self) -> Option<Stamp> {
        *lock(&self.0.stamp)
    }

    /// True when the file looks as it did then.
    pub fn is(&self, stamp: Option<Stamp>) -> bool {
        stamp.is_some_and(|stamp| self.file().metadata().is_ok_and(|meta| Stamp::of(&meta) == stamp))
    }

    /// A new stamp, which a proof that follows can hold for.
    pub fn renew(&self) -> io::Result<Option<Stamp>> {
        let stamp = Stamp::settled(|| self.file().metadata())?;
        *lock(&self.0.stamp) = stamp;
        Ok(stamp)
    }

    /// Reads the bytes again: true when they have this digest, and nothing wrote to them meanwhile.
    pub fn prove(&self, digest: BlobDigest, progress: &Progress) -> io::Result<bool> {
        let stamp = self.renew()?;
        let mut hash = Sha256Stream::new();
        let mut piece = vec![0; 1 << 18];
        let mut at = self.span().start();
        while at < self.span().end() {
            progress.check().map_err(io::Error::other)?;
            let want = piece.len().min(usize::try_from(self.span().end() - at).unwrap_or(usize::MAX));
            match self.file().read_at(&mut piece[..want], at) {
                Ok(0) => break,
                Ok(got) => {
                    hash.update(&piece[..got]);
                    at += got as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let is_whole = hash.bytes() == self.span().len();
        Ok(is_whole && BlobDigest::from_bytes(hash.finish()) == digest && self.is(stamp))
    }
}

/// A file was written to while it was used.
#[derive(Debug, thiserror::Error)]
pub enum Unsteady {
    #[error(
        "the blob {digest} was written to while it was copied: expected a file that nothing else writes to; run again \
         when that has stopped"
    )]
    Written { digest: BlobDigest },
    #[error("reading the blob {digest} again: {source}")]
    Io { digest: BlobDigest, source: io::Error },
}

/// A blob that is used, its digest, and whether its proof goes by the digest, so that it can be given again.
#[derive(Debug, Clone, Copy)]
pub struct Used<'a> {
    pub blob: &'a Watched,
    pub digest: BlobDigest,
    pub is_proven: bool,
}

/// Does `work`, which uses these blobs, until nothing wrote to them meanwhile: what was proven is what was used. Work that
/// was disturbed is dropped.
pub fn steady<T, E: From<Unsteady>>(used: &[Used<'_>], mut work: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let mut tries = 0;
    loop {
        tries += 1;
        let stamps: Vec<Option<Stamp>> = used.iter().map(|used| used.blob.stamp()).collect();
        let done = work()?;
        let mut disturbed = used.iter().zip(stamps).filter(|(used, stamp)| !used.blob.is(*stamp)).peekable();
        let Some((first, _)) = disturbed.peek() else { return Ok(done) };
        let written = |digest| E::from(Unsteady::Written { digest });
        if tries == TRIES {
            return Err(written(first.digest));
        }
        for (Used { blob, digest, is_proven }, _) in disturbed {
            // As the copy itself, this is ended from outside.
            let again = if *is_proven { blob.prove(*digest, &Progress::new()) } else { Ok(false) };
            match again {
                Ok(true) => {}
                Ok(false) => return Err(written(*digest)),
                Err(source) => return Err(Unsteady::Io { digest: *digest, source }.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    fn watched(bytes: &[u8]) -> (tempfile::NamedTempFile, Watched) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let bytes = FileBytes::new(file.reopen().unwrap(), Span::new(1, 3).unwrap());
        let watched = Watched::new(bytes).unwrap();
        (file, watched)
    }

    fn digest(bytes: &[u8]) -> BlobDigest {
        BlobDigest::from_bytes(Sha256Stream::of(bytes))
    }

    #[test]
    fn a_write_leaves_a_mark_however_soon_it_comes() {
        for _ in 0..5 {
            let (file, watched) = watched(b"_abc_");
            let stamp = watched.stamp();
            assert!(stamp.is_some() && watched.is(stamp));
            file.as_file().write_at(b"x", 2).unwrap();
            assert!(!watched.is(stamp) && !watched.is(None));
        }
    }

    #[test]
    fn a_time_that_was_set_back_hides_nothing() {
        let (file, watched) = watched(b"_abc_");
        let (stamp, time) = (watched.stamp(), file.as_file().metadata().unwrap().modified().unwrap());
        file.as_file().write_at(b"x", 2).unwrap();
        file.as_file().set_modified(time).unwrap();
        assert!(file.as_file().metadata().unwrap().modified().unwrap() == time && !watched.is(stamp));
    }

    #[test]
    fn what_is_proven_again_holds_for_a_new_stamp() {
        let (file, watched) = watched(b"_abc_");
        let old = watched.stamp();
        file.as_file().write_at(b"x", 4).unwrap();
        assert!(watched.prove(digest(b"abc"), &Progress::new()).unwrap());
        assert!(!watched.is(old) && watched.is(watched.stamp()));
        assert!(!watched.prove(digest(b"abd"), &Progress::new()).unwrap());
        file.as_file().set_len(3).unwrap();
        assert!(!watched.prove(digest(b"ab"), &Progress::new()).unwrap());
    }

    #[test]
    fn work_that_is_disturbed_is_done_again_or_not_at_all() {
        let (file, watched) = watched(b"_abc_");
        let write = |byte: &[u8]| file.as_file().write_all_at(byte, 2).unwrap();
        // `after` comes between the reading and the look at the file; what was read, and how often.
        let read = |is_proven: bool, after: &dyn Fn(usize)| {
            let calls = Cell::new(0);
            let done = steady(&[Used { blob: &watched, digest: digest(b"abc"), is_proven }], || {
                let mut bytes = [0; 3];
                watched.file().read_exact_at(&mut bytes, 1).unwrap();
                after(calls.replace(calls.get() + 1));
                Ok::<_, Unsteady>(bytes)
            });
            assert!(matches!(done, Ok(_) | Err(Unsteady::Written { .. })));
            (done.ok(), calls.get())
        };
        assert_eq!(read(true, &|_| {}), (Some(*b"abc"), 1));
        assert_eq!(read(true, &|_| write(b"x")), (None, 1));
        // The wrong bytes are read, and the right ones are back when the file is looked at.
        let back = |call| {
            if call == 0 {
                write(b"b")
            }
        };
        assert_eq!(read(true, &back), (Some(*b"abc"), 2));
        assert_eq!(read(true, &|_| write(b"b")), (None, TRIES));
        watched.renew().unwrap();
        assert_eq!(read(false, &back), (None, 1));
    }

    #[test]
    fn a_renamed_file_is_known_again() {
        let (file, watched) = watched(b"_abc_");
        let before = watched.stamp().unwrap();
        let path = file.path().with_extension("renamed");
        let leads = || {
            let later = Stamp::of(&fs::metadata(&path).unwrap());
            [Trace::Same(before), Trace::Renamed(before)].map(|trace| trace.leads_to(&later))
        };
        fs::rename(file.path(), &path).unwrap();
        assert_eq!(leads(), [false, true]);
        fs::write(&path, b"_abx_").unwrap();
        assert_eq!(leads(), [false, false]);
        fs::remove_file(path).unwrap();
        assert!(Trace::Same(before).leads_to(&before));
    }
}
