//! What was proven about blobs before, in the user's cache directory. A blob's digest stands for its bytes, so what
//! once held for them holds for ever; and a file that was not written to since still has them.
//!
//! A record is a small file. A damaged or missing one is a miss, never an error, and so is a cache that can't be
//! written. Whoever writes a record decides what is trusted: one that another user owns or can write is a miss, and so is
//! all in a directory of that kind.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fchmod, fstat, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::watch::Stamp;

/// Names the record's form; another form is a miss.
const MAGIC: [u8; 8] = *b"rstproo5";
const RECORD: usize = MAGIC.len() + 32 + 5 * 8 + 4;

/// What was found when a blob was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    pub claim: Claim,
    /// The file that held the blob then.
    pub stamp: Stamp,
}

/// Everything that was said of a blob when it was proven: the digest of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim([u8; 32]);

impl Claim {
    /// Absent parts are told from empty ones.
    pub fn of(parts: &[Option<&[u8]>]) -> Self {
        let mut hash = Sha256Stream::new();
        for part in parts {
            let len = part.map_or(u64::MAX, |part| part.len() as u64);
            hash.update(&len.to_le_bytes());
            hash.update(part.unwrap_or_default());
        }
        Self(hash.finish())
    }
}

/// Remembers proofs.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// `None`: nothing is remembered.
    dir: Option<PathBuf>,
}

impl Cache {
    /// `$XDG_CACHE_HOME/restrata`, else `~/.cache/restrata`. A relative path means nothing there (XDG base directory
    /// specification).
    pub fn of_user() -> Self {
        let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| home.join(".cache")));
        Self { dir: base.map(|base| base.join("restrata")) }
    }

    pub fn at(dir: PathBuf) -> Self {
        Self { dir: Some(dir) }
    }

    pub fn proof(&self, blob: BlobDigest) -> Option<Proof> {
        let hex = blob.hex();
        let dir = self.open(&hex, false)?;
        // A pipe would block, and a link leads anywhere.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&dir, &hex, flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        let is_record = FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_size == RECORD as i64;
        if !is_record || !is_ours(&file)? {
            return None;
        }
        let mut record = [0; RECORD];
        File::from(file).read_exact(&mut record).ok()?;
        decode(&record, blob)
    }

    /// A cache that can't be written costs time, nothing else.
    pub fn remember(&self, blob: BlobDigest, proof: Proof) {
        let hex = blob.hex();
        let Some(dir) = self.open(&hex, true) else { return };
        let name = format!(".{hex}.{}", std::process::id());
        if put(&dir, &name, &encode(proof, blob)).and_then(|()| renameat(&dir, &name, &dir, &hex).ok()).is_none() {
            let _ = unlinkat(&dir, &name, AtFlags::empty());
        }
    }

    /// The directory of the blobs whose names begin like this one. Each directory on the way is asked, from the cache's
    /// own on; `make` makes those that are missing and closes those that others may write to.
    fn open(&self, hex: &str, make: bool) -> Option<OwnedFd> {
        let top = self.dir.as_ref()?;
        if make {
            std::fs::create_dir_all(top.parent()?).ok()?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |dir: std::os::fd::BorrowedFd<'_>, name: &std::path::Path, flags| {
            if make {
                match mkdirat(dir, name, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(_) => return None,
                }
            }
            let opened = openat(dir, name, flags, Mode::empty()).ok()?;
            match is_ours(&opened)? {
                true => Some(opened),
                // One of an older version, made under a umask of 002. What others put there stays theirs.
                false if make && is_owned(&opened)? => fchmod(&opened, Mode::RWXU).ok().map(|()| opened),
                false => None,
            }
        };
        // The user may keep the cache elsewhere, behind a link of his own.
        let mut dir = open(CWD, top, flags)?;
        for name in ["proofs", &hex[..2]] {
            dir = open(dir.as_fd(), name.as_ref(), flags | OFlags::NOFOLLOW)?;
        }
        Some(dir)
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

fn put(dir: &OwnedFd, name: &str, record: &[u8]) -> Option<()> {
    // What a killed process of this number left.
    let _ = unlinkat(dir, name, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, name, flags, Mode::RUSR | Mode::WUSR).ok()?;
    File::from(file).write_all(record).ok()
}

/// The checksum covers the blob's digest, too: a record under another name is a miss.
fn checksum(body: &[u8], blob: BlobDigest) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(body);
    crc.update(blob.as_bytes());
    crc.finalize().to_le_bytes()
}

fn encode(proof: Proof, blob: BlobDigest) -> Vec<u8> {
    let mut record = [MAGIC.as_slice(), &proof.claim.0].concat();
    proof.stamp.words().iter().for_each(|word| record.extend_from_slice(&word.to_le_bytes()));
    record.extend_from_slice(&checksum(&record, blob));
    record
}

