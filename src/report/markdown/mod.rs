//! Markdown as GitHub shows it: for a comment on a pull request, and for release notes.

mod diff;
mod history;

pub use diff::diff;
pub use history::history;

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

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn names_end_neither_code_nor_cell_nor_line() {
        for (name, shown) in [
            ("/usr/bin/x", "`/usr/bin/x`"),
            ("/a|b", "`/a\\|b`"),
            ("/a`b", "``/a`b``"),
            ("`/a``b`", "``` `/a``b` ```"),
            ("/a\nb", "`/a\\nb`"),
            ("/<b>", "`/<b>`"),
        ] {
            assert_eq!(code(name), shown);
        }
    }
}
