//! Markdown as GitHub shows it: for a comment on a pull request, and for release notes.

mod diff;
mod history;

pub use diff::diff;
pub use history::history;

use super::plural;

/// Text from an image as code in a cell of a table: whatever it is, it ends neither the code nor the cell nor the line.
///
/// A run of backticks ends code that was begun by as many, and blanks at both ends are not shown (CommonMark 0.31, 6.1).
/// A bar ends a cell also inside of code, unless a backslash stands before it (GitHub Flavored Markdown, 4.10).
fn code(text: &str) -> String {
    let text = super::printable(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let blank = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty() { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// What else is to be known. As code: in text, GitHub would tell those whom an image's name mentions.
fn notes(notes: &[String]) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let items: String = notes.iter().map(|note| format!("- {}\n", code(note))).collect();
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
    use super::{code, packages};

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
            assert_eq!(code(name), shown);
        }
    }
}
