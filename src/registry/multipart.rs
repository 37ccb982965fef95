//! `multipart/byteranges` (RFC 9110, section 14.6): parts, each with the range that it is.

use std::io::{self, BufRead, BufReader, Read};

use crate::limits;

/// `Content-Range: bytes 0-9/100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub start: u64,
    /// The first byte behind it.
    pub end: u64,
    /// Of the whole, if it is known.
    pub size: Option<u64>,
}

impl ContentRange {
    pub fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (range, size) = rest.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
        let (start, end) = (number(first)?, number(last)?.checked_add(1)?);
        let size = if size == "*" { None } else { Some(number(size)?) };
        let holds = start < end && size.is_none_or(|size| end <= size);
        (unit.eq_ignore_ascii_case("bytes") && holds).then_some(Self { start, end, size })
    }

    pub fn is(self, start: u64, end: u64, size: u64) -> bool {
        (self.start, self.end) == (start, end) && self.size.is_none_or(|found| found == size)
    }
}

/// Of a `Content-Type`. Some servers write a boundary with a colon and without quotes.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (media_type, parameters) = content_type.split_once(';')?;
    if !media_type.trim().eq_ignore_ascii_case("multipart/byteranges") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    })?;
    let value = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
    (!value.is_empty() && value.len() <= 200 && !value.contains(['"', '\\'])).then(|| value.to_owned())
}

#[derive(Debug)]
pub(super) enum Trouble {
    Io(io::Error),
    /// The body is not whole.
    Cut,
    Malformed(&'static str),
}

pub(super) struct Multipart<R> {
    input: BufReader<R>,
    /// With the two hyphens.
    delimiter: Vec<u8>,
    /// Of the part.
    left: u64,
    ended: bool,
}

impl<R: Read> Multipart<R> {
    pub fn new(input: R, boundary: &str) -> Self {
        let delimiter = format!("--{boundary}").into_bytes();
        Self { input: BufReader::with_capacity(64 << 10, input), delimiter, left: 0, ended: false }
    }

    /// The next part, once the one before is read. `None` behind the last.
    pub fn next(&mut self) -> Result<Option<ContentRange>, Trouble> {
        if self.left > 0 {
            return Err(Trouble::Malformed("a part that is not read yet"));
        }
        let mut room = limits::REGISTRY_PART_HEADER_BYTES;
        while !self.ended {
            let line = self.line(&mut room)?;
            let Some(behind) = line.strip_prefix(self.delimiter.as_slice()) else {
                // A line of an empty part's end, or of the preamble.
                continue;
            };
            match behind.trim_ascii() {
                b"" => break,
                b"--" => self.ended = true,
                // Another boundary, of which this one is a part.
                _ => {}
            }
        }
        if self.ended {
            return Ok(None);
        }
        let mut range = None;
        loop {
            let line = self.line(&mut room)?;
            let line = line.trim_ascii();
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|b| *b == b':').ok_or(Trouble::Malformed("a header without a colon"))?;
            if line[..colon].trim_ascii().eq_ignore_ascii_case(b"content-range") {
                let value = std::str::from_utf8(&line[colon + 1..]).ok().and_then(ContentRange::parse);
                range = Some(value.ok_or(Trouble::Malformed("a Content-Range of another form"))?);
            }
        }
        let range = range.ok_or(Trouble::Malformed("a part without Content-Range"))?;
        self.left = range.end - range.start;
        Ok(Some(range))
    }

