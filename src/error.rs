//! What a job can fail with. Each message names the image, blob, entry or file.

use std::io;
use std::path::PathBuf;

use crate::cache::CacheError;
use crate::codec::FrameError;
use crate::degraded::{Degraded, summary};
use crate::digest::BlobDigest;
use crate::order::BrokenEntry;
use crate::order::layers::PlanError;
use crate::origin::FetchError;
use crate::pack::PackError;
use crate::progress::{Interrupted, TooLarge, TooMany};
use crate::push::PushError;
use crate::registry::RegistryError;
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::spool::SpoolError;
use crate::threads::ThreadError;
use crate::unpack::UnpackError;
use crate::watch::Unsteady;

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
    Push(Box<PushError>),
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
        "{reference}: expected a plain image, found an image that ostree made ({found}). Its checksums cover its layers, so \
         new layers would break it"
    )]
    Ostree { reference: String, found: String },
    #[error(
        "{reference}: its config names no operating system and architecture, but clients choose among the images of an index \
         by them: build it with both, or leave out --twin"
    )]
    NoPlatform { reference: String },
    #[error(
        "{reference}: expected a zstd image and its gzip twin, found two images that are not the same for one platform: \
         {reason}; name one of them by its digest"
    )]
    Twins { reference: String, reason: String },
    /// Inputs that can't be laid over each other.
    #[error("{reason}")]
    Merge { reason: String },
    #[error("family: {reason}")]
    Family { reason: String },
    #[error(
        "{new} has hard links from one layer to a lower one, and other members have the same layers; podman and docker can't pull such an image. Rechunk it alone first"
    )]
    LinkedAcross { new: String },
    #[error(
        "{source}; published before it: {}. The other members are as they were; run the same command again",
        published.join(", ")
    )]
    FamilyInPart { published: Vec<String>, source: Box<Self> },
    #[error("{member}: {source}")]
    Member { member: String, source: Box<Error> },
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
    #[error("no image is written, since --strict allows no degraded one: {}", summary(.degraded))]
    Strict { degraded: Vec<Degraded> },
    #[error("{0}")]
    Unsteady(#[from] Unsteady),
    #[error("{0}")]
    Cache(#[from] CacheError),
    #[error("{0}")]
    Prune(#[from] PruneError),
    #[error("{reference}: expected an image with a layer that the registry has, found none")]
    NoLayer { reference: String },
    /// Without what was given: it can hold a password.
    #[error(
        "--mount: expected the name of another repository on {host} than {repository}, without host and tag, such as team/app"
    )]
    MountPlace { host: String, repository: String },
    /// What NEW's index has beside the images.
    #[error("the artifact's blob {digest}: {source}")]
    Artifact { digest: BlobDigest, source: io::Error },
    #[error("{0}")]
    Dump(#[from] DumpError),
    #[error("{0}")]
    Registry(#[from] RegistryError),
    #[error("{0}")]
    Threads(#[from] ThreadError),
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// Why there is no dump, or no digest of it.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error("{reference}: expected one image, found images for {}; name one (--platform)", platforms.join(", "))]
    Several { reference: String, platforms: Vec<String> },
    #[error("writing the dump: {0}")]
    Write(#[source] io::Error),
    #[error(
        "{option} needs mkcomposefs, and it is not installed; install the package composefs{}",
        elsewhere.map(|how| format!(", or pipe the dump to where it is: {how}")).unwrap_or_default()
    )]
    Missing { option: &'static str, elsewhere: Option<&'static str> },
    #[error("mkcomposefs: {0}")]
    Start(#[source] io::Error),
    #[error("mkcomposefs: expected a digest of 64 hex digits, found {found}")]
    Failed { found: String },
    #[error(
        "{reference} changed while it was read: the label would have the digest of another tree; run again when nothing \
         writes to it"
    )]
    Changed { reference: String },
}

/// Why nothing is removed.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    #[error("{reference}: expected a layout in a directory, oci:DIR")]
    Transport { reference: String },
    #[error("{reference}: expected oci:DIR without a tag, since blobs belong to all of a layout's images")]
    Tag { reference: String },
    #[error(
        "{}: a symbolic link, so other layouts may need what is in it; expected a directory of the layout's own",
        path.display()
    )]
    Link { path: PathBuf },
    #[error("{}: {doing}: {source}", path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error("nothing is removed, since {what} can't be read: {reason}; what it leads to is not known")]
    Unread { what: String, reason: String },
    #[error("nothing is removed, since another run writes into the layout ({}); try again when it is over", stage.display())]
    Writing { stage: PathBuf },
}

