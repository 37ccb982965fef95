//! Old images: the previous ones, whose layers clients have, and the base.
//!
//! What an old image says is trusted in three stages, and each is a type. [`Opened`]: manifests and indexes, as they say.
//! [`Proven`]: the layers that are what they say. [`Plannable`]: what the planner takes. Each is made of the one before,
//! and by nothing else.
//!
//! | file | does |
//! | --- | --- |
//! | `references` | opens the references, and finds the image of each that is meant |
//! | `load` | puts together what the images say |
//! | `usable` | whether a layer is of use |
//! | `formats` | what of that is of use where gzip or plain zstd is written |
//! | `opened`, `proven`, `plannable` | the stages |
//! | `frames` | frames that can be copied |
//! | `proof` | whether a layer is what it says |
//! | `trust` | which layers of a registry need no proof |
//! | `faults` | what is wrong with a layer, and what is told of it |
//! | `handed` | what of a descriptor is handed on |
//! | `history` | how often paths changed |

mod faults;
mod formats;
mod frames;
mod handed;
mod history;
mod load;
mod opened;
mod plannable;
mod proof;
mod proven;
mod references;
mod trust;
mod usable;

use std::sync::Arc;

use crate::compression::Formats;
use crate::digest::ChunkDigest;
use crate::job::JobOptions;
use crate::oci::{Descriptor, Reference};
use crate::order::cost::{Instances, PullLayer};
use crate::registry::Reach;

use foldhash::HashSet;

pub use formats::lost_twin;
pub use handed::left_out;
pub use history::History;
pub use opened::{OldLayer, Opened, Twin, Verdicts, WrittenLayer};
pub use plannable::Plannable;
pub use proof::claim;
pub use proven::{Proven, ProvenLayer};
pub use references::OldImages;

/// References of previous images, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Previous<'a> {
    pub references: &'a [Reference],
    /// What names them, for errors.
    pub option: &'static str,
    pub reach: &'a Reach,
}

/// What is asked of old images.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub previous: Previous<'a>,
    /// Those of the other members of a family.
    pub others: &'a [Previous<'a>],
    /// Images whose layers are of use where the new image shows nearly all of them.
    pub shares: &'a [Reference],
    pub base: Option<&'a Reference>,
    /// Layers that the new image may have.
    pub max_layers: usize,
    /// Previous layers without a TOC may stay, too.
    pub keep_foreign: bool,
    /// Layers of previous images in registries are what they say.
    pub trust_previous: bool,
    /// What the new layers are. Old ones stay only if they can be such, too.
    pub formats: Formats,
    pub resources: &'a JobOptions,
}

/// What clients have and what the images tell, whether or not a layer can stay; of one member of a family.
#[derive(Default)]
pub struct Facts {
    /// The layers that may stay and are of the newest previous image, by their numbers.
    pub(super) own: Vec<usize>,
    /// Chunks in the layers that may stay.
    pub chunks: HashSet<ChunkDigest>,
    pub history: History,
    /// The layers of the newest previous image, all of them.
    pub newest: Vec<Descriptor>,
    /// No layer of the newest previous image can stay: it has none, or a note says why.
    pub is_lost: bool,
    /// How many layers of the newest previous image have no index and were not read.
    pub unread: usize,
    /// Of each previous image; newest first.
    pub clients: Vec<OldClient>,
}

/// Who has a previous image.
pub struct OldClient {
    pub reference: String,
    /// The layers that the plan goes by: where gzip is written, those of the gzip image.
    pub have: Vec<Arc<PullLayer>>,
    /// What each kind of client has.
    pub instances: Instances,
}
