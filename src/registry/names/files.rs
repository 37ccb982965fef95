//! Small files that the user or the system wrote.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::units;

/// Paths are escaped: a directory's names come from outside.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path:?}: expected a regular file, found something else")]
    Kind { path: PathBuf },
    #[error("{path:?}: expected at most {} bytes, found more", units::count(*limit))]
    Size { path: PathBuf, limit: u64 },
    #[error("{path:?}: expected at most {limit} entries in the directory, found more")]
    Entries { path: PathBuf, limit: usize },
    #[error("{path:?}: reading it: {source}")]
    Read { path: PathBuf, source: io::Error },
}

/// All of a file; nothing where there is none.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let failed = |source: io::Error| FileError::Read { path: path.to_owned(), source };
    // A FIFO must not hold up the run, and a terminal must not become this process's own.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from) {
        Ok(file) => File::from(file),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(FileError::Kind { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > limit {
        true => Err(FileError::Size { path: path.to_owned(), limit }),
        false => Ok(Some(bytes)),
    }
}

/// The names in a directory, sorted, without those that are not UTF-8: no suffix that counts is on those. Nothing where
/// there is none.
pub(super) fn list(path: &Path, limit: usize) -> Result<Option<Vec<String>>, FileError> {
    let failed = |source: io::Error| FileError::Read { path: path.to_owned(), source };
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        if names.len() == limit {
            return Err(FileError::Entries { path: path.to_owned(), limit });
        }
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(Some(names))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    #[test]
    fn files_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap().unwrap(), b"1234");
        assert!(read(&path, 3).unwrap_err().to_string().contains("expected at most 3 bytes"));
        assert!(read(&dir.path().join("none"), 4).unwrap().is_none());
        assert!(read(&path.join("below a file"), 4).unwrap().is_none());
        fs::write(dir.path().join("a"), "").unwrap();
        assert_eq!(list(dir.path(), 2).unwrap().unwrap(), ["a", "f"]);
        assert!(list(dir.path(), 1).unwrap_err().to_string().contains("at most 1 entries"));
        assert!(list(&dir.path().join("none"), 1).unwrap().is_none());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo\n");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for path in [fifo.as_path(), dir.path(), Path::new("/dev/zero")] {
            let error = read(path, 4).unwrap_err().to_string();
            assert!(error.contains("expected a regular file") && !error.contains('\n'), "{error}");
        }
    }
}