impl PruneError {
    pub(crate) fn unread(what: impl ToString, reason: impl ToString) -> Self {
        Self::Unread { what: what.to_string(), reason: reason.to_string() }
    }
}

impl From<PushError> for Error {
    fn from(error: PushError) -> Self {
        Self::Push(Box::new(error))
    }
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Registry(error) => Self::Registry(error),
            FetchError::Spool(error) => Self::Spool(error),
            FetchError::Interrupted(error) => Self::Interrupted(error),
            FetchError::Threads(error) => Self::Threads(error),
        }
    }
}

impl Error {
    /// The same, of an image that this option names.
    pub(crate) fn of_option(self, option: &'static str) -> Self {
        match self {
            Self::Source(source) => Self::Old { option, source: Box::new(source) },
            other => other,
        }
    }

    /// A full disk, and a thread that panicked or can't be started, have nothing to do with the layer.
    pub(crate) fn unpack(reference: String, layer: String, source: UnpackError) -> Self {
        match source {
            UnpackError::Threads(error) => Self::Threads(error),
            UnpackError::Spool(error) => Self::Spool(error),
            source => Self::Unpack { reference, layer, source },
        }
    }

    pub(crate) fn pack(layer: usize, source: PackError) -> Self {
        match source {
            PackError::Threads(error) => Self::Threads(error),
            PackError::Spool(error) => Self::Spool(error),
            PackError::Write(error) => match error.downcast() {
                Ok(error) => Self::Sink(error),
                Err(error) => match error.downcast::<PushError>() {
                    Ok(error) => error.into(),
                    Err(error) => Self::Pack { layer, source: PackError::Write(error) },
                },
            },
            source => Self::Pack { layer, source },
        }
    }

    pub(crate) fn reframe(source: PackError) -> Self {
        match source {
            PackError::Threads(error) => Self::Threads(error),
            PackError::Spool(error) => Self::Spool(error),
            source => Self::Reframe { source },
        }
    }

    /// 2: the image is not there (skopeo's meaning); 3: `--strict` says no; 64: a tag has to be typed, or an
    /// option names what can't be meant; 130: interrupted; else 1.
    pub fn exit_code(&self) -> u8 {
        let interrupted = match self {
            Self::Registry(RegistryError::Interrupted(_)) => true,
            Self::Sink(SinkError::Fetch { source: RegistryError::Interrupted(_) }) => true,
            Self::Interrupted(_) | Self::Source(SourceError::Interrupted(_)) => true,
            Self::Cache(CacheError::Interrupted(_)) => true,
            Self::Source(SourceError::Registry { source: RegistryError::Interrupted(_), .. }) => true,
            Self::Push(error) => error.is_interrupted(),
            Self::Unpack { source, .. } => matches!(source, UnpackError::Interrupted(_)),
            Self::Pack { source, .. } | Self::Reframe { source } => matches!(source, PackError::Interrupted(_)),
            _ => false,
        };
        match self {
            _ if interrupted => 130,
            Self::Source(source) if is_not_found(source) => 2,
            Self::Old { source, .. } if is_not_found(source) => 2,
            Self::Strict { .. } => 3,
            Self::Member { source, .. } | Self::FamilyInPart { source, .. } => source.exit_code(),
            Self::Family { .. } => 64,
            Self::Source(source) if is_ambiguous(source) => 64,
            Self::Old { source, .. } if is_ambiguous(source) => 64,
            Self::Sink(SinkError::TagNeeded { .. }) | Self::MountPlace { .. } => 64,
            _ => 1,
        }
    }
}

fn is_ambiguous(error: &SourceError) -> bool {
    matches!(error, SourceError::SeveralImages { .. })
}

fn is_not_found(error: &SourceError) -> bool {
    match error {
        SourceError::NoTag { .. }
        | SourceError::NoSuchImage { .. }
        | SourceError::NoImage { .. }
        | SourceError::NoPlatform { .. } => true,
        SourceError::Registry { source, .. } => source.is_not_found(),
        SourceError::Program { source, .. } => source.is_not_found(),
        SourceError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
