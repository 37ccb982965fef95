//! Pax extended header records: `LEN KEY=VALUE\n`.

use std::collections::HashMap;

use super::header::{Header, Time, Xattr};

pub(super) const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";
pub(super) const SPARSE_MAP: &[u8] = b"GNU.sparse.map";
const SPARSE_OFFSET: &[u8] = b"GNU.sparse.offset";
const SPARSE_NUMBYTES: &[u8] = b"GNU.sparse.numbytes";

/// Records that are searched one by one.
const FEW: usize = 16;

/// What is wrong with a pax header; the scanner adds where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadPax(pub &'static str);

/// The records of one header, each key once (the last one counts), in order of first appearance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    /// Parses a whole extended header. The pairs of sparse format 0.0 repeat a key, so they become
    /// one map record of format 0.1, as in Go's reader.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, BadPax> {
        let mut records: Vec<(&[u8], &[u8])> = Vec::new();
        let mut sparse: Vec<&[u8]> = Vec::new();
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes)?;
            bytes = rest;
            if key == SPARSE_OFFSET || key == SPARSE_NUMBYTES {
                let expected = if sparse.len().is_multiple_of(2) { SPARSE_OFFSET } else { SPARSE_NUMBYTES };
                if key != expected || value.contains(&b',') {
                    return Err(BadPax("sparse offsets and lengths do not alternate"));
                }
                sparse.push(value);
            } else {
                records.push((key, value));
            }
        }
        let map = sparse.join(&b',');
        if !sparse.is_empty() {
            records.push((SPARSE_MAP, &map));
        }
        Ok(Self::last_of_each(&records))
    }

    fn last_of_each(records: &[(&[u8], &[u8])]) -> Self {
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let mut kept: Vec<(&[u8], &[u8])> = Vec::with_capacity(records.len());
        for &(key, value) in records {
            // A map is for headers with thousands of keys; most have two.
            let place = match kept.len() {
                0..FEW => kept.iter().position(|(other, _)| *other == key),
                FEW => {
                    places = kept.iter().enumerate().map(|(at, (key, _))| (*key, at)).collect();
                    places.get(key).copied()
                }
                _ => places.get(key).copied(),
            };
            match place {
                Some(at) => kept[at].1 = value,
                None => {
                    if kept.len() >= FEW {
                        places.insert(key, kept.len());
                    }
                    kept.push((key, value));
                }
            }
        }
        Self(kept.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    }

    /// `None` for an absent or empty record: an empty value leaves the header's own field.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_slice()).filter(|v| !v.is_empty())
    }

    /// Overlays the records on the header block's fields. Returns the size record, if any.
    pub fn apply(&self, header: &mut Header) -> Result<Option<i64>, BadPax> {
        let mut size = None;
        for (key, value) in &self.0 {
            // Go keeps an empty xattr, but takes any other empty record as absent.
            if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
                header.xattrs.push(Xattr { name: name.to_vec(), value: value.clone() });
                continue;
            }
            if value.is_empty() {
                continue;
            }
            match key.as_slice() {
                b"path" => header.name = value.clone(),
                b"linkpath" => header.link = value.clone(),
                b"uname" => header.uname = value.clone(),
                b"gname" => header.gname = value.clone(),
                b"uid" => header.uid = integer(value)?,
                b"gid" => header.gid = integer(value)?,
                b"size" => size = Some(integer(value)?),
                b"mtime" => header.mtime = time(value)?,
                b"atime" => header.atime = Some(time(value)?),
                b"ctime" => header.ctime = Some(time(value)?),
                _ => {}
            }
        }
        header.xattrs.sort();
        Ok(size)
    }
}

/// A record's key and value, and what follows it.
type Parsed<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn record(bytes: &[u8]) -> Result<Parsed<'_>, BadPax> {
    let blank = bytes.iter().take(21).position(|&b| b == b' ').ok_or(BadPax("a record without its length"))?;
    let len = usize::try_from(integer(&bytes[..blank])?).map_err(|_| BadPax("a negative record length"))?;
    if len < 5 || len > bytes.len() || len < blank + 2 {
        return Err(BadPax("a record length that does not fit"));
    }
    let (record, rest) = bytes.split_at(len);
    let Some((b'\n', record)) = record[blank + 1..].split_last().map(|(last, head)| (*last, head)) else {
        return Err(BadPax("a record without its final newline"));
    };
    let equals = record.iter().position(|&b| b == b'=').ok_or(BadPax("a record without \"=\""))?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return Err(BadPax("an empty record key or one with a NUL byte"));
    }
    if matches!(key, b"path" | b"linkpath" | b"uname" | b"gname") && value.contains(&0) {
        return Err(BadPax("a NUL byte in a name"));
    }
    Ok((key, value, rest))
}

