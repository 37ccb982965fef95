//! One layer's stream: blocks to the scanner, payloads to the pool.

use std::borrow::Cow;
use std::io::{self, BufReader, Read};

use crossbeam_channel::{Sender, unbounded};

use super::extracted::as_extracted;
use super::work::{Content, Hashed, Job, PIECE, Piece, Pool};
use super::{LayerInput, Options, Seen, UnpackError, UnpackedLayer, notes};
use crate::codec::{HashingReader, WHOLE_FRAME_INPUT, decompress};
use crate::compression::Compression;
use crate::digest::DiffId;
use crate::inventory::{Inventory, drop_xattrs, overlay};
use crate::limits;
use crate::order::ImpliedDirs;
use crate::owner::{Hint, is_evidence};
use crate::progress::{Progress, Stop};
use crate::span::Span;
use crate::spool::{Spool, SpoolError};
use crate::tar::{BLOCK, RawEntry, Rewrite, Scanner, Step, encode, padding};

/// Hashing and inflating like large pieces.
const BUFFER: usize = 1 << 20;

type Tar<'a> = BufReader<HashingReader<Box<dyn Read + Send + 'a>>>;
type Done = Sender<(usize, Result<Hashed, UnpackError>)>;

pub(super) fn read(
    input: LayerInput<'_>,
    options: Options<'_>,
    pool: &Pool<'_>,
    spool: &Spool,
    progress: &Progress,
) -> Result<UnpackedLayer, UnpackError> {
    let blob = progress.watch_blob((input.open)().map_err(UnpackError::read)?);
    let (tar, compression) = decompress(blob).map_err(UnpackError::read)?;
    let tar: Box<dyn Read + Send + '_> = Box::new(progress.watch_size(tar, options.size));
    let plain = input.verified.filter(|_| compression == Compression::None);
    let tar = if plain.is_some() { HashingReader::idle(tar) } else { HashingReader::new(tar) };
    let mut tar = BufReader::with_capacity(BUFFER, tar);
    let (done, payloads) = unbounded();
    let mut inventory = Inventory::default();
    let held = if options.level.is_some() { limits::HELD_WRITTEN } else { limits::HELD_ENTRY };
    let (headers, implied) = (HeaderLog::new(spool), ImpliedDirs::default());
    let mut reader = Reader { headers, implied, held, options, pool, progress, done };
    let read = reader.entries(&mut tar, &mut inventory);
    let flushed = reader.headers.flush();
    drop(reader);
    // Workers may still hold payloads of this layer when the reader failed.
    for (index, content) in payloads {
        match content {
            Ok(hashed) => {
                inventory.evidence.extend(hashed.kept.map(|kept| (index, kept)));
                inventory.set_payload(index, hashed.payload, hashed.compiled_from);
            }
            Err(UnpackError::Stopped) => {}
            Err(error) => return Err(error),
        }
    }
    read?;
    flushed?;
    // As the workers were done with them, which is never the same twice.
    inventory.evidence.sort_unstable_by_key(|(index, _)| *index);
    inventory.finish();
    as_extracted(&mut inventory, spool, progress)?;
    let hashed = tar.into_inner().finish().or(plain.map(|digest| *digest.as_bytes()));
    let diff_id = DiffId::from_bytes(hashed.unwrap_or_default());
    match input.diff_id {
        Some(expected) if expected != diff_id => Err(UnpackError::DiffId { expected, found: diff_id }),
        _ => Ok(UnpackedLayer { inventory, diff_id, compression }),
    }
}

/// Sparse files of a layer.
#[derive(Default)]
pub(super) struct Expanded {
    pub files: u64,
    /// Bytes of their holes.
    pub zeros: u64,
    /// The first one's name, for people.
    pub first: String,
}

impl Expanded {
    fn add(&mut self, entry: &RawEntry) {
        if entry.rewrite != Some(Rewrite::Sparse) {
            return;
        }
        if self.files == 0 {
            self.first = String::from_utf8_lossy(&entry.header.name).into_owned();
        }
        self.files += 1;
        self.zeros = self.zeros.saturating_add(entry.header.size.saturating_sub(entry.stored));
    }
}

