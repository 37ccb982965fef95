//! What a sequence of versions cost: the matrix of pulls between them, whose files changed how often, what each added to
//! the registry, and what other layouts would have cost.

mod run;

use crate::digest::BlobDigest;
use crate::error::Error;
use crate::job::JobOptions;
use crate::oci::{Platform, Reference};
use crate::order::layouts::{Cell, Layout, View};
use crate::progress::Progress;
use crate::source::{Image, Source, SourceError};
use crate::survey::{common, other_platform, other_platforms};

use run::Run;

#[derive(Debug, Clone)]
pub struct Request {
    /// Oldest first.
    pub references: Vec<Reference>,
    /// `None`: the first one of the newest version that all others have.
    pub platform: Option<Platform>,
    /// Whose costs are told.
    pub views: Vec<View>,
    pub resources: JobOptions,
}

#[derive(Debug, Clone)]
pub struct Outcome {
    pub platform: Option<Platform>,
    pub views: Vec<View>,
    /// Oldest first.
    pub versions: Vec<Version>,
    /// Most changed bytes first.
    pub owners: Vec<OwnerHistory>,
    /// The layout that is published stands first. One that can't be told of is left out, with a note.
    pub layouts: Vec<LayoutHistory>,
    pub notes: Vec<String>,
}

impl Outcome {
    /// Compressed bytes of content that the updates brought.
    pub fn changed_bytes(&self) -> u64 {
        self.versions.iter().filter_map(|version| version.changed_bytes).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub reference: String,
    /// Of the manifest; `None` for an image that came without one.
    pub digest: Option<BlobDigest>,
    /// Of the gzip image beside it, where there is one.
    pub gzip: Option<BlobDigest>,
    pub layers: usize,
    /// Bytes of the layers' blobs, each once.
    pub size: u64,
    pub config_bytes: u64,
    /// Bytes of the blobs of layers that no earlier version has: what a registry stores for it, without config and manifest.
    pub added_bytes: u64,
    /// Compressed bytes of content that the version before has nowhere; `None` for the first version.
    pub changed_bytes: Option<u64>,
    /// What a first pull costs, for each view.
    pub first_pull: Vec<Cell>,
    /// What a pull costs who has an earlier version: by the number of that version, for each view.
    pub updates: Vec<Vec<Cell>>,
}

/// How often an owner changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerHistory {
    /// `None`: files that nobody owns.
    pub owner: Option<String>,
    /// Updates that brought new content of it.
    pub updates: u64,
    pub changed_files: u64,
    /// Compressed.
    pub changed_bytes: u64,
}

/// The same files in other layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutHistory {
    /// `None`: as published.
    pub layout: Option<Layout>,
    /// Oldest first.
    pub versions: Vec<LayoutVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutVersion {
    pub layers: usize,
    /// Bytes of the layers' blobs, each once.
    pub size: u64,
    /// As [`Version::added_bytes`].
    pub added_bytes: u64,
    /// For each view: what a first pull costs, and a pull who has the version before; of the first version the same.
    pub first_pull: Vec<Cell>,
    pub cells: Vec<Cell>,
}

impl LayoutHistory {
    /// As reports have it.
    pub const fn name(&self) -> &'static str {
        match self.layout {
            None => "as-published",
            Some(layout) => layout.name(),
        }
    }

    /// What a first pull of the newest version costs for a view, by its number.
    pub fn first_pull(&self, view: usize) -> Option<&Cell> {
        self.versions.last().map(|version| &version.first_pull[view])
    }

    /// The costs of the updates for a view, by its number.
    pub fn updates(&self, view: usize) -> impl Iterator<Item = &Cell> {
        self.versions.iter().skip(1).map(move |version| &version.cells[view])
    }

    /// Bytes of layers' blobs that a registry stores for all versions.
    pub fn stored_bytes(&self) -> u64 {
        self.versions.iter().map(|version| version.added_bytes).sum()
    }
}

/// What the versions of `request` cost.
pub fn history(request: &Request, progress: &Progress) -> Result<Outcome, Error> {
    let open = |reference| request.resources.open(reference, progress);
    let sources = request.references.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let (images, platforms) = choose(&sources, request.platform.as_ref())?;
    let mut run = Run::new(&request.resources, progress, &request.views);
    let platform = images.last().and_then(|image| image.platform.clone());
    let newest = sources.last().map(Source::reference);
    run.note(newest.zip(other_platforms(&platforms, platform.as_ref())).map(|(newest, it)| format!("{newest}: {it}")));
    for (source, image) in sources.iter().zip(&images) {
        let other = other_platform(image, platform.as_ref());
        run.note(other.map(|other| format!("{}: {other}", source.reference())));
        run.version(source, image)?;
    }
    run.note(sources.iter().flat_map(Source::take_notes));
    run.finish(platform)
}

/// An image of each source, for one platform, and those that the newest has.
fn choose(sources: &[Source], platform: Option<&Platform>) -> Result<(Vec<Image>, Vec<Platform>), Error> {
    let Some((newest, older)) = sources.split_last() else { return Ok((Vec::new(), Vec::new())) };
    let older = older.iter().map(|source| Ok((source, source.images(platform)?)));
    let newest = newest.images(platform)?;
    let platforms = newest.iter().filter_map(|image| image.platform.clone()).collect();
    let (image, mut images) = common(newest, older.collect::<Result<_, SourceError>>()?)?;
    images.push(image);
    Ok((images, platforms))
}
