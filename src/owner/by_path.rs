//! Owners whose files stand in a directory of their own.

use std::borrow::Cow;

use super::{Owner, System};
use crate::tar::TarPath;

const MODULES: &[u8] = b"node_modules";

/// `nix/store/HASH-NAME-VERSION[-OUTPUT]`: the name alone, so that the owner outlives the version. All outputs of a
/// derivation have one owner.
pub(super) fn nix(path: &TarPath) -> Option<Owner<'_>> {
    let item = path.as_bytes().strip_prefix(b"nix/store/")?.split(|&b| b == b'/').next()?;
    let dash = item.iter().position(|&b| b == b'-').filter(|&at| at == NIX_HASH)?;
    let name = &item[dash + 1..];
    // As Nix parses derivation names (`DrvName`): the version starts behind the first dash that no letter follows.
    let version = name.windows(2).position(|pair| pair[0] == b'-' && !pair[1].is_ascii_alphabetic());
    let name = &name[..version.unwrap_or(name.len())];
    (!name.is_empty()).then(|| Owner { system: System::Nix, name: String::from_utf8_lossy(name) })
}

/// Digits of a store path's hash.
const NIX_HASH: usize = 32;

/// `lib/modules/VERSION` (kmod's depmod(8)), and what a kernel has in `boot`: indexes of modules, modules that were built on
/// the image, initramfs. Versions stay apart, so that one kernel goes as a whole when another one comes.
pub(super) fn kernel(path: &TarPath) -> Option<Owner<'_>> {
    let bytes = path.as_bytes();
    let bytes = bytes.strip_prefix(b"usr/").unwrap_or(bytes);
    let version = match bytes.strip_prefix(b"lib/modules/") {
        Some(rest) => rest.split(|&b| b == b'/').next()?,
        None => {
            let name = bytes.strip_prefix(b"boot/").filter(|name| !name.contains(&b'/'))?;
            let version = BOOT.iter().find_map(|prefix| name.strip_prefix(*prefix))?;
            version.strip_suffix(b".img").unwrap_or(version)
        }
    };
    let is_version = version.first().is_some_and(u8::is_ascii_digit);
    is_version.then(|| Owner { system: System::Kernel, name: String::from_utf8_lossy(version) })
}

/// As Debian and Fedora call them.
const BOOT: [&[u8]; 6] = [b"vmlinuz-", b"vmlinux-", b"initrd.img-", b"initramfs-", b"System.map-", b"config-"];

/// The innermost `node_modules/NAME` or `node_modules/@SCOPE/NAME` around a path (Node.js, "Loading from
/// node_modules folders"), by its directory: two copies of a package belong to two applications.
/// pnpm's `node_modules/.pnpm/NAME@VERSION/node_modules/NAME` goes without the version.
pub(super) fn npm(path: &TarPath) -> Option<Owner<'_>> {
    Some(Owner { system: System::Npm, name: lossy(npm_of(path.as_bytes())?) })
}

/// The package's directory.
pub(super) fn npm_of(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut found = None;
    let mut start = 0;
    let mut store = None;
    while let Some(dir) = component(bytes, start) {
        let next = dir.end + 1;
        if &bytes[dir] == MODULES
            && let Some(package) = package(bytes, next)
        {
            if bytes[next..].starts_with(b".pnpm/") {
                store = Some(next + b".pnpm".len());
            } else if !bytes[next..package].starts_with(b".") {
                found = Some((next, package));
            }
        }
        start = next;
    }
    let (name, end) = found?;
    Some(match store {
        Some(store) => [&bytes[..store], b"/", &bytes[name..end]].concat().into(),
        None => Cow::Borrowed(&bytes[..end]),
    })
}

/// The range of the component that starts at `start`.
fn component(path: &[u8], start: usize) -> Option<std::ops::Range<usize>> {
    let rest = path.get(start..).filter(|rest| !rest.is_empty())?;
    Some(start..start + rest.iter().position(|&b| b == b'/').unwrap_or(rest.len()))
}

/// Where the package's directory that starts at `start` ends. A scope alone is none.
fn package(path: &[u8], start: usize) -> Option<usize> {
    let first = component(path, start)?;
    match path[first.clone()].starts_with(b"@") {
        true => component(path, first.end + 1).map(|name| name.end),
        false => Some(first.end),
    }
}

fn lossy(name: Cow<'_, [u8]>) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => String::from_utf8_lossy(name),
        Cow::Owned(name) => String::from_utf8_lossy(&name).into_owned().into(),
    }
}
