//! tar-split: all bytes of a tar but the files' contents, as JSON lines (vbatts/tar-split `tar/storage`).
//!
//! ```text
//! {"type":2,"payload":"<base64 of raw tar bytes>","position":0}
//! {"type":1,"name":"./x","size":3,"payload":"<base64 of the content's CRC-64>","position":1}
//! ```
//!
//! Clients demand one segment for each header with its extensions, which starts with the padding of the file
//! before, then the entry's file line, also for entries without content (`asm.IterateHeaders`).

use std::borrow::Cow;

use serde::Deserialize;

use super::text;
use crate::json::Strict;
use crate::limits;
use crate::units;

const FILE: u8 = 1;
const SEGMENT: u8 = 2;

/// CRC-64 (polynomial of ISO 3309) as Go's `hash/crc64` counts it.
pub struct Crc64(crc_fast::Digest);

impl Default for Crc64 {
    fn default() -> Self {
        Self(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64GoIso))
    }
}

impl Crc64 {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    pub fn finish(self) -> u64 {
        self.0.finalize()
    }
}

/// Writes what Go's `storage.JSONPacker` writes, byte for byte.
#[derive(Debug, Default)]
pub struct TarSplitWriter {
    position: u64,
}

impl TarSplitWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Raw bytes of the tar. Nothing is written for none, as Go does.
    pub fn segment(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        if raw.is_empty() {
            return;
        }
        out.extend_from_slice(b"{\"type\":2,\"payload\":");
        text::push_base64(out, raw);
        self.end(out);
    }

    /// An entry. `size` is that of its header; `crc64` is `None` when that is 0.
    pub fn file(&mut self, name: &[u8], size: u64, crc64: Option<u64>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":1");
        match std::str::from_utf8(name) {
            Ok("") => {}
            Ok(name) => {
                out.extend_from_slice(b",\"name\":");
                text::push_string(out, name);
            }
            Err(_) => {
                out.extend_from_slice(b",\"name_raw\":");
                text::push_base64(out, name);
            }
        }
        if size > 0 {
            out.extend_from_slice(b",\"size\":");
            text::push_u64(out, size);
        }
        out.extend_from_slice(b",\"payload\":");
        match crc64 {
            Some(crc64) => text::push_base64(out, &crc64.to_be_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        self.end(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"position\":");
        text::push_u64(out, self.position);
        out.extend_from_slice(b"}\n");
        self.position += 1;
    }
}

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TarSplitItem {
    Segment(Vec<u8>),
    File {
        name: Vec<u8>,
        /// That of the tar header: links and directories may lie here.
        size: u64,
        crc64: Option<u64>,
    },
}

/// Why a tar-split can't be used; `line` counts from 0, as `position` does.
#[derive(Debug, thiserror::Error)]
pub enum TarSplitError {
    #[error("tar-split line {line}: {found} bytes or more, expected at most {limit}", found = units::count(*found as u64), limit = units::count(*limit as u64), line = units::count(*line))]
    LineTooLong { line: u64, found: usize, limit: usize },
    #[error("tar-split line {line}: more than {limit} bytes up to here", limit = units::count(*limit), line = units::count(*line))]
    TooBig { line: u64, limit: u64 },
    #[error("tar-split line {line}: {source}")]
    Json { line: u64, source: serde_json::Error },
    #[error("tar-split line {line}: it says position {found}")]
    Position { line: u64, found: u64 },
    #[error("tar-split line {line}: type {found}, expected 1 (file) or 2 (segment)")]
    Kind { line: u64, found: u8 },
    #[error("tar-split line {line}: {field} is not base64")]
    Base64 { line: u64, field: &'static str },
    #[error("tar-split line {line}: size {found}, expected 0 or more")]
    Size { line: u64, found: i64 },
    #[error("tar-split line {line}: a checksum of {found} bytes for {size} bytes of content, expected 8")]
    Checksum { line: u64, size: u64, found: usize },
}

/// Reads a tar-split as it comes, in pieces of any size.
#[derive(Debug, Default)]
pub struct TarSplitReader {
    line: u64,
    read: u64,
    /// The start of a line whose end has not come yet.
    partial: Vec<u8>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default, borrow)]
    name: Cow<'a, str>,
    #[serde(default, borrow)]
    name_raw: Cow<'a, str>,
    #[serde(default)]
    size: i64,
    #[serde(default, borrow)]
    payload: Option<&'a str>,
    position: u64,
}

impl TarSplitReader {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the uncompressed tar-split and appends the items that they finish.
    pub fn push(&mut self, data: &[u8], items: &mut Vec<TarSplitItem>) -> Result<(), TarSplitError> {
        let mut rest = data;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (end, more) = rest.split_at(at);
            rest = &more[1..];
            self.count(end.len() + 1)?;
            let item = if self.partial.is_empty() {
                self.item(end)?
            } else {
                self.partial.extend_from_slice(end);
                let line = std::mem::take(&mut self.partial);
                self.item(&line)?
            };
            items.push(item);
        }
        self.count(rest.len())?;
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// The stream ends. Go takes a last line without a line feed too.
    pub fn finish(mut self, items: &mut Vec<TarSplitItem>) -> Result<(), TarSplitError> {
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            items.push(self.item(&line)?);
        }
        Ok(())
    }

    fn count(&mut self, more: usize) -> Result<(), TarSplitError> {
        let (found, limit) = (self.partial.len() + more, limits::TAR_SPLIT_LINE_BYTES);
        if found > limit {
            return Err(TarSplitError::LineTooLong { line: self.line, found, limit });
        }
        self.read += more as u64;
        if self.read > limits::TAR_SPLIT_BYTES {
            return Err(TarSplitError::TooBig { line: self.line, limit: limits::TAR_SPLIT_BYTES });
        }
        Ok(())
    }

    fn item(&mut self, json: &[u8]) -> Result<TarSplitItem, TarSplitError> {
        let line = self.line;
        let parsed = parse(json).map_err(|source| TarSplitError::Json { line, source })?;
        if parsed.position != line {
            return Err(TarSplitError::Position { line, found: parsed.position });
        }
        self.line += 1;
        let payload = base64(line, "payload", parsed.payload.unwrap_or_default())?;
        match parsed.kind {
            SEGMENT => Ok(TarSplitItem::Segment(payload)),
            FILE => file(line, &parsed, &payload),
            found => Err(TarSplitError::Kind { line, found }),
        }
    }
}

fn parse(json: &[u8]) -> Result<Line<'_>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let line = Line::deserialize(Strict(&mut deserializer))?;
    deserializer.end().map(|()| line)
}

fn file(line: u64, parsed: &Line<'_>, checksum: &[u8]) -> Result<TarSplitItem, TarSplitError> {
    let size = u64::try_from(parsed.size).map_err(|_| TarSplitError::Size { line, found: parsed.size })?;
    let crc64 = match checksum {
        [] if size == 0 => None,
        _ => {
            let bytes = checksum.try_into();
            let bytes = bytes.map_err(|_| TarSplitError::Checksum { line, size, found: checksum.len() })?;
            Some(u64::from_be_bytes(bytes))
        }
    };
    let name = match parsed.name_raw.as_ref() {
        "" => parsed.name.as_bytes().to_vec(),
        raw => base64(line, "name_raw", raw)?,
    };
    Ok(TarSplitItem::File { name, size, crc64 })
}

fn base64(line: u64, field: &'static str, text: &str) -> Result<Vec<u8>, TarSplitError> {
    text::decode_base64(text).ok_or(TarSplitError::Base64 { line, field })
}
