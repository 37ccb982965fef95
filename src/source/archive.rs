//! The outer tar of an oci-archive or docker-archive, walked once; only where its members lie is kept.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SourceError;
use super::plain_file::{self, Scratch};
use crate::limits;
use crate::progress::{Interrupted, Progress};
use crate::span::Span;
use crate::tar::{BLOCK, EntryKind, RawEntry, ScanError, Scanner, Step, TarPath};

#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    file: Arc<File>,
    size: u64,
    members: HashMap<TarPath, Member>,
}

#[derive(Debug)]
pub(super) enum Member {
    File(Span),
    Link(TarPath),
}

/// Old `docker save` links layers at most once; more would be a loop.
const MAX_LINKS: usize = 8;

impl Archive {
    pub(super) fn open(path: &Path, scratch: Scratch<'_>) -> Result<Self, SourceError> {
        let (file, size) = plain_file::open(path, scratch)?;
        let members = index(&file, scratch.progress).map_err(|error| error.told(path))?;
        Ok(Self { path: path.to_owned(), size, file: Arc::new(file), members })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Where a member's content lies, through links inside the archive; `None` when there is no such file.
    pub(super) fn find(&self, name: &str) -> Result<Option<Span>, SourceError> {
        let Ok(mut path) = TarPath::new(name.as_bytes()) else { return Ok(None) };
        for _ in 0..MAX_LINKS {
            match self.members.get(&path) {
                None => return Ok(None),
                Some(Member::Link(target)) => path = target.clone(),
                Some(Member::File(span)) if span.fits_in(self.size) => return Ok(Some(*span)),
                Some(Member::File(span)) => {
                    return Err(SourceError::Truncated {
                        archive: self.path.clone(),
                        member: name.to_owned(),
                        end: span.end(),
                        size: self.size,
                    });
                }
            }
        }
        Ok(None)
    }
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
    fn told(self, path: &Path) -> SourceError {
        let archive = path.to_owned();
        match self {
            Self::Io(source) => SourceError::Io { path: archive, doing: "reading the archive", source },
            Self::Tar(ScanError::Checksum { offset: 0 } | ScanError::Truncated { offset: ..BLOCK_BYTES }) => {
                plain_file::no_tar(path, "a file that is none")
            }
            Self::Tar(source) => SourceError::Tar { archive, source },
            Self::TooMany => SourceError::TooManyMembers { archive, limit: limits::ARCHIVE_MEMBERS },
            Self::NamesTooLong => SourceError::LongNames { archive, limit: limits::ARCHIVE_NAME_BYTES },
            Self::Interrupted(interrupted) => interrupted.into(),
        }
    }
}

/// Later members replace earlier ones of the same name, as unpacking would.
pub(super) fn index(file: &File, progress: &Progress) -> Result<HashMap<TarPath, Member>, Walk> {
    let mut members = HashMap::new();
    let (mut scanner, mut at, mut name_bytes) = (Scanner::new(), 0_u64, 0);
    let mut block = [0; BLOCK];
    loop {
        progress.check().map_err(Walk::Interrupted)?;
        match read_block(file, at, &mut block).map_err(Walk::Io)? {
            0 => return scanner.finish().map(|()| members).map_err(Walk::Tar),
            BLOCK => at += BLOCK_BYTES,
            got => return Err(Walk::Tar(ScanError::Truncated { offset: at + got as u64 })),
        }
        let entry = match scanner.push(&block).map_err(Walk::Tar)? {
            Step::More => continue,
            Step::End => return Ok(members),
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
        // Behind the end of the file there is nothing more to read, which is told when the member is asked for.
        at = entry.stored.checked_next_multiple_of(BLOCK_BYTES).and_then(|len| at.checked_add(len)).unwrap_or(u64::MAX);
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
