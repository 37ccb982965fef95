//! The tree in the order of its tar: depth first, names sorted by their bytes, never through a symlink.
//!
//! Everything is opened below its parent's descriptor with `O_NOFOLLOW`, so a tree that changes meanwhile can't
//! lead outside.

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::RootfsError;
use crate::source::Notes;
use crate::tar::{EntryKind, Header, Time, Xattr};

/// One entry, with the open file when it has content.
pub(super) struct Entry {
    pub(super) header: Header,
    pub(super) file: Option<File>,
}

pub(super) struct Walk {
    root: PathBuf,
    stack: Vec<Level>,
    /// The first name of every file with several, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
    notes: Notes,
}

/// A directory that is being listed.
struct Level {
    /// `None` while levels far below are listed: a tree may be deeper than descriptors are allowed.
    dir: Option<OwnedFd>,
    /// Device and inode.
    id: (u64, u64),
    /// Its name in the tar, with the trailing slash.
    name: Vec<u8>,
    /// Sorted backwards: the next child is the last.
    children: Vec<CString>,
}

/// Levels that stay open above the one that is listed.
const OPEN_LEVELS: usize = 64;

const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// `NONBLOCK` for what turned into a FIFO meanwhile.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl Walk {
    /// The root's own entry, and the walk over the rest. The root itself may be given as a symlink.
    pub(super) fn open(root: &Path, notes: Notes) -> Result<(Self, Entry), RootfsError> {
        let mut walk = Self { root: root.to_owned(), stack: Vec::new(), links: HashMap::new(), notes };
        let name = b"./".to_vec();
        let io = |error: Errno| walk.io(&name, "opening", error.into());
        let dir = fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(io)?;
        let entry = walk.dir(dir, name)?;
        Ok((walk, entry))
    }

    /// The next entry; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, RootfsError> {
        loop {
            let Some(level) = self.stack.last_mut() else { return Ok(None) };
            let Some(child) = level.children.pop() else {
                self.leave()?;
                continue;
            };
            if let Some(entry) = self.child(&child)? {
                return Ok(Some(entry));
            }
        }
    }

    /// Goes back to the directory above, which may have to be opened again.
    fn leave(&mut self) -> Result<(), RootfsError> {
        let Some(done) = self.stack.pop() else { return Ok(()) };
        let (Some(above), Some(dir)) = (self.stack.last(), &done.dir) else { return Ok(()) };
        if above.dir.is_some() {
            return Ok(());
        }
        let io = |error: io::Error| self.io(&above.name, "opening", error);
        let dir = fs::openat(dir, c"..", READ | OFlags::DIRECTORY, Mode::empty()).map_err(|e| io(e.into()))?;
        let dir = File::from(dir);
        let meta = dir.metadata().map_err(io)?;
        // A directory that was moved meanwhile has another parent, which may be outside.
        if (meta.dev(), meta.ino()) != above.id {
            return Err(RootfsError::Replaced { path: self.full(&above.name) });
        }
        if let Some(above) = self.stack.last_mut() {
            above.dir = Some(dir.into());
        }
        Ok(())
    }

    /// `None` for sockets, which tar can't hold.
    fn child(&mut self, child: &CString) -> Result<Option<Entry>, RootfsError> {
        let Some((level, parent)) = self.stack.last().and_then(|level| Some((level, level.dir.as_ref()?))) else {
            return Ok(None);
        };
        let mut name = [level.name.as_slice(), child.as_bytes()].concat();
        let io = |doing, error: Errno| self.io(&name, doing, error.into());
        let seen = fs::openat(parent, child, LOOK, Mode::empty()).map_err(|e| io("opening", e))?;
        let seen = File::from(seen);
        let meta = seen.metadata().map_err(|error| self.io(&name, "reading metadata", error))?;
        if meta.is_dir() {
            let dir = fs::openat(parent, child, READ | OFlags::DIRECTORY, Mode::empty());
            let dir = dir.map_err(|e| io("opening", e))?;
            name.push(b'/');
            return self.dir(dir, name).map(Some);
        }
        let Some(kind) = kind(&meta) else {
            self.notes.add(format!("skipped the socket {}", self.full(&name).display()));
            return Ok(None);
        };
        let mut header = header(name, kind, &meta);
        if meta.nlink() > 1 {
            let key = (meta.dev(), meta.ino());
            if let Some(first) = self.links.get(&key) {
                header.xattrs = self.xattrs_at(parent, child, &header.name)?;
                header.kind = EntryKind::HardLink;
                header.link = first.clone();
                header.size = 0;
                return Ok(Some(Entry { header, file: None }));
            }
            self.links.insert(key, header.name.clone());
        }
        if kind == EntryKind::Regular {
            return self.regular(child, header, &meta).map(Some);
        }
        if kind == EntryKind::Symlink {
            let target = fs::readlinkat(&seen, c"", Vec::new());
            header.link = target.map_err(|e| self.io(&header.name, "reading the link", e.into()))?.into_bytes();
        }
        header.xattrs = self.xattrs_at(parent, child, &header.name)?;
        Ok(Some(Entry { header, file: None }))
    }

    fn regular(&self, child: &CString, mut header: Header, seen: &std::fs::Metadata) -> Result<Entry, RootfsError> {
        let Some(parent) = self.stack.last().and_then(|level| level.dir.as_ref()) else {
            return Ok(Entry { header, file: None });
        };
        let io = |error: io::Error| self.io(&header.name, "opening", error);
        let file = fs::openat(parent, child, READ, Mode::empty()).map_err(|e| io(e.into()))?;
        let file = File::from(file);
        let meta = file.metadata().map_err(io)?;
        if (meta.dev(), meta.ino(), meta.is_file()) != (seen.dev(), seen.ino(), true) {
            return Err(RootfsError::Replaced { path: self.full(&header.name) });
        }
        header.size = meta.len();
        header.xattrs =
            self.xattrs(&header.name, |list| fs::flistxattr(&file, list), |n, v| fs::fgetxattr(&file, n, v))?;
        let file = (header.size > 0).then_some(file);
        Ok(Entry { header, file })
    }

    fn dir(&mut self, dir: OwnedFd, name: Vec<u8>) -> Result<Entry, RootfsError> {
        let io = |error: io::Error| self.io(&name, "listing", error);
        let mut children = Vec::new();
        for child in fs::Dir::read_from(&dir).map_err(|e| io(e.into()))? {
            let child = child.map_err(|e| io(e.into()))?;
            if !matches!(child.file_name().to_bytes(), b"." | b"..") {
                children.push(child.file_name().to_owned());
            }
        }
        children.sort_unstable_by(|a, b| b.cmp(a));
        let dir = File::from(dir);
        let meta = dir.metadata().map_err(io)?;
        let mut header = header(name.clone(), EntryKind::Dir, &meta);
        header.xattrs = self.xattrs(&name, |list| fs::flistxattr(&dir, list), |n, v| fs::fgetxattr(&dir, n, v))?;
        self.stack.push(Level { dir: Some(dir.into()), id: (meta.dev(), meta.ino()), name, children });
        if let Some(far) = self.stack.len().checked_sub(OPEN_LEVELS + 1) {
            self.stack[far].dir = None;
        }
        Ok(Entry { header, file: None })
    }

    /// For what can't be opened: links, devices, FIFOs. There are no xattr calls relative to a directory, and the whole
    /// path may be longer than the kernel takes.
    fn xattrs_at(&self, parent: &OwnedFd, child: &CString, name: &[u8]) -> Result<Vec<Xattr>, RootfsError> {
        let child = OsStr::from_bytes(child.as_bytes());
        let mut path = Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string());
        path = if path.exists() { path.join(child) } else { self.full(name) };
        self.xattrs(name, |list| fs::llistxattr(&path, list), |n, v| fs::lgetxattr(&path, n, v))
    }

    fn xattrs(
        &self,
        name: &[u8],
        list: impl Fn(&mut Vec<u8>) -> Result<usize, Errno>,
        get: impl Fn(&CString, &mut Vec<u8>) -> Result<usize, Errno>,
    ) -> Result<Vec<Xattr>, RootfsError> {
        let io = |doing, error: Errno| self.io(name, doing, error.into());
        let names = match grow(list) {
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            other => other.map_err(|e| io("listing extended attributes", e))?,
        };
        let mut xattrs = Vec::new();
        for key in names.split(|&b| b == 0).filter(|key| !key.is_empty()) {
            // A pax record's key ends at the first "=".
            if key.contains(&b'=') {
                let xattr = String::from_utf8_lossy(key).into_owned();
                return Err(RootfsError::XattrName { path: self.full(name), xattr });
            }
            let c_key = CString::new(key).unwrap_or_default();
            let value = grow(|value| get(&c_key, value)).map_err(|e| io("reading an extended attribute", e))?;
            xattrs.push(Xattr { name: key.to_vec(), value });
        }
        xattrs.sort();
        Ok(xattrs)
    }

    /// Where an entry stands on the host.
    pub(super) fn full(&self, name: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(name.strip_prefix(b"./").unwrap_or(name)))
    }

    fn io(&self, name: &[u8], doing: &'static str, source: io::Error) -> RootfsError {
        RootfsError::Io { path: self.full(name), doing, source }
    }
}