fn decode(record: &[u8], blob: BlobDigest) -> Option<Proof> {
    let (body, sum) = record.split_at_checked(RECORD - 4)?;
    let (claim, rest) = body.strip_prefix(&MAGIC)?.split_first_chunk()?;
    let mut words = [0; 5];
    for (word, bytes) in words.iter_mut().zip(rest.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let proof = Proof { claim: Claim(*claim), stamp: Stamp::from_words(words) };
    (sum == checksum(body, blob)).then_some(proof)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    const PROOF: Proof = Proof { claim: Claim([7; 32]), stamp: Stamp::from_words([1, 2, 3, u64::MAX, 5]) };
    const BLOB: BlobDigest = BlobDigest::from_bytes([1; 32]);

    /// A cache that has the proof, and the record's path.
    fn filled(dir: &Path) -> (Cache, PathBuf) {
        let cache = Cache::at(dir.join("new"));
        cache.remember(BLOB, PROOF);
        assert_eq!(cache.proof(BLOB), Some(PROOF));
        (cache, dir.join("new/proofs/01").join(BLOB.hex()))
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn remembers_and_misses() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("new"));
        assert_eq!(cache.proof(BLOB), None);
        let (cache, record) = filled(dir.path());
        assert_eq!(cache.proof(BlobDigest::from_bytes([2; 32])), None);
        let again = Proof { claim: Claim([8; 32]), ..PROOF };
        cache.remember(BLOB, again);
        assert_eq!(cache.proof(BLOB), Some(again));
        assert_eq!(fs::read_dir(record.parent().unwrap()).unwrap().count(), 1);
        Cache::default().remember(BLOB, PROOF);
        assert_eq!(Cache::default().proof(BLOB), None);
    }

    #[test]
    fn a_claim_is_all_that_was_said() {
        let claims = [
            Claim::of(&[Some(b"a"), Some(b"b"), None]),
            Claim::of(&[Some(b"ab"), Some(b""), None]),
            Claim::of(&[Some(b"a"), Some(b"b"), Some(b"")]),
            Claim::of(&[Some(b"a"), Some(b"b")]),
        ];
        assert!(claims.iter().enumerate().all(|(at, claim)| !claims[..at].contains(claim)));
    }

    #[test]
    fn what_others_can_write_is_a_miss() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, record) = filled(dir.path());
        for (path, mode) in [
            (record.clone(), 0o600),
            (record.parent().unwrap().to_owned(), 0o700),
            (dir.path().join("new/proofs"), 0o700),
            (dir.path().join("new"), 0o700),
        ] {
            for open in [0o020, 0o002] {
                chmod(&path, mode | open);
                assert_eq!(cache.proof(BLOB), None, "{} {open:o}", path.display());
            }
            chmod(&path, mode);
            assert_eq!(cache.proof(BLOB), Some(PROOF));
        }
        // A directory of an older version is closed when the next proof is put there.
        chmod(&dir.path().join("new"), 0o775);
        cache.remember(BLOB, PROOF);
        assert_eq!(cache.proof(BLOB), Some(PROOF));
        // Only root can give a file away.
        if geteuid().is_root() {
            for path in [&record, record.parent().unwrap(), &dir.path().join("new")] {
                std::os::unix::fs::chown(path, Some(1234), None).unwrap();
                assert_eq!(cache.proof(BLOB), None, "{}", path.display());
                std::os::unix::fs::chown(path, Some(0), None).unwrap();
                assert_eq!(cache.proof(BLOB), Some(PROOF));
            }
            std::os::unix::fs::chown(dir.path().join("new"), Some(1234), None).unwrap();
            cache.remember(BLOB, Proof { claim: Claim([9; 32]), ..PROOF });
            std::os::unix::fs::chown(dir.path().join("new"), Some(0), None).unwrap();
            assert_eq!(cache.proof(BLOB), Some(PROOF), "nothing is written into another's directory");
        }
    }

    /// A pipe blocks who opens it, and `/dev/zero` never ends.
    #[test]
    fn what_is_no_record_is_a_miss() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, record) = filled(dir.path());
        let bytes = fs::read(&record).unwrap();
        let replaced = |make: &dyn Fn(&Path)| {
            fs::remove_file(&record).unwrap();
            make(&record);
            assert_eq!(cache.proof(BLOB), None);
        };
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, &bytes).unwrap();
        replaced(&|path| rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap());
        replaced(&|path| symlink("/dev/zero", path).unwrap());
        replaced(&|path| symlink(&elsewhere, path).unwrap());
        replaced(&|path| fs::write(path, [&bytes[..], &[0]].concat()).unwrap());
        replaced(&|path| fs::write(path, [&b"rstproo4"[..], &bytes[8..]].concat()).unwrap());
        cache.remember(BLOB, PROOF);
        assert_eq!(cache.proof(BLOB), Some(PROOF));
        // Nor is a directory behind a link.
        let proofs = dir.path().join("new/proofs");
        fs::rename(&proofs, dir.path().join("moved")).unwrap();
        symlink(dir.path().join("moved"), &proofs).unwrap();
        assert_eq!(cache.proof(BLOB), None);
    }

    #[test]
    fn damage_is_a_miss() {
        let record = encode(PROOF, BLOB);
        assert_eq!(decode(&record, BLOB), Some(PROOF));
        assert_eq!(decode(&record, BlobDigest::from_bytes([3; 32])), None);
        for at in 0..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 4;
            assert_eq!(decode(&damaged, BLOB), None, "byte {at}");
            assert_eq!(decode(&record[..at], BLOB), None);
        }
        assert_eq!(decode(&[record, vec![0]].concat(), BLOB), None);
    }
}
