//! Files that change with every update, whatever their package.

use super::System;
use super::evidence::FILEMAP;
use super::homes::Homes;
use crate::tar::TarPath;

/// How often a file's content changes, judged by its path alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Heat {
    /// What is installed: changes with every update, whatever it brings.
    Database,
    /// Made on the image from its other files; may change when any of them does, or with the clock.
    Cache,
    /// Compiled Python: changes with its source, and with the source's time stamp.
    ByteCode,
    /// Changes when its package does.
    Data,
}

/// What a path says of itself.
pub(super) fn heat(path: &TarPath, homes: &Homes) -> Heat {
    let (whole, name) = (path.as_bytes(), path.file_name());
    if is_database(whole, name, homes) {
        Heat::Database
    } else if is_cache(whole, name) {
        Heat::Cache
    } else if name.ends_with(b".pyc") {
        Heat::ByteCode
    } else {
        Heat::Data
    }
}

/// Directories whose files all change with every update, beside those of the package databases.
const DATABASES: [&[u8]; 5] = [
    b"var/lib/apt/",
    b"var/lib/dnf/",
    b"usr/lib/sysimage/libdnf5/",
    // rpm-ostree's copy of what the image came with.
    b"usr/lib/sysimage/rpm-ostree-base-db/",
    b"nix/var/nix/db/",
];

/// Files right in dpkg's directory; `-old` and `-new` ones as well.
const DPKG: [&[u8]; 4] = [b"status", b"available", b"diversions", b"statoverride"];

/// What package managers of languages write beside the packages.
const LOCKS: [&[u8]; 9] = [
    b".package-lock.json",
    b".modules.yaml",
    b".yarn-state.yml",
    b"package-lock.json",
    b"pnpm-lock.yaml",
    b"yarn.lock",
    b"poetry.lock",
    b"uv.lock",
    b"Pipfile.lock",
];

fn is_database(path: &[u8], name: &[u8], homes: &Homes) -> bool {
    let below = |dir: &[u8]| path.strip_prefix(dir).is_some_and(|rest| !rest.is_empty());
    let is_state = |file: &[u8]| {
        DPKG.iter().any(|name| file.strip_prefix(*name).is_some_and(|rest| matches!(rest, b"" | b"-old" | b"-new")))
    };
    let is_hot = match homes.inside(path) {
        Some((System::Dpkg, file)) => is_state(file) || file.starts_with(b"triggers/"),
        Some((System::Alpm, file)) => file.starts_with(b"sync/"),
        Some((System::Rpm | System::Apk, file)) => !file.is_empty(),
        Some(_) | None => false,
    };
    if is_hot {
        return true;
    }
    // A lock file inside of a package is the package's own.
    let is_lock = LOCKS.contains(&name) && super::by_path::npm_of(path).is_none();
    is_lock || path == FILEMAP || is_conda_log(path) || DATABASES.iter().any(|dir| below(dir))
}

/// What was installed when.
fn is_conda_log(path: &[u8]) -> bool {
    path.strip_suffix(b"conda-meta/history").is_some_and(|prefix| prefix.last().is_none_or(|&b| b == b'/'))
}

/// What starts so is made again at need.
const CACHES: [&[u8]; 10] = [
    b"var/cache/",
    b"var/log/",
    b"tmp/",
    b"var/tmp/",
    b"root/.cache/",
    b"boot/initrd",
    b"boot/initramfs",
    b"etc/pki/ca-trust/extracted/",
    b"etc/ssl/certs/java/",
    b"var/lib/systemd/catalog/",
];

/// Compiled from what packages put beside them.
const COMPILED: [&[u8]; 6] =
    [b"ca-certificates.crt", b"gschemas.compiled", b"fonts.dir", b"fonts.scale", b"hwdb.bin", b"initramfs.img"];

fn is_cache(path: &[u8], name: &[u8]) -> bool {
    // `ld.so.cache`, `mime.cache`, `mimeinfo.cache`, `icon-theme.cache`, `loaders.cache`, ...
    if name.ends_with(b".cache") && name != b".cache" || COMPILED.contains(&name) {
        return true;
    }
    let is_mime = path.strip_prefix(b"usr/share/mime/").is_some_and(|rest| !rest.starts_with(b"packages"));
    is_mime || CACHES.iter().any(|prefix| path.len() > prefix.len() && path.starts_with(prefix))
}