/// The kernel's limit is 64 KiB for a value and for the list of names, so the first try nearly always fits.
fn grow(read: impl Fn(&mut Vec<u8>) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut room = 256;
    loop {
        let mut bytes = vec![0; room];
        match read(&mut bytes) {
            Ok(len) => {
                bytes.truncate(len);
                return Ok(bytes);
            }
            Err(Errno::RANGE) if room < 1 << 20 => room *= 4,
            Err(error) => return Err(error),
        }
    }
}

fn kind(meta: &std::fs::Metadata) -> Option<EntryKind> {
    let file_type = meta.file_type();
    let kinds = [
        (file_type.is_file(), EntryKind::Regular),
        (file_type.is_symlink(), EntryKind::Symlink),
        (file_type.is_char_device(), EntryKind::Char),
        (file_type.is_block_device(), EntryKind::Block),
        (file_type.is_fifo(), EntryKind::Fifo),
    ];
    kinds.into_iter().find_map(|(is, kind)| is.then_some(kind))
}

/// Everything but size, link and xattrs. Names of owners are left out: they are the host's, not the image's.
fn header(name: Vec<u8>, kind: EntryKind, meta: &std::fs::Metadata) -> Header {
    let mut header = Header::new(name, kind);
    header.mode = i64::from(meta.mode() & 0o7777);
    header.uid = i64::from(meta.uid());
    header.gid = i64::from(meta.gid());
    header.mtime = Time { secs: meta.mtime(), nanos: u32::try_from(meta.mtime_nsec()).unwrap_or(0) };
    if matches!(kind, EntryKind::Char | EntryKind::Block) {
        header.devmajor = i64::from(fs::major(meta.rdev()));
        header.devminor = i64::from(fs::minor(meta.rdev()));
    }
    header
}
