//! Body of the fuzz target: whatever is scanned is encoded and scanned again as the same.

use super::{BLOCK, RawEntry, ScanError, Scanner, Step, encode, padding};
use crate::limits;

pub fn fuzz_tar(data: &[u8]) {
    let mut scanner = Scanner::new();
    let mut archive = data;
    while let Some((block, rest)) = archive.split_first_chunk::<BLOCK>() {
        archive = rest;
        let step = match scanner.push(block) {
            // No fuzzer guesses a checksum.
            Err(ScanError::Checksum { .. }) => scanner.push(&with_checksum(*block)),
            step => step,
        };
        match step {
            Ok(Step::More) => {}
            Ok(Step::Entry(entry)) => {
                check(&entry);
                let payload = entry.stored.saturating_add(padding(entry.stored) as u64);
                let payload = usize::try_from(payload).map_or(archive.len(), |len| len.min(archive.len()));
                archive = &archive[payload..];
            }
            Ok(Step::End) | Err(_) => return,
        }
    }
    // An error or none: both are answers.
    let _ = scanner.finish();
}

fn check(entry: &RawEntry) {
    let header = &entry.header;
    assert_eq!(entry.raw.len() % BLOCK, 0);
    assert!(entry.sparse.is_some() || entry.stored == header.size);
    // A name with a NUL byte is refused by whoever asks for its path.
    if header.path().is_err() {
        return;
    }
    let encoded = encode(header);
    // Names that are legal each may not fit into one pax header together.
    if encoded.len() as u64 > limits::TAR_SPECIAL_BYTES {
        return;
    }
    let (blocks, rest) = encoded.as_chunks::<BLOCK>();
    assert!(rest.is_empty());
    let mut scanner = Scanner::new();
    for (at, block) in blocks.iter().enumerate() {
        match scanner.push(block).expect("what was encoded is valid") {
            Step::Entry(again) => {
                assert_eq!(at + 1, blocks.len());
                assert_eq!((&again.header, again.rewrite), (header, None));
                assert_eq!(again.raw, encoded);
                return;
            }
            step => assert_eq!(step, Step::More),
        }
    }
    panic!("no entry in what was encoded");
}

/// The checksum's field counts as blanks.
fn with_checksum(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}
