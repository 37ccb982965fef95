//! Names that drive a terminal, a page or a comment, or that hide beside other text.

use std::path::Path;

use super::harness::{DEST, Dir, NEW, OLD, said};
use super::make::*;

/// ESC, CSI, a line break, a link, a tag, marks that turn text around, and what is shown as nothing.
const NAME: &str = "a\u{1b}[2J\u{9b}2J\n| [x](http://e) `<script>alert(1)</script>\u{202e}gnp\u{2066}\u{200b}\u{feff}";

fn images(dir: &Path) {
    for (place, content) in [("old", &b"1"[..]), ("new", b"22")] {
        image(&dir.join(place), |tar| {
            file(tar, NAME, &content.repeat(5000));
            file(tar, &format!("var/lib/dpkg/info/{}.list", NAME.replace('/', "")), b"/usr/x\0");
        });
    }
}

#[test]
fn names_stay_in_their_place() {
    let dir = Dir::new();
    images(dir.path());
    for format in ["text", "json", "markdown", "html"] {
        for arguments in [
            &["rechunk", NEW, DEST][..],
            &["verify", OLD, NEW],
            &["diff", OLD, NEW],
            &["history", OLD, NEW],
            &["check", NEW],
            &["inspect", NEW],
        ] {
            let arguments = [arguments, &["--format", format]].concat();
            let output = dir.run(&arguments);
            if output.status.code() == Some(64) {
                continue;
            }
            let said = said(&output);
            let raw: Vec<char> = said.chars().filter(|c| *c != '\n' && is_unseen(*c)).collect();
            assert!(raw.is_empty(), "{arguments:?}: {raw:?} in {said}");
            assert!(!said.lines().any(|line| line.starts_with("| [x]")), "{arguments:?}: {said}");
            let report = String::from_utf8(output.stdout).unwrap();
            assert!(format != "html" || !report.contains("<script>alert"), "{arguments:?}: {report}");
            if format == "json" && output.status.code() != Some(1) {
                serde_json::from_str::<serde_json::Value>(&report).unwrap();
            }
        }
    }
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
