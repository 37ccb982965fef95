//! Several images laid over each other: what the result shows at each path, what the inputs say differently, and what can
//! be united of that.
//!
//! Each input is first one tree, by its own layers: a whiteout hides only what the same input has below it. Then the trees
//! are laid over each other, as `tar -x` does it with one archive after the other.
//!
//! | file | decides |
//! | --- | --- |
//! | `stack` | what stands at each path |
//! | `special` | (paths of which one file speaks for a whole image) |
//! | `rules` | who wins where inputs differ |
//! | `conflicts` | what is told of it |
//! | `unite` | files that hold what all inputs say |
//! | `config` | the result's config |

mod config;
mod conflicts;
mod rules;
mod special;
mod stack;
#[cfg(test)]
mod tests;
pub mod unite;

pub use config::config;
pub use conflicts::{Conflicts, Difference, DifferentPath, Kind};
pub use rules::{Choice, Rule, RuleError, Rules};
pub use stack::{Given, Laid, Seat, Standing, lay};
pub use unite::{Unit, Unite};
