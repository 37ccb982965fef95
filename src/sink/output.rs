//! `oci-archive:-`: the archive goes to standard output when the image is complete, and not a byte of it before.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SinkError;
use super::archive::{Out, write_members};
use super::stage::{Durable, Stage};
use super::syncer::Syncer;
use crate::oci::Descriptor;
use crate::progress::Progress;
use crate::span::Span;
use crate::spool::Spool;

/// Where the blobs wait.
pub(super) fn place(temp_dir: &Path) -> Result<PathBuf, SinkError> {
    // It tells what is wrong with a directory for temporary files.
    drop(Spool::new(temp_dir)?);
    Ok(temp_dir.join("output"))
}

/// Others may look into a directory for temporary files.
pub(super) fn stage(place: &Path, syncer: &Arc<Syncer>) -> Result<Stage, SinkError> {
    let stage = Stage::beside(place, Durable::Archive, syncer)?;
    let made_private = fs::set_permissions(stage.path(), Permissions::from_mode(0o700));
    made_private.map_err(SinkError::io(stage.path(), "making a directory private"))?;
    Ok(stage)
}

pub(super) fn write(stage: &Stage, entry: Descriptor, tag: Option<&str>, progress: &Progress) -> Result<(), SinkError> {
    let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let file = file.map_err(SinkError::io(OUTPUT, "opening it"))?;
    write_members(stage, entry, tag, Path::new(OUTPUT), &mut Output { file, progress })
}

const OUTPUT: &str = "standard output";

struct Output<'p> {
    file: File,
    progress: &'p Progress,
}

impl Out for Output<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.progress.check()?;
        self.file.write_all(bytes).map_err(SinkError::io(OUTPUT, "writing the archive"))
    }

    fn append_from(&mut self, file: &File, span: Span) -> Result<(), SinkError> {
        let mut piece = vec![0; PIECE];
        let mut at = span.start();
        while at < span.end() {
            let want = usize::try_from(span.end() - at).unwrap_or(PIECE).min(PIECE);
            file.read_exact_at(&mut piece[..want], at)
                .map_err(SinkError::io(OUTPUT, "reading a blob for the archive"))?;
            self.push(&piece[..want])?;
            at += want as u64;
        }
        Ok(())
    }
}

const PIECE: usize = 1 << 18;
