//! What a job can fail with. Each message names the image, blob, entry or file.

use crate::codec::FrameError;
use crate::degraded::{Degraded, summary};
use crate::order::BrokenEntry;
use crate::order::layers::PlanError;
use crate::pack::PackError;
use crate::progress::{Interrupted, TooLarge, TooMany};
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::spool::SpoolError;
use crate::unpack::UnpackError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Source(#[from] SourceError),
    /// An image that an option names.
    #[error("{option}: {source}")]
    Old { option: &'static str, source: Box<SourceError> },
    #[error("{0}")]
    Sink(#[from] SinkError),
    #[error("{0}")]
    Spool(#[from] SpoolError),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{reference}: layer {layer}: {source}")]
    Unpack { reference: String, layer: String, source: UnpackError },
    #[error("{reference}: layer {layer}: {source}")]
    Entry { reference: String, layer: String, source: BrokenEntry },
    #[error("layer {layer} of the output: {source}")]
    Pack { layer: usize, source: PackError },
    #[error("new content: {source}")]
    Reframe { source: PackError },
    #[error("{reference}: layer {layer}: {reason}")]
    Index { reference: String, layer: String, reason: String },
    #[error(
        "{reference}: expected an image with layers (oci, oci-archive or docker-archive), found a root file system"
    )]
    NoLayers { reference: String },
    #[error("base image {reference}: {reason}")]
    Base { reference: String, reason: String },
    #[error(
        "{reference}: expected a plain image, found {found}: an ostree commit stands and falls with the layers that it \
         came in"
    )]
    Ostree { reference: String, found: String },
    #[error("{0}")]
    Plan(#[from] PlanError),
    #[error("{0}")]
    TooMany(#[from] TooMany),
    #[error("{reference}: layer {layer}: {source}")]
    TooLarge { reference: String, layer: String, source: TooLarge },
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    #[error("{dest} can't be written from {input}: {reason}")]
    Place { dest: String, input: String, reason: &'static str },
    /// `--strict` was asked for.
    #[error("nothing is written, since the image would cost clients more than it should: {}", summary(.degraded))]
    Strict { degraded: Vec<Degraded> },
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl Error {
    /// The same, of an image that this option names.
    pub(crate) fn of_option(self, option: &'static str) -> Self {
        match self {
            Self::Source(source) => Self::Old { option, source: Box::new(source) },
            other => other,
        }
    }

    /// 2: the image is not there (skopeo's meaning); 3: `--strict` says no; 130: interrupted; else 1.
    pub fn exit_code(&self) -> u8 {
        let interrupted = match self {
            Self::Interrupted(_) | Self::Source(SourceError::Interrupted(_)) => true,
            Self::Unpack { source, .. } => matches!(source, UnpackError::Interrupted(_)),
            Self::Pack { source, .. } | Self::Reframe { source } => matches!(source, PackError::Interrupted(_)),
            _ => false,
        };
        match self {
            _ if interrupted => 130,
            Self::Source(source) if is_not_found(source) => 2,
            Self::Old { source, .. } if is_not_found(source) => 2,
            Self::Strict { .. } => 3,
            _ => 1,
        }
    }
}

fn is_not_found(error: &SourceError) -> bool {
    match error {
        SourceError::NoTag { .. }
        | SourceError::NoSuchImage { .. }
        | SourceError::NoImage { .. }
        | SourceError::NoPlatform { .. } => true,
        SourceError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
