//! Whose records count.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode};
use rustix::process::geteuid;

use super::*;
use crate::codec::Sha256Stream;
use crate::digest::BlobDigest;
use crate::limits;
use crate::progress::Progress;
use crate::watch::Stamp;

const BLOB: BlobDigest = BlobDigest::from_bytes([1; 32]);

fn proof(number: u8) -> Proof {
    Proof { claim: Claim::of(&[Some(&[number])]), stamp: Stamp::from_words([1, 2, 3, u64::MAX, 5]) }
}

/// A cache that has the proof, and the record's path.
fn filled(dir: &Path) -> (Cache, PathBuf) {
    let cache = Cache::at(dir.join("new"));
    cache.remember(BLOB, proof(7));
    assert_eq!(cache.proof(BLOB), Some(proof(7)));
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
    let again = proof(8);
    cache.remember(BLOB, again);
    assert_eq!(cache.proof(BLOB), Some(again));
    assert_eq!(fs::read_dir(record.parent().unwrap()).unwrap().count(), 1);
    Cache::default().remember(BLOB, proof(7));
    assert_eq!(Cache::default().proof(BLOB), None);
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
        assert_eq!(cache.proof(BLOB), Some(proof(7)));
    }
    // A directory of an older version is closed when the next proof is put there.
    chmod(&dir.path().join("new"), 0o775);
    cache.remember(BLOB, proof(7));
    assert_eq!(cache.proof(BLOB), Some(proof(7)));
    // Only root can give a file away.
    if geteuid().is_root() {
        for path in [&record, record.parent().unwrap(), &dir.path().join("new")] {
            std::os::unix::fs::chown(path, Some(1234), None).unwrap();
            assert_eq!(cache.proof(BLOB), None, "{}", path.display());
            std::os::unix::fs::chown(path, Some(0), None).unwrap();
            assert_eq!(cache.proof(BLOB), Some(proof(7)));
        }
        std::os::unix::fs::chown(dir.path().join("new"), Some(1234), None).unwrap();
        cache.remember(BLOB, proof(9));
        std::os::unix::fs::chown(dir.path().join("new"), Some(0), None).unwrap();
        assert_eq!(cache.proof(BLOB), Some(proof(7)), "nothing is written into another's directory");
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
    cache.remember(BLOB, proof(7));
    assert_eq!(cache.proof(BLOB), Some(proof(7)));
    // Nor is a directory behind a link.
    let proofs = dir.path().join("new/proofs");
    fs::rename(&proofs, dir.path().join("moved")).unwrap();
    symlink(dir.path().join("moved"), &proofs).unwrap();
    assert_eq!(cache.proof(BLOB), None);
}

#[test]
fn what_is_there_is_counted_and_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, record) = filled(dir.path());
    let progress = Progress::new();
    let (index, toc) = (vec![9; 1000], BlobDigest::from_bytes(Sha256Stream::of(&[9; 1000])));
    cache.remember_index(toc, &index);
    let of_index = dir.path().join("new/indexes").join(&toc.hex()[..2]).join(toc.hex());
    let then = SystemTime::now() - Duration::from_secs(1000);
    fs::File::options().write(true).open(&record).unwrap().set_modified(then).unwrap();
    let contents = cache.contents(&progress).unwrap();
    assert_eq!((contents.proofs.count, contents.indexes.count, contents.indexes.bytes), (1, 1, 1000));
    assert_eq!(contents.proofs.bytes, fs::metadata(&record).unwrap().len());
    assert_eq!((contents.proofs.used, contents.is_cleared), (Some((then, then)), false));
    assert_eq!((contents.dir.clone(), contents.most), (dir.path().join("new"), limits::CACHED_INDEX_BYTES));
    // What is read is used.
    assert_eq!(cache.proof(BLOB), Some(proof(7)));
    assert!(cache.contents(&progress).unwrap().proofs.used.unwrap().0 > then);

    // What is no record stays, and what a killed process left goes.
    let others = [dir.path().join("new/notes"), record.with_file_name("readme"), record.with_file_name(".cafe.1")];
    others.iter().for_each(|path| fs::write(path, "mine").unwrap());
    fs::write(of_index.with_file_name(format!(".{}.0", toc.hex())), "half").unwrap();
    let cleared = cache.clear(&progress).unwrap();
    assert_eq!((cleared.proofs.count, cleared.indexes.count, cleared.is_cleared), (1, 1, true));
    assert_eq!(cleared.others, 3);
    assert!(others.iter().all(|path| path.exists()) && !record.exists());
    assert!(!dir.path().join("new/indexes").exists());
    others.iter().for_each(|path| fs::remove_file(path).unwrap());
    assert_eq!(cache.clear(&progress).unwrap().proofs, Stock::default());
    assert!(!dir.path().join("new").exists());
    // Nothing is there.
    assert_eq!(cache.clear(&progress).unwrap().indexes, Stock::default());
    assert_eq!(cache.contents(&progress).unwrap().proofs, Stock::default());
    cache.remember(BLOB, proof(7));
    assert_eq!(cache.proof(BLOB), Some(proof(7)));
}

