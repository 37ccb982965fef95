//! The scanner: 512-byte blocks in, entries out.

use super::block::{self, BLOCK, Format, Header as Block, padding, until_nul};
use super::header::{EntryKind, Header, Time};
use super::pax::{BadPax, Records};
use super::sparse::{self, Map1x0, PaxSparse, SparseMap};
use crate::limits;
use crate::span::Span;
use crate::units;

/// What is wrong with an archive, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("tar offset {offset}: expected a header, found a block with a wrong checksum")]
    Checksum { offset: u64 },
    #[error("tar offset {offset}: expected a second block of zeros at the archive's end, found something else", offset = units::count(*offset))]
    LoneZeroBlock { offset: u64 },
    #[error("tar offset {offset}: the field {field} of {name:?} is not a number", offset = units::count(*offset))]
    Number { offset: u64, field: &'static str, name: String },
    #[error("tar offset {offset}: extended header: {reason}", offset = units::count(*offset))]
    Extended { offset: u64, reason: &'static str },
    #[error("tar offset {offset}: an extended header of {len} bytes: expected at most {max}", len = units::count(*len), max = units::count(*max), offset = units::count(*offset))]
    ExtendedTooLong { offset: u64, len: u64, max: u64 },
    #[error(
        "tar offset {offset}: {len} bytes of extended headers before one entry: expected at most {max}, one of each kind", len = units::count(*len), max = units::count(*max), offset = units::count(*offset))]
    HeadersTooLong { offset: u64, len: u64, max: u64 },
    #[error("tar offset {offset}: {name:?} has the type {typeflag:?}, which no client can unpack", offset = units::count(*offset))]
    UnknownType { offset: u64, typeflag: char, name: String },
    #[error("tar offset {offset}: the archive ends inside a header", offset = units::count(*offset))]
    Truncated { offset: u64 },
}

/// Why an entry's header bytes can't be passed on as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// Sparse: no client unpacks it, so the holes become zeros.
    Sparse,
    /// A size on an entry without content: tar-split would then ask for a payload.
    SizeWithoutContent,
    /// The type `7` (contiguous file), which the TOC has no name for.
    ContiguousFile,
}

/// An entry and the bytes that stood for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// With `size` as the expanded file's.
    pub header: Header,
    /// Every block of the header and its extensions, without global headers.
    pub raw: Vec<u8>,
    /// Bytes of payload that follow in the archive, before padding.
    pub stored: u64,
    pub sparse: Option<SparseMap>,
    /// When set, write `encode(&header)` in place of `raw`.
    pub rewrite: Option<Rewrite>,
}

/// What the last block brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    More,
    /// The caller now reads `stored` bytes and [`padding`]`(stored)` more before the next block.
    Entry(Box<RawEntry>),
    /// Two blocks of zeros. What follows is padding that no reader looks at.
    End,
}

enum State {
    Header,
    ZeroBlock,
    Special { typeflag: u8, left: u64, body: Vec<u8> },
    OldSparse { entry: Box<RawEntry>, segments: Vec<Span> },
    Map1x0 { entry: Box<RawEntry>, map: Map1x0 },
    Done,
}

/// Feed it every block that is no payload; it keeps what the next entry's header needs.
pub struct Scanner {
    state: State,
    raw: Vec<u8>,
    pax: Option<Records>,
    long_name: Vec<u8>,
    long_link: Vec<u8>,
    offset: u64,
    global_headers: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    pub fn new() -> Self {
        Self {
            state: State::Header,
            raw: Vec::new(),
            pax: None,
            long_name: Vec::new(),
            long_link: Vec::new(),
            offset: 0,
            global_headers: 0,
        }
    }

    /// Global pax headers left out so far. Go's reader applies none of them to later entries, so
    /// docker and podman never saw their values; a TOC has no entry for them.
    pub fn global_headers(&self) -> u64 {
        self.global_headers
    }

