//! One 512-byte header block and its numbers.

/// Bytes of a tar block; headers and payloads are padded to it.
pub const BLOCK: usize = 512;

/// Zeros between a payload of `size` bytes and the next header.
pub const fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

/// A field's place in the block.
pub(super) type Field = std::ops::Range<usize>;

pub(super) const NAME: Field = 0..100;
pub(super) const MODE: Field = 100..108;
pub(super) const UID: Field = 108..116;
pub(super) const GID: Field = 116..124;
pub(super) const SIZE: Field = 124..136;
pub(super) const MTIME: Field = 136..148;
pub(super) const CHECKSUM: Field = 148..156;
pub(super) const TYPEFLAG: usize = 156;
pub(super) const LINKNAME: Field = 157..257;
const MAGIC: Field = 257..263;
const VERSION: Field = 263..265;
pub(super) const UNAME: Field = 265..297;
pub(super) const GNAME: Field = 297..329;
pub(super) const DEVMAJOR: Field = 329..337;
pub(super) const DEVMINOR: Field = 337..345;
pub(super) const USTAR_PREFIX: Field = 345..500;
pub(super) const STAR_PREFIX: Field = 345..476;
pub(super) const STAR_ATIME: Field = 476..488;
pub(super) const STAR_CTIME: Field = 488..500;
const STAR_TRAILER: Field = 508..512;
pub(super) const GNU_ATIME: Field = 345..357;
pub(super) const GNU_CTIME: Field = 357..369;
pub(super) const GNU_SPARSE: Field = 386..483;
pub(super) const GNU_REAL_SIZE: Field = 483..495;

/// Which fields behind the V7 header mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    V7,
    Ustar,
    Star,
    Gnu,
}

/// A field that is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadNumber;

#[derive(Clone, Copy)]
pub(super) struct Header<'a>(pub &'a [u8; BLOCK]);

impl<'a> Header<'a> {
    /// `None` when the checksum is wrong. Go takes the sum over unsigned or, as old Sun tar did, signed bytes.
    pub fn format(self) -> Option<Format> {
        let stored = self.number(CHECKSUM).ok()?;
        let (mut unsigned, mut signed) = (0i64, 0i64);
        for (at, &byte) in self.0.iter().enumerate() {
            let byte = if CHECKSUM.contains(&at) { b' ' } else { byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte as i8);
        }
        if stored != unsigned && stored != signed {
            return None;
        }
        let magic = &self.0[MAGIC];
        Some(if magic == b"ustar\0" {
            if &self.0[STAR_TRAILER] == b"tar\0" { Format::Star } else { Format::Ustar }
        } else if magic == b"ustar " && &self.0[VERSION] == b" \0" {
            Format::Gnu
        } else {
            Format::V7
        })
    }

    pub fn bytes(self, field: Field) -> &'a [u8] {
        &self.0[field]
    }

    /// Up to the first NUL, or the whole field.
    pub fn text(self, field: Field) -> &'a [u8] {
        until_nul(&self.0[field])
    }

    pub fn number(self, field: Field) -> Result<i64, BadNumber> {
        number(&self.0[field])
    }

    pub fn is_zero(self) -> bool {
        self.0.iter().all(|&b| b == 0)
    }
}

pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

/// Octal, or base-256 when the first bit is set, with Go's leniency: blanks and NULs around
/// octal digits, an empty field is 0 (`parseNumeric` in archive/tar's strconv.go).
pub(super) fn number(field: &[u8]) -> Result<i64, BadNumber> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(field),
        _ => octal(field),
    }
}

fn base256(field: &[u8]) -> Result<i64, BadNumber> {
    let invert = if field[0] & 0x40 != 0 { 0xff } else { 0 };
    let mut value = 0u64;
    for (at, &byte) in field.iter().enumerate() {
        let mut byte = byte ^ invert;
        if at == 0 {
            byte &= 0x7f;
        }
        if value >> 56 != 0 {
            return Err(BadNumber);
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).map_err(|_| BadNumber)?;
    Ok(if invert == 0 { value } else { !value })
}

fn octal(field: &[u8]) -> Result<i64, BadNumber> {
    let blank = |b: &u8| matches!(b, b' ' | 0);
    let Some(start) = field.iter().position(|b| !blank(b)) else { return Ok(0) };
    let end = field.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    let mut value = 0u64;
    for &byte in until_nul(&field[start..end]) {
        if !(b'0'..=b'7').contains(&byte) || value >> 61 != 0 {
            return Err(BadNumber);
        }
        value = value << 3 | u64::from(byte - b'0');
    }
    i64::try_from(value).map_err(|_| BadNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_go_reads_them() {
        let cases: [(&[u8], Result<i64, BadNumber>); 11] = [
            (b"0000644\0", Ok(0o644)),
            (b" 644 \0\0\0", Ok(0o644)),
            (b"\0\0\0\0", Ok(0)),
            (b"", Ok(0)),
            (b"0x1\0", Err(BadNumber)),
            (b"8\0", Err(BadNumber)),
            (b"\x80\x00\x00\x00\x02\x40\x00\x00", Ok(0x0240_0000)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Ok(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Ok(-2)),
            (b"\x80\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", Err(BadNumber)),
            (b"77777777777\0", Ok(0o77777777777)),
        ];
        for (field, expected) in cases {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    #[test]
    fn padding_fills_the_block() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
