//! A TOC entry and the tar header that it stands for, as podman compares them.

use std::collections::BTreeMap;

use crate::tar::{Header, Rewrite, Time, Xattr};

/// Go's `time.Time{}`.
const GO_ZERO: i64 = -62_135_596_800;

/// One sentence for each field that differs.
pub(super) fn differences(toc: &Header, tar: &Header) -> Vec<String> {
    let mut out = Vec::new();
    let mut number = |field: &str, toc: i128, tar: i128| {
        if toc != tar {
            out.push(format!("{field}: the TOC has {toc}, the tar {tar}"));
        }
    };
    number("size", toc.size.into(), tar.size.into());
    number("uid", toc.uid.into(), tar.uid.into());
    number("gid", toc.gid.into(), tar.gid.into());
    number("device major", toc.devmajor.into(), tar.devmajor.into());
    number("device minor", toc.devminor.into(), tar.devminor.into());
    if toc.mode != tar.mode {
        out.push(format!("mode: the TOC has {:#o}, the tar {:#o}", toc.mode, tar.mode));
    }
    if toc.kind != tar.kind {
        out.push(format!("type: the TOC has {:?}, the tar {:?}", toc.kind, tar.kind));
    }
    if toc.link != tar.link {
        out.push(format!("link: the TOC has {:?}, the tar {:?}", text(&toc.link), text(&tar.link)));
    }
    let times =
        [("mtime", Some(toc.mtime), Some(tar.mtime)), ("atime", toc.atime, tar.atime), ("ctime", toc.ctime, tar.ctime)];
    for (field, toc, tar) in times {
        if set(toc) != set(tar) {
            out.push(format!("{field}: the TOC has {}, the tar {}", time(toc), time(tar)));
        }
    }
    if toc.xattrs != tar.xattrs {
        xattrs(&toc.xattrs, &tar.xattrs, &mut out);
    }
    out
}

/// What a tar header may not be in a layer with a TOC: podman has no type for it, or asks for content that is not there.
pub(super) fn refused(rewrite: Option<Rewrite>) -> Option<&'static str> {
    match rewrite? {
        Rewrite::Sparse => Some("a sparse file, which podman refuses"),
        Rewrite::ContiguousFile => Some("a contiguous file (type 7), which podman refuses"),
        Rewrite::SizeWithoutContent => Some("a size on an entry without content, for which podman wants a file"),
    }
}

fn xattrs(toc: &[Xattr], tar: &[Xattr], out: &mut Vec<String>) {
    // There can be tens of thousands.
    let by_name =
        |xattrs: &[Xattr]| xattrs.iter().map(|it| (it.name.clone(), it.value.clone())).collect::<BTreeMap<_, _>>();
    let (toc, tar) = (by_name(toc), by_name(tar));
    for (name, value) in &toc {
        match tar.get(name) {
            None => out.push(format!("xattr {:?}: only the TOC has it", text(name))),
            Some(other) if other != value => {
                out.push(format!("xattr {:?}: TOC and tar have different values", text(name)));
            }
            Some(_) => {}
        }
    }
    let only_tar = tar.keys().filter(|name| !toc.contains_key(*name));
    out.extend(only_tar.map(|name| format!("xattr {:?}: only the tar has it", text(name))));
}

/// Zero in Go, 1970 and nothing are one for podman (`ensureTimePointersMatch`).
fn set(time: Option<Time>) -> Option<Time> {
    time.filter(|time| time.nanos != 0 || (time.secs != 0 && time.secs != GO_ZERO))
}

fn time(time: Option<Time>) -> String {
    time.map_or_else(|| "none".to_owned(), |time| format!("{}.{:09}", { time.secs }, { time.nanos }))
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
