//! Owners in the user's own words: lines of `GLOB NAME`.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::{Owner, System};
use crate::limits::{OWNER_GLOBS, OWNERS_FILE_BYTES, PACKAGE_NAME_BYTES};
use crate::tar::TarPath;

/// Which paths the user gives to whom.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Without wildcards: any number of them costs one look-up for each directory of a path.
    paths: HashMap<Box<[u8]>, Given>,
    /// Bytes of the longest of them.
    longest: usize,
    globs: Vec<Glob>,
}

#[derive(Debug, Clone)]
struct Given {
    line: usize,
    name: Box<str>,
}

#[derive(Debug, Clone)]
struct Glob {
    /// All that stands before the first wildcard: most paths are told apart by it.
    start: Box<str>,
    names: Vec<Name>,
    given: Given,
}

/// What a glob says of one name of a path.
#[derive(Debug, Clone)]
enum Name {
    /// Name by name, so that what a wildcard costs is bounded by the length of a name.
    One(glob::Pattern),
    /// `**`: any number of directories, or whatever is below one.
    Any,
}

impl Glob {
    fn new(glob: &str, wildcard: usize, given: Given) -> Result<Self, glob::PatternError> {
        // What a whole path says is wrong is told of the whole path.
        glob::Pattern::new(glob)?;
        let name = |name| if name == "**" { Ok(Name::Any) } else { glob::Pattern::new(name).map(Name::One) };
        let names = glob.split('/').map(name).collect::<Result<_, _>>()?;
        Ok(Self { start: glob[..wildcard].into(), names, given })
    }

