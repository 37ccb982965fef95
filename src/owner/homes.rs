//! Where package databases stand.
//!
//! Distributions with an image-based system move them out of `/var`, each to a place of its own, and leave a symbolic link.
//! So a database is known by its form, wherever it is. The places that distributions use go first: a database elsewhere may
//! be that of a root file system inside of this one.

use std::collections::BTreeSet;

use super::System;
use super::evidence::{Evidence, Kind};
use super::text::lines;
use crate::limits;
use crate::tar::TarPath;

/// In these places a database needs not look like one.
const PLACES: [(System, &[u8]); 10] = [
    (System::Dpkg, b"var/lib/dpkg"),
    (System::Dpkg, b"usr/lib/sysimage/dpkg"),
    (System::Dpkg, b"usr/share/dpkg/database"),
    (System::Rpm, b"usr/lib/sysimage/rpm"),
    (System::Rpm, b"usr/share/rpm"),
    (System::Rpm, b"var/lib/rpm"),
    (System::Apk, b"lib/apk/db"),
    (System::Apk, b"usr/lib/apk/db"),
    (System::Alpm, b"var/lib/pacman"),
    (System::Alpm, b"usr/lib/sysimage/lib/pacman"),
];

/// Where pacman's configuration stands.
pub(super) const PACMAN_CONF: &[u8] = b"etc/pacman.conf";

/// The directories of the databases of one image.
#[derive(Debug, Default)]
pub(super) struct Homes {
    /// Beside [`PLACES`].
    others: Vec<(System, Box<[u8]>)>,
}

impl Homes {
    /// Takes databases in other places only for a system that has none in its own ones.
    pub fn find(evidence: &[Evidence<'_>]) -> Self {
        let mut homes = Self::default();
        let confs = evidence.iter().filter(|file| file.kind == Kind::PacmanConf);
        homes.others.extend(confs.filter_map(|conf| Some((System::Alpm, db_path(conf.bytes)?))));
        let databases: BTreeSet<(System, &[u8])> = evidence.iter().filter_map(database).collect();
        for system in [System::Dpkg, System::Rpm, System::Apk, System::Alpm] {
            let of_system = || databases.iter().filter(|(of, _)| *of == system);
            if !of_system().any(|(_, home)| homes.contains(system, home)) {
                let others = of_system().take(limits::OTHER_DATABASES);
                homes.others.extend(others.map(|(_, home)| (system, Box::from(*home))));
            }
        }
        homes
    }

    pub fn contains(&self, system: System, home: &[u8]) -> bool {
        is_place(system, home) || self.others.iter().any(|(of, other)| *of == system && **other == *home)
    }

    /// The system in whose database a path is, and the path's rest. A database right at the root has no path below it.
    pub fn inside<'p>(&self, path: &'p [u8]) -> Option<(System, &'p [u8])> {
        let others = self.others.iter().map(|(system, home)| (*system, &**home));
        let mut homes = PLACES.into_iter().chain(others).filter(|(_, home)| !home.is_empty());
        homes.find_map(|(system, home)| Some((system, path.strip_prefix(home)?.strip_prefix(b"/")?)))
    }
}

/// The system in whose database a path is, and the path's rest, in the places that distributions use.
pub fn package_database(path: &TarPath) -> Option<(System, &[u8])> {
    Homes::default().inside(path.as_bytes())
}

/// True in one of the places that distributions use.
pub(super) fn is_place(system: System, home: &[u8]) -> bool {
    PLACES.contains(&(system, home))
}

/// The home of a file that is no doubt one of a package database.
fn database<'a>(file: &Evidence<'a>) -> Option<(System, &'a [u8])> {
    let system = file.kind.system()?;
    file.has_packages().then_some((system, file.home))
}

/// `DBPath` in the section `[options]`. pacman takes the first one.
fn db_path(conf: &[u8]) -> Option<Box<[u8]>> {
    let mut in_options = false;
    for line in lines(conf).map(<[u8]>::trim_ascii) {
        if line.starts_with(b"[") {
            in_options = line == b"[options]";
        } else if let Some(value) = line.strip_prefix(b"DBPath").filter(|_| in_options)
            && let Some(path) = value.trim_ascii_start().strip_prefix(b"=")
        {
            let parts = path.trim_ascii().split(|&b| b == b'/').filter(|part| !matches!(*part, b"" | b"."));
            return Some(parts.collect::<Vec<_>>().join(&b'/').into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pacman_says_where_its_database_is() {
        for (conf, expected) in [
            (
                "[options]\nDBPath      = /usr/lib/sysimage/lib/pacman/\nDBPath=/b\n",
                Some("usr/lib/sysimage/lib/pacman"),
            ),
            ("[options]\r\n  DBPath=/a/./b//c \r\n", Some("a/b/c")),
            ("[options]\n#DBPath = /a\n[core]\nDBPath = /b\n", None),
            ("[options]\nDBPathology = /a\nDBPath /b\n", None),
        ] {
            assert_eq!(db_path(conf.as_bytes()).as_deref(), expected.map(str::as_bytes), "{conf}");
        }
    }
}