struct Reader<'a, 'pool> {
    headers: HeaderLog<'a>,
    implied: ImpliedDirs,
    /// Bytes of memory that count for an entry.
    held: u64,
    options: Options<'a>,
    pool: &'a Pool<'pool>,
    progress: &'a Progress,
    done: Done,
}

impl Reader<'_, '_> {
    fn entries(&mut self, tar: &mut Tar<'_>, inventory: &mut Inventory) -> Result<(), UnpackError> {
        let mut scanner = Scanner::new();
        let mut expanded = Expanded::default();
        let mut block = [0; BLOCK];
        while read_block(tar, &mut block).map_err(UnpackError::read)? {
            match scanner.push(&block)? {
                Step::More => {}
                Step::End => break,
                Step::Entry(mut entry) => {
                    self.progress.check()?;
                    if self.pool.is_stopped() {
                        return Err(UnpackError::Stopped);
                    }
                    expanded.add(&entry);
                    self.entry(&mut entry, tar, inventory)?;
                }
            }
        }
        scanner.finish()?;
        // The blob's digest and the DiffID cover what stands behind the end as well.
        io::copy(tar, &mut io::sink()).map_err(UnpackError::read)?;
        inventory.notes.extend(notes::sparse(&expanded));
        inventory.notes.extend(notes::global_headers(scanner.global_headers()));
        inventory.notes.extend(notes::landmarks(&inventory.entries));
        inventory.notes.extend(overlay::notes(&inventory.entries));
        Ok(())
    }

    fn entry(&mut self, entry: &mut RawEntry, tar: &mut Tar<'_>, inventory: &mut Inventory) -> Result<(), UnpackError> {
        // A hint that can't be read costs bytes of later updates, nothing else.
        let hint = Hint::parse(&entry.header.xattrs).ok().flatten();
        let dropped = drop_xattrs(&mut entry.header, self.options.drop_xattrs);
        let header = &entry.header;
        let clean = overlay::clean(header);
        let is_other = entry.rewrite.is_some() || !dropped.is_empty() || matches!(clean, Cow::Owned(_));
        let rewritten = is_other.then(|| encode(&clean));
        inventory.dropped.extend(dropped);
        let blocks = self.headers.append(rewritten.as_deref().unwrap_or(&entry.raw))?;
        let mut paths = inventory.push(header, blocks, self.options.known)?;
        let index = inventory.entries.len() - 1;
        if let Some(seen) = self.options.seen {
            let (_, is_new) = seen.path(&mut inventory.entries[index].path);
            // It stays when the layer is put away.
            self.progress.hold(if is_new { paths + Seen::HELD_PATH } else { 0 })?;
            paths = 0;
        }
        let held = self.held + paths + self.implied.above(&inventory.entries[index]);
        inventory.held += held;
        self.progress.hold(held)?;
        self.options.size.take(header.size - entry.stored.min(header.size))?;
        inventory.hints.extend(hint.map(|hint| (index, hint)));
        if !header.has_payload() {
            return Ok(());
        }
        let keep = header.size <= limits::EVIDENCE_BYTES as u64 && is_evidence(&inventory.entries[index].path);
        let failed = |error| content_error(error, &header.name);
        let size = header.size;
        if size <= WHOLE_FRAME_INPUT {
            let held = self.pool.budgets().whole.take(size).ok_or(UnpackError::Stopped)?;
            let mut content = Vec::with_capacity(size as usize);
            let filled = fill(entry, tar, |at, run| {
                content.resize(at as usize, 0);
                let expected = run.limit() as usize;
                if run.read_to_end(&mut content)? == expected {
                    Ok(())
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                }
            });
            filled.map_err(failed)?;
            content.resize(size as usize, 0);
            self.pool.send(Job {
                index,
                content: Content::Whole(Piece { bytes: content, held }),
                keep,
                done: self.done.clone(),
            })?;
        } else {
            self.stream(entry, index, keep, tar).map_err(failed)?;
        }
        skip(tar, padding(entry.stored)).map_err(UnpackError::Read)
    }

