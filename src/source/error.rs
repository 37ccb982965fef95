//! Why an image can't be read; each error names the reference, file or blob.

use std::io;
use std::path::PathBuf;

use crate::digest::BlobDigest;
use crate::oci::OciError;

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The image is not there: exit code 2, as in skopeo.
    #[error("{reference}: expected the tag {tag:?}, found {}", listed(available))]
    NoTag { reference: String, tag: String, available: Vec<String> },
    #[error("{reference}: expected one image, found several; name one of {}", listed(available))]
    SeveralImages { reference: String, available: Vec<String> },
    #[error("{reference}: expected an image, found none{}", skipped(notes))]
    NoImage { reference: String, notes: Vec<String> },
    #[error("{reference}: expected an image for {wanted}, found {}", listed(available))]
    NoPlatform { reference: String, wanted: String, available: Vec<String> },
    #[error("{path}: expected {expected}, found {found}{hint}", path = path.display())]
    Kind { path: PathBuf, expected: &'static str, found: String, hint: &'static str },
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("{archive}: the member {member:?} is missing", archive = archive.display())]
    MissingMember { archive: PathBuf, member: String },
    #[error(
        "{archive}: the archive is cut short: the member {member:?} ends at byte {end}, the file at {size}",
        archive = archive.display()
    )]
    Truncated { archive: PathBuf, member: String, end: u64, size: u64 },
    #[error("{what}: expected at most {limit} bytes, found {found}")]
    TooLarge { what: String, limit: u64, found: u64 },
    #[error("{archive}: expected at most {limit} members", archive = archive.display())]
    TooManyMembers { archive: PathBuf, limit: usize },
    #[error("{what}: indexes are nested more than {limit} deep")]
    TooDeep { what: String, limit: usize },
    #[error("{place}: {what}: {source}")]
    Blob { place: String, what: String, source: BlobError },
    #[error("{place}: {source}")]
    Oci { place: String, source: OciError },
    #[error("{archive}: {member}: {source}", archive = archive.display())]
    DockerJson { archive: PathBuf, member: &'static str, source: serde_json::Error },
}

impl SourceError {
    /// For a reader whose errors are told with the reference and the layer.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Blob { source, .. } => source.wrap(),
            other => io::Error::other(other),
        }
    }

    /// True when a part of the image is missing or not what it should be; false when the image is not there, can't be
    /// reached, or is of a kind that this tool does not read.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Oci { source, .. } => source.is_damage(),
            Self::MissingMember { .. }
            | Self::Truncated { .. }
            | Self::TooLarge { .. }
            | Self::TooDeep { .. }
            | Self::Blob { .. }
            | Self::DockerJson { .. } => true,
            Self::NoTag { .. }
            | Self::SeveralImages { .. }
            | Self::NoImage { .. }
            | Self::NoPlatform { .. }
            | Self::Kind { .. }
            | Self::Io { .. }
            | Self::TooManyMembers { .. } => false,
        }
    }

    /// True when a part of the image is damaged, and false when it is not there at all.
    pub fn is_spoilt(&self) -> bool {
        let is_missing = matches!(self, Self::MissingMember { .. } | Self::Blob { source: BlobError::Missing, .. });
        self.is_damage() && !is_missing
    }
}

/// A blob's bytes are not what its descriptor says. Who hands it on says which blob. Readers wrap it in an
/// [`io::Error`]; see [`BlobError::of`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    #[error("the blob is missing")]
    Missing,
    #[error("the blob is too short: expected {expected} bytes, found {found}")]
    Short { expected: u64, found: u64 },
    #[error("the blob is too long: expected {expected} bytes, found more")]
    Long { expected: u64 },
    #[error("the blob is corrupt: its content has the digest {found}")]
    Digest { found: BlobDigest },
}

impl BlobError {
    pub(super) fn wrap(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }

    /// The blob error inside a reader's error, if that is what it is.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn skipped(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}
