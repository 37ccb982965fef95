//! Names of images, packages and files: whatever they are, they stay in their place.

use unicode_width::UnicodeWidthChar as _;

use crate::tar::TarPath;

/// Text from an image with what can't be seen written out, as `\\u{202e}`: a file's name can neither drive the terminal nor hide,
/// turn around or break the text beside it.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\r' | '\n' => out.extend(c.escape_default()),
            c if is_unseen(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Unicode's Cc, Cf, Zl and Zp, and what else is shown as nothing (Default_Ignorable_Code_Point).
pub(super) const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Columns that a terminal takes for a text, or a few more.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// At least one: a name of marks that are drawn over each other must not be endless.
fn width(c: char) -> usize {
    c.width().unwrap_or(1).max(1)
}

/// At most so many columns. A name that is too long loses its middle: it starts with what it is, and ends with what tells it
/// from others.
pub(super) fn shortened(name: &str, most: usize) -> String {
    if columns(name) <= most {
        return name.to_owned();
    }
    let room = most.saturating_sub(1);
    let head = fitting(name.chars(), room / 3);
    let tail = fitting(name.chars().rev(), room - columns(&head));
    format!("{head}\u{2026}{}", tail.chars().rev().collect::<String>())
}

/// At most so many columns, of a name of which the end alone counts.
pub(super) fn end_of(name: &str, most: usize) -> String {
    if columns(name) <= most {
        return name.to_owned();
    }
    let tail = fitting(name.chars().rev(), most.saturating_sub(1));
    format!("\u{2026}{}", tail.chars().rev().collect::<String>())
}

/// The first of the characters, as many as so many columns hold.
fn fitting(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = Some(columns);
    chars
        .take_while(|&c| {
            left = left.and_then(|left| left.checked_sub(width(c)));
            left.is_some()
        })
        .collect()
}

/// How reports call files that no package owns.
pub(super) const NO_PACKAGE: &str = "no package";

/// The same, where all of them are below one directory.
pub(super) fn no_package(dir: &TarPath) -> String {
    match dir.is_root() {
        true => NO_PACKAGE.to_owned(),
        false => format!("{NO_PACKAGE}: {dir}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(printable("/a b/é\u{1b}[2J\n\t"), "/a b/é\\u{1b}[2J\\n\\t");
        assert_eq!(printable("a\u{202e}gnp.exe\u{2069}\u{200b}日"), "a\\u{202e}gnp.exe\\u{2069}\\u{200b}日");
        for c in
            "\0\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{180e}\u{200f}\u{2028}\u{2029}\u{2060}\u{2066}\u{feff}\u{fff9}\u{e0041}"
                .chars()
        {
            assert_eq!(printable(&c.to_string()), c.escape_unicode().to_string());
        }
        let seen = "/usr/bin/[ 'x\" \\ é ß 語 \u{1f600} \u{fffd}";
        assert_eq!(printable(seen), seen);
    }

    #[test]
    fn long_names_lose_their_middle() {
        for (name, most, shown) in [
            ("/usr/bin/x", 10, "/usr/bin/x"),
            ("/usr/lib/libx.so.1", 10, "/us\u{2026}x.so.1"),
            ("/é/é/é/é/é", 4, "/\u{2026}/é"),
            ("日本語日本語", 12, "日本語日本語"),
            ("日本語日本語", 11, "日\u{2026}語日本語"),
            ("", 0, ""),
            ("x", 0, "\u{2026}"),
        ] {
            assert_eq!(shortened(name, most), shown, "{name} {most}");
            assert!(columns(&shortened(name, most)) <= most.max(1), "{name} {most}");
        }
        assert_eq!((end_of("app:v1.2.3", 7), end_of("v1", 7)), ("\u{2026}v1.2.3".to_owned(), "v1".to_owned()));
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!((columns("aé"), columns("日本"), columns("\u{1f600}"), columns("\u{2026}")), (2, 4, 2, 1));
    }
}
