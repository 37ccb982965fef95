//! The main job: source -> unpack -> plan -> pack -> sink.

mod attached;
mod composefs;
mod costly;
mod debris;
mod dest;
mod effort;
mod entries;
pub mod family;
mod files;
mod hint;
mod image;
mod inputs;
mod labels;
mod large;
mod layers;
mod merge;
mod ostree;
mod outcome;
mod output;
#[cfg(test)]
mod panic_tests;
mod partial;
mod planned;
mod publish;
mod read;
mod readings;
mod referring;
mod reframe;
mod sizes;
mod twin;
mod unmatched;

use crate::compression::Formats;
use crate::error::Error;
use crate::inventory::XattrGlob;
use crate::job::JobOptions;
use crate::oci::{Config, Platform, Reference};
use crate::order;
use crate::pack::IndexPlace;
use crate::progress::Progress;
use crate::registry::Reach;
use crate::survey::old::{Ask, Previous};
use crate::tar::Time;

use inputs::{Finished, Proof};

pub use effort::Effort;
pub use family::{FamilyOutcome, FamilyPlan, family, plan_family};
pub use hint::{Costs, Hint};
pub use merge::Merge;
pub use outcome::{
    GzipBlob, GzipTwin, ImageOutcome, LayerOutcome, OldBlob, Outcome, Planned, PlannedImage, PlannedLayer,
};
pub use partial::TocAnnotations;

#[derive(Debug, Clone)]
pub struct Request {
    pub new: Reference,
    pub dest: Reference,
    /// The images that `new` is laid over.
    pub merge: Option<Merge>,
    /// What clients have, newest first. The first one decides the order; the cost is told for each.
    pub previous: Vec<Reference>,
    /// `None`: every platform.
    pub platform: Option<Platform>,
    pub effort: Effort,
    /// Ranges of a layer that a client with chunks may have to ask for.
    pub max_ranges: usize,
    pub index: IndexPlace,
    /// How layers are stored, and whether there is a second image.
    pub formats: Formats,
    pub layers: order::layers::Options,
    /// Its layers stay at the bottom, byte for byte.
    pub base: Option<Reference>,
    /// Images whose layers are used as they are where the new image shows nearly all of them.
    pub shares: Vec<Reference>,
    /// Previous layers without a TOC are reused, too.
    pub keep_foreign: bool,
    /// Layers of previous images in registries are not proven. For who alone pushes there.
    pub trust_previous: bool,
    /// What builders left behind for their mounts is left out.
    pub prune_debris: bool,
    /// Xattrs that are left out of the image.
    pub drop_xattrs: Vec<XattrGlob>,
    /// Labels of the config to set, or to remove where there is no value; one after the other.
    pub labels: Vec<(String, Option<String>)>,
    /// The label that gets the composefs digest of the image.
    pub composefs_label: Option<String>,
    /// The config of a root file system. Every other image has its own.
    pub config: Option<Config>,
    /// Annotations of the manifest to set.
    pub annotations: Vec<(String, String)>,
    /// When the manifest says where layers' indexes are.
    pub toc_annotations: TocAnnotations,
    /// No time in the config is later than this.
    pub epoch: Option<Time>,
    /// Fail before anything is visible at the destination when the image would be degraded.
    pub strict: bool,
    pub resources: JobOptions,
    /// There is no previous image, also where DEST's tag has one.
    pub first: bool,
    /// Other tags of a registry's DEST that get the image, too.
    pub tags: Vec<String>,
    /// A registry's tags move even if somebody else moved them meanwhile.
    pub force: bool,
    /// How the registry of `dest` is reached; `resources` say it of all others.
    pub dest_reach: Reach,
}

impl Request {
    fn ask(&self) -> Ask<'_> {
        Ask {
            previous: Previous { references: &self.previous, option: "--previous", reach: &self.resources.reach },
            others: &[],
            shares: &self.shares,
            base: self.base.as_ref(),
            max_layers: self.layers.max_layers,
            keep_foreign: self.keep_foreign,
            trust_previous: self.trust_previous,
            formats: self.formats,
            resources: &self.resources,
        }
    }

    /// From `new` to `dest`, with everything else as the command line has it by default.
    pub fn new(new: Reference, dest: Reference, resources: JobOptions) -> Self {
        Self {
            new,
            dest,
            merge: None,
            previous: Vec::new(),
            platform: None,
            effort: Effort::Auto,
            max_ranges: 16,
            index: IndexPlace::First,
            formats: Formats::default(),
            layers: order::layers::Options::default(),
            base: None,
            shares: Vec::new(),
            keep_foreign: false,
            trust_previous: false,
            prune_debris: false,
            drop_xattrs: Vec::new(),
            labels: Vec::new(),
            composefs_label: None,
            config: None,
            annotations: Vec::new(),
            toc_annotations: TocAnnotations::Auto,
            epoch: None,
            strict: false,
            first: false,
            tags: Vec::new(),
            force: false,
            dest_reach: resources.reach.clone(),
            resources,
        }
    }
}

/// Writes `request.new` to `request.dest`. The destination appears whole or not at all.
pub fn rechunk(request: &Request, progress: &Progress) -> Result<Outcome, Error> {
    composefs::expect_program(request)?;
    match request.dest.name() {
        Some(name) => publish::publish(request, name, progress),
        None => files::write(request, progress),
    }
}

/// Says what [`rechunk`] would do. It reads and compresses as much, since the plan goes by compressed sizes, and writes
/// to temporary files alone. A plan is never refused: what `strict` would refuse is told in it.
pub fn plan(request: &Request, progress: &Progress) -> Result<Planned, Error> {
    match request.dest.name() {
        Some(name) => publish::plan(request, name, progress),
        None => files::plan(request, progress),
    }
}
