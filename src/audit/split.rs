//! tar-split, item by item, out of the blob.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read};

use super::blob::{Blob, BlobReader};
use super::findings::Findings;
use crate::codec::HashingReader;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::limits;
use crate::progress::{Progress, Watched};
use crate::span::Span;
use crate::tar::{BLOCK, RawEntry, ScanError, Scanner, Step};
use crate::toc::{TarSplitItem, TarSplitReader};
use crate::units;

const PIECE: usize = 256 << 10;

type Input<'a> = BufReader<HashingReader<Watched<'a, BlobReader<'a>>>>;

pub(super) struct Split<'a> {
    blob: &'a Blob<'a>,
    span: Span,
    json: zstd::stream::read::Decoder<'static, Input<'a>>,
    reader: TarSplitReader,
    items: VecDeque<TarSplitItem>,
    piece: Vec<u8>,
    unpacked: u64,
}

impl<'a> Split<'a> {
    pub fn open(blob: &'a Blob<'a>, span: Span, progress: &'a Progress) -> Result<Self, Error> {
        let input = BufReader::with_capacity(PIECE, HashingReader::new(progress.watch(blob.reader(span)?)));
        let mut json = zstd::stream::read::Decoder::with_buffer(input).map_err(|error| blob.error(error))?;
        json.window_log_max(limits::ZSTD_WINDOW_LOG).map_err(|error| blob.error(error))?;
        let (reader, items) = (TarSplitReader::new(), VecDeque::new());
        Ok(Self { blob, span, json, reader, items, piece: vec![0; PIECE], unpacked: 0 })
    }

    /// `Err` holds a sentence for the user.
    pub fn next(&mut self) -> Result<Option<TarSplitItem>, String> {
        let place = |fault: &dyn std::fmt::Display| {
            format!("the tar-split at byte {}: {fault}", units::count(self.span.start()))
        };
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(Some(item));
            }
            let mut items = Vec::new();
            let got = self.json.read(&mut self.piece).map_err(|error| place(&error))?;
            self.unpacked += got as u64;
            let parsed = match got {
                0 => std::mem::take(&mut self.reader).finish(&mut items),
                _ => self.reader.push(&self.piece[..got], &mut items),
            };
            parsed.map_err(|fault| place(&fault))?;
            if got == 0 && items.is_empty() {
                return Ok(None);
            }
            self.items.extend(items);
        }
    }

    /// Called with everything read, or after an error: is it the tar-split that the TOC means?
    pub fn finish(
        self,
        is_whole: bool,
        unpacked: u64,
        digest: Option<BlobDigest>,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let start = units::count(self.span.start());
        if is_whole && self.unpacked != unpacked {
            findings.problem(format!(
                "the tar-split at byte {start} unpacks to {} bytes: the annotation says {unpacked}",
                units::count(self.unpacked),
                unpacked = units::count(unpacked)
            ));
        }
        let mut input = self.json.finish();
        io::copy(&mut input, &mut io::sink()).map_err(|error| self.blob.error(error))?;
        let found = input.into_inner().finish().map(BlobDigest::from_bytes);
        if let (Some(expected), Some(found)) = (digest, found)
            && expected != found
        {
            findings.problem(format!("the tar-split at byte {start} has the digest {found}: the TOC says {expected}"));
        }
        Ok(())
    }
}

/// What Go's reader finds in one segment, behind the padding of the file before.
pub(super) enum Segment {
    Entry {
        entry: Box<RawEntry>,
        global_headers: u64,
        bytes_behind: usize,
    },
    /// The archive's end, or nothing.
    NoEntry,
}

pub(super) fn scan(segment: &[u8]) -> Result<Segment, ScanError> {
    let mut scanner = Scanner::new();
    let (blocks, rest) = segment.as_chunks::<BLOCK>();
    for (at, block) in blocks.iter().enumerate() {
        match scanner.push(block) {
            Ok(Step::Entry(entry)) => {
                let bytes_behind = segment.len() - (at + 1) * BLOCK;
                return Ok(Segment::Entry { entry, global_headers: scanner.global_headers(), bytes_behind });
            }
            Ok(Step::End) => return Ok(Segment::NoEntry),
            Ok(Step::More) => {}
            Err(error) => return Err(error),
        }
    }
    if !rest.is_empty() {
        // Go's reader wants whole blocks up to the archive's end.
        return Err(ScanError::Truncated { offset: segment.len() as u64 });
    }
    scanner.finish()?;
    Ok(Segment::NoEntry)
}
