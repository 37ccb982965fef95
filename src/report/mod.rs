//! What a job found, as text for people and as JSON for programs; what an update costs as Markdown and as a page for a browser, too.
//! Pure: an outcome in, a string out.
//!
//! Text carries ANSI styles; whoever prints it strips them where they are not wanted.

mod cost;
mod facts;
pub mod html;
pub mod json;
pub mod markdown;
mod names;
mod table;
pub mod text;
mod times;
mod versions;

#[cfg(test)]
mod bridge_tests;
#[cfg(test)]
mod diff_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod layer_tests;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use crate::units;
pub use crate::units::{count, plural, size};
pub use names::printable;
