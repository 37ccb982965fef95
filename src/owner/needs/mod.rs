//! Which owners need which others, as package databases say it: what an image's packages stand on.
//!
//! | file | reads |
//! | --- | --- |
//! | `distributions` | dpkg, apk, alpm |
//! | `rpm` of the room above | rpm |
//! | `python` | `Requires-Dist` |
//! | `npm` | npm's list of what it installed |

mod distributions;
mod npm;
mod python;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::evidence::Evidence;
use super::{Owner, Owners, System, rpm};
use crate::limits;
use crate::tar::TarPath;

/// Owners that need others. An owner never needs itself, and what nothing in the image provides is left out.
#[derive(Debug, Default)]
pub struct Needs {
    names: Vec<(System, Box<str>)>,
    edges: BTreeSet<(u32, u32)>,
}

/// A package, as far as it tells what it needs.
pub(super) struct Package {
    pub owner: (System, Box<str>),
    /// Whose names its name and needs are: a package of dpkg may hold a Python distribution.
    pub space: System,
    pub name: Box<[u8]>,
    pub provides: Vec<Box<[u8]>>,
    /// Of each need the alternatives, best first. A path stands for its owner.
    pub needs: Vec<Vec<Box<[u8]>>>,
}

/// Packages while databases are read.
pub(super) struct Draft {
    packages: Vec<Package>,
    /// So many more names are taken.
    room: usize,
}

impl Package {
    /// `None`: its owner has no name, or one that is too long.
    pub fn new(system: System, owner: &[u8], name: &[u8]) -> Option<Self> {
        let is_name = |name: &[u8]| (1..=limits::PACKAGE_NAME_BYTES).contains(&name.len());
        let owner = is_name(owner).then(|| (system, String::from_utf8_lossy(owner).into()))?;
        Some(Self { owner, space: system, name: name.into(), provides: Vec::new(), needs: Vec::new() })
    }
}

impl Draft {
    pub fn push(&mut self, mut package: Package) {
        if self.packages.len() == limits::PACKAGES {
            return;
        }
        let room = &mut self.room;
        package.provides.retain(|name| has_room(room, name));
        for need in &mut package.needs {
            need.retain(|name| has_room(room, name));
        }
        self.packages.push(package);
    }

    fn finish(self, owners: &Owners) -> Needs {
        let mut numbers: HashMap<&(System, Box<str>), u32> = HashMap::new();
        let mut names: Vec<&(System, Box<str>)> = Vec::new();
        for package in &self.packages {
            numbers.entry(&package.owner).or_insert_with(|| {
                names.push(&package.owner);
                names.len() as u32 - 1
            });
        }
        let mut found: HashMap<(System, &[u8]), u32> = HashMap::new();
        // A package's own name goes before what others provide.
        for package in &self.packages {
            found.entry((package.space, &package.name)).or_insert(numbers[&package.owner]);
        }
        for package in &self.packages {
            for name in &package.provides {
                found.entry((package.space, name)).or_insert(numbers[&package.owner]);
            }
        }
        let by_path = |path: &[u8]| {
            let path = TarPath::new(path).ok()?;
            let Owner { system, name } = owners.owner_of(&path)?;
            numbers.get(&(system, name.into())).copied()
        };
        let mut edges = BTreeSet::new();
        for package in &self.packages {
            let from = numbers[&package.owner];
            let provider = |name: &[u8]| {
                let named = found.get(&(package.space, name)).copied();
                named.or_else(|| by_path(name.strip_prefix(b"/")?))
            };
            for to in package.needs.iter().filter_map(|names| names.iter().find_map(|name| provider(name))) {
                if to != from && edges.len() < limits::DEPENDENCIES {
                    edges.insert((from, to));
                }
            }
        }
        Needs { names: names.into_iter().cloned().collect(), edges }
    }
}

fn has_room(room: &mut usize, name: &[u8]) -> bool {
    let has_room = *room > 0 && (1..=limits::PACKAGE_NAME_BYTES).contains(&name.len());
    *room -= usize::from(has_room);
    has_room
}

impl Needs {
    /// Reads the files that [`super::wanted`] asks for at [`super::Depth::Needs`]. `owners` are those of the same files.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a TarPath, &'a [u8])>, owners: &Owners) -> Self {
        let mut evidence: Vec<Evidence<'_>> = Vec::new();
        evidence.extend(files.into_iter().filter_map(|(path, bytes)| Evidence::new(path, bytes)));
        evidence.sort_by_key(|file| file.path);
        evidence.retain(|file| file.kind.system().is_none_or(|system| owners.homes.contains(system, file.home)));
        let mut draft = Draft { packages: Vec::new(), room: limits::DEPENDENCY_NAMES };
        distributions::dpkg(&evidence, &mut draft);
        distributions::apk(&evidence, &mut draft);
        distributions::alpm(&evidence, &mut draft);
        rpm::needs(&evidence, &mut draft);
        python::read(&evidence, owners, &mut draft);
        npm::read(&evidence, owners, &mut draft);
        draft.finish(owners)
    }

    /// Each owner with another one that it needs, every pair once.
    pub fn pairs(&self) -> impl Iterator<Item = (Owner<'_>, Owner<'_>)> {
        let owner = |number: u32| {
            let (system, name) = &self.names[number as usize];
            Owner { system: *system, name: Cow::Borrowed(name) }
        };
        self.edges.iter().map(move |(from, to)| (owner(*from), owner(*to)))
    }
}
