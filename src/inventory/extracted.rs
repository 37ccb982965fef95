//! A layer's entries as clients show them where that is not what their headers say: names that lead through symbolic
//! links of the layer, and hard links whose metadata is not their file's.
//!
//! podman, docker and containerd set mode, owner, times and xattrs again for each hard link that they make, so a file ends
//! up with what its last link says. Every header of such a file is made to say the same.

use std::collections::BTreeMap;

use super::{entry, toc_rows};
use crate::limits;
use crate::order::{Entry, Extracted, Moved, extract, is_plain};
use crate::remark::Remark;
use crate::tar::{EntryKind, Header, PathError, TarPath, Xattr};
use crate::toc::{Toc, TocEntry};
use crate::units::count as grouped;

/// Linux removes it when a file gets another owner.
const CAPABILITY: &[u8] = b"security.capability";

/// A layer whose entries can be written anew.
pub trait Restated {
    type Error: From<PathError>;

    fn entries(&self) -> &[Entry];

    /// An entry's header as it is now.
    fn header(&self, at: usize) -> Result<Header, Self::Error>;

    fn restate(&mut self, at: usize, header: &Header) -> Result<(), Self::Error>;
}

/// Makes each entry say what clients show of it. Returns notes for the user.
pub fn settle<L: Restated>(layer: &mut L) -> Result<Vec<Remark>, L::Error> {
    let links = layer.entries().iter().filter(|entry| entry.kind == EntryKind::HardLink).count();
    if links < limits::LINKS_OF_A_FILE && is_plain(layer.entries()) {
        return Ok(Vec::new());
    }
    let text = |at| layer.header(at).map(|header| header.link);
    let Extracted { files, moved } = extract(layer.entries(), text)?;
    let mut notes = Vec::new();
    notes.extend(through_links(layer, moved)?);
    let groups = groups(&files);
    notes.extend(as_last_said(layer, &groups)?);
    notes.extend(many_links(layer.entries(), &groups));
    Ok(notes)
}

fn through_links<L: Restated>(layer: &mut L, moved: Vec<Moved>) -> Result<Option<Remark>, L::Error> {
    let names: Vec<TarPath> = moved.iter().take(NAMED).map(|moved| layer.entries()[moved.entry].path.clone()).collect();
    let count = moved.len();
    for Moved { entry, path, target } in moved {
        let mut header = layer.header(entry)?;
        header.name = path.as_bytes().to_vec();
        if header.kind == EntryKind::Dir {
            header.name.push(b'/');
        }
        if let Some(target) = target {
            header.link = target.as_bytes().to_vec();
        }
        layer.restate(entry, &header)?;
    }
    let note = || {
        Remark::counted(
            count as u64,
            "entry has a name that leads through a symbolic link of its own layer: it stands where the link leads, as \
             podman unpacks it",
            "entries have names that lead through a symbolic link of their own layer: they stand where the link leads, \
             as podman unpacks them",
            Some(named(&names, count)),
        )
    };
    Ok((count > 0).then(note))
}

/// The hard links of each file, by entries.
type Groups = BTreeMap<u32, Vec<u32>>;

fn groups(files: &[u32]) -> Groups {
    let mut groups = Groups::new();
    for (link, &file) in (0..).zip(files).filter(|(link, file)| link != *file) {
        groups.entry(file).or_default().push(link);
    }
    groups
}

fn as_last_said<L: Restated>(layer: &mut L, groups: &Groups) -> Result<Option<Remark>, L::Error> {
    let (mut names, mut count) = (Vec::new(), 0);
    for (&file, links) in groups {
        let mut shown = layer.header(file as usize)?;
        for &link in links {
            add_link(&mut shown, layer.header(link as usize)?);
        }
        let mut differ = false;
        for &member in std::iter::once(&file).chain(links) {
            if let Some(header) = restated(layer.header(member as usize)?, &shown) {
                differ = true;
                layer.restate(member as usize, &header)?;
            }
        }
        if differ {
            count += 1;
            names.extend((names.len() < NAMED).then(|| layer.entries()[file as usize].path.clone()));
        }
    }
    let note = || {
        Remark::counted(
            count as u64,
            "file has hard links that say other metadata than it does: clients give a file what its last link says, \
             and rechunk gives it to all its names",
            "files have hard links that say other metadata than they do: clients give a file what its last link says, \
             and rechunk gives it to all its names",
            Some(named(&names, count)),
        )
    };
    Ok((count > 0).then(note))
}

