//! `oci-archive:FILE`: the layout's files in one tar, the small ones first, with nothing of the host in its headers.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::stage::Stage;
use super::{RawBlobWriter, SinkError, layout};
use crate::limits;
use crate::oci::{self, Descriptor, Index};
use crate::span::Span;
use crate::tar::{self, BLOCK, EntryKind, Header, Scanner, Step, TarPath};

/// An archive that is there will be replaced, as skopeo does; anything else is in the way.
pub(super) fn look(path: &Path) -> Result<(), SinkError> {
    layout::check_link(path)?;
    let found = match fs::metadata(path) {
        Ok(meta) if meta.is_file() && is_oci_archive(path) => return Ok(()),
        Ok(meta) if meta.is_file() => "a file that is no OCI archive",
        Ok(meta) if meta.is_dir() => "a directory",
        Ok(_) => "neither (a device or pipe)",
        Err(error) if error.kind() == io::ErrorKind::NotFound => return layout::check_parent(path),
        Err(error) => return Err(layout::unseen(path, error)),
    };
    Err(SinkError::Kind { path: path.to_owned(), expected: "an OCI archive or nothing", found: found.to_owned() })
}

/// Has the tar a layout's marker? An empty file, as mktemp makes it, will do as well.
fn is_oci_archive(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    if file.metadata().is_ok_and(|meta| meta.len() == 0) {
        return true;
    }
    let (mut scanner, mut block, mut at) = (Scanner::new(), [0; BLOCK], 0_u64);
    while file.read_exact_at(&mut block, at).is_ok() {
        at += BLOCK as u64;
        match scanner.push(&block) {
            Ok(Step::More) => {}
            Ok(Step::End) | Err(_) => return false,
            Ok(Step::Entry(entry)) => {
                if TarPath::new(&entry.header.name).is_ok_and(|name| name.as_bytes() == b"oci-layout") {
                    return true;
                }
                let len = entry.stored.checked_next_multiple_of(BLOCK as u64);
                at = len.and_then(|len| at.checked_add(len)).unwrap_or(u64::MAX);
            }
        }
    }
    false
}

/// Where the members go.
pub(super) trait Out {
    fn push(&mut self, bytes: &[u8]) -> Result<(), SinkError>;
    fn append_from(&mut self, file: &File, span: Span) -> Result<(), SinkError>;
}

impl Out for RawBlobWriter {
    fn push(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.push(bytes)
    }

    fn append_from(&mut self, file: &File, span: Span) -> Result<(), SinkError> {
        self.append_from(file, span)
    }
}

pub(super) fn write(stage: &Stage, entry: Descriptor, tag: Option<&str>, path: &Path) -> Result<(), SinkError> {
    let mut out = RawBlobWriter::durable(stage)?;
    write_members(stage, entry, tag, path, &mut out)?;
    out.persist(path)
}

pub(super) fn write_members(
    stage: &Stage,
    entry: Descriptor,
    tag: Option<&str>,
    path: &Path,
    out: &mut impl Out,
) -> Result<(), SinkError> {
    let mut index = Index::default();
    index.replace_tag(entry, tag);
    let blobs = stage.blobs();
    let members = blobs.len() + 4;
    if members > limits::ARCHIVE_MEMBERS {
        let (limit, found) = (limits::ARCHIVE_MEMBERS as u64, members as u64);
        return Err(SinkError::Limit { path: path.to_owned(), what: "members of an archive", limit, found });
    }
    for name in ["blobs/", "blobs/sha256/"] {
        let mut header = Header::new(name, EntryKind::Dir);
        header.mode = 0o755;
        out.push(&tar::encode(&header))?;
    }
    for (name, bytes) in [("oci-layout", oci::LAYOUT_FILE), ("index.json", &index.to_bytes())] {
        out.push(&file_header(name, bytes.len() as u64))?;
        out.push(bytes)?;
        pad(out, bytes.len() as u64)?;
    }
    for digest in blobs {
        let blob = stage.blob_path(digest);
        let io = |error| SinkError::io(&blob, "reading a blob")(error);
        let file = File::open(&blob).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        out.push(&file_header(&format!("blobs/sha256/{}", digest.hex()), size))?;
        if let Some(span) = Span::new(0, size) {
            out.append_from(&file, span)?;
        }
        pad(out, size)?;
        // The archive has it now; both at once would double the space.
        stage.disk().remove_file(&blob).map_err(SinkError::io(&blob, "removing a packed blob"))?;
    }
    out.push(&[0; 1024])
}

fn file_header(name: &str, size: u64) -> Vec<u8> {
    let mut header = Header::new(name, EntryKind::Regular);
    header.mode = 0o644;
    header.size = size;
    tar::encode(&header)
}

fn pad(out: &mut impl Out, size: u64) -> Result<(), SinkError> {
    let over = (size % 512) as usize;
    if over == 0 { Ok(()) } else { out.push(&[0; 512][over..]) }
}
