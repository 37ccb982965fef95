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
    /// `PREFIX/conda-meta/NAME-VERSION-BUILD.json`; `prefix` is empty or ends with a slash.
    CondaMeta {
        prefix: &'a [u8],
        name: &'a [u8],
    },
    /// What only says that a Python distribution is there: `METADATA` in `NAME-VERSION.dist-info`, `PKG-INFO` in
    /// `NAME-VERSION.egg-info` or in an egg, or a file that is called `.egg-info` itself. `dist` is the directory, or that file.
    PythonMeta {
        site: &'a [u8],
        dist: &'a [u8],
        name: &'a [u8],
    },
    /// `DIST/top_level.txt`.
    PythonTop {
        dist: &'a [u8],
    },
    /// `DIST/installed-files.txt`, with paths from `dist` on.
    PythonInstalled {
        dist: &'a [u8],
    },
    /// `HOME/specifications/STEM.gemspec`; `home` is empty or ends with a slash.
    GemSpec {
        home: &'a [u8],
        stem: &'a [u8],
    },
    /// `DIR/gem.build_complete`, where `dir` ends in `extensions/PLATFORM/RUBY/STEM`.
    GemExtension {
        dir: &'a [u8],
        stem: &'a [u8],
    },
    /// `SITE/NAME-VERSION.dist-info/RECORD`; `site` is empty or ends with a slash.
    PythonRecord {
        site: &'a [u8],
        name: &'a [u8],
    },
    /// `HOME/node_modules/.package-lock.json`; `home` is empty or ends with a slash. It tells who needs whom, not who owns what.
    NpmLock {
        home: &'a [u8],
    },
}

impl Kind<'_> {
    /// Its content says nothing that counts.
    fn is_name_enough(self) -> bool {
        matches!(self, Self::PythonMeta { .. } | Self::GemSpec { .. } | Self::GemExtension { .. })
    }

    /// `None` for a file that stands for itself wherever it is.
    pub fn system(self) -> Option<System> {
        match self {
            Self::DpkgStatus | Self::DpkgList { .. } | Self::DpkgStanza { .. } | Self::DpkgSums { .. } => {
                Some(System::Dpkg)
            }
            Self::RpmSqlite | Self::RpmWal | Self::RpmNdb | Self::RpmBdb => Some(System::Rpm),
            Self::ApkInstalled => Some(System::Apk),
            Self::AlpmDesc { .. } | Self::AlpmFiles { .. } => Some(System::Alpm),
            Self::PacmanConf
            | Self::Filemap
            | Self::CondaMeta { .. }
            | Self::PythonMeta { .. }
            | Self::PythonTop { .. }
            | Self::PythonInstalled { .. }
            | Self::GemSpec { .. }
            | Self::GemExtension { .. }
            | Self::PythonRecord { .. }
            | Self::NpmLock { .. } => None,
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
        !is_binary && !self.kind.is_name_enough() && self.bytes.contains(&0)
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
            | Kind::CondaMeta { .. }
            | Kind::PythonMeta { .. }
            | Kind::PythonTop { .. }
            | Kind::PythonInstalled { .. }
            | Kind::GemSpec { .. }
            | Kind::GemExtension { .. }
            | Kind::PythonRecord { .. }
            | Kind::NpmLock { .. } => false,
        }
    }
}

/// True for files that may belong to a package database, whose content [`super::Owners::read`] wants to see. Known from
/// the path alone, so that one pass over an image can keep the bytes of these few files.
pub fn is_evidence(path: &TarPath) -> bool {
    kind(path.as_bytes()).is_some()
}

/// How much of a file that [`is_evidence`] names [`super::Owners::read`] wants: each costs a request where an image is in a
/// registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Content,
    /// Nothing but that it is there.
    Name,
    /// Another file says more.
    Nothing,
}

/// What is asked of package databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    Owners,
    /// Owners, and [`super::Needs`].
    Needs,
}

/// `is_there`: whether the image shows a path.
pub fn wanted(path: &TarPath, depth: Depth, is_there: impl Fn(&TarPath) -> bool) -> Wanted {
    match kind(path.as_bytes()) {
        Some((Kind::NpmLock { .. }, _)) if depth == Depth::Owners => Wanted::Nothing,
        Some((Kind::PythonMeta { .. }, _)) if depth == Depth::Needs => Wanted::Content,
        Some((kind, _)) if kind.is_name_enough() => Wanted::Name,
        Some((Kind::PythonTop { .. }, _)) if path.parent().is_some_and(|dist| is_there(&dist.join(b"RECORD"))) => {
            Wanted::Nothing
        }
        _ => Wanted::Content,
    }
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
        b".package-lock.json" => Kind::NpmLock { home: dir.strip_suffix(b"node_modules").filter(|home| is_dir(home))? },
        _ => of_language(path, dir, name)?,
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
    let (site, name) = distribution(dir, b".dist-info")?;
    Some(Kind::PythonRecord { site, name })
}

/// Site and name of `SITE/NAME-VERSION.dist-info` and its like. Neither a wheel's name nor its version has a dash; behind
/// an egg's version stands one of Python.
fn distribution<'a>(dir: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let stem = dir.strip_suffix(end)?;
    let start = stem.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    let (site, dist) = stem.split_at(start);
    let dash = match end {
        b".dist-info" => dist.iter().rposition(|&b| b == b'-')?,
        _ => dist.iter().position(|&b| b == b'-')?,
    };
    Some((site, &dist[..dash]))
}

/// What package managers of languages leave beside packages.
fn of_language<'a>(path: &'a [u8], dir: &'a [u8], name: &'a [u8]) -> Option<Kind<'a>> {
    let meta = |dist: &'a [u8], end: &[u8]| {
        let (site, name) = distribution(dist, end)?;
        Some(Kind::PythonMeta { site, dist, name })
    };
    let is_dist = || [&b".dist-info"[..], b".egg-info"].iter().any(|end| distribution(dir, end).is_some());
    match name {
        b"METADATA" => meta(dir, b".dist-info"),
        b"PKG-INFO" => meta(dir, b".egg-info").or_else(|| meta(dir.strip_suffix(b"/EGG-INFO")?, b".egg")),
        b"top_level.txt" => is_dist().then_some(Kind::PythonTop { dist: dir }),
        b"installed-files.txt" => is_dist().then_some(Kind::PythonInstalled { dist: dir }),
        b"gem.build_complete" => {
            let (above, stem) = split(dir);
            let (_, extensions) = split(split(split(above).0).0);
            (extensions == b"extensions").then_some(Kind::GemExtension { dir, stem })
        }
        _ => meta(path, b".egg-info").or_else(|| conda_or_gem(dir, name)),
    }
}

fn conda_or_gem<'a>(dir: &'a [u8], name: &'a [u8]) -> Option<Kind<'a>> {
    if let Some(stem) = name.strip_suffix(b".gemspec") {
        let home = dir.strip_suffix(b"specifications").filter(|home| is_dir(home))?;
        return Some(Kind::GemSpec { home, stem });
    }
    let stem = name.strip_suffix(b".json")?;
    let prefix = dir.strip_suffix(b"conda-meta").filter(|prefix| is_dir(prefix))?;
    // A name may have dashes, but neither version nor build.
    let name = stem.rsplitn(3, |&b| b == b'-').nth(2)?;
    Some(Kind::CondaMeta { prefix, name })
}

/// Nothing, or up to a slash.
fn is_dir(path: &[u8]) -> bool {
    path.last().is_none_or(|&b| b == b'/')
}