    fn stream(&self, entry: &RawEntry, index: usize, keep: bool, tar: &mut Tar<'_>) -> io::Result<()> {
        let gone = || io::Error::other("the worker stopped");
        let (sender, pieces) = unbounded();
        let content = Content::Streamed { size: entry.header.size, pieces };
        self.pool.send(Job { index, content, keep, done: self.done.clone() }).map_err(|_| gone())?;
        let mut position = 0;
        let send = |bytes: Vec<u8>| {
            self.progress.check().map_err(io::Error::other)?;
            let held = self.pool.budgets().streamed.take(bytes.len() as u64).ok_or_else(gone)?;
            sender.send(Piece { bytes, held }).map_err(|_| gone())
        };
        let zeros = |mut len: u64| -> io::Result<()> {
            while len > 0 {
                let piece = len.min(PIECE as u64);
                send(vec![0; piece as usize])?;
                len -= piece;
            }
            Ok(())
        };
        fill(entry, tar, |at, run| {
            zeros(at - position)?;
            position = at + run.limit();
            while run.limit() > 0 {
                let mut piece = vec![0; run.limit().min(PIECE as u64) as usize];
                run.read_exact(&mut piece)?;
                send(piece)?;
            }
            Ok(())
        })?;
        zeros(entry.header.size - position)
    }
}

/// Hands on each stored run of the content with its place in the file.
fn fill<R: Read>(
    entry: &RawEntry,
    tar: &mut R,
    mut run: impl FnMut(u64, &mut io::Take<&mut R>) -> io::Result<()>,
) -> io::Result<()> {
    match &entry.sparse {
        None => run(0, &mut tar.take(entry.stored)),
        Some(map) => map.segments().iter().try_for_each(|s| run(s.start(), &mut tar.take(s.len()))),
    }
}

/// What reading an entry's content failed with.
fn content_error(error: io::Error, name: &[u8]) -> UnpackError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            UnpackError::ContentTruncated { name: String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned() }
        }
        _ => UnpackError::read(error),
    }
}

impl UnpackError {
    /// What a reader failed with. A stop that was asked for comes through it as well.
    pub(super) fn read(error: io::Error) -> Self {
        match Stop::of(&error) {
            Some(Stop::Interrupted(interrupted)) => Self::Interrupted(interrupted),
            Some(Stop::TooLarge(too_large)) => Self::TooLarge(too_large),
            None => Self::Read(error),
        }
    }
}

/// An archive may end inside a padding: a writer that was never closed leaves it out, and Go's reader takes that for the
/// end (`archive/tar`, `tryReadFull`).
fn skip(tar: &mut impl Read, len: usize) -> io::Result<()> {
    io::copy(&mut tar.take(len as u64), &mut io::sink()).map(drop)
}

/// False at the end of the stream; a part of a block is an error.
fn read_block(tar: &mut impl Read, block: &mut [u8; BLOCK]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < BLOCK {
        match tar.read(&mut block[filled..])? {
            0 if filled == 0 => return Ok(false),
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends inside a block")),
            n => filled += n,
        }
    }
    Ok(true)
}

/// Header bytes on their way to the spool, gathered so that a million entries are not a million writes.
struct HeaderLog<'a> {
    spool: &'a Spool,
    room: Span,
    bytes: Vec<u8>,
}

impl<'a> HeaderLog<'a> {
    const ROOM: u64 = 256 << 10;

    fn new(spool: &'a Spool) -> Self {
        Self { spool, room: spool.reserve(0), bytes: Vec::new() }
    }

    fn append(&mut self, header: &[u8]) -> Result<Span, SpoolError> {
        let len = header.len() as u64;
        if self.bytes.len() as u64 + len > self.room.len() {
            self.flush()?;
            self.room = self.spool.reserve(Self::ROOM.max(len));
        }
        let start = self.room.start() + self.bytes.len() as u64;
        self.bytes.extend_from_slice(header);
        Ok(Span::new(start, len).expect("inside the room"))
    }

    fn flush(&mut self) -> Result<(), SpoolError> {
        self.spool.write_at(&self.bytes, self.room.start())?;
        self.bytes.clear();
        self.room = self.spool.reserve(0);
        Ok(())
    }
}
