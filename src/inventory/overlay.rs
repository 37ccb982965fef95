//! What overlayfs takes for its own in a header. It is obeyed when layers are merged and never written: a client that
//! finds it in a layer of the result would hide what other layers of the result show.

use std::borrow::Cow;

use crate::order::{Entry, OverlayMark};
use crate::remark::Remark;
use crate::tar::{EntryKind, Header, TarPath, Xattr};

/// Of mounts by root, and of those without root (`userxattr`).
const PREFIXES: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// Paths that a note names.
const NAMED: usize = 3;

fn key(xattr: &Xattr) -> Option<&[u8]> {
    PREFIXES.into_iter().find_map(|prefix| xattr.name.strip_prefix(prefix))
}

/// The xattrs that are the image's.
pub(super) fn own_xattrs(header: &Header) -> impl Iterator<Item = &Xattr> {
    header.xattrs.iter().filter(|xattr| key(xattr).is_none())
}

/// What the kernel's overlayfs makes of an inode with this header (`fs/overlayfs`, `ovl_lookup_single`).
pub(super) fn mark(header: &Header) -> OverlayMark {
    let mut keys = header.xattrs.iter().filter_map(|xattr| Some((key(xattr)?, xattr.value.as_slice()))).peekable();
    match header.kind {
        EntryKind::Char if (header.devmajor, header.devminor) == (0, 0) => OverlayMark::Whiteout,
        _ if keys.peek().is_none() => OverlayMark::None,
        // The value "x" says that the directory may have whiteouts that are files.
        EntryKind::Dir if keys.any(|found| found == (b"opaque", b"y")) => OverlayMark::Opaque,
        EntryKind::Regular if header.size == 0 && keys.any(|(key, _)| key == b"whiteout") => OverlayMark::Whiteout,
        _ => OverlayMark::Other,
    }
}

/// The header as it is written: without what is overlayfs's own. Borrowed when there is no such thing, as in almost all.
pub fn clean(header: &Header) -> Cow<'_, Header> {
    match header.xattrs.iter().any(|xattr| key(xattr).is_some()) {
        true => Cow::Owned(Header { xattrs: own_xattrs(header).cloned().collect(), ..header.clone() }),
        false => Cow::Borrowed(header),
    }
}

/// For the user, of a layer's entries.
pub fn notes(entries: &[Entry]) -> Vec<Remark> {
    let with = |mark| entries.iter().filter(move |entry| entry.overlay == mark).map(|entry| &entry.path);
    let texts = [
        (
            OverlayMark::Opaque,
            "directory has trusted.overlay.opaque or user.overlay.opaque: podman obeys it and hides what lower layers \
             have there, and so does rechunk, which leaves the attribute out",
            "directories have trusted.overlay.opaque or user.overlay.opaque: podman obeys it and hides what lower \
             layers have there, and so does rechunk, which leaves the attribute out",
        ),
        (
            OverlayMark::Whiteout,
            "whiteout of overlayfs (a character device 0:0, or an empty file with such an attribute): podman obeys it \
             and hides what lower layers have there, and so does rechunk, which leaves it out",
            "whiteouts of overlayfs (a character device 0:0, or an empty file with such an attribute): podman obeys \
             them and hides what lower layers have there, and so does rechunk, which leaves them out",
        ),
        (
            OverlayMark::Other,
            "entry has attributes that overlayfs takes for its own (trusted.overlay.*, user.overlay.*): rechunk leaves \
             them out, and does not follow what redirect and metacopy refer to",
            "entries have attributes that overlayfs takes for its own (trusted.overlay.*, user.overlay.*): rechunk \
             leaves them out, and does not follow what redirect and metacopy refer to",
        ),
    ];
    let note = |(mark, one, many)| {
        let count = with(mark).count();
        (count > 0).then(|| Remark::counted(count as u64, one, many, Some(named(count, with(mark)))))
    };
    texts.into_iter().filter_map(note).collect()
}

/// "/a, /b, .."
fn named<'a>(count: usize, paths: impl Iterator<Item = &'a TarPath>) -> String {
    let mut list: Vec<String> = paths.take(NAMED).map(TarPath::to_string).collect();
    if count > list.len() {
        list.push("..".to_owned());
    }
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: EntryKind, xattrs: &[(&str, &str)]) -> Header {
        let xattr = |(name, value): &(&str, &str)| Xattr { name: (*name).into(), value: (*value).into() };
        Header { xattrs: xattrs.iter().map(xattr).collect(), ..Header::new("a", kind) }
    }

    #[test]
    fn marks_are_those_of_the_kernel() {
        use EntryKind::{Block, Char, Dir, Regular};
        let mark = |kind, xattrs: &[(&str, &str)]| super::mark(&header(kind, xattrs));
        for kind in ["trusted", "user"] {
            let name = |key: &str| format!("{kind}.overlay.{key}");
            assert_eq!(mark(Dir, &[(&name("opaque"), "y")]), OverlayMark::Opaque);
            assert_eq!(mark(Dir, &[(&name("impure"), "y"), (&name("opaque"), "y")]), OverlayMark::Opaque);
            for (key, value) in
                [("opaque", "x"), ("opaque", "n"), ("opaque", "yes"), ("redirect", "/d"), ("overlay.opaque", "y")]
            {
                assert_eq!(mark(Dir, &[(&name(key), value)]), OverlayMark::Other, "{key}={value}");
            }
            assert_eq!(mark(Regular, &[(&name("whiteout"), "")]), OverlayMark::Whiteout);
            assert_eq!(mark(Regular, &[(&name("metacopy"), "")]), OverlayMark::Other);
            let full = Header { size: 1, ..header(Regular, &[(&name("whiteout"), "")]) };
            assert_eq!(super::mark(&full), OverlayMark::Other);
        }
        assert_eq!(mark(Char, &[]), OverlayMark::Whiteout);
        assert_eq!(super::mark(&Header { devminor: 1, ..header(Char, &[]) }), OverlayMark::None);
        assert_eq!(mark(Block, &[]), OverlayMark::None);
        assert_eq!(mark(Dir, &[("user.overlayfs", "y"), ("trusted.opaque", "y")]), OverlayMark::None);
    }

    #[test]
    fn only_what_is_the_images_own_is_written() {
        let mixed =
            header(EntryKind::Dir, &[("trusted.overlay.origin", "o"), ("user.a", "1"), ("user.overlay.opaque", "y")]);
        assert_eq!(*clean(&mixed), header(EntryKind::Dir, &[("user.a", "1")]));
        let plain = header(EntryKind::Dir, &[("user.a", "1")]);
        assert!(matches!(clean(&plain), Cow::Borrowed(_)));
    }
}
