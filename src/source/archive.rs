//! The outer tar of an oci-archive or docker-archive, walked once; only where its members lie is kept.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SourceError;
use super::plain_file::{self, PlainFile, Scratch};
use crate::limits;
use crate::oci::Reference;
use crate::progress::{Interrupted, Progress};
use crate::span::Span;
use crate::tar::{BLOCK, EntryKind, RawEntry, ScanError, Scanner, Step, TarPath};

#[derive(Debug)]
pub(super) struct Archive {
    /// For people, where it is no file's.
    path: PathBuf,
    tar: PlainFile,
    listing: Listing,
}

/// What stands where in an archive.
#[derive(Debug)]
pub(super) struct Listing {
    pub members: HashMap<TarPath, Member>,
    end: End,
}

/// How an archive ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// With two blocks of zeros.
    Marked,
    /// Between two members: some writers leave the mark out, and an archive that was cut short may end there, too.
    Unmarked,
    /// In the middle of a member.
    Inside { member: String, end: u64 },
}

#[derive(Debug)]
pub(super) enum Member {
    File(Span),
    Link(TarPath),
}

/// Old `docker save` links layers at most once; more would be a loop.
const MAX_LINKS: usize = 8;

impl Archive {
    pub(super) fn open(reference: &Reference, scratch: Scratch<'_>) -> Result<Self, SourceError> {
        let (path, tar) = plain_file::open(reference, scratch)?;
        let listing = index(&tar.file, scratch.progress).map_err(|error| error.told(&path, &tar))?;
        Ok(Self { path, tar, listing })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> Arc<File> {
        self.tar.file.clone()
    }

    /// Where a member's content lies, through links inside the archive; `None` when there is no such file. What is missing
    /// in an archive that was cut short was lost.
    pub(super) fn find(&self, name: &str) -> Result<Option<Span>, SourceError> {
        match (self.look(name)?, &self.listing.end) {
            (None, End::Unmarked) => {
                let at = self.tar.end();
                Err(cut(
                    &self.path,
                    format!("{at}, where it has neither the member {:?} nor an end mark", excerpt(name)),
                ))
            }
            (found, _) => Ok(found),
        }
    }

    fn look(&self, name: &str) -> Result<Option<Span>, SourceError> {
        let Ok(mut path) = TarPath::new(name.as_bytes()) else { return Ok(None) };
        for _ in 0..MAX_LINKS {
            match self.listing.members.get(&path) {
                None => break,
                Some(Member::Link(target)) => path = target.clone(),
                Some(Member::File(span)) if span.fits_in(self.tar.size) => return Ok(Some(*span)),
                Some(Member::File(span)) => return Err(self.cut_inside(name, span.end())),
            }
        }
        match &self.listing.end {
            End::Inside { member, end } => Err(self.cut_inside(member, *end)),
            End::Marked | End::Unmarked => Ok(None),
        }
    }

    fn cut_inside(&self, member: &str, end: u64) -> SourceError {
        let at = self.tar.end();
        cut(&self.path, format!("{at}, inside the member {:?}, which should end at byte {end}", excerpt(member)))
    }
}

/// `place` says where it ends.
fn cut(path: &Path, place: String) -> SourceError {
    SourceError::CutShort { archive: path.to_owned(), place }
}

/// Enough of a name from outside to recognise it.
pub(super) fn excerpt(name: &str) -> String {
    name.chars().take(200).collect()
}

const BLOCK_BYTES: u64 = BLOCK as u64;

/// Why the members can't be listed.
pub(super) enum Walk {
    Io(io::Error),
    Tar(ScanError),
    TooMany,
    NamesTooLong,
    Interrupted(Interrupted),
}

impl Walk {
    /// Never in words that show what the file contains: it may be anything.
    fn told(self, path: &Path, tar: &PlainFile) -> SourceError {
        let archive = path.to_owned();
        match self {
            Self::Io(source) => SourceError::Io { path: archive, doing: "reading the archive", source },
            Self::Tar(ScanError::Checksum { offset: 0 } | ScanError::Truncated { offset: ..BLOCK_BYTES }) => {
                plain_file::no_tar(path, "a file that is none")
            }
            Self::Tar(ScanError::Truncated { .. }) => cut(path, format!("{}, inside a member's header", tar.end())),
            Self::Tar(source) => SourceError::Tar { archive, source },
            Self::TooMany => SourceError::TooManyMembers { archive, limit: limits::ARCHIVE_MEMBERS },
            Self::NamesTooLong => SourceError::LongNames { archive, limit: limits::ARCHIVE_NAME_BYTES },
            Self::Interrupted(interrupted) => interrupted.into(),
        }
    }
}

/// Later members replace earlier ones of the same name, as unpacking would.
pub(super) fn index(file: &File, progress: &Progress) -> Result<Listing, Walk> {
    let size = file.metadata().map_err(Walk::Io)?.len();
    let (mut members, mut end) = (HashMap::new(), End::Unmarked);
    let (mut scanner, mut at, mut name_bytes) = (Scanner::new(), 0_u64, 0);
    let mut block = [0; BLOCK];
    loop {
        progress.check().map_err(Walk::Interrupted)?;
        match read_block(file, at, &mut block).map_err(Walk::Io)? {
            0 => return scanner.finish().map(|()| Listing { members, end }).map_err(Walk::Tar),
            BLOCK => at += BLOCK_BYTES,
            got => return Err(Walk::Tar(ScanError::Truncated { offset: at + got as u64 })),
        }
        let entry = match scanner.push(&block).map_err(Walk::Tar)? {
            Step::More => continue,
            Step::End => return Ok(Listing { members, end: End::Marked }),
            Step::Entry(entry) => entry,
        };
        // Names that leave the archive are never asked for.
        if let Ok(name) = TarPath::new(&entry.header.name)
            && let Some(member) = member(&entry, &name, at)
        {
            if members.len() == limits::ARCHIVE_MEMBERS {
                return Err(Walk::TooMany);
            }
            name_bytes += name.as_bytes().len() + entry.header.link.len();
            if name_bytes > limits::ARCHIVE_NAME_BYTES {
                return Err(Walk::NamesTooLong);
            }
            members.insert(name, member);
        }
        let stored = at.saturating_add(entry.stored);
        if stored > size {
            end = End::Inside { member: excerpt(&String::from_utf8_lossy(&entry.header.name)), end: stored };
        }
        // Behind the end of the file there is nothing more to read, which is told when a member is asked for.
        at = stored.checked_next_multiple_of(BLOCK_BYTES).unwrap_or(u64::MAX);
    }
}

/// The bytes of it that are there.
fn read_block(file: &File, at: u64, block: &mut [u8; BLOCK]) -> io::Result<usize> {
    let mut got = 0;
    // The kernel takes offsets up to this.
    while got < BLOCK && at < i64::MAX as u64 - BLOCK_BYTES {
        match file.read_at(&mut block[got..], at + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// `None` for what holds no bytes that can be addressed: directories, devices, sparse files.
fn member(entry: &RawEntry, name: &TarPath, at: u64) -> Option<Member> {
    match entry.header.kind {
        EntryKind::Regular if entry.sparse.is_none() => Span::new(at, entry.stored).map(Member::File),
        EntryKind::HardLink => TarPath::new(&entry.header.link).ok().map(Member::Link),
        EntryKind::Symlink => resolve(name, &entry.header.link).map(Member::Link),
        _ => None,
    }
}

/// A symlink's target by its text alone; `None` when it leaves the archive.
fn resolve(link: &TarPath, target: &[u8]) -> Option<TarPath> {
    let mut path = link.parent()?;
    if target.starts_with(b"/") {
        return None;
    }
    for part in target.split(|&b| b == b'/') {
        path = match part {
            b"" | b"." => path,
            b".." => path.parent()?,
            name => path.join(name),
        };
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_links_inside_only() {
        let link = TarPath::new(b"abc/layer.tar").unwrap();
        assert_eq!(resolve(&link, b"../def/layer.tar").unwrap().as_bytes(), b"def/layer.tar");
        assert_eq!(resolve(&link, b"./x").unwrap().as_bytes(), b"abc/x");
        assert_eq!(resolve(&link, b"../../etc/passwd"), None);
        assert_eq!(resolve(&link, b"/etc/passwd"), None);
    }
}
