//! From planned entries to what pack writes: whose header, under which name and with which time.

use crate::inventory::{Body, implied_dir};
use crate::order::{Place, Role, Written};
use crate::pack::{PackError, Placed, read_header};
use crate::span::Span;
use crate::spool::Spool;
use crate::tar::{EntryKind, Header, Time, encode};
use crate::unpack::UnpackedLayer;

/// The planned entries; headers that differ from what was read go to the spool.
pub(super) fn placed<'a>(
    entries: &'a [Written],
    unpacked: &'a [UnpackedLayer],
    spool: &Spool,
) -> Result<Vec<Placed<'a>>, PackError> {
    let place = |written: &'a Written| match written {
        Written::Entry { at, role, mtime } => {
            let header = edited(*at, *role, *mtime, unpacked, spool)?;
            let header = header.map(|header| spool.append(&encode(&header))).transpose()?;
            Ok(as_planned(*at, *role, header, unpacked))
        }
        Written::Implied { path, made, mtime } => {
            let header = spool.append(&encode(&Header { mtime: *mtime, ..implied_dir(path, *made) }))?;
            Ok(Placed { path, kind: EntryKind::Dir, header, payload: None })
        }
        Written::Whiteout(path) => {
            // Clients look at its name alone.
            let header = spool.append(&encode(&Header::new(path.as_bytes(), EntryKind::Regular)))?;
            Ok(Placed { path, kind: EntryKind::Regular, header, payload: None })
        }
    };
    entries.iter().map(place).collect()
}

/// `None` for an entry that is written with the header that it came with.
fn edited(
    at: Place,
    role: Role,
    mtime: Option<Time>,
    unpacked: &[UnpackedLayer],
    spool: &Spool,
) -> Result<Option<Header>, PackError> {
    let read = |place: Place| read_header(spool, body(unpacked, place).header);
    let mut header = match (role, mtime) {
        (Role::Itself, None) => return Ok(None),
        (Role::Itself, Some(_)) => read(at)?,
        (Role::Heir(inode), _) => Header { name: read(at)?.name, ..read(inode)? },
        (Role::LinkTo(holder), _) => {
            Header { link: read(holder)?.name, kind: EntryKind::HardLink, size: 0, ..read(at)? }
        }
    };
    header.mtime = mtime.unwrap_or(header.mtime);
    Ok(Some(header))
}

fn as_planned(at: Place, role: Role, header: Option<Span>, unpacked: &[UnpackedLayer]) -> Placed<'_> {
    let entry = |place: Place| &unpacked[place.0 as usize].inventory.entries[place.1 as usize];
    let read = Placed::of(entry(at), body(unpacked, at));
    let header = header.unwrap_or(read.header);
    match role {
        Role::Itself => Placed { header, ..read },
        Role::Heir(inode) => {
            Placed { kind: entry(inode).kind, header, payload: body(unpacked, inode).payload.as_ref(), ..read }
        }
        Role::LinkTo(_) => Placed { kind: EntryKind::HardLink, header, payload: None, ..read },
    }
}

fn body(unpacked: &[UnpackedLayer], place: Place) -> &Body {
    &unpacked[place.0 as usize].inventory.bodies[place.1 as usize]
}
