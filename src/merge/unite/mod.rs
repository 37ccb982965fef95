//! Files that hold what all inputs say: package databases, and users and groups. What can't be true of one system at once
//! is a clash, and nothing is written then.

mod accounts;
mod packages;
mod scripts;

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::limits;
use crate::owner::{System, package_database};
use crate::tar::TarPath;
use crate::units::count;

/// What the user wants united.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unite {
    dpkg: bool,
    apk: bool,
    accounts: bool,
}

/// One kind of files that can be united.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Dpkg,
    Apk,
    Passwd,
}

impl FromStr for Unit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dpkg" => Ok(Self::Dpkg),
            "apk" => Ok(Self::Apk),
            "passwd" => Ok(Self::Passwd),
            "rpm" => Err("an rpm database can't be united: expected dpkg, apk or passwd"),
            _ => Err("expected dpkg, apk or passwd"),
        }
    }
}

impl FromIterator<Unit> for Unite {
    fn from_iter<I: IntoIterator<Item = Unit>>(units: I) -> Self {
        let mut unite = Self::default();
        for unit in units {
            match unit {
                Unit::Dpkg => unite.dpkg = true,
                Unit::Apk => unite.apk = true,
                Unit::Passwd => unite.accounts = true,
            }
        }
        unite
    }
}

/// How a file is united.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Paragraphs, one for each package.
    Packages(packages::Fields),
    /// Records of so many lines, each of which all inputs may have.
    Lines(usize),
    /// A line for each package that somebody asked for.
    World,
    /// A tar with the packages' scripts.
    Scripts,
    Accounts(accounts::Table),
}

impl Unite {
    /// True for a file that is to be united.
    pub fn takes(self, path: &TarPath) -> bool {
        self.form(path).is_some()
    }

    /// `None` for a file that stays as one input has it.
    pub(super) fn form(self, path: &TarPath) -> Option<Form> {
        let table = accounts::Table::of(path.as_bytes());
        if let Some(table) = table {
            return self.accounts.then_some(Form::Accounts(table));
        }
        match package_database(path)? {
            (System::Dpkg, rest) if self.dpkg => dpkg(rest),
            (System::Apk, rest) if self.apk => apk(rest),
            _ => None,
        }
    }
}

fn dpkg(rest: &[u8]) -> Option<Form> {
    match rest {
        b"status" => Some(Form::Packages(packages::DPKG)),
        b"diversions" => Some(Form::Lines(3)),
        b"statoverride" | b"triggers/File" | b"triggers/Unincorp" => Some(Form::Lines(1)),
        _ if rest.starts_with(b"status.d/") && !rest.ends_with(b".md5sums") => Some(Form::Packages(packages::DPKG)),
        _ => None,
    }
}

fn apk(rest: &[u8]) -> Option<Form> {
    match rest {
        b"installed" => Some(Form::Packages(packages::APK)),
        b"world" => Some(Form::World),
        b"triggers" => Some(Form::Lines(1)),
        b"scripts.tar" => Some(Form::Scripts),
        _ => None,
    }
}

/// Two inputs that can't both be right, by their numbers, and what would break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    pub earlier: usize,
    pub later: usize,
    /// Says "the first one", "the second one" of the inputs.
    pub what: String,
}

/// Of records that need more memory than any real system's.
fn too_many(version: &Version<'_>) -> Vec<Clash> {
    let what = format!("expected at most {} records in all, found more", count(limits::PACKAGES as u64));
    vec![Clash { earlier: version.input, later: version.input, what }]
}

/// A file as one input has it.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The number of the input.
    pub input: usize,
    pub content: &'a [u8],
}

