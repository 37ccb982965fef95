//! New header blocks, for entries that did not come from a tar or can't be passed on as they were.

use super::block::{BLOCK, padding};
use super::header::{EntryKind, Header, Time};
use super::pax::{self, XATTR_PREFIX};
use super::scan::{Scanner, Step};

/// The whole blocks that stand for `header`: ustar, with a pax header in front where ustar can't
/// hold a value. The scanner reads back exactly `header`.
pub fn encode(header: &Header) -> Vec<u8> {
    let mut block = tar::Header::new_ustar();
    let mut records = Vec::new();
    let mut record = |key: &[u8], value: &[u8]| pax::push_record(&mut records, key, value);

    if !put_name(&mut block, &header.name) {
        record(b"path", &header.name);
    }
    if !put_text(&mut block.as_ustar_mut().expect("made as ustar").linkname, &header.link) {
        record(b"linkpath", &header.link);
    }
    {
        let ustar = block.as_ustar_mut().expect("made as ustar");
        if !put_text(&mut ustar.uname, &header.uname) {
            record(b"uname", &header.uname);
        }
        if !put_text(&mut ustar.gname, &header.gname) {
            record(b"gname", &header.gname);
        }
        put_number(&mut ustar.dev_major, header.devmajor);
        put_number(&mut ustar.dev_minor, header.devminor);
    }
    let old = block.as_old_mut();
    put_number(&mut old.mode, header.mode);
    if !put_octal(&mut old.uid, header.uid) {
        record(b"uid", header.uid.to_string().as_bytes());
    }
    if !put_octal(&mut old.gid, header.gid) {
        record(b"gid", header.gid.to_string().as_bytes());
    }
    if !put_octal(&mut old.size, i64::try_from(header.size).unwrap_or(i64::MAX)) {
        record(b"size", header.size.to_string().as_bytes());
    }
    if header.mtime.nanos != 0 || !put_octal(&mut old.mtime, header.mtime.secs) {
        put_octal(&mut old.mtime, header.mtime.secs.max(0));
        record(b"mtime", pax::time_text(header.mtime).as_bytes());
    }
    let mut time = |key: &[u8], time: Option<Time>| {
        if let Some(time) = time {
            record(key, pax::time_text(time).as_bytes());
        }
    };
    time(b"atime", header.atime);
    time(b"ctime", header.ctime);
    for xattr in &header.xattrs {
        record(&[XATTR_PREFIX, &xattr.name].concat(), &xattr.value);
    }
    block.set_entry_type(entry_type(header.kind));
    block.set_cksum();

    let mut out = Vec::with_capacity(BLOCK);
    if !records.is_empty() {
        out.extend_from_slice(pax_block(header, records.len()).as_bytes());
        out.extend_from_slice(&records);
        out.resize(out.len() + padding(records.len() as u64), 0);
    }
    out.extend_from_slice(block.as_bytes());
    out
}

/// What whole header blocks say, that a scanner has passed on or [`encode`] has made.
pub fn decode(blocks: &[u8]) -> Option<Header> {
    let mut scanner = Scanner::new();
    blocks.as_chunks::<BLOCK>().0.iter().find_map(|block| match scanner.push(block) {
        Ok(Step::Entry(entry)) => Some(entry.header),
        _ => None,
    })
}

fn entry_type(kind: EntryKind) -> tar::EntryType {
    match kind {
        EntryKind::Regular => tar::EntryType::Regular,
        EntryKind::HardLink => tar::EntryType::Link,
        EntryKind::Symlink => tar::EntryType::Symlink,
        EntryKind::Char => tar::EntryType::Char,
        EntryKind::Block => tar::EntryType::Block,
        EntryKind::Dir => tar::EntryType::Directory,
        EntryKind::Fifo => tar::EntryType::Fifo,
    }
}

/// The header in front of the records; readers ignore its name, tools that know no pax unpack a file of it.
fn pax_block(header: &Header, len: usize) -> tar::Header {
    let mut block = tar::Header::new_ustar();
    let base: Vec<u8> = header.name.rsplit(|&b| b == b'/').find(|part| !part.is_empty()).unwrap_or(b".").to_vec();
    let name = [b"PaxHeaders.0/", &base[..base.len().min(80)]].concat();
    put_text(&mut block.as_old_mut().name, &name);
    block.set_size(len as u64);
    block.set_mode(0o644);
    block.set_uid(0);
    block.set_gid(0);
    block.set_mtime(0);
    block.set_entry_type(tar::EntryType::XHeader);
    block.set_cksum();
    block
}

/// False when only a pax record can hold the name. A name that is cut off never ends with a slash,
/// since buggy readers take that for a directory.
fn put_name(block: &mut tar::Header, name: &[u8]) -> bool {
    if put_text(&mut block.as_old_mut().name, name) {
        return true;
    }
    let cut = name[..name.len().min(100)].iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
    put_text(&mut block.as_old_mut().name, &name[..cut]);
    false
}

/// False when the text is too long, not ASCII, or holds a NUL. Pax is the portable home for non-ASCII.
fn put_text(field: &mut [u8], text: &[u8]) -> bool {
    let fits = text.len() <= field.len() && text.is_ascii() && !text.contains(&0);
    if fits {
        field.fill(0);
        field[..text.len()].copy_from_slice(text);
    }
    fits
}

fn put_octal(field: &mut [u8], value: i64) -> bool {
    let digits = field.len() - 1;
    let text = format!("{value:0digits$o}");
    let fits = value >= 0 && text.len() == digits;
    if fits {
        field[..digits].copy_from_slice(text.as_bytes());
        field[digits] = 0;
    }
    fits
}

/// Octal, else base-256, which has no pax record for mode and device numbers.
fn put_number(field: &mut [u8], value: i64) {
    if put_octal(field, value) {
        return;
    }
    let bytes = value.to_be_bytes();
    field.fill(if value < 0 { 0xff } else { 0 });
    let start = field.len().saturating_sub(bytes.len());
    let len = field.len();
    field[start..].copy_from_slice(&bytes[bytes.len() - (len - start)..]);
    field[0] |= 0x80;
}