    /// Of the part; 0 at its end.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Trouble> {
        let len = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(0);
        }
        match self.input.read(&mut buf[..len]) {
            Ok(0) => Err(Trouble::Cut),
            Ok(got) => {
                self.left -= got as u64;
                Ok(got)
            }
            Err(error) => Err(Trouble::Io(error)),
        }
    }

    fn line(&mut self, room: &mut usize) -> Result<Vec<u8>, Trouble> {
        let mut line = Vec::new();
        let mut limited = (&mut self.input).take(*room as u64);
        limited.read_until(b'\n', &mut line).map_err(Trouble::Io)?;
        *room -= line.len();
        if line.last() == Some(&b'\n') {
            return Ok(line);
        }
        // Nothing has to follow the end.
        let is_end = line.strip_prefix(self.delimiter.as_slice()).is_some_and(|behind| behind.starts_with(b"--"));
        match () {
            () if is_end => Ok(line),
            () if *room == 0 => Err(Trouble::Malformed("too many bytes before a part")),
            () => Err(Trouble::Cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &[u8]) -> Result<Vec<(ContentRange, Vec<u8>)>, Trouble> {
        let (mut multipart, mut parts) = (Multipart::new(body, "B:1"), Vec::new());
        while let Some(range) = multipart.next()? {
            let (mut content, mut buf) = (Vec::new(), [0; 3]);
            loop {
                match multipart.read(&mut buf)? {
                    0 => break,
                    got => content.extend(&buf[..got]),
                }
            }
            parts.push((range, content));
        }
        Ok(parts)
    }

    fn range(start: u64, end: u64) -> ContentRange {
        ContentRange { start, end, size: Some(100) }
    }

    #[test]
    fn parts_with_what_looks_like_a_boundary() {
        let body = b"preamble\r\n--B:1\r\nContent-Type: x\r\nCONTENT-RANGE:bytes 5-14/100\r\n\r\n--B:1--\r\nx\r\n\
            --B:1 \t\r\nContent-Range: bytes 20-20/100\r\n\r\n\n\r\n--B:1--";
        let wanted = vec![(range(5, 15), b"--B:1--\r\nx".to_vec()), (range(20, 21), b"\n".to_vec())];
        assert_eq!(parts(body).unwrap(), wanted);
        assert_eq!(parts(&[body.as_slice(), b"\r\nepilogue"].concat()).unwrap(), wanted);
        for cut in 0..body.len() {
            assert!(matches!(parts(&body[..cut]), Err(Trouble::Cut)), "{cut}");
        }
    }

    #[test]
    fn malformed_parts() {
        for headers in [
            "Content-Range: bytes 5-4/100",
            "Content-Range: bytes 0-100/100",
            "A: b",
            "nothing",
            "Content-Range: \u{fc}",
        ] {
            let body = format!("--B:1\r\n{headers}\r\n\r\n0\r\n--B:1--\r\n");
            assert!(matches!(parts(body.as_bytes()), Err(Trouble::Malformed(_))), "{headers}");
        }
        let endless = [b"--B:1\r\nA:".as_slice(), &[b'x'; 10_000]].concat();
        assert!(matches!(parts(&endless), Err(Trouble::Malformed("too many bytes before a part"))));
    }

    #[test]
    fn content_ranges() {
        let found = |text| ContentRange::parse(text);
        assert_eq!(found("bytes 0-9/100"), Some(range(0, 10)));
        assert_eq!(found("Bytes 0-9/*"), Some(ContentRange { size: None, ..range(0, 10) }));
        for none in [
            "bytes */100",
            "bytes 0-9",
            "items 0-9/100",
            "bytes -9/100",
            "bytes +1-9/100",
            "bytes 0-18446744073709551615/*",
            "",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn boundaries() {
        for (content_type, wanted) in [
            ("multipart/byteranges; boundary=abc", Some("abc")),
            ("Multipart/ByteRanges;charset=x; Boundary=\"a b\"", Some("a b")),
            ("multipart/byteranges; boundary=CloudFront:0A1", Some("CloudFront:0A1")),
            ("multipart/byteranges; boundary=", None),
            ("multipart/byteranges; boundary=\"x", None),
            ("multipart/form-data; boundary=abc", None),
            ("multipart/byteranges", None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), wanted, "{content_type}");
        }
    }
}
