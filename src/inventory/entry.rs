//! What deciding needs of a header.

use sha2::{Digest as _, Sha256};

use super::overlay;
use crate::order::{Entry, Made, Traits};
use crate::tar::{EntryKind, Header, PathError, TarPath};

/// Content is for the caller to add.
pub(super) fn entry(header: &Header) -> Result<Entry, PathError> {
    let path = header.path()?;
    Ok(Entry {
        is_setgid: is_setgid(header, &path),
        is_program: is_program(header, &path),
        path,
        kind: header.kind,
        target: (header.kind == EntryKind::HardLink).then(|| header.link_path()).transpose()?,
        content: None,
        traits: traits(header),
        mtime: header.mtime,
        overlay: overlay::mark(header),
    })
}

/// A directory without an entry as clients make it when they unpack what is below: docker with mode 0755 (moby go-archive
/// `ImpliedDirectoryMode`), podman with 0777 less its umask (container-libs `archive.Unpack`). podman's root alone is 0555.
pub fn implied_dir(path: &TarPath, made: Made) -> Header {
    let name = if path.is_root() { b"./".to_vec() } else { [path.as_bytes(), b"/"].concat() };
    Header { mode: made_mode(made), ..Header::new(name, EntryKind::Dir) }
}

fn made_mode(made: Made) -> i64 {
    match made {
        Made::Plain => 0o755,
        Made::Setgid => 0o2755,
    }
}

/// How clients make the directory that the header tells of, if they make it so without one.
fn looks_made(header: &Header) -> Option<Made> {
    let is_bare = header.kind == EntryKind::Dir && overlay::own_xattrs(header).next().is_none();
    let looks = |made: &Made| (header.mode & 0o7777, header.uid, header.gid) == (made_mode(*made), 0, 0);
    [Made::Plain, Made::Setgid].into_iter().find(|made| is_bare && looks(made))
}

/// Of the root, podman sets what an entry `/` says, and nothing that an entry `./` says.
fn is_setgid(header: &Header, path: &TarPath) -> bool {
    let is_set = !path.is_root() || header.name.starts_with(b"/");
    header.kind == EntryKind::Dir && header.mode & 0o2000 != 0 && is_set
}

/// Libraries often have the bit, too: `libx.so`, `libx.so.1`.
fn is_program(header: &Header, path: &TarPath) -> bool {
    let name = path.file_name();
    let is_library = name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.");
    header.kind == EntryKind::Regular && header.mode & 0o111 != 0 && !is_library
}

/// Everything that a client shows of an entry but its times and content.
fn traits(header: &Header) -> Traits {
    if let Some(made) = looks_made(header) {
        return Traits::of_made(made);
    }
    let mut hash = Sha256::new();
    let mut number = |value: i64| hash.update(value.to_le_bytes());
    // Linux gives every symlink the mode 0777, whatever the tar says.
    number(if header.kind == EntryKind::Symlink { 0 } else { header.mode & 0o7777 });
    number(header.uid);
    number(header.gid);
    match header.kind {
        EntryKind::Char | EntryKind::Block => [header.devmajor, header.devminor].into_iter().for_each(number),
        _ => {}
    }
    let mut text = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    if header.kind == EntryKind::Symlink {
        text(&header.link);
    }
    overlay::own_xattrs(header).for_each(|xattr| {
        text(&xattr.name);
        text(&xattr.value);
    });
    Traits::from_digest(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_can_be_run_and_are_no_libraries() {
        for (name, kind, mode, is_program) in [
            ("usr/bin/tool", EntryKind::Regular, 0o755, true),
            ("opt/app/server.bin", EntryKind::Regular, 0o100, true),
            ("usr/bin/tool", EntryKind::Regular, 0o644, false),
            ("usr/lib/libx.so", EntryKind::Regular, 0o755, false),
            ("usr/lib/libx.so.1.2", EntryKind::Regular, 0o755, false),
            ("opt/app.so.d/tool", EntryKind::Regular, 0o755, true),
            ("usr/bin/tool", EntryKind::Symlink, 0o777, false),
            ("usr/bin", EntryKind::Dir, 0o755, false),
        ] {
            let header = Header { mode, ..Header::new(name, kind) };
            assert_eq!(entry(&header).unwrap().is_program, is_program, "{name} {kind:?} {mode:o}");
        }
    }
}
