//! Files that hold what all inputs say: package databases, and users and groups. What can't be true of one system at once
//! is a clash, and nothing is written then.

mod accounts;
mod packages;
mod scripts;

use std::fmt;
use std::str::FromStr;

use crate::owner::{System, package_database};
use crate::tar::TarPath;

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
        Some(Form::Lines(record)) => Ok(lines(versions, record)),
        Some(Form::World) => Ok(packages::world(versions)),
        Some(Form::Scripts) => scripts::united(versions),
        Some(Form::Accounts(table)) => accounts::united(table, versions),
        None => Ok(versions.last().map_or_else(Vec::new, |last| last.content.to_vec())),
    }
}

/// Each record once.
fn lines(versions: &[Version<'_>], record: usize) -> Vec<u8> {
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::new();
    for version in versions {
        let all: Vec<&[u8]> = version.content.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
        for record in all.chunks(record).filter(|record| seen.insert(record.to_vec())) {
            record.iter().for_each(|line| out.extend_from_slice(&[line, &b"\n"[..]].concat()));
        }
    }
    out
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
        assert_eq!(lines(&[of(0, "a\nb\n"), of(1, "b\nc")], 1), b"a\nb\nc\n");
        assert_eq!(lines(&[of(0, "/a\n/b\np\n"), of(1, "/a\n/b\nq\n/a\n/b\np\n")], 3), b"/a\n/b\np\n/a\n/b\nq\n");
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
