//! What could not be read.

use super::{BdbError, NdbError, RpmError, SqliteError};
use crate::limits;
use crate::tar::TarPath;

/// Files have no owner because of this; layers get less tidy, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Warning {
    /// The database; the root when it is about all of them.
    pub path: TarPath,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the rpm database is not read to its end: {0}")]
    Sqlite(#[from] SqliteError),
    #[error("the rpm database is not read to its end: {0}")]
    Ndb(#[from] NdbError),
    #[error("the rpm database is not read to its end: {0}")]
    Bdb(#[from] BdbError),
    #[error("{count} packages are not read; the first: {first}")]
    Rpm { count: usize, first: RpmError },
    #[error("expected text, found a NUL byte{}", others(.count))]
    NotText { count: usize },
    #[error(
        "not read, because of line {line}, column {column}: expected JSON with components, and of each a list \"files\" of \
         paths and perhaps an \"interval\" (daily, weekly, monthly)"
    )]
    Filemap { line: usize, column: usize },
    #[error("not read{}: expected JSON with a list \"files\" of paths", others(.count))]
    Conda { count: usize },
    #[error("expected packages, found none")]
    NoPackage,
    #[error(
        "not read{}: expected package databases of at most {} files and {} bytes together, and their files have no owner",
        others(.count), limits::EVIDENCE_FILES, limits::EVIDENCE_BYTES
    )]
    TooLarge { count: usize },
    #[error("more than {} packages: the others are not read", limits::PACKAGES)]
    Packages,
    #[error("more than {} paths in package databases: the others are not read", limits::LISTED_PATHS)]
    Paths,
}

/// `count` with the one that is named.
fn others(count: &usize) -> String {
    match count - 1 {
        0 => String::new(),
        others => format!(", as in {others} more files of package databases"),
    }
}
