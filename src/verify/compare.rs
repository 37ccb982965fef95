//! Two merged trees, path by path.

use std::collections::{BTreeMap, BTreeSet};

use super::{ABSENT, Difference, Ignore, MTIME};
use crate::error::Error;
use crate::inventory::Payload;
use crate::order::tree::Shown;
use crate::progress::Progress;
use crate::survey::merged::{Merged, Seen};
use crate::tar::{EntryKind, Header, TarPath, Time, Xattr};
use crate::units;

/// Appends the differences and returns how many paths there are.
pub(super) fn compare(
    a: &Merged<'_>,
    b: &Merged<'_>,
    ignore: &[Ignore],
    out: &mut Vec<Difference>,
    progress: &Progress,
) -> Result<u64, Error> {
    let (mut left, mut right) = (a.tree.iter().peekable(), b.tree.iter().peekable());
    let mut entries = 0;
    loop {
        progress.check()?;
        let path = match (left.peek(), right.peek()) {
            (None, None) => return Ok(entries),
            (Some((path, _)), None) | (None, Some((path, _))) => path,
            (Some((one, _)), Some((other, _))) => one.min(other),
        };
        entries += 1;
        let before = out.len();
        let mut found = At { path, ignore, out };
        match (left.next_if(|(at, _)| at == path), right.next_if(|(at, _)| at == path)) {
            (Some((_, one)), Some((_, other))) => found.both((a, *one), (b, *other))?,
            (Some((_, one)), None) => found.push("only in A", described(&a.seen(path, *one)?), ABSENT.to_owned()),
            (None, Some((_, other))) => found.push("only in B", ABSENT.to_owned(), described(&b.seen(path, *other)?)),
            (None, None) => return Err(Error::Internal("a path of neither tree")),
        }
        progress.hold(out[before..].iter().map(held).sum())?;
    }
}

/// Bytes of memory that a difference takes, and again when it is printed.
fn held(found: &Difference) -> u64 {
    2 * (found.path.len() + found.what.len() + found.a.len() + found.b.len() + size_of::<Difference>()) as u64
}

/// Differences at one path.
struct At<'a> {
    path: &'a TarPath,
    ignore: &'a [Ignore],
    out: &'a mut Vec<Difference>,
}

impl At<'_> {
    fn push(&mut self, what: &str, a: String, b: String) {
        self.out.push(Difference { platform: None, path: self.path.to_string(), what: what.to_owned(), a, b });
    }

    fn check<T: PartialEq>(&mut self, what: &str, a: T, b: T, shown: impl Fn(&T) -> String) {
        if a != b {
            self.push(what, shown(&a), shown(&b));
        }
    }

    fn both(&mut self, a: (&Merged<'_>, Shown), b: (&Merged<'_>, Shown)) -> Result<(), Error> {
        let (one, mut other) = (a.0.seen(self.path, a.1)?, b.0.seen(self.path, b.1)?);
        if one.header.kind != other.header.kind {
            self.push("type", described(&one), described(&other));
            return Ok(());
        }
        if one.is_implied || other.is_implied {
            other.header.mtime = one.header.mtime;
        }
        self.metadata(&one.header, &other.header);
        self.content(one.payload, other.payload);
        self.xattrs(&one.header.xattrs, &other.header.xattrs);
        // Two sets of paths are split alike when every path has the same first path of its file.
        self.check("hard link", a.0.first_link(a.1), b.0.first_link(b.1), |first| match first {
            Some(first) => format!("one file with {first}"),
            None => "a file of its own".to_owned(),
        });
        Ok(())
    }

    fn metadata(&mut self, a: &Header, b: &Header) {
        // Linux gives every symlink the mode 0777, whatever the tar says.
        if a.kind != EntryKind::Symlink {
            self.check("mode", a.mode & 0o7777, b.mode & 0o7777, |mode| format!("{mode:04o}"));
        }
        self.check("uid", a.uid, b.uid, i64::to_string);
        self.check("gid", a.gid, b.gid, i64::to_string);
        if !self.ignore.contains(&Ignore::Mtime) {
            self.check(MTIME, a.mtime, b.mtime, |time| shown_time(*time));
        }
        match a.kind {
            EntryKind::Symlink => self.check("symlink", &a.link, &b.link, |link| shown_bytes(link)),
            EntryKind::HardLink => self.check("hard link to nothing", &a.link, &b.link, |link| shown_bytes(link)),
            EntryKind::Char | EntryKind::Block => {
                let device = |header: &Header| (header.devmajor, header.devminor);
                self.check("device", device(a), device(b), |(major, minor)| format!("{major}:{minor}"));
            }
            EntryKind::Regular | EntryKind::Dir | EntryKind::Fifo => {}
        }
    }

    fn content(&mut self, a: Option<&Payload>, b: Option<&Payload>) {
        let key = |payload: Option<&Payload>| payload.map(|payload| (payload.size, payload.digest));
        self.check("content", key(a), key(b), |key| match key {
            None => "0 bytes".to_owned(),
            Some((size, digest)) => format!("{}, {digest}", units::plural(*size, "byte", "bytes")),
        });
    }

    fn xattrs(&mut self, a: &[Xattr], b: &[Xattr]) {
        if a == b {
            return;
        }
        // There can be tens of thousands.
        let by_name = |xattrs| {
            let xattrs: &[Xattr] = xattrs;
            xattrs.iter().map(|xattr| (xattr.name.clone(), xattr.value.clone())).collect::<BTreeMap<_, _>>()
        };
        let (a, b) = (by_name(a), by_name(b));
        let names: BTreeSet<&Vec<u8>> = a.keys().chain(b.keys()).collect();
        for name in names {
            self.check(&format!("xattr {}", shown_bytes(name)), a.get(name), b.get(name), |value| match value {
                None => ABSENT.to_owned(),
                Some(value) => format!("\"{}\"", shown_bytes(value)),
            });
        }
    }
}

fn described(seen: &Seen<'_>) -> String {
    match seen.header.kind {
        EntryKind::Regular => {
            format!("a file of {}", units::plural(seen.payload.map_or(0, |payload| payload.size), "byte", "bytes"))
        }
        EntryKind::HardLink => format!("a hard link to nothing ({})", shown_bytes(&seen.header.link)),
        EntryKind::Symlink => format!("a symlink to {}", shown_bytes(&seen.header.link)),
        EntryKind::Char => "a character device".to_owned(),
        EntryKind::Block => "a block device".to_owned(),
        EntryKind::Dir => "a directory".to_owned(),
        EntryKind::Fifo => "a FIFO".to_owned(),
    }
}

/// Printable ASCII as it is, all else escaped; long values are cut.
fn shown_bytes(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(200)];
    let more = if cut.len() < bytes.len() { "..." } else { "" };
    match std::str::from_utf8(bytes) {
        Ok(text) if cut.len() == bytes.len() && !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("{}{more}", cut.escape_ascii()),
    }
}

fn shown_time(time: Time) -> String {
    match i32::try_from(time.nanos).ok().and_then(|nanos| jiff::Timestamp::new(time.secs, nanos).ok()) {
        // jiff counts nanoseconds towards zero for times before 1970, tar away from it; seconds are always exact.
        Some(timestamp) if time.secs >= 0 || time.nanos == 0 => timestamp.to_string(),
        _ => format!("{}.{:09} s from 1970", { time.secs }, { time.nanos }),
    }
}
