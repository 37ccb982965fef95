//! Why an image can't be read; each error names the reference, file or blob.

use std::io;
use std::path::PathBuf;

use super::program::ProgramError;
use crate::digest::BlobDigest;
use crate::oci::OciError;
use crate::progress::Interrupted;
use crate::registry::RegistryError;
use crate::registry::names::LookupError;
use crate::spool::SpoolError;
use crate::tar::ScanError;
use crate::units;

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The image is not there: exit code 2, as in skopeo.
    #[error("{reference}: expected the tag {tag:?}, found {}", listed(available))]
    NoTag {
        reference: String,
        tag: String,
        available: Vec<String>,
        /// A reference that leads to the one that may be meant.
        hint: Option<String>,
    },
    #[error("{reference}: expected the image {wanted}, found {}", listed(available))]
    NoSuchImage { reference: String, wanted: String, available: Vec<String> },
    /// Each of `examples` is a reference that leads to one of them.
    #[error("{reference}: expected one image, found several; name one of {}", listed(available))]
    SeveralImages { reference: String, available: Vec<String>, examples: Vec<String> },
    #[error("{reference}: expected an image, found none{}", skipped(notes))]
    NoImage { reference: String, notes: Vec<String> },
    /// `absent` are platforms that an index names, but whose blobs are not there.
    #[error("{reference}: expected an image for {wanted}, found {}{}", listed(available), named_only(absent))]
    NoPlatform { reference: String, wanted: String, available: Vec<String>, absent: Vec<String> },
    #[error("{reference}: expected an image, found none{}", named_only(platforms))]
    Absent { reference: String, platforms: Vec<String> },
    #[error("{path}: expected {expected}, found {found}{hint}", path = path.display())]
    Kind { path: PathBuf, expected: &'static str, found: String, hint: String },
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("{archive}: the member {member:?} is missing", archive = archive.display())]
    MissingMember { archive: PathBuf, member: String },
    /// `place` says at which byte, and in what.
    #[error("{archive}: the archive ends early, at byte {place}; copy or save it again", archive = archive.display())]
    CutShort { archive: PathBuf, place: String },
    #[error("{what}: expected at most {limit} bytes, found {found}", limit = units::count(*limit), found = units::count(*found))]
    TooLarge { what: String, limit: u64, found: u64 },
    #[error("{archive}: expected at most {limit} members", archive = archive.display(), limit = units::count(*limit as u64))]
    TooManyMembers { archive: PathBuf, limit: usize },
    #[error("{archive}: expected members whose names have at most {limit} bytes in all", archive = archive.display(), limit = units::count(*limit as u64))]
    LongNames { archive: PathBuf, limit: usize },
    #[error("{archive}: the archive is damaged: {source}", archive = archive.display())]
    Tar { archive: PathBuf, source: ScanError },
    #[error("{archive}: reading {what}: {source}", archive = archive.display())]
    Packed { archive: PathBuf, what: &'static str, source: io::Error },
    #[error("{archive}: unpacking it: {source}", archive = archive.display())]
    Spool { archive: PathBuf, source: SpoolError },
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    #[error(
        "{reference}: the manifest names no layers, but the config lists {diff_ids} (docker 25.0 writes such archives); \
         what manifest.json says is right{hint}"
    )]
    LayersElsewhere { reference: String, diff_ids: usize, hint: String },
    #[error("{reference}: expected manifests and configs of at most {limit} bytes in all, found more", limit = units::count(*limit))]
    TooManyDocuments { reference: String, limit: u64 },
    #[error("{place}: expected at most {limit} {what}, found more; name an image by its tag, or one platform", limit = units::count(*limit as u64))]
    TooMany { place: String, what: &'static str, limit: usize },
    #[error("{what}: indexes are nested more than {limit} deep")]
    TooDeep { what: String, limit: usize },
    #[error("{place}: {what}: {source}")]
    Blob { place: String, what: String, source: BlobError },
    #[error("{place}: {source}")]
    Oci { place: String, source: OciError },
    #[error("{place}: {source}")]
    Registry { place: String, source: RegistryError },
    #[error("{reference}: expected an image in files, found one in a registry; name a copy in files")]
    NoFile { reference: String },
    #[error("{reference}: {source}")]
    Program { reference: String, source: ProgramError },
    #[error("{place}: {source}")]
    Lookup { place: String, source: Box<LookupError> },
    /// While a layer was read.
    #[error("{0}")]
    Network(io::Error),
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// Where it went wrong, and not what stands there.
    #[error(
        "{archive}: {member}: expected a list of images in JSON, as docker save writes it; line {line}, column {column} is \
         something else", archive = archive.display()
    )]
    DockerJson { archive: PathBuf, member: &'static str, line: usize, column: usize },
}