/// What a client does to a file when it makes one more link. Held against podman: xattrs are added, and none is removed but
/// the one that the kernel removes with the owner. A symbolic link has no mode, and keeps its time.
pub fn add_link(file: &mut Header, link: Header) {
    if (file.uid, file.gid) != (link.uid, link.gid) {
        file.xattrs.retain(|xattr| xattr.name != CAPABILITY);
    }
    (file.uid, file.gid, file.uname, file.gname) = (link.uid, link.gid, link.uname, link.gname);
    let mut xattrs: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let all = std::mem::take(&mut file.xattrs).into_iter().chain(link.xattrs);
    xattrs.extend(all.map(|xattr| (xattr.name, xattr.value)));
    file.xattrs = xattrs.into_iter().map(|(name, value)| Xattr { name, value }).collect();
    if file.kind != EntryKind::Symlink {
        (file.mode, file.mtime, file.atime, file.ctime) = (link.mode, link.mtime, link.atime, link.ctime);
    }
}

/// Does a header of a file say all that clients show of it?
fn says(header: &Header, shown: &Header) -> bool {
    let is_symlink = shown.kind == EntryKind::Symlink;
    let same_mode = is_symlink || header.mode & 0o7777 == shown.mode & 0o7777;
    let owner = |header: &Header| (header.uid, header.gid);
    same_mode && owner(header) == owner(shown) && header.mtime == shown.mtime && header.xattrs == shown.xattrs
}

/// The header with what it says of its file replaced; `None` for one that says so.
pub fn restated(header: Header, shown: &Header) -> Option<Header> {
    if says(&header, shown) {
        return None;
    }
    let Header { name, kind, link, size, devmajor, devminor, .. } = header;
    Some(Header { name, kind, link, size, devmajor, devminor, ..shown.clone() })
}

fn many_links(entries: &[Entry], groups: &Groups) -> Option<Remark> {
    // The file's own name counts.
    let many: Vec<(&u32, &Vec<u32>)> =
        groups.iter().filter(|(_, links)| links.len() >= limits::LINKS_OF_A_FILE).collect();
    let names: Vec<TarPath> = many.iter().take(NAMED).map(|(file, _)| entries[**file as usize].path.clone()).collect();
    let most = many.iter().map(|(_, links)| links.len() + 1).max()?;
    let allowed = grouped(limits::LINKS_OF_A_FILE as u64);
    Some(Remark::counted(
        many.len() as u64,
        &format!(
            "file has more than the {allowed} names that ext4 allows: a client with storage there can't unpack it"
        ),
        &format!(
            "files have more than the {allowed} names that ext4 allows: a client with storage there can't unpack them"
        ),
        Some(format!("up to {} names: {}", grouped(most as u64), named(&names, many.len()))),
    ))
}

/// Names that a note has room for.
const NAMED: usize = 3;

/// The first of `count` names.
fn named(names: &[TarPath], count: usize) -> String {
    let listed: Vec<String> = names.iter().map(ToString::to_string).collect();
    let more = if count > names.len() {
        format!(" and {} more", grouped((count - names.len()) as u64))
    } else {
        String::new()
    };
    listed.join(", ") + &more
}

/// A TOC's rows and the entries that were made of them.
pub(super) struct TocLayer<'a> {
    pub rows: Vec<&'a TocEntry>,
    pub entries: Vec<Entry>,
}

impl<'a> TocLayer<'a> {
    pub fn new(toc: &'a Toc, entries: Vec<Entry>) -> Self {
        Self { rows: toc_rows(toc).collect(), entries }
    }
}

impl Restated for TocLayer<'_> {
    type Error = PathError;

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Names are those of the entries, which may have been moved.
    fn header(&self, at: usize) -> Result<Header, PathError> {
        let Entry { path, target, .. } = &self.entries[at];
        let mut header = self.rows[at].header.clone();
        header.name = path.as_bytes().to_vec();
        if let Some(target) = target {
            header.link = target.as_bytes().to_vec();
        }
        Ok(header)
    }

    fn restate(&mut self, at: usize, header: &Header) -> Result<(), PathError> {
        let old = &mut self.entries[at];
        *old = Entry { content: old.content, overlay: old.overlay, ..entry(header)? };
        Ok(())
    }
}
