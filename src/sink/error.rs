//! Why an image can't be written; each error names the file or blob.

use std::io;
use std::path::PathBuf;

use crate::digest::BlobDigest;
use crate::oci::OciError;
use crate::progress::Interrupted;
use crate::registry::RegistryError;
use crate::spool::SpoolError;
use crate::units::{self, size};
use crate::watch::Unsteady;

#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("{reference}: expected a destination oci:DIR[:TAG] or oci-archive:FILE[:TAG]")]
    Transport { reference: String },
    #[error("{path}: expected {expected}, found {found}", path = path.display())]
    Kind { path: PathBuf, expected: &'static str, found: String },
    #[error(
        "{reference}: expected a tag, since the layout has the tags {}; without one the image could not be told from \
         theirs", tags.join(", ")
    )]
    TagNeeded { reference: String, tags: Vec<String> },
    #[error("{path} can't be made: there is no directory {parent}", path = path.display(), parent = parent.display())]
    NoParent { path: PathBuf, parent: PathBuf },
    #[error("{path} can't be made: {parent} is no directory", path = path.display(), parent = parent.display())]
    BelowFile { path: PathBuf, parent: PathBuf },
    /// Where DEST is to stand. The kind tells: the file that could not be made has a name that nobody has heard of.
    #[error("{dir}: expected a directory that can be written to: {reason}", dir = dir.display(), reason = unwritable(cause))]
    Unwritable { dir: PathBuf, cause: io::Error },
    /// `needed` are the bytes of the run so far.
    #[error("{dir}: no room is left ({source}): {} do not fit, and the run needs more than that", size(*needed), dir = dir.display())]
    Full { dir: PathBuf, needed: u64, source: io::Error },
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("{path}: {source}", path = path.display())]
    Oci { path: PathBuf, source: OciError },
    #[error("the blob {digest}: expected {expected} bytes, {found} were written", expected = units::count(*expected), found = units::count(*found))]
    Size { digest: BlobDigest, expected: u64, found: u64 },
    #[error("copying a blob: expected {expected} bytes, the file ends after {found}", expected = units::count(*expected), found = units::count(*found))]
    ShortCopy { expected: u64, found: u64 },
    #[error("{0}")]
    Unsteady(#[from] Unsteady),
    #[error("{path}: expected at most {limit} {what}, found {found}: restrata and other tools would refuse to read it", path = path.display(), limit = units::count(*limit), found = units::count(*found))]
    Limit { path: PathBuf, what: &'static str, limit: u64, found: u64 },
    #[error("{path}: a symbolic link to {target}, which is not there; expected a path that can be made", path = path.display(), target = target.display())]
    Dangling { path: PathBuf, target: PathBuf },
    #[error("{path}: the blob {digest} was removed while this run went on; run it again", path = path.display())]
    Vanished { path: PathBuf, digest: BlobDigest },
    #[error("{0}")]
    Spool(#[from] SpoolError),
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    #[error("copying a layer from its registry: {source}")]
    Fetch { source: RegistryError },
    #[error("the manifest {digest} was to be committed but never written")]
    NoManifest { digest: BlobDigest },
    #[error("{reference}: expected at least one image to commit, found none")]
    NoImages { reference: String },
}

/// The directory is there. In /proc, files can be made as little as in one that is not.
fn unwritable(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::NotFound => "no file can be made there".to_owned(),
        kind => kind.to_string(),
    }
}

impl SinkError {
    pub(super) fn io(path: impl Into<PathBuf>, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, doing, source }
    }
}
