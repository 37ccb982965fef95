//! Reads one table of an SQLite database in memory (sqlite.org, "Database File Format", 1.3, 1.6 and 2).
//!
//! Not the library: that is C, which reads a stranger's bytes here, wants a file for a database with a log, and
//! adds most of a minute to the build. What is needed is a walk over one table.

use std::collections::{HashMap, HashSet};

use super::log::committed;

/// Why a database is not read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqliteError {
    #[error("not an SQLite database: expected \"SQLite format 3\" and a page size that is a power of two")]
    Header,
    #[error("page {page} is outside of the database, used twice, or of kind {found:?}: expected a page of a table")]
    Page { page: u32, found: Option<u8> },
    #[error("a row in page {page} is cut short")]
    Row { page: u32 },
    #[error("no table {name:?}")]
    Table { name: String },
}

pub(super) struct Database<'a> {
    bytes: &'a [u8],
    /// Pages that are newer in the write-ahead log.
    log: HashMap<u32, &'a [u8]>,
    page_size: usize,
    /// Bytes of a page without the reserved ones at its end.
    usable: usize,
}

impl<'a> Database<'a> {
    /// `log`: the write-ahead log beside it, or nothing.
    pub fn open(bytes: &'a [u8], log: &'a [u8]) -> Result<Self, SqliteError> {
        let log = committed(log);
        let header = log.get(&1).copied().unwrap_or(bytes).first_chunk::<100>().ok_or(SqliteError::Header)?;
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65536,
            size => usize::from(size),
        };
        let usable = page_size.saturating_sub(usize::from(header[20]));
        if !header.starts_with(b"SQLite format 3\0") || !page_size.is_power_of_two() || usable < LEAST_USABLE {
            return Err(SqliteError::Header);
        }
        Ok(Self { bytes, log, page_size, usable })
    }

    /// Shows the second column of each row of a table, if it is a blob.
    pub fn blobs(&self, table: &[u8], see: &mut impl FnMut(&[u8])) -> Result<(), SqliteError> {
        let mut root = None;
        // The schema's columns: type, name, table, root page, SQL.
        self.walk(1, &mut |row| {
            if column(row, 0) == Some(Value::Text(b"table"))
                && column(row, 1) == Some(Value::Text(table))
                && let Some(Value::Integer(page)) = column(row, 3)
            {
                root = Some(page);
            }
        })?;
        let no_table = || SqliteError::Table { name: String::from_utf8_lossy(table).into_owned() };
        self.walk(root.ok_or_else(no_table)?, &mut |row| {
            if let Some(Value::Blob(blob)) = column(row, 1) {
                see(blob);
            }
        })
    }

    /// Shows each row below a page. No page of a tree is read twice, and all rows together have no more bytes than
    /// the database: damaged or not, the time this takes is bounded.
    fn walk(&self, root: u32, see: &mut dyn FnMut(&[u8])) -> Result<(), SqliteError> {
        let (mut todo, mut seen) = (vec![root], HashSet::new());
        let mut left = self.bytes.len() + self.log.len() * self.page_size;
        while let Some(number) = todo.pop() {
            let bad = |found| SqliteError::Page { page: number, found };
            let page = self.page(number).filter(|_| seen.insert(number)).ok_or(bad(None))?;
            let header = if number == 1 { 100 } else { 0 };
            let cut = || SqliteError::Row { page: number };
            match page[header] {
                INTERIOR => {
                    // The child behind the last cell stands in the page's header.
                    todo.push(be32(page, header + 8).ok_or_else(cut)?);
                    let children: Option<Vec<u32>> = cells(page, header, 12).map(|at| be32(page, at?)).collect();
                    todo.extend(children.ok_or_else(cut)?.into_iter().rev());
                }
                LEAF => {
                    for cell in cells(page, header, 8) {
                        self.row(page, cell.ok_or_else(cut)?, &mut left, see).ok_or_else(cut)?;
                    }
                }
                kind => return Err(bad(Some(kind))),
            }
        }
        Ok(())
    }

    /// Shows the row in one cell: its size, its number, as much as fits, and the first of the pages with the rest.
    fn row(&self, page: &[u8], cell: usize, left: &mut usize, see: &mut dyn FnMut(&[u8])) -> Option<()> {
        let mut at = cell;
        let size = usize::try_from(varint(page, &mut at)?).ok()?;
        varint(page, &mut at)?;
        *left = left.checked_sub(size)?;
        let local = self.local(size);
        let start = page.get(at..at + local)?;
        if local == size {
            see(start);
            return Some(());
        }
        let mut row = Vec::with_capacity(size);
        row.extend_from_slice(start);
        let mut next = be32(page, at + local)?;
        while row.len() < size {
            let page = self.page(next)?;
            next = be32(page, 0)?;
            row.extend_from_slice(&page[4..self.usable.min(4 + size - row.len())]);
        }
        see(&row);
        Some(())
    }

    /// Bytes of a row that stand in the table's own page ("B-tree Pages", with its U, X, M and K).
    fn local(&self, size: usize) -> usize {
        let usable = self.usable;
        let least = (usable - 12) * 32 / 255 - 23;
        if size <= usable - 35 {
            return size;
        }
        let some = least + (size - least) % (usable - 4);
        if some <= usable - 35 { some } else { least }
    }

    /// Numbers start at 1.
    fn page(&self, number: u32) -> Option<&'a [u8]> {
        if let Some(page) = self.log.get(&number) {
            return (page.len() == self.page_size).then_some(*page);
        }
        let start = (number.checked_sub(1)? as usize).checked_mul(self.page_size)?;
        self.bytes.get(start..start + self.page_size)
    }
}

/// Reserved bytes leave a page at least this many.
const LEAST_USABLE: usize = 480;

const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// Where a page's cells start; their pointers stand `pointers` bytes behind its header's start.
fn cells(page: &[u8], header: usize, pointers: usize) -> impl Iterator<Item = Option<usize>> {
    let count = be16(page, header + 3).unwrap_or(0);
    (0..count).map(move |cell| be16(page, header + pointers + 2 * cell))
}

#[derive(Debug, PartialEq)]
enum Value<'a> {
    Integer(u32),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

/// One column of a row, of the kinds and sizes that are needed here ("Record Format").
fn column(row: &[u8], index: usize) -> Option<Value<'_>> {
    let mut at = 0;
    let mut start = usize::try_from(varint(row, &mut at)?).ok()?;
    let header_end = start;
    for nth in 0.. {
        if at >= header_end {
            return None;
        }
        let kind = varint(row, &mut at)?;
        let size = match kind {
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            12.. => (kind - 12) / 2,
            _ => 0,
        };
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        if nth == index {
            let value = row.get(start..end)?;
            return match kind {
                1..=4 => Some(Value::Integer(value.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))),
                12.. if kind % 2 == 0 => Some(Value::Blob(value)),
                13.. => Some(Value::Text(value)),
                _ => None,
            };
        }
        start = end;
    }
    None
}

/// Big-endian, seven bits a byte; the ninth byte has eight.
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for nth in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if nth == 8 {
            return Some(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}

fn be16(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
