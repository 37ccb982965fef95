//! Paths of which one file speaks for a whole image: only one input's can be seen.

use super::Kind;
use crate::owner::{System, package_database};
use crate::tar::TarPath;

/// Who may log in, by path.
const ACCOUNTS: [&[u8]; 4] = [b"etc/passwd", b"etc/group", b"etc/shadow", b"etc/gshadow"];
const LINKER_CACHE: &[u8] = b"etc/ld.so.cache";

/// The kind of a conflict at this path; `None` for a file that speaks for itself alone.
pub(super) fn kind(path: &TarPath) -> Option<Kind> {
    let bytes = path.as_bytes();
    if ACCOUNTS.contains(&bytes) {
        return Some(Kind::Accounts);
    }
    if bytes == LINKER_CACHE {
        return Some(Kind::LinkerCache);
    }
    let (system, rest) = package_database(path)?;
    is_list(system, rest).then_some(Kind::Database)
}

/// True for a file that lists packages.
fn is_list(system: System, rest: &[u8]) -> bool {
    match system {
        System::Dpkg => rest == b"status" || (rest.starts_with(b"status.d/") && !rest.ends_with(b".md5sums")),
        System::Rpm => {
            matches!(rest, b"rpmdb.sqlite" | b"rpmdb.sqlite-wal" | b"Packages.db" | b"Packages" | b"Index.db")
        }
        System::Apk => matches!(rest, b"installed" | b"world" | b"triggers" | b"scripts.tar" | b"scripts.tar.gz"),
        _ => false,
    }
}
