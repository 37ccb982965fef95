//! Every file operation of the sink, in one place: the tests record them here, and ask what is left of a layout when the
//! power fails after any of them, or the process is killed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt, OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::copy;
#[cfg(test)]
use super::journal::{Journal, Op};
use crate::span::Span;

#[derive(Debug, Clone)]
pub(super) struct Disk {
    #[cfg(test)]
    journal: Option<Journal>,
}

/// Records an operation around doing it.
macro_rules! recorded {
    ($disk:expr, $op:expr, $doing:expr) => {{
        #[cfg(test)]
        if let Some(journal) = &$disk.journal {
            return journal.record($op, || $doing);
        }
        $doing
    }};
}

impl Disk {
    pub fn new() -> Self {
        Self {
            #[cfg(test)]
            journal: Journal::of_this_thread(),
        }
    }

    pub fn make_dir(&self, path: &Path) -> io::Result<()> {
        recorded!(self, Op::MakeDir(path.into()), fs::DirBuilder::new().mode(0o777).create(path))
    }

    /// A directory whose name ends with `random` characters that no other has.
    pub fn temp_dir(&self, parent: &Path, prefix: &str, random: usize) -> io::Result<PathBuf> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).rand_bytes(random).disable_cleanup(true);
        let made = builder.make_in(parent, |path| self.make_dir(path))?;
        Ok(made.into_parts().1.keep()?)
    }

    /// A file that vanishes unless it is renamed; readable for all that the umask allows.
    pub fn temp_file(&self, dir: &Path, prefix: &str) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).permissions(Permissions::from_mode(0o666));
        builder.make_in(dir, |path| self.create(path))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o666);
        recorded!(self, Op::Create(path.into()), options.open(path))
    }

    pub fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        recorded!(self, Op::write(file, at, bytes), file.write_all_at(bytes, at))
    }

    /// As [`copy::copy_span`].
    pub fn copy_span(&self, from: &File, span: Span, to: &File, at: u64) -> io::Result<u64> {
        recorded!(self, Op::copy(from, span, to, at), copy::copy_span(from, span, to, at))
    }

    /// Returns when the file's content will outlive a power cut.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        recorded!(self, Op::sync(file), can_sync(file.sync_data()))
    }

    /// Returns when the names in a directory will outlive a power cut.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        recorded!(self, Op::SyncDir(path.into()), can_sync(File::open(path)?.sync_all()))
    }

    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        recorded!(self, Op::Rename(from.into(), to.into()), fs::rename(from, to))
    }

    /// A second name for a file.
    pub fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        recorded!(self, Op::Link(from.into(), to.into()), fs::hard_link(from, to))
    }

    /// Gives a temporary file its name, and the file back.
    pub fn persist(&self, file: NamedTempFile, to: &Path) -> io::Result<File> {
        let (file, path) = file.into_parts();
        self.rename(&path, to)?;
        // Nothing is left under the old name that could be removed.
        path.keep()?;
        Ok(file)
    }

    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        recorded!(self, Op::Remove(path.into()), fs::remove_file(path))
    }

    pub fn remove_dir(&self, path: &Path) -> io::Result<()> {
        recorded!(self, Op::Remove(path.into()), fs::remove_dir(path))
    }

    /// Removes a directory with what is in it.
    pub fn remove_tree(&self, path: &Path) -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => self.remove_tree(&entry.path())?,
                false => self.remove_file(&entry.path())?,
            }
        }
        self.remove_dir(path)
    }
}

/// Some file systems (FUSE, 9p) know no sync of what is asked for; they have no better promise to give.
fn can_sync(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::OPNOTSUPP)) => Ok(()),
        result => result,
    }
}
