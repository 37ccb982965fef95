//! What an update costs: what each client pulls, which packages and files cost it, and what of it was avoidable.

mod gate;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use crate::compression::Compression;
use crate::digest::BlobDigest;
use crate::error::Error;
use crate::job::JobOptions;
use crate::oci::{Platform, Reference};
use crate::order::Entry;
use crate::order::changes::{Changes, FileShare, OwnerShare, changes};
use crate::order::cost::{Client, HEADER_LIMIT, Pull, PullLayer, RegistryProfile};
use crate::owner::{Owner, Owners};
use crate::progress::Progress;
use crate::source::{Source, SourceError};
use crate::span::Span;
use crate::survey::{
    Roll, SurveyedImage, SurveyedLayer, Surveyor, changes_always, common, other_platform, other_platforms,
};
use crate::tar::{TarPath, Time};
use crate::units;

pub use gate::Choice;

#[derive(Debug, Clone)]
pub struct Request {
    /// What clients have.
    pub olds: Vec<Reference>,
    pub new: Reference,
    /// `None`: the first one of the new image that all old ones have.
    pub platform: Option<Platform>,
    pub choice: Choice,
    pub resources: JobOptions,
}

#[derive(Debug, Clone)]
pub struct Outcome {
    pub new: String,
    /// Of the manifest; `None` for an image that came without one.
    pub new_digest: Option<BlobDigest>,
    /// Of the gzip image beside it, where there is one.
    pub new_gzip: Option<BlobDigest>,
    pub platform: Option<Platform>,
    /// Bytes of the new image's config, which every client pulls.
    pub config_bytes: u64,
    /// Of the new image, bottom first.
    pub layers: Vec<NewLayer>,
    /// One for each old image, in the order in which they were named.
    pub diffs: Vec<Diff>,
    /// What the user wants to hear of; the pulls are there for all.
    pub choice: Choice,
    pub notes: Vec<String>,
}

/// A layer of the new image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLayer {
    /// The DiffID for a layer that came without a blob of its own.
    pub digest: BlobDigest,
    /// Bytes of the blob.
    pub size: u64,
    pub media_type: String,
    pub entries: u64,
    /// Most of its content is of files that change with every version.
    pub changes_always: bool,
    /// Whose more than half of its content is.
    pub mostly: Option<Mostly>,
    /// Where TOC and tar-split stand in the blob.
    pub index: Option<[Span; 2]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mostly {
    Package(String),
    /// The deepest directory that those files are all below.
    NoPackage(TarPath),
}

impl NewLayer {
    /// Bytes of TOC and tar-split.
    pub fn index_bytes(&self) -> u64 {
        self.index.iter().flatten().map(|span| span.len()).sum()
    }
}

/// The update from one old image.
#[derive(Debug, Clone)]
pub struct Diff {
    pub old: String,
    pub old_digest: Option<BlobDigest>,
    /// Of the gzip image beside it, where there is one.
    pub old_gzip: Option<BlobDigest>,
    /// For every client and registry that makes a difference to it, and for those that the choice names. Each has the layers
    /// of [`Outcome::layers`], or of the gzip image beside them.
    pub pulls: Vec<Pull>,
    /// Its owners are numbers of `owner_names`; those that cost most stand first.
    pub changes: Changes,
    pub owner_names: Vec<String>,
    /// The old image is another tool's, and the new one is not: no old layer has an index, and a new one has. What clients
    /// pull again for that they pull once.
    pub is_first: bool,
}

impl Diff {
    /// `None` for what nobody owns.
    pub fn owner_name(&self, owner: Option<u32>) -> Option<&str> {
        self.owner_names.get(owner? as usize).map(String::as_str)
    }

    /// Files of an owner with new content, most bytes first.
    pub fn files_of(&self, owner: &OwnerShare) -> impl Iterator<Item = &FileShare> {
        let owner = owner.owner;
        self.changes.files.iter().filter(move |file| file.owner == owner)
    }

