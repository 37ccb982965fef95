//! The outer tar of an oci-archive or docker-archive, walked once; only where its members lie is kept.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SourceError;
use crate::limits;
use crate::span::Span;
use crate::tar::TarPath;

#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    file: Arc<File>,
    size: u64,
    members: HashMap<TarPath, Member>,
}

#[derive(Debug)]
enum Member {
    File(Span),
    Link(TarPath),
}

/// Old `docker save` links layers at most once; more would be a loop.
const MAX_LINKS: usize = 8;

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let io = |doing| move |source| SourceError::Io { path: path.to_owned(), doing, source };
        let meta = std::fs::metadata(path).map_err(io("opening the archive"))?;
        if !meta.is_file() {
            let found = if meta.is_dir() { "a directory" } else { "no regular file" };
            let hint = if meta.is_dir() { " (perhaps oci:DIR was meant)" } else { "" };
            return Err(SourceError::Kind { path: path.to_owned(), expected: "a tar file", found: found.into(), hint });
        }
        let file = File::open(path).map_err(io("opening the archive"))?;
        check_plain(&file, path)?;
        let members = index(&file).map_err(|error| match error {
            Walk::Io(source) => SourceError::Io { path: path.to_owned(), doing: "reading the archive as tar", source },
            Walk::TooMany => SourceError::TooManyMembers { archive: path.to_owned(), limit: limits::ARCHIVE_MEMBERS },
        })?;
        Ok(Self { path: path.to_owned(), size: meta.len(), file: Arc::new(file), members })
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

/// Compressed archives have no random access, so they are refused by their first bytes.
fn check_plain(file: &File, path: &Path) -> Result<(), SourceError> {
    let mut magic = [0; 6];
    let got = file.read_at(&mut magic, 0).map_err(|source| SourceError::Io {
        path: path.to_owned(),
        doing: "reading the archive",
        source,
    })?;
    let (found, hint) = match &magic[..got] {
        [0x1f, 0x8b, ..] => ("a gzip file", " (unpack it first: gunzip FILE)"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("a zstd file", " (unpack it first: zstd -d FILE)"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => ("an xz file", " (unpack it first: unxz FILE)"),
        [b'B', b'Z', b'h', ..] => ("a bzip2 file", " (unpack it first: bunzip2 FILE)"),
        [] => ("an empty file", ""),
        _ => return Ok(()),
    };
    Err(SourceError::Kind { path: path.to_owned(), expected: "an uncompressed tar", found: found.to_owned(), hint })
}

enum Walk {
    Io(io::Error),
    TooMany,
}

/// Later members replace earlier ones of the same name, as unpacking would.
fn index(file: &File) -> Result<HashMap<TarPath, Member>, Walk> {
    let mut archive = ::tar::Archive::new(file);
    let mut members = HashMap::new();
    for entry in archive.entries_with_seek().map_err(Walk::Io)? {
        let entry = entry.map_err(Walk::Io)?;
        if members.len() == limits::ARCHIVE_MEMBERS {
            return Err(Walk::TooMany);
        }
        // Names that leave the archive are never asked for.
        let Ok(name) = TarPath::new(&entry.path_bytes()) else { continue };
        if let Some(member) = member(&entry, &name) {
            members.insert(name, member);
        }
    }
    Ok(members)
}

/// `None` for what holds no bytes that can be addressed: directories, devices, sparse files.
fn member<R: Read>(entry: &::tar::Entry<'_, R>, name: &TarPath) -> Option<Member> {
    let kind = entry.header().entry_type();
    if kind.is_file() || kind.is_contiguous() {
        return Span::new(entry.raw_file_position(), entry.size()).map(Member::File);
    }
    let target = entry.link_name_bytes()?;
    if kind.is_hard_link() {
        return TarPath::new(&target).ok().map(Member::Link);
    }
    kind.is_symlink().then(|| resolve(name, &target)).flatten().map(Member::Link)
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