/// A decimal integer as Go's `strconv.ParseInt(s, 10, 64)` takes it.
pub(super) fn integer(text: &[u8]) -> Result<i64, BadPax> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(BadPax("not a decimal integer"))
}

/// `[-]SECONDS[.FRACTION]`; digits past nanoseconds are cut off.
fn time(text: &[u8]) -> Result<Time, BadPax> {
    let dot = text.iter().position(|&b| b == b'.');
    let (whole, fraction) = dot.map_or((text, &b""[..]), |at| (&text[..at], &text[at + 1..]));
    let secs = integer(whole)?;
    if fraction.iter().any(|b| !b.is_ascii_digit()) {
        return Err(BadPax("a fraction of a second that is not a number"));
    }
    let digit = |at: usize| u32::from(fraction.get(at).copied().unwrap_or(b'0') - b'0');
    let nanos = (0..9).fold(0, |value, at| value * 10 + digit(at));
    if whole.first() == Some(&b'-') && nanos > 0 {
        let secs = secs.checked_sub(1).ok_or(BadPax("a time out of range"))?;
        return Ok(Time { secs, nanos: 1_000_000_000 - nanos });
    }
    Ok(Time { secs, nanos })
}

/// Appends one record; the length counts its own digits.
pub(super) fn push_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let body = key.len() + value.len() + 3;
    let mut len = body + 1;
    while len != body + decimal_digits(len) {
        len = body + decimal_digits(len);
    }
    out.extend_from_slice(len.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// A time as a pax value, in the form that Go writes and reads back exactly.
pub(super) fn time_text(time: Time) -> String {
    if time.nanos == 0 {
        return { time.secs }.to_string();
    }
    let (sign, secs, nanos) = if time.secs < 0 {
        ("-", -(i128::from(time.secs) + 1), 1_000_000_000 - time.nanos)
    } else {
        ("", i128::from(time.secs), time.nanos)
    };
    format!("{sign}{secs}.{nanos:09}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_lengths_count_themselves() {
        for value_len in 0..1100 {
            let mut out = Vec::new();
            push_record(&mut out, b"path", &vec![b'x'; value_len]);
            let (key, value, rest) = record(&out).unwrap();
            assert_eq!((key, value.len(), rest.len()), (&b"path"[..], value_len, 0));
        }
    }

    #[test]
    fn the_last_record_of_a_key_counts_in_the_place_of_the_first() {
        let mut bytes = Vec::new();
        let key = |n: usize| format!("k{n}").into_bytes();
        for round in 0..3 {
            (0..40).for_each(|n| push_record(&mut bytes, &key(n), &[b'0' + round]));
        }
        let records = Records::parse(&bytes).unwrap();
        assert_eq!(records.0, (0..40).map(|n| (key(n), b"2".to_vec())).collect::<Vec<_>>());
    }

    #[test]
    fn times_negative_and_fractional() {
        for (text, secs, nanos) in [
            ("0", 0, 0),
            ("1.5", 1, 500_000_000),
            ("-1.25", -2, 750_000_000),
            ("-0.5", -1, 500_000_000),
            ("7.1234567899", 7, 123_456_789),
        ] {
            assert_eq!(time(text.as_bytes()), Ok(Time { secs, nanos }), "{text}");
        }
        assert_eq!(time_text(Time { secs: -2, nanos: 750_000_000 }), "-1.25");
        for bad in ["", ".5", "1.x", "1e3"] {
            assert!(time(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for bad in [
            &b"x"[..],
            b"6 a=b",
            b"5 a=b\n",
            b"6 a=b\n7",
            b"5 =b\n",
            b"11 path=a\0\n",
            b"99999999999999999999 a=b\n",
            b"3 \n",
        ] {
            assert!(Records::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Records::parse(b"6 a=b\n6 a=c\n").unwrap().get(b"a"), Some(&b"c"[..]));
    }
}
