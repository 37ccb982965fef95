//! The stream against what the tar crate reads from it, and trees that change.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat};
use tempfile::TempDir;

use super::walk::Walk;
use super::{RootfsError, TarStream};
use crate::source::{Notes, Source};
use crate::tar::{EntryKind, Header, Time, Xattr};

fn headers(root: &Path) -> (Vec<Header>, Vec<String>) {
    let notes = Notes::default();
    let (mut walk, first) = Walk::open(root, notes.clone()).unwrap();
    let mut headers = vec![first.header];
    while let Some(entry) = walk.next().unwrap() {
        headers.push(entry.header);
    }
    (headers, notes.all())
}

fn tree() -> TempDir {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("b")).unwrap();
    fs::write(root.join("b/file"), b"hello").unwrap();
    fs::hard_link(root.join("b/file"), root.join("c")).unwrap();
    fs::write(root.join("a"), vec![7; 1000]).unwrap();
    fs::write(root.join("b.empty"), b"").unwrap();
    symlink("/etc", root.join("b/link")).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o4711)).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    fs::File::options().write(true).open(root.join("a")).unwrap().set_modified(time).unwrap();
    dir
}

#[test]
fn walks_in_order_with_all_metadata() {
    let dir = tree();
    let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
    let (headers, notes) = headers(dir.path());
    let names: Vec<_> = headers.iter().map(|h| String::from_utf8(h.name.clone()).unwrap()).collect();
    assert_eq!(names, ["./", "./a", "./b/", "./b/file", "./b/link", "./b.empty", "./c", "./fifo"]);
    let by_name: BTreeMap<_, _> = names.iter().map(String::as_str).zip(&headers).collect();
    let a = by_name["./a"];
    assert_eq!((a.mode, a.size, a.kind), (0o4711, 1000, EntryKind::Regular));
    assert_eq!(a.mtime, Time { secs: 1_600_000_000, nanos: 123_456_789 });
    let link = by_name["./c"];
    assert_eq!((link.kind, link.link.as_slice(), link.size), (EntryKind::HardLink, &b"./b/file"[..], 0));
    assert_eq!((by_name["./b/link"].kind, by_name["./b/link"].link.as_slice()), (EntryKind::Symlink, &b"/etc"[..]));
    assert_eq!(by_name["./fifo"].kind, EntryKind::Fifo);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("socket"));
}

#[test]
fn reads_attributes_and_devices() {
    let dir = tree();
    let file = dir.path().join("a");
    rustix::fs::setxattr(&file, "user.k", &[b'v'; 1000], XattrFlags::empty()).unwrap();
    rustix::fs::setxattr(dir.path(), "user.d", b"", XattrFlags::empty()).unwrap();
    let whiteout = mknodat(CWD, dir.path().join("wh"), FileType::CharacterDevice, Mode::empty(), 0);
    let (headers, _) = headers(dir.path());
    assert_eq!(headers[0].xattrs, [Xattr { name: b"user.d".to_vec(), value: Vec::new() }]);
    assert_eq!(headers[1].xattrs, [Xattr { name: b"user.k".to_vec(), value: vec![b'v'; 1000] }]);
    // Only root may make devices.
    if whiteout.is_ok() {
        let device = headers.last().unwrap();
        assert_eq!((device.kind, device.devmajor, device.devminor), (EntryKind::Char, 0, 0));
    }
}

#[test]
fn streams_a_tar() {
    let dir = tree();
    let source = Source::open(&format!("dir:{}", dir.path().display()).parse().unwrap()).unwrap();
    let image = source.images(None).unwrap().remove(0);
    assert!(image.config.diff_ids().is_empty());
    let mut whole = Vec::new();
    source.open_layer(&image.layers[0]).unwrap().read_to_end(&mut whole).unwrap();
    let mut slow = Vec::new();
    let mut stream = source.open_layer(&image.layers[0]).unwrap();
    let mut buf = [0; 7];
    while let Ok(got @ 1..) = stream.read(&mut buf) {
        slow.extend_from_slice(&buf[..got]);
    }
    assert!(whole == slow && whole.len().is_multiple_of(512) && whole.ends_with(&[0; 1024]));
    let mut archive = ::tar::Archive::new(whole.as_slice());
    let content: BTreeMap<_, _> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        })
        .collect();
    assert_eq!(content.len(), 8);
    assert_eq!(content["./b/file"], b"hello");
    assert_eq!(content["./a"], [7; 1000]);
}

#[test]
fn notices_a_file_that_changes() {
    for size in [10, 5_000_000] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, vec![1; 1_000_000]).unwrap();
        let mut stream = TarStream::open(dir.path(), Notes::default()).unwrap();
        // Past both headers, so that the size was promised.
        let mut buf = [0; 512];
        while buf != [1; 512] {
            stream.read_exact(&mut buf).unwrap();
        }
        fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
        let error = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_err();
        let inner = error.get_ref().unwrap().downcast_ref::<RootfsError>().unwrap();
        assert!(matches!(inner, RootfsError::Resized { path: named, .. } if *named == path), "{inner}");
    }
}

#[test]
fn fifos_and_links_do_not_hang_it() {
    let dir = tree();
    assert!(fs::symlink_metadata(dir.path().join("fifo")).unwrap().file_type().is_fifo());
    symlink(".", dir.path().join("loop")).unwrap();
    assert_eq!(headers(dir.path()).0.len(), 9);
}