    /// The pull of a client from a registry.
    pub fn pull(&self, client: Client, registry: RegistryProfile) -> Option<&Pull> {
        self.pulls.iter().find(|pull| pull.client == client && pull.registry == registry)
    }
}

/// What an update from each of `request.olds` to `request.new` costs.
pub fn diff(request: &Request, progress: &Progress) -> Result<Outcome, Error> {
    let open = |reference| request.resources.open(reference, progress);
    let new = open(&request.new)?;
    let olds = request.olds.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let platform = request.platform.as_ref();
    let old_images = olds.iter().map(|old| Ok((old, old.images(platform)?))).collect::<Result<_, SourceError>>()?;
    let new_images = new.images(platform)?;
    let platforms: Vec<Platform> = new_images.iter().filter_map(|image| image.platform.clone()).collect();
    let (image, old_images) = common(new_images, old_images)?;
    let others = other_platforms(&platforms, image.platform.as_ref());
    let mut surveyor = Surveyor::new(&request.resources, progress);
    surveyor.notes.extend(others.map(|others| format!("{}: {others}", new.reference())));
    let surveyed = surveyor.image(&new, &image, true)?;
    surveyor.notes.extend(estimated(&surveyed));
    let owners = surveyor.owners(&surveyed, &new, &image)?;
    let mut diffs = Vec::with_capacity(olds.len());
    for (source, old) in olds.iter().zip(&old_images) {
        let other = other_platform(old, image.platform.as_ref());
        surveyor.notes.extend(other.map(|other| format!("{}: {other}", source.reference())));
        surveyor
            .notes
            .extend(swapped((source.reference(), old.config.created()), (new.reference(), image.config.created())));
        let old = surveyor.image(source, old, false)?;
        progress.check()?;
        let diff = compared(old, &surveyed, &owners, &request.choice);
        let longest = diff.pulls.iter().map(|pull| pull.cost.range_header_bytes).max().unwrap_or_default();
        surveyor.notes.extend(long_header(&diff.old, longest));
        diffs.push(diff);
    }
    let notes = olds.iter().chain([&new]).flat_map(Source::take_notes).chain(surveyor.notes).collect();
    Ok(Outcome {
        new_gzip: surveyed.gzip_digest(),
        new: surveyed.reference,
        new_digest: surveyed.digest,
        platform: surveyed.platform,
        config_bytes: surveyed.config_size,
        layers: surveyed.layers.iter().map(|layer| new_layer(layer, &owners)).collect(),
        diffs,
        choice: request.choice.clone(),
        notes,
    })
}

/// Tools that build reproducibly write 1970 or 1980: that is no time when an image was made.
const NO_TIME: i64 = 315_619_200;

/// From the newer version to the older one is an update, too, but seldom the one that is meant.
fn swapped(old: (&Reference, Option<Time>), new: (&Reference, Option<Time>)) -> Option<String> {
    let is_time = |time: &Time| time.secs >= NO_TIME;
    let (was, is) = (old.1.filter(is_time)?, new.1.filter(is_time)?);
    (was > is).then(|| format!("{} is newer than {}: are the images swapped?", old.0, new.0))
}

/// Networks between client and registry may refuse what the registry would take.
fn long_header(old: &str, longest: u64) -> Option<String> {
    (longest > HEADER_LIMIT).then(|| {
        format!(
            "{old}: podman asks for the ranges of a layer with a header of up to {longest} bytes, and some networks allow \
             {HEADER_LIMIT}", longest = units::count(longest), HEADER_LIMIT = units::count(HEADER_LIMIT))
    })
}

/// Of layers without an index nobody knows which file compressed how well.
fn estimated(image: &SurveyedImage) -> Option<String> {
    let is_estimated =
        |layer: &&Arc<SurveyedLayer>| layer.pull.index.is_none() && layer.compression != Compression::None;
    let number = image.layers.iter().filter(is_estimated).count();
    (number > 0).then(|| {
        format!(
            "{}: {number} of {} layers have no index, so that the compressed bytes of their files are estimates: a layer's \
             bytes, shared out by the files' sizes",
            image.reference,
            image.layers.len()
        )
    })
}

