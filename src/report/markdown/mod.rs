//! Markdown as GitHub shows it: for a comment on a pull request, and for release notes.

mod diff;
mod history;

pub use diff::diff;
pub use history::history;

use super::names::{printable, shortened};
use super::plural;

/// Bytes of a report at most. A comment on GitHub has 65,536 characters, and whoever writes one adds lines of his own.
const MOST: usize = 60_000;

/// Bytes of the one table whose rows an image can make as many and as long as it likes.
const ROWS: usize = 25_000;

/// Columns of a name. JSON has it whole.
const NAME: usize = 100;

/// Notes that are told, and columns of one.
const NOTES: usize = 10;
const NOTE: usize = 250;

/// Text from an image as code: whatever it is, it ends neither the code nor the line.
fn code(text: &str) -> String {
    fenced(&shortened(&printable(text), NAME))
}

/// The same in a cell of a table.
///
/// A bar ends a cell also inside of code, unless a backslash stands before it (GitHub Flavored Markdown, 4.10).
fn cell(text: &str) -> String {
    fenced(&shortened(&printable(text), NAME).replace('|', "\\|"))
}

/// A run of backticks ends code that was begun by as many, and blanks at both ends are not shown (CommonMark 0.31, 6.1).
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let blank = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty() { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// The first of the rows, as many as have room.
fn fitting(rows: impl Iterator<Item = String>) -> Vec<String> {
    let mut bytes = 0;
    rows.take_while(|row| {
        bytes += row.len();
        bytes <= ROWS
    })
    .collect()
}

/// What else is to be known. As code: in text, GitHub would tell those whom an image's name mentions.
fn notes(notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let told = notes.iter().take(NOTES).map(|note| fenced(&shortened(&printable(note), NOTE)));
    let left = notes.len().saturating_sub(NOTES) as u64;
    let left = (left > 0).then(|| format!("{} in JSON", plural(left, "more note", "more notes")));
    let items: String = told.chain(left).map(|note| format!("- {note}\n")).collect();
    format!("\n**Notes**\n\n{items}")
}

/// How many packages rows are about, in words; `None` for no rows. One row may be about the files that no package owns.
fn packages(is_package: impl Iterator<Item = bool>, one: &str, many: &str) -> Option<String> {
    let (packages, nobodys): (Vec<bool>, Vec<bool>) = is_package.partition(|is_package| *is_package);
    let number = plural(packages.len() as u64, one, many);
    match (packages.is_empty(), nobodys.is_empty()) {
        (true, true) => None,
        (false, true) => Some(number),
        (true, false) => Some("files of no package".to_owned()),
        (false, false) => Some(format!("{number}, and files of no package")),
    }
}

#[cfg(test)]
mod tests {
    use super::{cell, code, packages};

    #[test]
    fn what_nobody_owns_is_no_package() {
        let told = |rows: &[bool]| packages(rows.iter().copied(), "package", "packages");
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[true, true]).as_deref(), Some("2 packages"));
        assert_eq!(told(&[true, false]).as_deref(), Some("1 package, and files of no package"));
        assert_eq!(told(&[false]).as_deref(), Some("files of no package"));
    }

    #[test]
    fn names_end_neither_code_nor_cell_nor_line() {
        for (name, shown) in [
            ("/usr/bin/x", "`/usr/bin/x`"),
            ("/a|b", "`/a\\|b`"),
            ("/a`b", "``/a`b``"),
            ("`/a``b`", "``` `/a``b` ```"),
            ("/a\nb", "`/a\\nb`"),
            ("/<b>", "`/<b>`"),
            ("/\u{202e}gnp\u{200b}.exe\u{9b}", "`/\\u{202e}gnp\\u{200b}.exe\\u{9b}`"),
        ] {
            assert_eq!(cell(name), shown);
        }
        assert_eq!(code("/a|b`c"), "``/a|b`c``");
    }
}
