//! Where package databases stand.

use super::text::{field, lines};
use crate::tar::TarPath;

/// One file of a package database, by what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    DpkgStatus,
    /// `info/PACKAGE.list` or `info/PACKAGE:ARCH.list`.
    DpkgList {
        package: &'a [u8],
    },
    /// `status.d/STEM` of a distroless image: the package's stanza.
    DpkgStanza {
        stem: &'a [u8],
    },
    /// `status.d/STEM.md5sums`: its files.
    DpkgSums {
        stem: &'a [u8],
    },
    RpmSqlite,
    /// The write-ahead log of `rpmdb.sqlite`.
    RpmWal,
    RpmNdb,
    RpmBdb,
    ApkInstalled,
    /// `local/DIR/desc`.
    AlpmDesc {
        dir: &'a [u8],
    },
    AlpmFiles {
        dir: &'a [u8],
    },
    /// `SITE/NAME-VERSION.dist-info/RECORD`; `site` is empty or ends with a slash.
    PythonRecord {
        site: &'a [u8],
        name: &'a [u8],
    },
}

pub(super) struct Evidence<'a> {
    pub path: &'a TarPath,
    pub kind: Kind<'a>,
    pub bytes: &'a [u8],
}

impl<'a> Evidence<'a> {
    pub fn new(path: &'a TarPath, bytes: &'a [u8]) -> Option<Self> {
        Some(Self { path, kind: kind(path.as_bytes())?, bytes })
    }

    /// What is meant to be text, and is none.
    pub fn is_garbled(&self) -> bool {
        let is_binary = matches!(self.kind, Kind::RpmSqlite | Kind::RpmWal | Kind::RpmNdb | Kind::RpmBdb);
        !is_binary && self.bytes.contains(&0)
    }

    /// A list of all packages that has something, and no package. Images without one have an empty list.
    pub fn lacks_packages(&self) -> bool {
        let name = match self.kind {
            Kind::DpkgStatus => "Package",
            Kind::ApkInstalled => "P",
            _ => return false,
        };
        !self.bytes.trim_ascii().is_empty() && !lines(self.bytes).any(|line| field(line, name).is_some())
    }
}

/// True for the package databases, whose content [`super::Owners::read`] wants to see. Known from the path alone,
/// so that one pass over an image can keep the bytes of these few files.
pub fn is_evidence(path: &TarPath) -> bool {
    kind(path.as_bytes()).is_some()
}

/// The homes of the rpm database, newest first.
pub(super) const RPM: [&[u8]; 3] = [b"usr/lib/sysimage/rpm/", b"usr/share/rpm/", b"var/lib/rpm/"];

/// apk's database, before and after Alpine merged `/usr`.
pub(super) const APK: [&[u8]; 2] = [b"lib/apk/db/", b"usr/lib/apk/db/"];

fn kind(path: &[u8]) -> Option<Kind<'_>> {
    let dpkg = path.strip_prefix(b"var/lib/dpkg/").and_then(dpkg);
    let rpm = || RPM.iter().find_map(|home| path.strip_prefix(*home)).and_then(rpm);
    let apk = || APK.iter().any(|home| path.strip_prefix(*home) == Some(b"installed")).then_some(Kind::ApkInstalled);
    let alpm = || path.strip_prefix(b"var/lib/pacman/local/").and_then(alpm);
    dpkg.or_else(rpm).or_else(apk).or_else(alpm).or_else(|| record(path))
}

fn dpkg(path: &[u8]) -> Option<Kind<'_>> {
    if path == b"status" {
        return Some(Kind::DpkgStatus);
    }
    if let Some(package) = path.strip_prefix(b"info/") {
        return Some(Kind::DpkgList { package: super::dpkg::name(package.strip_suffix(b".list")?) });
    }
    let stem = path.strip_prefix(b"status.d/")?;
    Some(stem.strip_suffix(b".md5sums").map_or(Kind::DpkgStanza { stem }, |stem| Kind::DpkgSums { stem }))
}

fn rpm(name: &[u8]) -> Option<Kind<'_>> {
    match name {
        b"rpmdb.sqlite" => Some(Kind::RpmSqlite),
        b"rpmdb.sqlite-wal" => Some(Kind::RpmWal),
        b"Packages.db" => Some(Kind::RpmNdb),
        b"Packages" => Some(Kind::RpmBdb),
        _ => None,
    }
}

fn alpm(path: &[u8]) -> Option<Kind<'_>> {
    if let Some(dir) = path.strip_suffix(b"/desc") {
        return Some(Kind::AlpmDesc { dir });
    }
    path.strip_suffix(b"/files").map(|dir| Kind::AlpmFiles { dir })
}

fn record(path: &[u8]) -> Option<Kind<'_>> {
    let dist = path.strip_suffix(b".dist-info/RECORD")?;
    let start = dist.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    let (site, dist) = dist.split_at(start);
    // Neither a wheel's name nor its version has a dash.
    let dash = dist.iter().rposition(|&b| b == b'-')?;
    Some(Kind::PythonRecord { site, name: &dist[..dash] })
}
