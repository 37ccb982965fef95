//! The cache's files. Whoever writes a record decides what is trusted: one that another user owns or can write is a miss,
//! and so is all in a directory of that kind.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, accessat, fchmod, fstat,
    futimens, mkdirat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Each has a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Proof,
    Index,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Proof, Self::Index];

    pub const fn dir(self) -> &'static str {
        match self {
            Self::Proof => "proofs",
            Self::Index => "indexes",
        }
    }
}

/// A record, or what a killed process left of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub kind: Kind,
    /// The directory that it is in, and its name there.
    pub place: (String, String),
    pub bytes: u64,
    pub used: SystemTime,
    pub is_whole: bool,
}

/// What is not this user's own.
#[derive(Debug)]
pub(super) struct Foreign {
    pub path: PathBuf,
    pub found: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    top: Option<PathBuf>,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Records {
    pub fn at(top: PathBuf) -> Self {
        Self { top: Some(top) }
    }

    pub fn dir(&self) -> Option<&Path> {
        self.top.as_deref()
    }

    /// A record of so many bytes. It counts as used now.
    pub fn read(&self, kind: Kind, hex: &str, len: u64) -> Option<Vec<u8>> {
        let dir = self.open(kind, &hex[..2], false)?;
        // A pipe would block, and a link leads anywhere.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&dir, hex, flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        let is_record = FileType::from_raw_mode(stat.st_mode).is_file() && u64::try_from(stat.st_size) == Ok(len);
        if !is_record || !is_ours(&file)? {
            return None;
        }
        let now = || Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _ = futimens(&file, &Timestamps { last_access: now(), last_modification: now() });
        let mut record = vec![0; usize::try_from(len).ok()?];
        File::from(file).read_exact(&mut record).ok()?;
        Some(record)
    }

    /// Visible whole or not at all.
    pub fn put(&self, kind: Kind, hex: &str, record: &[u8]) {
        let Some(dir) = self.open(kind, &hex[..2], true) else { return };
        // Other processes may write the same record, and on other machines with the same number.
        let name = format!(".{hex}.{:016x}", RandomState::new().build_hasher().finish());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(file) = openat(&dir, &name, flags, Mode::RUSR | Mode::WUSR) else { return };
        let is_written = File::from(file).write_all(record).is_ok();
        if !is_written || renameat(&dir, &name, &dir, hex).is_err() {
            let _ = unlinkat(&dir, &name, AtFlags::empty());
        }
    }

    /// All of a kind, in no order, and how many other things are there. A directory that is not this user's own is an
    /// error.
    pub fn list(&self, kind: Kind) -> Result<(Vec<Found>, u64), Foreign> {
        let (mut found, mut others) = (Vec::new(), 0);
        let Some(path) = &self.top else { return Ok((found, others)) };
        let Some(top) = own(CWD, path, path, OFlags::empty())? else { return Ok((found, others)) };
        let path = path.join(kind.dir());
        let dir = own(top.as_fd(), kind.dir().as_ref(), &path, OFlags::NOFOLLOW)?;
        let Some(dir) = dir else { return Ok((found, others)) };
        for shard in names(&dir) {
            if !is_shard(&shard) {
                others += 1;
                continue;
            }
            let shard_dir = own(dir.as_fd(), shard.as_ref(), &path.join(&shard), OFlags::NOFOLLOW)?;
            let Some(shard_dir) = shard_dir else { continue };
            for name in names(&shard_dir) {
                match looked_at(&shard_dir, kind, &shard, name) {
                    Some(record) => found.push(record),
                    None => others += 1,
                }
            }
        }
        Ok((found, others))
    }

    /// A directory that is there and not this user's own is an error.
    pub fn is_own(&self, kind: Kind) -> Result<(), Foreign> {
        let Some(path) = &self.top else { return Ok(()) };
        let Some(top) = own(CWD, path, path, OFlags::empty())? else { return Ok(()) };
        own(top.as_fd(), kind.dir().as_ref(), &path.join(kind.dir()), OFlags::NOFOLLOW).map(drop)
    }

    /// The directory that no record of a kind can be put in, and why.
    pub fn unwritable(&self, kind: Kind) -> Option<(PathBuf, io::Error)> {
        let top = self.top.as_ref()?;
        let dir = top.join(kind.dir());
        if self.kind(kind, true).is_some() {
            let wanted = Access::WRITE_OK | Access::EXEC_OK;
            return accessat(CWD, &dir, wanted, AtFlags::EACCESS).err().map(|error| (dir, error.into()));
        }
        // What refused it says why if it is asked once more.
        std::fs::create_dir_all(&dir).err().map(|error| (top.clone(), error))
    }

    /// What is in the cache's directory beside those of the kinds.
    pub fn strangers(&self) -> u64 {
        let Some(top) = self.top(false) else { return 0 };
        names(&top).iter().filter(|name| Kind::ALL.iter().all(|kind| kind.dir() != name.as_str())).count() as u64
    }

    /// True when it is gone, whoever removed it.
    pub fn remove(&self, found: &Found) -> bool {
        let (shard, name) = &found.place;
        let removed = self.open(found.kind, shard, false).map(|dir| unlinkat(dir, name, AtFlags::empty()));
        matches!(removed, None | Some(Ok(()) | Err(Errno::NOENT)))
    }

    /// Removes the directories that are empty.
    pub fn remove_directories(&self) {
        for kind in Kind::ALL {
            let Some(dir) = self.kind(kind, false) else { continue };
            for shard in names(&dir).into_iter().filter(|name| is_shard(name)) {
                let _ = unlinkat(&dir, shard, AtFlags::REMOVEDIR);
            }
            if let Some(top) = self.top(false) {
                let _ = unlinkat(top, kind.dir(), AtFlags::REMOVEDIR);
            }
        }
        // A link to it stays.
        let _ = self.top.as_ref().map(std::fs::remove_dir);
    }

    /// The directory of the records whose names begin so. Each directory on the way is asked, from the cache's own on;
    /// `make` makes those that are missing and closes those that others may write to.
    fn open(&self, kind: Kind, shard: &str, make: bool) -> Option<OwnedFd> {
        below(self.kind(kind, make)?.as_fd(), shard.as_ref(), OFlags::NOFOLLOW, make)
    }

    fn kind(&self, kind: Kind, make: bool) -> Option<OwnedFd> {
        below(self.top(make)?.as_fd(), kind.dir().as_ref(), OFlags::NOFOLLOW, make)
    }

    /// The user may keep the cache elsewhere, behind a link of his own.
    fn top(&self, make: bool) -> Option<OwnedFd> {
        let top = self.top.as_ref()?;
        if make {
            std::fs::create_dir_all(top.parent()?).ok()?;
        }
        below(CWD, top, OFlags::empty(), make)
    }
}

fn below(dir: BorrowedFd<'_>, name: &Path, more: OFlags, make: bool) -> Option<OwnedFd> {
    if make {
        match mkdirat(dir, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(_) => return None,
        }
    }
    let opened = openat(dir, name, DIRECTORY | more, Mode::empty()).ok()?;
    match is_ours(&opened)? {
        true => Some(opened),
        // One of an older version, made under a umask of 002. What others put there stays theirs.
        false if make && is_owned(&opened)? => fchmod(&opened, Mode::RWXU).ok().map(|()| opened),
        false => None,
    }
}

/// True for what nobody else can write to.
fn is_ours(file: impl AsFd) -> Option<bool> {
    let others = Mode::WGRP | Mode::WOTH;
    let mode = Mode::from_raw_mode(fstat(&file).ok()?.st_mode);
    Some(is_owned(file)? && !mode.intersects(others))
}

fn is_owned(file: impl AsFd) -> Option<bool> {
    Some(fstat(file).ok()?.st_uid == geteuid().as_raw())
}

/// A directory that is there. `at` is where.
fn own(dir: BorrowedFd<'_>, name: &Path, at: &Path, more: OFlags) -> Result<Option<OwnedFd>, Foreign> {
    let foreign = |found: String| Foreign { path: at.to_owned(), found };
    let opened = match openat(dir, name, DIRECTORY | more, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => return Err(foreign("no directory".to_owned())),
        Err(error) => return Err(foreign(format!("one that can't be opened: {error}"))),
    };
    match (is_ours(&opened), fstat(&opened)) {
        (Some(true), _) => Ok(Some(opened)),
        (_, Ok(stat)) if stat.st_uid != geteuid().as_raw() => Err(foreign(format!("one of the user {}", stat.st_uid))),
        (_, Ok(stat)) => Err(foreign(format!("the mode {:o}", stat.st_mode & 0o7777))),
        (_, Err(error)) => Err(foreign(format!("one that can't be looked at: {error}"))),
    }
}

/// `None` for what is no record of this user's.
fn looked_at(dir: &OwnedFd, kind: Kind, shard: &str, name: String) -> Option<Found> {
    let is_whole = record_name(&name)?;
    let stat = statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_record = FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_uid == geteuid().as_raw();
    let bytes = u64::try_from(stat.st_size).ok()?;
    is_record.then(|| Found { kind, place: (shard.to_owned(), name), bytes, used: modified(&stat), is_whole })
}

fn names(dir: &OwnedFd) -> Vec<String> {
    let Ok(entries) = Dir::read_from(dir) else { return Vec::new() };
    let name = |entry: rustix::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.filter_map(|entry| entry.ok().map(name)).filter(|name| name != "." && name != "..").collect()
}

/// `None` for a name that no record has; false for one that is being written.
fn record_name(name: &str) -> Option<bool> {
    let is_digest = |name: &str| name.len() == 64 && is_hex(name);
    match name.strip_prefix('.').and_then(|name| name.split_once('.')) {
        Some((hex, _)) => is_digest(hex).then_some(false),
        None => is_digest(name).then_some(true),
    }
}

fn is_shard(name: &str) -> bool {
    name.len() == 2 && is_hex(name)
}

fn is_hex(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn modified(stat: &Stat) -> SystemTime {
    let (secs, nanos) = (u64::try_from(stat.st_mtime).unwrap_or(0), u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
    UNIX_EPOCH.checked_add(Duration::new(secs, nanos)).unwrap_or(UNIX_EPOCH)
}
