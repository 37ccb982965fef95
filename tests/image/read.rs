//! Tar bytes -> entries, through the `tar` crate's raw mode. Its pax reader splits records at newlines, which
//! binary xattrs hold, so records are read here.

use std::collections::BTreeMap;
use std::io::Read;

use restrata::tar::EntryKind;
use tar::EntryType;

use super::Content;
use super::tree::{Meta, Seen, clean};

pub fn read_tar(tar: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut pax = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap().raw(true) {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        match entry.header().entry_type() {
            EntryType::XHeader => pax = records(&content),
            other => seen.push(one(entry.header(), other, std::mem::take(&mut pax), content)),
        }
    }
    seen
}

fn one(header: &tar::Header, kind: EntryType, mut pax: BTreeMap<Vec<u8>, Vec<u8>>, content: Vec<u8>) -> Seen {
    let kind = match kind {
        EntryType::Regular => EntryKind::Regular,
        EntryType::Link => EntryKind::HardLink,
        EntryType::Symlink => EntryKind::Symlink,
        EntryType::Char => EntryKind::Char,
        EntryType::Block => EntryKind::Block,
        EntryType::Directory => EntryKind::Dir,
        EntryType::Fifo => EntryKind::Fifo,
        other => panic!("an entry of type {other:?} in a layer"),
    };
    let mut text = |key: &[u8], field: Option<&[u8]>| pax.remove(key).or(field.map(<[u8]>::to_vec)).unwrap_or_default();
    let path = text(b"path", Some(&header.path_bytes()));
    let link = text(b"linkpath", header.link_name_bytes().as_deref());
    let owner = [text(b"uname", header.username_bytes()), text(b"gname", header.groupname_bytes())];
    let mut number = |key: &[u8], field: std::io::Result<u64>| match pax.remove(key) {
        Some(value) => decimal(&value, 0) as i64,
        None => field.unwrap() as i64,
    };
    let (uid, gid) = (number(b"uid", header.uid()), number(b"gid", header.gid()));
    let mtime = match pax.remove(&b"mtime"[..]) {
        Some(value) => decimal(&value, 9),
        None => i128::from(header.mtime().unwrap()) * 1_000_000_000,
    };
    let ustar = header.as_ustar().unwrap();
    let device = [ustar.dev_major, ustar.dev_minor].map(device_number);
    let xattr =
        |(key, value): (Vec<u8>, _)| (key.strip_prefix(b"SCHILY.xattr.").expect("a known record").to_vec(), value);
    let xattrs = pax.into_iter().map(xattr).collect();
    let meta = Meta { mode: header.mode().unwrap().into(), uid, gid, owner, mtime, device, xattrs };
    let link = if kind == EntryKind::HardLink { clean(&link) } else { link };
    Seen { path: clean(&path), link, kind, meta, content: Content(content.into()), is_implied: false }
}

/// Octal, or base-256, which the `tar` crate reads in other fields only.
fn device_number(field: [u8; 8]) -> i64 {
    if field[0] & 0x80 != 0 {
        return field[1..].iter().fold(i64::from(field[0] & 0x7f), |number, byte| number << 8 | i64::from(*byte));
    }
    let digits: Vec<u8> = field.into_iter().filter(u8::is_ascii_digit).collect();
    i64::from_str_radix(std::str::from_utf8(&digits).unwrap(), 8).unwrap()
}

/// `LEN KEY=VALUE\n`, again and again.
fn records(mut bytes: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|b| *b == b' ').unwrap();
        let (record, rest) = bytes.split_at(decimal(&bytes[..blank], 0) as usize);
        let record = record[blank + 1..].strip_suffix(b"\n").unwrap();
        let equals = record.iter().position(|b| *b == b'=').unwrap();
        records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
        bytes = rest;
    }
    records
}

/// `-1.25` with 9 places is -1,250,000,000.
fn decimal(text: &[u8], places: usize) -> i128 {
    let text = std::str::from_utf8(text).unwrap();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    sign * format!("{whole}{fraction:0<places$}").parse::<i128>().unwrap()
}
