//! The blob's frames in order: headers between payloads.

use crate::pack::Placed;
use crate::tar::padding;

/// Header-only entries that share a frame; bounds the memory of a layer with a million of them.
const HEADERS_PER_FRAME: usize = 512;

/// Bytes of headers at which a frame ends, whatever their number: one can have 4 MiB of extended attributes. Ordinary ones
/// stay far below.
const BYTES_PER_FRAME: u64 = 4 << 20;

/// A run of the tar that becomes frames of the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// One frame: zeros that pad the payload before, `count` headers from entry `first` on, and the archive's
    /// end if `end`.
    Headers { padding: u16, first: u32, count: u32, end: bool },
    /// The frames of this entry's payload.
    Payload(u32),
}

/// Cuts the tar. The first part is a header frame, small, so that the blob starts with zstd's magic
/// and the index behind it comes early.
pub(super) fn parts(entries: &[Placed<'_>]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut pad = 0;
    let (mut first, mut bytes) = (0, 0);
    for (index, entry) in entries.iter().enumerate() {
        let count = index + 1 - first;
        bytes += entry.header.len();
        if entry.payload.is_some() || index == 0 || count == HEADERS_PER_FRAME || bytes >= BYTES_PER_FRAME {
            bytes = 0;
            parts.push(Part::Headers { padding: pad, first: first as u32, count: count as u32, end: false });
            (pad, first) = (0, index + 1);
        }
        if let Some(payload) = entry.payload {
            parts.push(Part::Payload(index as u32));
            pad = padding(payload.size) as u16;
        }
    }
    parts.push(Part::Headers { padding: pad, first: first as u32, count: (entries.len() - first) as u32, end: true });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;
    use crate::tar::{EntryKind, TarPath};

    fn counts(headers: &[u64]) -> Vec<u32> {
        let path = TarPath::root();
        let placed = |len: &u64| Placed {
            path: &path,
            kind: EntryKind::Dir,
            header: Span::new(0, *len).unwrap(),
            payload: None,
        };
        let placed: Vec<Placed<'_>> = headers.iter().map(placed).collect();
        let count = |part: Part| match part {
            Part::Headers { count, .. } => count,
            Part::Payload(_) => 0,
        };
        parts(&placed).into_iter().map(count).collect()
    }

    #[test]
    fn a_frame_of_headers_ends_by_their_number_or_their_bytes() {
        assert_eq!(counts(&[512; 600]), [1, 512, 87]);
        assert_eq!(counts(&[1 << 20; 10]), [1, 4, 4, 1]);
    }
}