#[test]
fn what_is_not_the_user_s_own_is_not_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, record) = filled(dir.path());
    let refused = || {
        let (shown, cleared) = (cache.contents(&Progress::new()), cache.clear(&Progress::new()));
        assert_eq!(shown.unwrap_err().to_string(), cleared.as_ref().unwrap_err().to_string());
        cleared.unwrap_err().to_string()
    };
    let new = dir.path().join("new");
    for (path, own) in [(new.clone(), 0o700), (new.join("proofs"), 0o700), (new.join("proofs/01"), 0o700)] {
        chmod(&path, 0o777);
        let wanted = format!("{}: expected a directory that only you can write to, found the mode 777", path.display());
        assert_eq!(refused(), wanted);
        chmod(&path, own);
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
            assert!(refused().ends_with("found one of the user 1234"));
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
    }
    // A link leads anywhere; only the cache itself may be behind one.
    fs::rename(new.join("proofs"), dir.path().join("moved")).unwrap();
    symlink(dir.path().join("moved"), new.join("proofs")).unwrap();
    assert!(refused().ends_with("found no directory"), "{}", refused());
    fs::remove_file(new.join("proofs")).unwrap();
    fs::rename(dir.path().join("moved"), new.join("proofs")).unwrap();
    symlink(&new, dir.path().join("link")).unwrap();
    assert_eq!(Cache::at(dir.path().join("link")).clear(&Progress::new()).unwrap().proofs.count, 1);
    assert!(!record.exists() && dir.path().join("link").is_symlink());

    fs::remove_dir(&new).ok();
    fs::write(&new, "a file").unwrap();
    assert!(refused().ends_with("found no directory"), "{}", refused());
    let nowhere = Cache::default().clear(&Progress::new()).unwrap_err().to_string();
    assert_eq!(nowhere, "no cache: expected an absolute path in XDG_CACHE_HOME or HOME, found none");
}

#[test]
fn a_cache_that_is_of_no_use_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let says = |cache: &Cache| cache.unusable().map(|error| error.to_string()).unwrap_or_default();
    let (cache, _) = filled(dir.path());
    assert_eq!((says(&cache), says(&Cache::at(dir.path().join("a/b")))), (String::new(), String::new()));
    for path in [dir.path().join("new"), dir.path().join("new/proofs")] {
        chmod(&path, 0o720);
        let wanted = format!("{}: expected a directory that only you can write to, found the mode 720", path.display());
        assert_eq!(says(&cache), wanted);
        chmod(&path, 0o700);
    }
    assert!(says(&Cache::default()).starts_with("no cache: expected an absolute path"));
    // Not even root makes a directory there.
    let nowhere = says(&Cache::at("/proc/none/restrata".into()));
    assert!(nowhere.starts_with("/proc/none/restrata: expected a directory that you can write to: "), "{nowhere}");
    if !geteuid().is_root() {
        chmod(&dir.path().join("new/proofs"), 0o500);
        assert!(says(&cache).contains("/new/proofs: expected a directory that you can write to: "), "{}", says(&cache));
    }
}