    /// Takes the next block.
    pub fn push(&mut self, block: &[u8; BLOCK]) -> Result<Step, ScanError> {
        let at = self.offset;
        self.offset += BLOCK as u64;
        match std::mem::replace(&mut self.state, State::Header) {
            State::Header => self.header(block, at),
            State::ZeroBlock if Block(block).is_zero() => {
                self.state = State::Done;
                Ok(Step::End)
            }
            State::ZeroBlock => Err(ScanError::LoneZeroBlock { offset: at }),
            State::Special { typeflag, left, body } => self.special(block, typeflag, left, body, at),
            State::OldSparse { entry, segments } => self.old_sparse(Block(block), entry, segments, at),
            State::Map1x0 { entry, map } => self.map_1x0(block, entry, map, at),
            State::Done => Ok(Step::End),
        }
    }

    /// Call when the stream ends without [`Step::End`]: Go takes that for the archive's end as long
    /// as it is between entries.
    pub fn finish(&self) -> Result<(), ScanError> {
        let between = matches!(self.state, State::Header | State::ZeroBlock | State::Done) && self.raw.is_empty();
        if between { Ok(()) } else { Err(ScanError::Truncated { offset: self.offset }) }
    }

    fn header(&mut self, bytes: &[u8; BLOCK], at: u64) -> Result<Step, ScanError> {
        let block = Block(bytes);
        if block.is_zero() {
            self.state = State::ZeroBlock;
            return Ok(Step::More);
        }
        let format = block.format().ok_or(ScanError::Checksum { offset: at })?;
        self.raw.extend_from_slice(bytes);
        let typeflag = bytes[block::TYPEFLAG];
        if matches!(typeflag, b'x' | b'g' | b'L' | b'K') {
            let len = size_field(block, at)?;
            if len > limits::TAR_SPECIAL_BYTES {
                return Err(ScanError::ExtendedTooLong { offset: at, len, max: limits::TAR_SPECIAL_BYTES });
            }
            let all = self.raw.len() as u64 + len;
            if all > limits::TAR_HEADER_BYTES {
                return Err(ScanError::HeadersTooLong { offset: at, len: all, max: limits::TAR_HEADER_BYTES });
            }
            if len == 0 {
                return self.special_done(typeflag, &[], at).map(|()| Step::More);
            }
            self.state = State::Special { typeflag, left: len, body: Vec::new() };
            return Ok(Step::More);
        }
        self.entry(block, format, typeflag, at)
    }

    fn special(
        &mut self,
        block: &[u8],
        typeflag: u8,
        left: u64,
        mut body: Vec<u8>,
        at: u64,
    ) -> Result<Step, ScanError> {
        self.raw.extend_from_slice(block);
        let take = left.min(BLOCK as u64);
        body.extend_from_slice(&block[..take as usize]);
        if take < left {
            self.state = State::Special { typeflag, left: left - take, body };
        } else {
            self.special_done(typeflag, &body, at)?;
        }
        Ok(Step::More)
    }

