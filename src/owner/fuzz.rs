//! Body of the fuzz target: no bytes make a reader panic, and the order of the files makes no difference.

use std::collections::BTreeMap;

use super::{Needs, Owners, is_evidence};
use crate::tar::TarPath;

/// A package database of each kind.
pub const PLACES: [&str; 30] = [
    "var/lib/dpkg/status",
    "var/lib/dpkg/info/libc6:amd64.list",
    "var/lib/dpkg/info/base-files.list",
    "var/lib/dpkg/status.d/tzdata",
    "var/lib/dpkg/status.d/tzdata.md5sums",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
    "usr/lib/sysimage/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "lib/apk/db/installed",
    "var/lib/pacman/local/acl-2.3.2-1/desc",
    "var/lib/pacman/local/acl-2.3.2-1/files",
    "usr/lib/python3/site-packages/PyYAML-6.0.dist-info/RECORD",
    "opt/venv/lib/python3.13/site-packages/numpy-2.1.0.dist-info/RECORD",
    "etc/pacman.conf",
    "usr/share/dpkg/database/info/libc6:amd64.md5sums",
    "opt/moved/dpkg/status",
    "opt/moved/dpkg/info/base-files.list",
    "opt/moved/local/acl-2.3.2-1/desc",
    "opt/moved/local/acl-2.3.2-1/files",
    "opt/moved/rpmdb.sqlite",
    "opt/moved/installed",
    "usr/lib/chunkah/filemap.json",
    "opt/conda/conda-meta/python-3.13.1-h1_0_cpython.json",
    "usr/lib/python3/site-packages/numpy-2.1.0.dist-info/METADATA",
    "usr/lib/python3/site-packages/PyYAML-6.0.dist-info/top_level.txt",
    "usr/lib/python3/site-packages/six-1.16.0-py3.13.egg-info/PKG-INFO",
    "usr/lib/python3/site-packages/six-1.16.0-py3.13.egg-info/installed-files.txt",
    "usr/lib/ruby/gems/3.3.0/specifications/rake-13.2.1.gemspec",
    "srv/app/node_modules/.package-lock.json",
];

/// Any number of files: an index into [`PLACES`] (one byte), a size (four bytes, little-endian), the content.
pub fn fuzz_owner(mut data: &[u8]) {
    let places = PLACES.map(|place| TarPath::new(place.as_bytes()).expect("a place in an image"));
    let mut files = BTreeMap::new();
    while let Some(([place, size @ ..], rest)) = data.split_first_chunk::<5>() {
        let size = rest.len().min(u32::from_le_bytes(*size) as usize);
        let (content, rest) = rest.split_at(size);
        files.insert(&places[usize::from(*place) % places.len()], content);
        data = rest;
    }
    let (owners, warnings) = Owners::read(files.iter().map(|(path, content)| (*path, *content)));
    let (reversed, reversed_warnings) = Owners::read(files.iter().rev().map(|(path, content)| (*path, *content)));
    assert_eq!(warnings.len(), reversed_warnings.len());
    let needs = |owners| Needs::read(files.iter().map(|(path, content)| (*path, *content)), owners);
    assert!(needs(&owners).pairs().eq(needs(&reversed).pairs()));
    for path in files.values().flat_map(|content| content.split(|b| b"\n,\0".contains(b))).take(1000) {
        let Ok(path) = TarPath::new(path) else { continue };
        assert_eq!(owners.owner_of(&path), reversed.owner_of(&path), "{path}");
        assert_eq!(owners.heat(&path), reversed.heat(&path), "{path}");
        let _ = is_evidence(&path);
    }
}
