//! Bodies of the fuzz targets: no bytes make a parser panic, go on for ever, or give more than they are.

use std::io::Read;

use super::challenge::{self, Challenge};
use super::multipart::{Multipart, boundary};
use crate::limits;

/// The first byte is the size of the pieces; the first line a `Content-Type`, the rest a body.
pub fn fuzz_multipart(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let Some(boundary) = std::str::from_utf8(&data[..end]).ok().and_then(boundary) else { return };
    let body = Pieces { left: &data[end..], piece: usize::from(*piece).max(1) };
    let (mut multipart, mut taken) = (Multipart::new(body, &boundary), 0);
    while let Ok(Some(range)) = multipart.next() {
        assert!(range.start < range.end);
        let mut part = 0;
        let mut buf = [0; 1000];
        while let Ok(got) = multipart.read(&mut buf) {
            if got == 0 {
                assert_eq!(part, range.end - range.start);
                break;
            }
            part += got as u64;
        }
        taken += part;
        assert!(taken <= data.len() as u64);
    }
}

struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = buf.len().min(self.piece);
        self.left.read(&mut buf[..len])
    }
}

/// Each line is a header.
pub fn fuzz_challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = challenge::parse(text.lines());
    assert!(found.len() <= limits::REGISTRY_CHALLENGES);
    let bytes = |challenge: &Challenge| match challenge {
        Challenge::Basic => 0,
        Challenge::Bearer { realm, service } => realm.len() + service.as_ref().map_or(0, String::len),
    };
    assert!(found.iter().map(bytes).sum::<usize>() <= 2 * data.len());
}
