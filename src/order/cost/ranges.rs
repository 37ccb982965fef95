//! The ranges that podman asks for (container-libs `storage/pkg/chunked/storage_linux.go`, `mergeMissingChunks`).

use crate::span::Span;

/// podman's `autoMergePartsThreshold`, in bytes.
pub const BRIDGED_GAP: u64 = 1024;
/// podman's `maxNumberMissingChunks`.
pub const MAX_RANGES: usize = 1024;

/// The ranges for the missing parts, which are in ascending order: gaps of up to 1,024 bytes are bridged, and then the
/// cheapest ones until `most` ranges are left.
pub fn merge(missing: &[Span], most: usize) -> Vec<Span> {
    let gap = |at: usize| missing[at].start().saturating_sub(missing[at - 1].end());
    let mut by_cost: Vec<usize> = (1..missing.len()).collect();
    by_cost.sort_by_key(|&at| (gap(at), at));
    let mut bridged = vec![false; missing.len()];
    let mut to_merge = missing.len() as i64 - most as i64;
    for at in by_cost {
        // At exactly the maximum the client still bridges one gap: its count goes below zero first.
        if to_merge >= 0 || gap(at) <= BRIDGED_GAP {
            bridged[at] = true;
            to_merge -= 1;
        }
    }
    let mut ranges: Vec<Span> = Vec::new();
    for (span, bridged) in missing.iter().zip(bridged) {
        match ranges.last_mut() {
            Some(last) if bridged => *last = Span::between(last.start(), span.end()),
            _ => ranges.push(*span),
        }
    }
    ranges
}

/// Bytes of the request's Range header: `Range: bytes=0-9,20-29` and the end of the line.
pub(super) fn header_bytes(ranges: &[Span]) -> u64 {
    let range = |span: &Span| digits(span.start()) + 1 + digits(span.end().saturating_sub(1));
    let commas = (ranges.len() as u64).saturating_sub(1);
    "Range: bytes=\r\n".len() as u64 + ranges.iter().map(range).sum::<u64>() + commas
}

/// What Go's mime/multipart puts around the ranges of a blob of `size` bytes: a boundary of 60 characters, and two headers a
/// part. nginx writes 20 to 40 bytes less for each.
pub(super) fn multipart_bytes(ranges: &[Span], size: u64) -> u64 {
    if ranges.len() < 2 {
        return 0;
    }
    const BOUNDARY: u64 = 60;
    let part = |span: &Span| {
        let numbers = digits(span.start()) + 1 + digits(span.end().saturating_sub(1)) + 1 + digits(size);
        let range = "Content-Range: bytes \r\n".len() as u64 + numbers;
        let kind = "Content-Type: application/octet-stream\r\n".len() as u64;
        "\r\n--\r\n".len() as u64 + BOUNDARY + range + kind + 2
    };
    // The first boundary has no line break before it.
    ranges.iter().map(part).sum::<u64>() - 2 + "\r\n----\r\n".len() as u64 + BOUNDARY
}

fn digits(number: u64) -> u64 {
    u64::from(number.checked_ilog10().unwrap_or(0)) + 1
}
