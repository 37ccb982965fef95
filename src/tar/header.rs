//! One entry's metadata as Go's `archive/tar` reports it.

use super::path::{PathError, TarPath};

/// The kinds that a zstd:chunked TOC can hold (container-libs `minimal.TarTypes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    Regular,
    HardLink,
    Symlink,
    Char,
    Block,
    Dir,
    Fifo,
}

/// Seconds since 1970 (negative before) and nanoseconds after that second, `0..1_000_000_000`.
///
/// Packed, since every entry of an image has one.
#[repr(Rust, packed(4))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Time {
    pub secs: i64,
    pub nanos: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Xattr {
    /// Without the pax prefix `SCHILY.xattr.`.
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// What Go's reader reports for one entry. Names are bytes: tar does not promise UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// As in the archive: `./usr/` stays `./usr/`. See [`Header::path`].
    pub name: Vec<u8>,
    pub kind: EntryKind,
    /// Symlink: its text. Hard link: the name of its target. Else empty.
    pub link: Vec<u8>,
    /// The number in the archive, which may hold more than permission bits.
    pub mode: i64,
    pub uid: i64,
    pub gid: i64,
    pub uname: Vec<u8>,
    pub gname: Vec<u8>,
    /// Bytes of content; 0 for everything but regular files in what this tool writes.
    pub size: u64,
    pub mtime: Time,
    pub atime: Option<Time>,
    pub ctime: Option<Time>,
    pub devmajor: i64,
    pub devminor: i64,
    /// Sorted by name.
    pub xattrs: Vec<Xattr>,
}

impl Header {
    /// An entry of `kind` with every field at zero.
    pub fn new(name: impl Into<Vec<u8>>, kind: EntryKind) -> Self {
        Self {
            name: name.into(),
            kind,
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            uname: Vec::new(),
            gname: Vec::new(),
            size: 0,
            mtime: Time::default(),
            atime: None,
            ctime: None,
            devmajor: 0,
            devminor: 0,
            xattrs: Vec::new(),
        }
    }

    /// Where the entry stands in the image's file system.
    pub fn path(&self) -> Result<TarPath, PathError> {
        TarPath::new(&self.name)
    }

    /// Where a hard link's target stands; meaningless for other kinds.
    pub fn link_path(&self) -> Result<TarPath, PathError> {
        TarPath::new(&self.link)
    }

    /// True when the entry has content of its own in the archive.
    pub fn has_payload(&self) -> bool {
        self.kind == EntryKind::Regular && self.size > 0
    }
}