impl SourceError {
    /// For a reader whose errors are told with the reference and the layer.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Blob { source, .. } => source.wrap(),
            Self::Registry { source, .. } => source.into(),
            other => io::Error::other(other),
        }
    }

    /// True when a part of the image is missing or not what it should be; false when the image is not there, can't be
    /// reached, or is of a kind that this tool does not read.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Oci { source, .. } => source.is_damage(),
            Self::Io { source, .. } => RegistryError::of(source).is_some_and(RegistryError::is_damage),
            // Without the root there is no image.
            Self::Registry { source, .. } => source.is_damage() && !source.is_not_found(),
            Self::MissingMember { .. }
            | Self::CutShort { .. }
            | Self::TooLarge { .. }
            | Self::TooDeep { .. }
            | Self::TooMany { .. }
            | Self::Blob { .. }
            | Self::Absent { .. }
            | Self::Tar { .. }
            | Self::Packed { .. }
            | Self::LayersElsewhere { .. }
            | Self::TooManyDocuments { .. }
            | Self::DockerJson { .. } => true,
            Self::NoTag { .. }
            | Self::NoSuchImage { .. }
            | Self::SeveralImages { .. }
            | Self::NoImage { .. }
            | Self::NoPlatform { .. }
            | Self::Kind { .. }
            | Self::TooManyMembers { .. }
            | Self::LongNames { .. }
            | Self::Spool { .. }
            | Self::Lookup { .. }
            | Self::Program { .. }
            | Self::NoFile { .. }
            | Self::Network(_)
            | Self::Internal(_)
            | Self::Interrupted(_) => false,
        }
    }

    /// True when a part of the image is damaged, and false when it is not there at all.
    pub fn is_spoilt(&self) -> bool {
        let is_missing = matches!(
            self,
            Self::MissingMember { .. } | Self::Absent { .. } | Self::Blob { source: BlobError::Missing, .. }
        );
        self.is_damage() && !is_missing
    }
}

/// A blob's bytes are not what its descriptor says. Who hands it on says which blob. Readers wrap it in an
/// [`io::Error`]; see [`BlobError::of`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    #[error("the blob is missing")]
    Missing,
    #[error("expected the blob, found a directory or something else that is no file")]
    NoFile,
    #[error("the blob is too short: expected {expected} bytes, found {found}", expected = units::count(*expected), found = units::count(*found))]
    Short { expected: u64, found: u64 },
    #[error("the blob is too long: expected {expected} bytes, found more", expected = units::count(*expected))]
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

/// An index can name a thousand; that many help nobody.
const LISTED: usize = 16;

fn listed(names: &[String]) -> String {
    // A name can have megabytes.
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| name.chars().take(300).collect()).collect();
    let shown = shown.join(", ");
    match names.len() {
        0 => "none".to_owned(),
        1..=LISTED => shown,
        all => format!("{shown} and {} more", all - LISTED),
    }
}

fn named_only(platforms: &[String]) -> String {
    match platforms {
        [] => String::new(),
        platforms => format!("; the index names {}, but the blobs are not there", listed(platforms)),
    }
}

fn skipped(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(" ({})", listed(notes)) }
}
