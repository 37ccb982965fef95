//! Why nothing is published, and what is there then.

use std::fmt;

use crate::digest::BlobDigest;
use crate::oci::OciError;
use crate::registry::names::LookupError;
use crate::registry::{Fault, RegistryError};
use crate::spool::SpoolError;
use crate::units;

#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("interrupted; {unchanged}")]
    Interrupted { unchanged: Unchanged },
    #[error("{dest}: expected a name with a tag, or with neither tag nor digest, found one with a digest")]
    Digest { dest: String },
    #[error("{dest}: {source}")]
    Lookup { dest: String, source: Box<LookupError> },
    /// Before anything was sent.
    #[error("{dest}: {source}")]
    Open { dest: String, source: Box<RegistryError> },
    #[error("{source}; {unchanged}")]
    Blob { source: Box<RegistryError>, unchanged: Unchanged },
    #[error("{source}; the registry does not take a document of the type {media_type}; {unchanged}")]
    Manifest { media_type: String, source: Box<RegistryError>, unchanged: Unchanged },
    #[error("{0}")]
    Spool(#[from] SpoolError),
    #[error(
        "{place}: bytes of a manifest, index or config: expected at most {limit}, found {found}",
        limit = units::count(*limit), found = units::count(*found)
    )]
    TooLarge { place: String, limit: u64, found: u64 },
    #[error("{0}")]
    Moved(Box<MovedError>),
    /// Some moved, or may have.
    #[error("{}", .0)]
    Tags(Box<TagsError>),
    #[error("{0}")]
    Oci(#[from] OciError),
    /// For who goes on when another upload has failed; nobody sees it.
    #[error("another upload failed")]
    Ended,
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// A tag that is not what it was when it was read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{reference}: somebody else published there: when this run began it pointed at {before}, and now it points at {now}; \
     run again to build on that, or use --force to replace it; this run moved no tag",
    before = named(*before), now = named(*now)
)]
pub struct MovedError {
    pub reference: String,
    /// `None`: there was no such tag.
    pub before: Option<BlobDigest>,
    pub now: Option<BlobDigest>,
}

/// A tag that did not move, behind others that did.
#[derive(Debug)]
pub struct TagsError {
    /// References, as all here.
    pub moved: Vec<String>,
    pub failed: String,
    /// Nobody says whether it moved.
    pub is_unknown: bool,
    /// Those that were to move after it.
    pub left: Vec<String>,
    pub new: BlobDigest,
    pub source: RegistryError,
}

impl fmt::Display for TagsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moved, failed, is_unknown, left, new, source } = self;
        write!(f, "{source}; ")?;
        if !moved.is_empty() {
            write!(f, "{} {} at the new image {new}; ", joined(moved), points(moved))?;
        }
        match is_unknown {
            true => write!(f, "whether {failed} points at {new} is not known")?,
            false => write!(f, "{failed} is as it was")?,
        }
        if !left.is_empty() {
            write!(f, ", and so {} {}", if left.len() == 1 { "is" } else { "are" }, joined(left))?;
        }
        f.write_str("; all are whole images; run the same command again: everything but the tags is there")
    }
}

/// What a failure leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchanged(Vec<String>);

impl Unchanged {
    pub(super) fn new(references: impl Iterator<Item = String>) -> Self {
        Self(references.collect())
    }
}

impl fmt::Display for Unchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is, references) = (if self.0.len() == 1 { "is as it was" } else { "are as they were" }, joined(&self.0));
        write!(f, "{references} {is}; the same command sends only what is missing when it is run again")
    }
}

fn joined(references: &[String]) -> String {
    match references {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => references.concat(),
    }
}

fn points(references: &[String]) -> &'static str {
    if references.len() == 1 { "points" } else { "point" }
}

fn named(digest: Option<BlobDigest>) -> String {
    digest.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string())
}

impl PushError {
    pub(super) fn open(dest: &str, source: RegistryError) -> Self {
        Self::Open { dest: dest.to_owned(), source: Box::new(source) }
    }

    pub(super) fn blob(source: RegistryError, unchanged: Unchanged) -> Self {
        match source {
            RegistryError::Interrupted(_) => Self::Interrupted { unchanged },
            source => Self::Blob { source: Box::new(source), unchanged },
        }
    }

    pub(super) fn manifest(media_type: &str, source: RegistryError, unchanged: Unchanged) -> Self {
        // Others are no verdict on the document.
        let lacks_blob = matches!(source.fault(), Some(Fault::Status { said, .. } | Fault::NotFound { said, .. })
            if said.has_code("MANIFEST_BLOB_UNKNOWN"));
        let is_refused = !lacks_blob && matches!(source.status(), Some(400 | 404 | 405 | 413 | 415 | 422));
        match is_refused {
            true => Self::Manifest { media_type: media_type.to_owned(), source: Box::new(source), unchanged },
            false => Self::blob(source, unchanged),
        }
    }

    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Interrupted { .. } => true,
            Self::Open { source, .. } => matches!(**source, RegistryError::Interrupted(_)),
            Self::Tags(error) => matches!(error.source, RegistryError::Interrupted(_)),
            _ => false,
        }
    }
}