    fn special_done(&mut self, typeflag: u8, body: &[u8], at: u64) -> Result<(), ScanError> {
        match typeflag {
            b'L' => self.long_name = until_nul(body).to_vec(),
            b'K' => self.long_link = until_nul(body).to_vec(),
            b'x' => self.pax = Some(Records::parse(body).map_err(|e| extended(at, e))?),
            _ => {
                Records::parse(body).map_err(|e| extended(at, e))?;
                self.global_headers += 1;
                self.clear();
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.raw.clear();
        self.pax = None;
        self.long_name.clear();
        self.long_link.clear();
    }

    fn entry(&mut self, block: Block<'_>, format: Format, typeflag: u8, at: u64) -> Result<Step, ScanError> {
        let mut header = fields(block, format, at)?;
        let pax = self.pax.take().unwrap_or_default();
        let pax_size = pax.apply(&mut header).map_err(|e| extended(at, e))?;
        if !self.long_name.is_empty() {
            header.name = std::mem::take(&mut self.long_name);
        }
        if !self.long_link.is_empty() {
            header.link = std::mem::take(&mut self.long_link);
        }
        let mut rewrite = None;
        header.kind = match typeflag {
            0 if header.name.last() == Some(&b'/') => EntryKind::Dir,
            0 | b'0' => EntryKind::Regular,
            b'1' => EntryKind::HardLink,
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::Char,
            b'4' => EntryKind::Block,
            b'5' => EntryKind::Dir,
            b'6' => EntryKind::Fifo,
            b'7' => {
                rewrite = Some(Rewrite::ContiguousFile);
                EntryKind::Regular
            }
            b'S' => {
                rewrite = Some(Rewrite::Sparse);
                EntryKind::Regular
            }
            other => {
                let name = excerpt(&header.name);
                return Err(ScanError::UnknownType { offset: at, typeflag: char::from(other), name });
            }
        };
        let size = match pax_size {
            Some(size) => u64::try_from(size).map_err(|_| number_error("size", &header.name, at)),
            None if header.kind == EntryKind::Regular => size_field(block, at),
            // A number of any size is passed over, and what is none is refused (Go's `readHeader`, `handleRegularFile`).
            None => match block.number(block::SIZE) {
                Ok(size) => Ok(u64::try_from(size).unwrap_or(0)),
                Err(_) => Err(number_error("size", &header.name, at)),
            },
        }?;
        if header.kind == EntryKind::Regular {
            header.size = size;
        } else if size != 0 {
            rewrite = Some(Rewrite::SizeWithoutContent);
        }
        let stored = header.size;
        let raw = std::mem::take(&mut self.raw);
        self.clear();
        let entry = Box::new(RawEntry { header, raw, stored, sparse: None, rewrite });
        if typeflag == b'S' {
            self.old_sparse_header(block, format, entry, at)
        } else {
            self.pax_sparse(entry, &pax, at)
        }
    }

    fn pax_sparse(&mut self, mut entry: Box<RawEntry>, pax: &Records, at: u64) -> Result<Step, ScanError> {
        let bad = |e| extended(at, e);
        if entry.header.kind != EntryKind::Regular {
            return Ok(self.emit(entry));
        }
        let Some(sparse) = sparse::from_pax(pax).map_err(bad)? else { return Ok(self.emit(entry)) };
        if let Some(name) = pax.get(b"GNU.sparse.name") {
            entry.header.name = name.to_vec();
        }
        if let Some(size) = pax.get(b"GNU.sparse.size").or_else(|| pax.get(b"GNU.sparse.realsize")) {
            let size = super::pax::integer(size).map_err(bad)?;
            entry.header.size = u64::try_from(size).map_err(|_| number_error("size", &entry.header.name, at))?;
        }
        entry.rewrite = Some(Rewrite::Sparse);
        match sparse {
            PaxSparse::Map(segments) => self.emit_sparse(entry, segments, at),
            PaxSparse::InPayload => {
                self.state = State::Map1x0 { entry, map: Map1x0::default() };
                Ok(Step::More)
            }
        }
    }

    fn map_1x0(&mut self, block: &[u8], mut entry: Box<RawEntry>, mut map: Map1x0, at: u64) -> Result<Step, ScanError> {
        entry.stored = entry.stored.checked_sub(BLOCK as u64).ok_or(ScanError::Truncated { offset: at })?;
        match map.push(block).map_err(|e| extended(at, e))? {
            Some(segments) => self.emit_sparse(entry, segments, at),
            None => {
                self.state = State::Map1x0 { entry, map };
                Ok(Step::More)
            }
        }
    }

    fn old_sparse_header(
        &mut self,
        block: Block<'_>,
        format: Format,
        mut entry: Box<RawEntry>,
        at: u64,
    ) -> Result<Step, ScanError> {
        if format != Format::Gnu {
            return Err(ScanError::Extended { offset: at, reason: "a sparse entry that is not in GNU format" });
        }
        let size = block.number(block::GNU_REAL_SIZE).ok().and_then(|n| u64::try_from(n).ok());
        entry.header.size = size.ok_or_else(|| number_error("realsize", &entry.header.name, at))?;
        let mut segments = Vec::new();
        if sparse::old_gnu_header(block, &mut segments).map_err(|e| extended(at, e))? {
            self.state = State::OldSparse { entry, segments };
            return Ok(Step::More);
        }
        self.emit_sparse(entry, segments, at)
    }

    fn old_sparse(
        &mut self,
        block: Block<'_>,
        entry: Box<RawEntry>,
        mut segments: Vec<Span>,
        at: u64,
    ) -> Result<Step, ScanError> {
        if sparse::old_gnu_extension(block, &mut segments).map_err(|e| extended(at, e))? {
            self.state = State::OldSparse { entry, segments };
            return Ok(Step::More);
        }
        self.emit_sparse(entry, segments, at)
    }

    fn emit_sparse(&mut self, mut entry: Box<RawEntry>, segments: Vec<Span>, at: u64) -> Result<Step, ScanError> {
        let map = SparseMap::new(segments, entry.header.size).map_err(|e| extended(at, e))?;
        if map.stored() != entry.stored {
            return Err(ScanError::Extended {
                offset: at,
                reason: "sparse segments that do not add up to the stored size",
            });
        }
        entry.sparse = Some(map);
        Ok(self.emit(entry))
    }

    fn emit(&mut self, entry: Box<RawEntry>) -> Step {
        self.offset += entry.stored + padding(entry.stored) as u64;
        Step::Entry(entry)
    }
}

/// The block's own fields, before extended headers are laid over them.
fn fields(block: Block<'_>, format: Format, at: u64) -> Result<Header, ScanError> {
    let mut header = Header::new(block.text(block::NAME), EntryKind::Regular);
    let number = |field, what| block.number(field).map_err(|_| number_error(what, block.text(block::NAME), at));
    let seconds = |field, what| number(field, what).map(|secs| Time { secs, nanos: 0 });
    header.link = block.text(block::LINKNAME).to_vec();
    header.mode = number(block::MODE, "mode")?;
    header.uid = number(block::UID, "uid")?;
    header.gid = number(block::GID, "gid")?;
    header.mtime = seconds(block::MTIME, "mtime")?;
    if format == Format::V7 {
        return Ok(header);
    }
    header.uname = block.text(block::UNAME).to_vec();
    header.gname = block.text(block::GNAME).to_vec();
    header.devmajor = number(block::DEVMAJOR, "devmajor")?;
    header.devminor = number(block::DEVMINOR, "devminor")?;
    let mut prefix = &b""[..];
    match format {
        Format::V7 => {}
        Format::Ustar => prefix = block.text(block::USTAR_PREFIX),
        Format::Star => {
            prefix = block.text(block::STAR_PREFIX);
            header.atime = Some(seconds(block::STAR_ATIME, "atime")?);
            header.ctime = Some(seconds(block::STAR_CTIME, "ctime")?);
        }
        Format::Gnu => {
            let time = |field: std::ops::Range<usize>| match block.bytes(field.clone())[0] {
                0 => Ok(None),
                _ => block.number(field).map(|secs| Some(Time { secs, nanos: 0 })),
            };
            match (time(block::GNU_ATIME), time(block::GNU_CTIME)) {
                (Ok(atime), Ok(ctime)) => (header.atime, header.ctime) = (atime, ctime),
                // Go before 1.8 wrote a ustar prefix here (golang.org/issue/12594); its reader still takes it.
                _ if block.text(block::USTAR_PREFIX).is_ascii() => prefix = block.text(block::USTAR_PREFIX),
                _ => {}
            }
        }
    }
    if !prefix.is_empty() {
        header.name = [prefix, b"/", &header.name].concat();
    }
    Ok(header)
}

fn size_field(block: Block<'_>, at: u64) -> Result<u64, ScanError> {
    let size = block.number(block::SIZE).ok().and_then(|size| u64::try_from(size).ok());
    // Offsets are summed in u64; nothing real comes near half of that.
    size.filter(|&size| size <= i64::MAX as u64 - (1 << 32))
        .ok_or_else(|| number_error("size", block.text(block::NAME), at))
}

fn number_error(field: &'static str, name: &[u8], offset: u64) -> ScanError {
    ScanError::Number { offset, field, name: excerpt(name) }
}

fn extended(offset: u64, BadPax(reason): BadPax) -> ScanError {
    ScanError::Extended { offset, reason }
}

/// Enough of a name to recognise it: a long one can have a megabyte.
fn excerpt(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned()
}