fn compared(old: SurveyedImage, new: &SurveyedImage, owners: &Owners, choice: &Choice) -> Diff {
    let mut roll = Roll::default();
    let (was, is) = (old.sides(), new.sides());
    let mut changes = changes(&was, &is, |path| owners.owner_of(path).map(|owner| roll.number(owner)));
    let owner_names = roll.names;
    let name = |share: &OwnerShare| share.owner.map(|owner| owner_names[owner as usize].as_str());
    changes.owners.sort_by(|a, b| {
        let key = |share: &OwnerShare| (Reverse(share.changed_bytes), Reverse(share.avoidable_bytes));
        key(a).cmp(&key(b)).then_with(|| name(a).cmp(&name(b)))
    });
    let (had, wanted) = (old.instances(), new.instances());
    let pulls = wanted.pulls(new.config_size, &had, Some(&old.reference), &choice.clients, choice.priced());
    let has_index = |layers: &[Arc<PullLayer>]| layers.iter().any(|layer| layer.index.is_some());
    let is_first = !has_index(&had.own) && has_index(&wanted.own);
    let old_gzip = old.gzip_digest();
    Diff { old: old.reference, old_digest: old.digest, old_gzip, pulls, changes, owner_names, is_first }
}

fn new_layer(layer: &SurveyedLayer, owners: &Owners) -> NewLayer {
    NewLayer {
        digest: layer.pull.digest,
        size: layer.pull.size,
        media_type: layer.media_type.clone(),
        entries: layer.entries.len() as u64,
        changes_always: changes_always(owners, &layer.entries),
        mostly: mostly(&layer.entries, owners),
        index: layer.pull.index.as_ref().map(|index| [index.toc, index.tar_split]),
    }
}

/// By compressed bytes, with those of files that a layer above hides.
fn mostly(entries: &[Entry], owners: &Owners) -> Option<Mostly> {
    let mut bytes: HashMap<Option<Owner<'_>>, u64> = HashMap::new();
    let (mut all, mut dir) = (0_u64, None);
    for (path, stored) in entries.iter().filter_map(|entry| Some((&entry.path, entry.content?.stored))) {
        let owner = owners.owner_of(path);
        if owner.is_none() && stored > 0 {
            dir = dir.or_else(|| path.parent()).map(|dir| dir.up_to_hold(path));
        }
        let sum = bytes.entry(owner).or_default();
        *sum = sum.saturating_add(stored);
        all = all.saturating_add(stored);
    }
    let (owner, _) = bytes.into_iter().find(|(_, bytes)| *bytes > all / 2)?;
    match owner {
        Some(owner) => Some(Mostly::Package(owner.to_string())),
        None => dir.map(Mostly::NoPackage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_are_swapped_are_noted() {
        let (old, new) = ("oci:i:v1".parse().unwrap(), "oci:i:v2".parse().unwrap());
        let time = |secs| Some(Time { secs, nanos: 0 });
        let noted = |was, is| swapped((&old, was), (&new, is));
        let late = 1_700_000_000;
        assert_eq!(
            noted(time(late + 1), time(late)).unwrap(),
            "oci:i:v1 is newer than oci:i:v2: are the images swapped?"
        );
        // Go's epoch, that of zip files and that of Nix are no times.
        for (was, is) in [
            (time(late), time(late)),
            (time(late), time(late + 1)),
            (time(late), None),
            (None, time(late)),
            (time(late), time(0)),
            (time(late), time(1)),
            (time(late), time(315_532_800)),
        ] {
            assert_eq!(noted(was, is), None, "{was:?} {is:?}");
        }
    }

    #[test]
    fn a_header_that_networks_may_refuse_is_noted() {
        assert_eq!(long_header("oci:v1", HEADER_LIMIT), None);
        let note = long_header("oci:v1", HEADER_LIMIT + 1).unwrap();
        assert!(note.ends_with("of up to 20,481 bytes, and some networks allow 20,480"), "{note}");
    }
}
