//! A `multipart/byteranges` answer as Go's mime/multipart writes it, since that is what registries send.

use sha2::{Digest as _, Sha256};

use crate::span::Span;

pub(super) struct Multipart {
    boundary: String,
    /// Of the blob.
    size: u64,
}

impl Multipart {
    /// `seed` is what nobody outside of this process knows: content can't have been made to hold the boundary.
    pub fn new(size: u64, seed: &[u8]) -> Self {
        let bytes = Sha256::digest(seed);
        Self { boundary: bytes[..30].iter().map(|byte| format!("{byte:02x}")).collect(), size }
    }

    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// What stands before a part's bytes.
    pub fn before(&self, part: Span, is_first: bool) -> String {
        let line = if is_first { "" } else { "\r\n" };
        let range = content_range(part, self.size);
        format!("{line}--{}\r\nContent-Range: {range}\r\nContent-Type: application/octet-stream\r\n\r\n", self.boundary)
    }

    pub fn end(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }

    /// Of the whole body, in bytes.
    pub fn length(&self, parts: &[Span]) -> u64 {
        let part = |(at, part): (usize, &Span)| self.before(*part, at == 0).len() as u64 + part.len();
        parts.iter().enumerate().map(part).sum::<u64>() + self.end().len() as u64
    }
}

/// Of a part that is not empty.
pub(super) fn content_range(part: Span, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start(), part.end() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_it_says() {
        let (parts, multipart) = ([Span::between(0, 2), Span::between(95, 100)], Multipart::new(100, b"seed"));
        let body = [
            multipart.before(parts[0], true).as_str(),
            "ab",
            &multipart.before(parts[1], false),
            "vwxyz",
            &multipart.end(),
        ]
        .concat();
        assert_eq!(multipart.length(&parts), body.len() as u64);
        let boundary = multipart.content_type().split_once("boundary=").unwrap().1.to_owned();
        let expected = format!(
            "--{boundary}\r\nContent-Range: bytes 0-1/100\r\nContent-Type: application/octet-stream\r\n\r\nab\r\n--{boundary}\r\n\
             Content-Range: bytes 95-99/100\r\nContent-Type: application/octet-stream\r\n\r\nvwxyz\r\n--{boundary}--\r\n"
        );
        assert_eq!((body, boundary.len()), (expected, 60));
    }
}