    /// The path or a directory above it. Behind a mismatch the last `**` takes one name more: those before it need take no other.
    fn matches(&self, path: &[&str]) -> bool {
        let (mut at, mut nth, mut retry) = (0, 0, None);
        loop {
            let fits = match self.names.get(nth) {
                None => return true,
                Some(Name::Any) => {
                    retry = Some((at, nth));
                    // At the end of a glob it stands for something.
                    nth + 1 < self.names.len() || at < path.len() || nth == 0
                }
                Some(Name::One(pattern)) => {
                    let fits = path.get(at).is_some_and(|name| pattern.matches_with(name, OPTIONS));
                    at += usize::from(fits);
                    fits
                }
            };
            match retry {
                _ if fits => nth += 1,
                Some((taken, any)) if taken < path.len() => {
                    (at, nth, retry) = (taken + 1, any + 1, Some((taken + 1, any)));
                }
                _ => return false,
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamedError {
    #[error("expected at most {OWNERS_FILE_BYTES} bytes, found more")]
    TooLarge,
    #[error("line {line}: {fault}")]
    Line { line: usize, fault: LineFault },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    #[error("expected text in UTF-8 without control characters")]
    Text,
    #[error("expected GLOB NAME, found {found} words; write ? for a blank in a path")]
    Words { found: usize },
    #[error("expected a name of at most {PACKAGE_NAME_BYTES} bytes, found {found}")]
    Name { found: usize },
    #[error("expected a path, in which * and ? stand for what is in one name, and /**/ for any directories: {reason}")]
    Glob { reason: &'static str },
    #[error("the same path as in line {first}")]
    Twice { first: usize },
    #[error("more than {OWNER_GLOBS} lines with wildcards; paths without any are not counted")]
    TooMany,
}

/// A wildcard never stands for a slash.
const OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

impl Named {
    /// Empty lines and lines that start with `#` say nothing.
    pub fn parse(text: &[u8]) -> Result<Self, NamedError> {
        if text.len() > OWNERS_FILE_BYTES {
            return Err(NamedError::TooLarge);
        }
        let mut named = Self::default();
        for (line, text) in (1..).zip(super::text::lines(text)) {
            named.add(line, text).map_err(|fault| NamedError::Line { line, fault })?;
        }
        Ok(named)
    }

    fn add(&mut self, line: usize, text: &[u8]) -> Result<(), LineFault> {
        let text = str::from_utf8(text).map_err(|_| LineFault::Text)?;
        if text.contains(|c: char| c.is_control() && c != '\t') {
            return Err(LineFault::Text);
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if words.first().is_none_or(|word| word.starts_with('#')) {
            return Ok(());
        }
        let [glob, name] = words[..] else { return Err(LineFault::Words { found: words.len() }) };
        if name.len() > PACKAGE_NAME_BYTES {
            return Err(LineFault::Name { found: name.len() });
        }
        let given = Given { line, name: name.into() };
        let glob = glob.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(glob);
        let glob = glob.strip_prefix('/').unwrap_or(glob);
        let glob = glob.strip_suffix('/').unwrap_or(glob);
        let wildcard = glob.find(['*', '?', '[']);
        let Some(wildcard) = wildcard else { return self.add_path(glob, given) };
        if self.globs.len() == OWNER_GLOBS {
            return Err(LineFault::TooMany);
        }
        let glob = Glob::new(glob, wildcard, given).map_err(|error| LineFault::Glob { reason: error.msg })?;
        self.globs.push(glob);
        Ok(())
    }

    fn add_path(&mut self, path: &str, given: Given) -> Result<(), LineFault> {
        let path = TarPath::new(path.as_bytes()).ok().filter(|path| !path.is_root());
        let path = path.ok_or(LineFault::Glob { reason: "found none; ** stands for all paths" })?;
        match self.paths.get(path.as_bytes()) {
            Some(Given { line: first, .. }) => Err(LineFault::Twice { first: *first }),
            None => {
                self.longest = self.longest.max(path.as_bytes().len());
                self.paths.insert(path.as_bytes().into(), given);
                Ok(())
            }
        }
    }

    /// Of the lines that match a path or a directory above it, the last one counts: exceptions stand below the rule.
    pub(super) fn owner_of(&self, path: &TarPath) -> Option<Owner<'_>> {
        if self.paths.is_empty() && self.globs.is_empty() {
            return None;
        }
        let bytes = path.as_bytes();
        let longest = self.longest.min(bytes.len());
        let ends = (1..=longest).filter(|&end| end == bytes.len() || bytes[end] == b'/');
        let paths = ends.filter_map(|end| self.paths.get(&bytes[..end]));
        let mut found = paths.max_by_key(|given| given.line);
        // Names that are no text match by what they look like.
        let text = String::from_utf8_lossy(bytes);
        let mut names: Vec<&str> = Vec::new();
        for glob in self.globs.iter().rev() {
            if found.is_some_and(|found| found.line > glob.given.line) {
                break;
            }
            if !text.starts_with(&*glob.start) {
                continue;
            }
            if names.is_empty() {
                names.extend(text.split('/').filter(|name| !name.is_empty()));
            }
            if glob.matches(&names) {
                found = Some(&glob.given);
                break;
            }
        }
        found.map(|given| Owner { system: System::User, name: given.name.as_ref().into() })
    }

    /// The name that a path is given.
    pub fn name_of(&self, path: &TarPath) -> Option<&str> {
        match self.owner_of(path)?.name {
            Cow::Borrowed(name) => Some(name),
            Cow::Owned(_) => None,
        }
    }

    /// Every name once.
    pub fn names(&self) -> BTreeSet<Owner<'_>> {
        let given = self.paths.values().chain(self.globs.iter().map(|glob| &glob.given));
        given.map(|given| Owner { system: System::User, name: given.name.as_ref().into() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(text: &str, path: &str) -> Option<String> {
        let named = Named::parse(text.as_bytes()).unwrap();
        named.owner_of(&TarPath::new(path.as_bytes()).unwrap()).map(|owner| owner.to_string())
    }

    #[test]
    fn lines_name_paths_and_what_is_below_them() {
        const TEXT: &str = "# of the application\n\n/opt/app\tapp\r\n  ./opt/app/models/*.bin  weights\nsrv/**/*.so  libs\n\
            usr/lib/[ab]?d/ abd\n/opt/app/models/small.bin app\nsrv/x/keep.so x#1\n";
        for (path, expected) in [
            ("opt/app", Some("user:app")),
            ("opt/app/bin/run", Some("user:app")),
            ("opt/application", None),
            ("opt", None),
            ("", None),
            ("opt/app/models/large.bin", Some("user:weights")),
            // A later line beats an earlier one, whether or not it has wildcards.
            ("opt/app/models/small.bin", Some("user:app")),
            ("opt/app/models/deep/large.bin", Some("user:app")),
            ("srv/a.so", Some("user:libs")),
            ("srv/a/b/c.so", Some("user:libs")),
            ("srv/a/b/c.so/below", Some("user:libs")),
            ("srv/x/keep.so", Some("user:x#1")),
            ("usr/lib/abd/x", Some("user:abd")),
            ("usr/lib/cbd/x", None),
        ] {
            assert_eq!(owner(TEXT, path).as_deref(), expected, "{path}");
        }
        assert_eq!(owner("** all\n", "a/b").as_deref(), Some("user:all"));
        assert_eq!(owner("", "a"), None);
        for (glob, path, is_match) in [
            ("a/**", "a", false),
            ("a/**", "a/b", true),
            ("a/**", "a/b/c", true),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/b/b/c/d", true),
            ("a/**/c", "a/b/b/cc", false),
            ("**/b/**/d", "b/a/b/c/c/d", true),
            ("**/b/**/d", "d/b", false),
            ("**/a/b*", "a/a/c/a/bb", true),
            ("*/b", "a/c/b", false),
            ("a*/*c", "ab/c/x", true),
            ("a/[!b]", "a/b", false),
            ("*", "a", true),
        ] {
            assert_eq!(owner(&format!("{glob} x\n"), path).is_some(), is_match, "{glob} {path}");
        }
        let names = Named::parse(TEXT.as_bytes()).unwrap();
        let names: Vec<String> = names.names().iter().map(Owner::to_string).collect();
        assert_eq!(names, ["user:abd", "user:app", "user:libs", "user:weights", "user:x#1"]);
    }

    /// Whoever tries all ways to match does not end.
    #[test]
    fn wildcards_do_not_multiply() {
        let deep = "a/".repeat(1000) + &"a".repeat(255);
        for glob in ["*a".repeat(40) + "b", "**/a/".repeat(40) + "b", "*/".repeat(1000) + &"a*".repeat(60) + "b"] {
            assert_eq!(owner(&format!("{glob} x\n"), &deep), None, "{glob}");
        }
    }

    #[test]
    fn names_that_are_no_text_match_by_their_looks() {
        let named = Named::parse(b"opt/?x odd\n").unwrap();
        let path = TarPath::new(b"opt/\xffx/y").unwrap();
        assert_eq!(named.owner_of(&path).unwrap().to_string(), "user:odd");
    }

    #[test]
    fn faults_have_their_line() {
        let says = |text: &[u8]| Named::parse(text).unwrap_err().to_string();
        assert_eq!(says(b"a b\n\nopt\n"), "line 3: expected GLOB NAME, found 1 words; write ? for a blank in a path");
        assert!(says(b"a b # c\n").starts_with("line 1: expected GLOB NAME, found 4 words"));
        assert_eq!(says(b"a b\n/a/ c\n"), "line 2: the same path as in line 1");
        for root in ["/ all", ". all", "./ all"] {
            assert!(says(root.as_bytes()).contains("found none; ** stands for all paths"), "{root}");
        }
        assert!(says(b"a**b c\n").starts_with("line 1: expected a path, in which * and ?"));
        assert!(says(b"[a c\n").starts_with("line 1: expected a path, in which * and ?"));
        assert!(says(b"a/../b c\n").starts_with("line 1: expected a path"));
        assert!(says(b"a \xff\n").starts_with("line 1: expected text in UTF-8"));
        assert!(says(b"a \x1b[2J\n").starts_with("line 1: expected text in UTF-8"));
        let long = format!("a {}\n", "n".repeat(PACKAGE_NAME_BYTES + 1));
        assert!(says(long.as_bytes()).ends_with("bytes, found 257"));
        let many: String = (0..=OWNER_GLOBS).map(|n| format!("{n}/* n\n")).collect();
        assert!(says(many.as_bytes()).starts_with(&format!("line {}: more than", OWNER_GLOBS + 1)));
        assert!(says(&vec![b'\n'; OWNERS_FILE_BYTES + 1]).starts_with("expected at most"));
    }
}
