//! Text for people, for 80 columns.

mod cache;
mod check;
mod diff;
mod family;
mod history;
mod inspect;
mod layers;
mod plan;
mod probe;
mod prune;
mod pulls;
mod rechunk;
mod verify;

pub use cache::cache;
pub use check::check;
pub use diff::{diff, docker_over, over};
pub use family::{family, family_plan};
pub use history::history;
pub use inspect::inspect;
pub use plan::plan;
pub use probe::probe;
pub use prune::prune;
pub use rechunk::rechunk;
pub use verify::verify;

use crate::digest::BlobDigest;
use crate::oci::Platform;

use super::names::{columns, printable, shortened};

/// Columns that lines have at most.
pub(super) const WIDTH: usize = 80;

/// Owners and files that a table lists.
const MOST: usize = 10;

/// Layers, problems and differences that a report lists of each unless all are asked for.
const LISTED: usize = 20;

/// How much is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// What people look for first.
    Short,
    All,
}

/// Styles are few: bold for heads, green and red for an answer.
pub(super) fn bold(text: &str) -> String {
    format!("\u{1b}[1m{text}\u{1b}[0m")
}

pub(super) fn green(text: &str) -> String {
    format!("\u{1b}[32m{text}\u{1b}[0m")
}

pub(super) fn red(text: &str) -> String {
    format!("\u{1b}[31m{text}\u{1b}[0m")
}

/// A name from an image for so many columns. JSON has it whole.
fn name(text: &str, room: usize) -> String {
    shortened(&printable(text), room)
}

/// In lines that are not too long, the first one at the margin.
fn fill(text: &str) -> String {
    wrapped(text, WIDTH)
}

/// In lines of so many columns, all but the first one indented. Ends with a line feed.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let word = shortened(word, width.saturating_sub(2).max(1));
        let needed = columns(&word);
        let (before, start) = match column {
            0 => ("", 0),
            _ if column + 1 + needed > width => ("\n  ", 2),
            _ => (" ", column + 1),
        };
        out += before;
        out += &word;
        column = start + needed;
    }
    out + "\n"
}

/// Rows that the table has no room for.
fn more(all: usize) -> String {
    match all.saturating_sub(MOST) {
        0 => String::new(),
        left => format!("and {left} more\n"),
    }
}

/// Names one image of several, on lines of their own.
fn heading(platform: Option<&Platform>, digest: Option<&BlobDigest>) -> String {
    let platform = platform.map(|platform| bold(&name(&platform.to_string(), WIDTH)) + "\n").unwrap_or_default();
    let digest = digest.map(|digest| format!("{digest}\n")).unwrap_or_default();
    platform + &digest
}