/// What all of them say.
pub fn united(path: &TarPath, unite: Unite, versions: &[Version<'_>]) -> Result<Vec<u8>, Vec<Clash>> {
    match unite.form(path) {
        Some(Form::Packages(fields)) => packages::united(fields, versions),
        Some(Form::Lines(record)) => lines(versions, record),
        Some(Form::World) => packages::world(versions),
        Some(Form::Scripts) => scripts::united(versions),
        Some(Form::Accounts(table)) => accounts::united(table, versions),
        None => Ok(versions.last().map_or_else(Vec::new, |last| last.content.to_vec())),
    }
}

/// Each record once.
fn lines(versions: &[Version<'_>], record: usize) -> Result<Vec<u8>, Vec<Clash>> {
    let mut seen: HashSet<Vec<&[u8]>> = HashSet::new();
    let mut out = Vec::new();
    for version in versions {
        let mut all = version.content.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        loop {
            let record: Vec<&[u8]> = all.by_ref().take(record).collect();
            if record.is_empty() {
                break;
            }
            if seen.contains(&record) {
                continue;
            }
            record.iter().for_each(|line| out.extend_from_slice(&[line, &b"\n"[..]].concat()));
            seen.insert(record);
            if seen.len() > limits::PACKAGES {
                return Err(too_many(version));
            }
        }
    }
    Ok(out)
}

/// What a file says, for people. It is shown on one line.
struct Text<'a>(&'a [u8]);

/// Bytes of a name that are shown.
const SHOWN: usize = 64;

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0[..self.0.len().min(SHOWN)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_once() {
        let of = |input, content: &'static str| Version { input, content: content.as_bytes() };
        let lines = |versions: &[Version<'_>], record| lines(versions, record).unwrap();
        assert_eq!(lines(&[of(0, "a\nb\n"), of(1, "b\nc")], 1), b"a\nb\nc\n");
        assert_eq!(lines(&[of(0, "/a\n/b\np\n"), of(1, "/a\n/b\nq\n/a\n/b\np\n")], 3), b"/a\n/b\np\n/a\n/b\nq\n");
    }

    /// A few megabytes must not take gigabytes of memory, nor minutes.
    #[test]
    fn what_no_system_has_is_refused() {
        let all = |line: &dyn Fn(usize) -> String| (0..=limits::PACKAGES).map(line).collect::<String>();
        for (path, unit, content) in [
            ("var/lib/dpkg/status", Unit::Dpkg, all(&|n| format!("Package: {n}\n\n"))),
            ("var/lib/dpkg/statoverride", Unit::Dpkg, all(&|n| format!("{n}\n"))),
            ("lib/apk/db/world", Unit::Apk, all(&|n| format!("{n}\n"))),
            ("etc/shadow", Unit::Passwd, all(&|n| format!("{n}:\n"))),
        ] {
            let versions = [Version { input: 0, content: b"" }, Version { input: 1, content: content.as_bytes() }];
            let path = TarPath::new(path.as_bytes()).unwrap();
            let clashes = united(&path, [unit].into_iter().collect(), &versions).unwrap_err();
            assert_eq!(clashes[0].what, "expected at most 131,072 records in all, found more", "{path}");
        }
        let ids =
            |shift: usize| (0..limits::PACKAGES / 2).map(|n| format!("{n}:x:{}:\n", n + shift)).collect::<String>();
        let (old, new) = (ids(0), ids(1));
        let versions = [Version { input: 0, content: old.as_bytes() }, Version { input: 1, content: new.as_bytes() }];
        let path = TarPath::new(b"etc/group").unwrap();
        let clashes = united(&path, [Unit::Passwd].into_iter().collect(), &versions).unwrap_err();
        assert_eq!(clashes.len(), limits::CLASHES);
    }

    #[test]
    fn what_is_united_is_known_by_its_path() {
        let form = |units: &[Unit], path: &str| {
            let unite: Unite = units.iter().copied().collect();
            unite.form(&TarPath::new(path.as_bytes()).unwrap())
        };
        use Unit::{Apk, Dpkg, Passwd};
        assert_eq!(form(&[Dpkg], "var/lib/dpkg/status"), Some(Form::Packages(packages::DPKG)));
        assert_eq!(form(&[Dpkg], "var/lib/dpkg/status.d/libc6"), Some(Form::Packages(packages::DPKG)));
        assert_eq!(form(&[Dpkg], "var/lib/dpkg/status.d/libc6.md5sums"), None);
        assert_eq!(form(&[Dpkg], "var/lib/dpkg/status-old"), None);
        assert_eq!(form(&[Dpkg], "var/lib/dpkg/diversions"), Some(Form::Lines(3)));
        assert_eq!(form(&[Apk, Passwd], "var/lib/dpkg/status"), None);
        assert_eq!(form(&[Apk], "lib/apk/db/installed"), Some(Form::Packages(packages::APK)));
        assert_eq!(form(&[Passwd], "etc/group"), Some(Form::Accounts(accounts::Table::Group)));
        assert_eq!(form(&[Dpkg], "etc/group"), None);
        assert!("rpm".parse::<Unit>().unwrap_err().contains("can't be united"));
    }
}
