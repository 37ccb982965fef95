//! Several images laid over each other, as the one image that a run writes.
//!
//! | file | does |
//! | --- | --- |
//! | `inputs` | opens the inputs, and finds the images of each platform |
//! | `lay` | makes one layer of all that was read |
//! | `united` | content that no input has |
//! | `assemble` | the entries of that layer |

mod assemble;
mod inputs;
mod lay;
mod united;

use crate::merge::{Rules, Unite};
use crate::oci::Reference;

pub(super) use inputs::{Others, open};

/// What a new image is laid over, and how.
#[derive(Debug, Clone, Default)]
pub struct Merge {
    /// The lowest one first. The new image is the last input.
    pub below: Vec<Reference>,
    pub rules: Rules,
    pub unite: Unite,
    /// The number of the input, from 0, whose config the result has. `None`: the last one that has a config.
    pub config_from: Option<usize>,
}
