//! Xattrs that are left out by their names.

use std::fmt;
use std::str::FromStr;

use crate::tar::{Header, Xattr};

/// Names of xattrs, such as `security.selinux` or `user.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XattrGlob(glob::Pattern);

/// Not a pattern for a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of an xattr, in which * stands for any text and ? for any character: {reason}")]
pub struct XattrGlobError {
    reason: String,
}

impl FromStr for XattrGlob {
    type Err = XattrGlobError;

    fn from_str(text: &str) -> Result<Self, XattrGlobError> {
        let failed = |reason: &str| XattrGlobError { reason: reason.to_owned() };
        if text.is_empty() {
            return Err(failed("found nothing"));
        }
        glob::Pattern::new(text).map(Self).map_err(|error| failed(error.msg))
    }
}

impl fmt::Display for XattrGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl XattrGlob {
    /// Names are bytes; those that are no text match by what they look like.
    fn matches(&self, xattr: &Xattr) -> bool {
        self.0.matches(&String::from_utf8_lossy(&xattr.name))
    }
}

/// Leaves out the xattrs that a pattern matches. Returns those patterns, by their numbers.
pub fn drop_xattrs(header: &mut Header, globs: &[XattrGlob]) -> Vec<usize> {
    let has = |glob: &XattrGlob| header.xattrs.iter().any(|xattr| glob.matches(xattr));
    let used: Vec<usize> = (0..).zip(globs).filter(|(_, glob)| has(glob)).map(|(number, _)| number).collect();
    header.xattrs.retain(|xattr| !used.iter().any(|&number| globs[number].matches(xattr)));
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::EntryKind;

    #[test]
    fn names_go_and_others_stay() {
        let left = |globs: &[&str]| {
            let mut header = Header::new("f", EntryKind::Regular);
            let names: [&[u8]; 4] = [b"security.capability", b"security.selinux", b"user.a", b"user.\xff"];
            header.xattrs = names.iter().map(|name| Xattr { name: name.to_vec(), value: Vec::new() }).collect();
            let globs: Vec<XattrGlob> = globs.iter().map(|glob| glob.parse().unwrap()).collect();
            let used = drop_xattrs(&mut header, &globs);
            let names = header.xattrs.iter().map(|xattr| String::from_utf8_lossy(&xattr.name).into_owned());
            (names.collect::<Vec<_>>().join(" "), used)
        };
        assert_eq!(left(&["security.selinux"]).0, "security.capability user.a user.\u{fffd}");
        assert_eq!(left(&["trusted.*", "user.*"]), ("security.capability security.selinux".to_owned(), vec![1]));
        assert_eq!(left(&["user.?", "*.capability"]).0, "security.selinux");
        assert_eq!(left(&["*"]).0, "");
        assert_eq!(left(&["user"]).1, [0; 0]);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let error = |text: &str| text.parse::<XattrGlob>().unwrap_err().to_string();
        assert!(error("").ends_with("found nothing"));
        assert!(error("user.[a").starts_with("expected the name of an xattr"), "{}", error("user.[a"));
    }
}
