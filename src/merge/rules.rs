//! Who wins where inputs differ.

use std::fmt;
use std::str::FromStr;

use super::Kind;
use crate::owner::{Named, NamedError};
use crate::tar::TarPath;

/// What becomes of a path that several inputs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Choice {
    /// Nothing is written.
    Error,
    /// The later input wins.
    Last,
    /// The earlier input wins.
    First,
}

impl Choice {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Last => "last",
            Self::First => "first",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Error, Self::Last, Self::First].into_iter().find(|choice| choice.name() == name)
    }
}

/// `CHOICE`, or `GLOB=CHOICE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `None`: all paths.
    glob: Option<String>,
    choice: Choice,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("expected error, last or first, or PATH=error, PATH=last or PATH=first, found neither")]
    Choice,
    #[error("{glob}: {reason}")]
    Glob { glob: String, reason: String },
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (glob, choice) = match text.rsplit_once('=') {
            Some((glob, choice)) => (Some(glob.to_owned()), choice),
            None => (None, text),
        };
        let rule = Self { glob, choice: Choice::of_name(choice).ok_or(RuleError::Choice)? };
        rule.line().map_or(Ok(()), |line| parsed(&line).map(drop).map_err(|error| rule.fault(&error)))?;
        Ok(rule)
    }
}

impl Rule {
    fn line(&self) -> Option<String> {
        Some(format!("{} {}\n", self.glob.as_ref()?, self.choice.name()))
    }

    fn fault(&self, error: &NamedError) -> RuleError {
        let reason = match error {
            NamedError::Line { fault, .. } => fault.to_string(),
            NamedError::TooLarge => error.to_string(),
        };
        RuleError::Glob { glob: self.glob.clone().unwrap_or_default(), reason }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.glob.iter().try_for_each(|glob| write!(f, "{glob}="))?;
        f.write_str(self.choice.name())
    }
}

/// A line must not become a comment or several lines.
fn parsed(line: &str) -> Result<Named, NamedError> {
    use crate::owner::LineFault;
    if line.trim_start().starts_with('#') || line.matches('\n').count() != 1 {
        return Err(NamedError::Line { line: 1, fault: LineFault::Text });
    }
    Named::parse(line.as_bytes())
}

/// Of the rules that match a path or a directory above it, the last one counts. Without any, package databases and
/// changes of type are errors, and elsewhere the later input wins.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    default: Option<Choice>,
    named: Named,
    /// The rules with a path, each alone.
    alone: Vec<(Rule, Named)>,
}

impl Rules {
    pub fn new(rules: &[Rule]) -> Result<Self, RuleError> {
        let default = rules.iter().rev().find(|rule| rule.glob.is_none()).map(|rule| rule.choice);
        let lines: String = rules.iter().filter_map(Rule::line).collect();
        let named = Named::parse(lines.as_bytes()).map_err(|error| {
            let of_line = |line: usize| rules.iter().filter(|rule| rule.glob.is_some()).nth(line.saturating_sub(1));
            let rule = if let NamedError::Line { line, .. } = &error { of_line(*line) } else { None };
            rule.or(rules.first()).map_or(RuleError::Choice, |rule| rule.fault(&error))
        })?;
        let alone = rules.iter().filter_map(|rule| Some((rule.clone(), parsed(&rule.line()?).ok()?))).collect();
        Ok(Self { default, named, alone })
    }

    /// Rules whose path nobody has: one that was mistyped would stay unnoticed.
    pub fn unmatched<'a>(&self, paths: impl Iterator<Item = &'a TarPath> + Clone) -> Vec<&Rule> {
        let matches = |named: &Named| paths.clone().any(|path| named.name_of(path).is_some());
        self.alone.iter().filter(|(_, named)| !matches(named)).map(|(rule, _)| rule).collect()
    }

    pub(super) fn choice(&self, path: &TarPath, kind: Kind) -> Choice {
        let named = self.named.name_of(path).and_then(Choice::of_name);
        named.or(self.default).unwrap_or(match kind {
            Kind::Database | Kind::Type => Choice::Error,
            Kind::Accounts | Kind::LinkerCache | Kind::Content | Kind::Metadata => Choice::Last,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Result<Rules, RuleError> {
        let rules: Vec<Rule> = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Rules::new(&rules)
    }

    #[test]
    fn the_last_rule_that_matches_counts() {
        use Choice::{Error, First, Last};
        use Kind::{Content, Database, Type};
        for (texts, path, kind, expected) in [
            (&[][..], "a", Content, Last),
            (&[], "a", Type, Error),
            (&[], "var/lib/dpkg/status", Database, Error),
            (&["first"], "var/lib/dpkg/status", Database, First),
            (&["first", "error"], "a", Content, Error),
            (&["/etc/**=first", "last"], "etc/a/b", Content, First),
            (&["/etc=first", "/etc/x=last"], "etc/x/y", Content, Last),
            (&["/etc/x=last", "/etc=first"], "etc/x/y", Content, First),
            (&["/etc/*.conf=error"], "etc/a.conf", Content, Error),
            (&["/etc/*.conf=error"], "etc/d/a.conf", Content, Last),
            (&["/a=b=first"], "a=b", Content, First),
        ] {
            let path = TarPath::new(path.as_bytes()).unwrap();
            assert_eq!(rules(texts).unwrap().choice(&path, kind), expected, "{texts:?} {path}");
        }
    }

    #[test]
    fn what_is_no_rule_is_told() {
        for (text, says) in [
            ("latest", "expected error, last or first"),
            ("=", "expected error, last or first"),
            ("/etc=", "expected error, last or first"),
            ("=last", "found 1 words"),
            ("/a b=last", "found 3 words"),
            ("#x=last", "expected text"),
            ("/a\n/b=last", "expected text"),
            ("/[a=last", "/[a: expected a path"),
        ] {
            let error = rules(&[text]).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        let twice = rules(&["/a=last", "/a=first"]).unwrap_err().to_string();
        assert!(twice.starts_with("/a: the same path"), "{twice}");
        assert_eq!("/etc/**=first".parse::<Rule>().unwrap().to_string(), "/etc/**=first");
    }
}
