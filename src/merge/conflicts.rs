//! What inputs say differently, and what is told of it: of each kind the number, and the first paths.

use std::collections::{BTreeMap, HashSet};

use super::rules::Choice;
use crate::tar::TarPath;
use crate::units::count;

/// Paths that are kept of each kind, and those that a note names.
const KEPT: usize = 20;
const NAMED: usize = 5;

/// Paths at which inputs differ in the same way, as reports have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub kind: Kind,
    /// What was done about it.
    pub choice: Choice,
    /// All of them.
    pub count: u64,
    /// The first ones.
    pub paths: Vec<DifferentPath>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferentPath {
    pub path: TarPath,
    /// The inputs.
    pub earlier: String,
    pub later: String,
}

/// In what inputs differ at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A package database: one input's packages alone are known in the result.
    Database,
    /// A directory in one input, and something else in another one.
    Type,
    /// Users and groups.
    Accounts,
    /// The list of shared libraries.
    LinkerCache,
    /// Another content, link, device, or kind of file.
    Content,
    /// Mode, owner or xattrs.
    Metadata,
}

impl Kind {
    /// As reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Database => "package-database",
            Self::Type => "type",
            Self::Accounts => "accounts",
            Self::LinkerCache => "linker-cache",
            Self::Content => "content",
            Self::Metadata => "metadata",
        }
    }
}

/// A path, and the inputs that differ there: the earlier and the later one, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Case {
    path: TarPath,
    earlier: u32,
    later: u32,
}

#[derive(Debug, Default)]
struct Group {
    /// A path counts once, however many inputs differ there.
    paths: HashSet<TarPath>,
    /// In the order in which they came up.
    first: Vec<Case>,
}

/// All conflicts of a merge.
#[derive(Debug, Default)]
pub struct Conflicts {
    groups: BTreeMap<(Kind, Choice), Group>,
    /// Paths of a later input that went with a directory that could not stand.
    left_out: Group,
}

impl Conflicts {
    pub(super) fn add(&mut self, kind: Kind, choice: Choice, path: &TarPath, earlier: u32, later: u32) {
        self.groups.entry((kind, choice)).or_default().add(path, earlier, later);
    }

    pub(super) fn leave_out(&mut self, path: &TarPath, earlier: u32, later: u32) {
        self.left_out.add(path, earlier, later);
    }

    /// How many paths are of this kind and were decided so.
    pub fn count(&self, kind: Kind, choice: Choice) -> usize {
        self.groups.get(&(kind, choice)).map_or(0, |group| group.paths.len())
    }

    /// By kind.
    pub fn differences(&self, names: &[String]) -> Vec<Difference> {
        let path = |case: &Case| DifferentPath {
            path: case.path.clone(),
            earlier: name(names, case.earlier).to_owned(),
            later: name(names, case.later).to_owned(),
        };
        let difference = |(&(kind, choice), group): (&(Kind, Choice), &Group)| Difference {
            kind,
            choice,
            count: group.paths.len() as u64,
            paths: group.first.iter().map(path).collect(),
        };
        self.groups.iter().map(difference).collect()
    }

    /// Why nothing is written, if that is so. `names` are those of the inputs.
    pub fn error(&self, names: &[String]) -> Option<String> {
        let refused = self.groups.iter().filter(|((_, choice), _)| *choice == Choice::Error);
        let lines: Vec<String> = refused.map(|((kind, _), group)| refusal(*kind, group, names)).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// For the user, a line for each kind.
    pub fn notes(&self, names: &[String]) -> Vec<String> {
        let decided = self.groups.iter().filter(|((_, choice), _)| *choice != Choice::Error);
        let lines = decided.map(|((kind, choice), group)| note(*kind, *choice, group, names));
        let left_out = (!self.left_out.paths.is_empty()).then(|| {
            let many = plural(self.left_out.paths.len(), "path is", "paths are");
            format!(
                "{many} left out, since something that is no directory stands above: {}",
                self.left_out.named(names)
            )
        });
        lines.chain(left_out).collect()
    }
}

impl Group {
    fn add(&mut self, path: &TarPath, earlier: u32, later: u32) {
        if self.paths.insert(path.clone()) && self.first.len() < KEPT {
            self.first.push(Case { path: path.clone(), earlier, later });
        }
    }

    /// "/a (oci:x, then oci:y), /b (..) and 3 more"
    fn named(&self, names: &[String]) -> String {
        let name = |number| name(names, number);
        let case = |case: &Case| format!("{} ({}, then {})", case.path, name(case.earlier), name(case.later));
        let shown: Vec<String> = self.first.iter().take(NAMED).map(case).collect();
        let more = match self.paths.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {} more", count(more as u64)),
        };
        shown.join(", ") + &more
    }
}

fn name(names: &[String], number: u32) -> &str {
    names.get(number as usize).map_or("?", String::as_str)
}

fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { many })
}

fn refusal(kind: Kind, group: &Group, names: &[String]) -> String {
    let (number, named) = (group.paths.len(), group.named(names));
    let (what, hint) = match kind {
        Kind::Database => (
            plural(number, "package database differs", "package databases differ"),
            "one alone can be seen: unite them (--unite dpkg,apk; rpm has no such way), or take one (--on-conflict PATH=last)",
        ),
        Kind::Type => (
            plural(number, "path is a directory in one input only", "paths are directories in one input only"),
            "take one of them (--on-conflict PATH=last or PATH=first); what is below it then goes with it",
        ),
        Kind::Accounts => (
            plural(number, "file of users and groups differs", "files of users and groups differ"),
            "unite them (--unite passwd), or take one of them (--on-conflict PATH=last)",
        ),
        Kind::LinkerCache | Kind::Content | Kind::Metadata => (
            plural(number, "path differs between inputs", "paths differ between inputs"),
            "take one of them (--on-conflict PATH=last or PATH=first)",
        ),
    };
    format!("{what}: {named}; {hint}")
}

fn note(kind: Kind, choice: Choice, group: &Group, names: &[String]) -> String {
    let (number, named) = (group.paths.len(), group.named(names));
    let taken = if choice == Choice::First { "the earlier one is taken" } else { "the later one is taken" };
    match kind {
        Kind::Database => format!(
            "{}, and {taken}: package managers and scanners will not know the packages of the other: {named}",
            plural(number, "package database differs", "package databases differ")
        ),
        Kind::Type => format!(
            "{}, and {taken} with what is below: {named}",
            plural(number, "path is a directory in one input only", "paths are directories in one input only")
        ),
        Kind::Accounts => format!(
            "{}, and {taken}: users and groups of the other are not in the result (--unite passwd): {named}",
            plural(number, "file of users and groups differs", "files of users and groups differ")
        ),
        Kind::LinkerCache => format!(
            "the list of shared libraries is that of one input: programs may not find libraries of the other until \
             ldconfig runs: {named}"
        ),
        Kind::Content => {
            format!(
                "{}, and {taken}: {named}",
                plural(number, "file has another content", "files have another content")
            )
        }
        Kind::Metadata => format!(
            "{}, and {taken}: {named}",
            plural(number, "path has another mode, owner or xattrs", "paths have another mode, owner or xattrs")
        ),
    }
}
