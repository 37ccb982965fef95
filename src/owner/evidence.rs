//! Files of package databases, by their names.

use super::System;
use super::homes::{PACMAN_CONF, is_place};
use super::text::{field, lines};
use crate::tar::TarPath;

/// Where chunkah looks for it.
pub(super) const FILEMAP: &[u8] = b"usr/lib/chunkah/filemap.json";

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
    /// `status.d/STEM.md5sums` or `info/STEM.md5sums`: its files.
    DpkgSums {
        stem: &'a [u8],
    },
    RpmSqlite,
    /// The write-ahead log of `rpmdb.sqlite`.
    RpmWal,
    RpmNdb,
    RpmBdb,
    ApkInstalled,
    /// `HOME/local/NAME/desc`; `dir` is all before the last slash.
    AlpmDesc {
        dir: &'a [u8],
    },
    AlpmFiles {
        dir: &'a [u8],
    },
    PacmanConf,
    /// chunkah's list of the files of each component.
    Filemap,
    /// `SITE/NAME-VERSION.dist-info/RECORD`; `site` is empty or ends with a slash.
    PythonRecord {
        site: &'a [u8],
        name: &'a [u8],
    },
}

impl Kind<'_> {
    /// `None` for a file that stands for itself wherever it is.
    pub fn system(self) -> Option<System> {
        match self {
            Self::DpkgStatus | Self::DpkgList { .. } | Self::DpkgStanza { .. } | Self::DpkgSums { .. } => {
                Some(System::Dpkg)
            }
            Self::RpmSqlite | Self::RpmWal | Self::RpmNdb | Self::RpmBdb => Some(System::Rpm),
            Self::ApkInstalled => Some(System::Apk),
            Self::AlpmDesc { .. } | Self::AlpmFiles { .. } => Some(System::Alpm),
            Self::PacmanConf | Self::Filemap | Self::PythonRecord { .. } => None,
        }
    }
}

pub(super) struct Evidence<'a> {
    pub path: &'a TarPath,
    pub kind: Kind<'a>,
    /// The directory of its database.
    pub home: &'a [u8],
    pub bytes: &'a [u8],
}

impl<'a> Evidence<'a> {
    pub fn new(path: &'a TarPath, bytes: &'a [u8]) -> Option<Self> {
        let (kind, home) = kind(path.as_bytes())?;
        Some(Self { path, kind, home, bytes })
    }

    /// What is meant to be text, and is none.
    pub fn is_garbled(&self) -> bool {
        let is_binary = matches!(self.kind, Kind::RpmSqlite | Kind::RpmWal | Kind::RpmNdb | Kind::RpmBdb);
        !is_binary && self.bytes.contains(&0)
    }

    /// A list of all packages that has something, and no package. Images without one have an empty list.
    pub fn lacks_packages(&self) -> bool {
        let is_list = matches!(self.kind, Kind::DpkgStatus | Kind::ApkInstalled);
        is_list && !self.bytes.trim_ascii().is_empty() && !self.has_packages()
    }

    /// True when it names a package as only a package database does.
    pub fn has_packages(&self) -> bool {
        let has_field = |name| lines(self.bytes).any(|line| field(line, name).is_some());
        match self.kind {
            Kind::DpkgStatus | Kind::DpkgStanza { .. } => has_field("Package"),
            Kind::ApkInstalled => has_field("P"),
            Kind::AlpmDesc { .. } => lines(self.bytes).any(|line| line == b"%NAME%"),
            Kind::RpmSqlite => self.bytes.starts_with(b"SQLite format 3\0"),
            Kind::RpmNdb => self.bytes.starts_with(b"RpmP"),
            Kind::DpkgList { .. }
            | Kind::DpkgSums { .. }
            | Kind::RpmWal
            | Kind::RpmBdb
            | Kind::AlpmFiles { .. }
            | Kind::PacmanConf
            | Kind::Filemap
            | Kind::PythonRecord { .. } => false,
        }
    }
}

/// True for files that may belong to a package database, whose content [`super::Owners::read`] wants to see. Known from
/// the path alone, so that one pass over an image can keep the bytes of these few files.
pub fn is_evidence(path: &TarPath) -> bool {
    kind(path.as_bytes()).is_some()
}

/// What a file is by its name, and the directory of the database that it would be of.
fn kind(path: &[u8]) -> Option<(Kind<'_>, &[u8])> {
    let (dir, name) = split(path);
    let (above, parent) = split(dir);
    let in_dir = match parent {
        b"info" => info(name),
        b"status.d" => Some(stanza(name)),
        _ => None,
    };
    if let Some(kind) = in_dir {
        return Some((kind, above));
    }
    let kind = match name {
        b"status" => Kind::DpkgStatus,
        b"rpmdb.sqlite" => Kind::RpmSqlite,
        b"rpmdb.sqlite-wal" => Kind::RpmWal,
        b"Packages.db" => Kind::RpmNdb,
        // A name that others have, too.
        b"Packages" if is_place(System::Rpm, dir) => Kind::RpmBdb,
        b"installed" => Kind::ApkInstalled,
        b"desc" | b"files" => return alpm(dir, name == b"desc"),
        b"pacman.conf" if path == PACMAN_CONF => Kind::PacmanConf,
        b"filemap.json" if path == FILEMAP => Kind::Filemap,
        b"RECORD" => record(dir)?,
        _ => return None,
    };
    Some((kind, dir))
}

/// Directory and name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn info(name: &[u8]) -> Option<Kind<'_>> {
    let list = || name.strip_suffix(b".list").map(|stem| Kind::DpkgList { package: super::dpkg::name(stem) });
    let sums = || name.strip_suffix(b".md5sums").map(|stem| Kind::DpkgSums { stem: super::dpkg::name(stem) });
    list().or_else(sums)
}

fn stanza(name: &[u8]) -> Kind<'_> {
    name.strip_suffix(b".md5sums").map_or(Kind::DpkgStanza { stem: name }, |stem| Kind::DpkgSums { stem })
}

fn alpm(dir: &[u8], is_desc: bool) -> Option<(Kind<'_>, &[u8])> {
    let (local, _) = split(dir);
    let (home, name) = split(local);
    let kind = if is_desc { Kind::AlpmDesc { dir } } else { Kind::AlpmFiles { dir } };
    (name == b"local").then_some((kind, home))
}

fn record(dir: &[u8]) -> Option<Kind<'_>> {
    let dist = dir.strip_suffix(b".dist-info")?;
    let start = dist.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    let (site, dist) = dist.split_at(start);
    // Neither a wheel's name nor its version has a dash.
    let dash = dist.iter().rposition(|&b| b == b'-')?;
    Some(Kind::PythonRecord { site, name: &dist[..dash] })
}
