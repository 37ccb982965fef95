//! Text from an image is untrusted, and a page is a program.

use std::fmt::{self, Write as _};

use crate::report::names::printable;

/// Shown as it is, in text and in quoted attributes: nothing in it is markup, and what could hide or turn around the text beside it
/// can be seen.
pub(super) struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in printable(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::TarPath;

    #[test]
    fn nothing_is_markup() {
        let text = Text("<script>alert('x' + \"y\")</script> & co").to_string();
        assert_eq!(text, "&lt;script&gt;alert(&#39;x&#39; + &quot;y&quot;)&lt;/script&gt; &amp; co");
    }

    #[test]
    fn what_can_not_be_seen_is_written_out() {
        let text = Text("a\n\u{1b}[2J\u{202e}gnp.exe\u{2069}\u{feff}é").to_string();
        assert_eq!(text, "a\\n\\u{1b}[2J\\u{202e}gnp.exe\\u{2069}\\u{feff}é");
    }

    #[test]
    fn names_that_are_not_utf_8_are_text() {
        let path = TarPath::new(b"a\xff<b>").unwrap().to_string();
        assert_eq!(Text(&path).to_string(), "/a\u{fffd}&lt;b&gt;");
    }
}
