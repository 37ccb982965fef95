//! Which package owns a path, and which files change with every update whatever their package. Pure: bytes in,
//! values out.
//!
//! [`is_evidence`] picks the package databases from an image, [`Owners::read`] reads them, [`Owners::owner_of`]
//! answers. [`Needs`] tells which owners need which others. Wrong answers cost bytes on the wire, never correctness, so nothing here fails: what can't be read
//! becomes a [`Warning`], and its files have no owner.

mod alpm;
mod apk;
mod by_path;
mod claims;
mod conda;
mod dpkg;
mod evidence;
mod filemap;
pub mod fuzz;
mod gems;
mod heat;
mod hint;
mod homes;
mod listing;
mod named;
mod needs;
mod python;
mod rpm;
mod text;
mod trees;
mod warning;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use evidence::{Depth, Wanted, is_evidence, wanted};
pub use heat::Heat;
pub use hint::{Days, Hint, HintError};
pub use homes::package_database;
pub use named::{LineFault, Named, NamedError};
pub use needs::Needs;
pub use rpm::{BdbError, NdbError, RpmError, SqliteError};
pub use warning::{Problem, Warning};

use crate::tar::TarPath;
use claims::{Claims, Draft};
use evidence::Evidence;
use hint::Hints;
use homes::Homes;
use trees::Trees;

/// Where owners come from, for people who miss them.
pub const LOOKED_FOR: &str = "a database of dpkg, rpm, apk or pacman, nor conda-meta, nor a \
                              Python distribution, nor gems, nor node_modules, nor /nix/store, nor an xattr user.component, nor chunkah's \
                              filemap.json";

/// Who says that files belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum System {
    /// Whoever runs restrata, by a file.
    User,
    /// Whoever made the image, by xattr or in a file.
    Component,
    Nix,
    Dpkg,
    Rpm,
    Apk,
    Alpm,
    Conda,
    Python,
    Gem,
    Npm,
    /// What no package owns of the files of one version.
    Kernel,
}

/// Files that change together. Names have no version in them, so that an owner is the same one after an update.
/// Where packages are built from a common source, the source's name is the owner's: its packages change together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner<'a> {
    pub system: System,
    pub name: Cow<'a, str>,
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = match self.system {
            System::User => "user",
            System::Component => "component",
            System::Nix => "nix",
            System::Dpkg => "dpkg",
            System::Rpm => "rpm",
            System::Apk => "apk",
            System::Alpm => "alpm",
            System::Conda => "conda",
            System::Python => "python",
            System::Gem => "gem",
            System::Npm => "npm",
            System::Kernel => "kernel",
        };
        write!(f, "{system}:{}", self.name)
    }
}

/// The owners of one merged root file system.
#[derive(Debug, Default)]
pub struct Owners {
    /// Of the image's maker.
    mapped: Claims,
    claims: Claims,
    trees: Trees,
    hints: Hints,
    homes: Homes,
    named: Arc<Named>,
}

/// One for all files that are no text, which can be many.
fn unreadable<'a>(evidence: &'a [Evidence<'a>]) -> impl Iterator<Item = Warning> + 'a {
    let warning = |file: &Evidence<'_>, problem| Warning { path: file.path.clone(), problem };
    let garbled = || evidence.iter().filter(|file| file.is_garbled());
    let first = garbled().next().map(|file| warning(file, Problem::NotText { count: garbled().count() }));
    let bare = evidence.iter().filter(|file| !file.is_garbled() && file.lacks_packages());
    first.into_iter().chain(bare.map(move |file| warning(file, Problem::NoPackage)))
}

impl Owners {
    /// Reads the files that [`is_evidence`] asked for, as the merged file system has them; others are ignored, and
    /// their order makes no difference.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a TarPath, &'a [u8])>) -> (Self, Vec<Warning>) {
        let mut warnings = Vec::new();
        let mut evidence: Vec<Evidence<'_>> = Vec::new();
        evidence.extend(files.into_iter().filter_map(|(path, bytes)| Evidence::new(path, bytes)));
        evidence.sort_by_key(|file| file.path);
        let homes = Homes::find(&evidence);
        evidence.retain(|file| file.kind.system().is_none_or(|system| homes.contains(system, file.home)));
        warnings.extend(unreadable(&evidence));
        // The maker's word first, so that there is room for it.
        let (mut map, mut hints) = (Draft::default(), Hints::default());
        for (component, days) in filemap::read(&evidence, &mut map, &mut warnings) {
            hints.changes_every(&component, days);
        }
        let (mapped, room) = map.finish();
        let mut draft = Draft::within(room);
        dpkg::read(&evidence, &mut draft);
        rpm::read(&evidence, &mut draft, &mut warnings);
        apk::read(&evidence, &mut draft);
        alpm::read(&evidence, &mut draft);
        conda::read(&evidence, &mut draft, &mut warnings);
        python::read(&evidence, &mut draft);
        let (claims, room) = draft.finish();
        let (trees, room) = Trees::read(&evidence, &claims, room);
        warnings.extend(room.full.map(|problem| Warning { path: TarPath::root(), problem }));
        (Self { mapped, claims, trees, hints, homes, named: Arc::default() }, warnings)
    }

    /// Takes what an entry's own xattrs say of it, and of everything below it. See [`Hint::parse`].
    pub fn hint(&mut self, path: &TarPath, hint: Hint) {
        self.hints.insert(path, hint);
    }

    /// Takes what the user says. It goes before everything else.
    pub fn name(&mut self, named: &Arc<Named>) {
        self.named = Arc::clone(named);
    }

    /// `None`: nobody's, or a directory that several packages share.
    ///
    /// The user's word goes first, then the maker's. Then the system that replaces a file as a whole: a distribution's package may
    /// hold Python distributions, and those may hold npm packages.
    pub fn owner_of<'a>(&'a self, path: &'a TarPath) -> Option<Owner<'a>> {
        let word = self.named.owner_of(path).or_else(|| self.hints.owner_of(path));
        let word = word.or_else(|| self.mapped.owner_of(path));
        let listed = word.or_else(|| by_path::nix(path)).or_else(|| self.claims.owner_of(path));
        let by_tree = listed.or_else(|| self.trees.owner_of(path));
        by_tree.or_else(|| by_path::npm(path)).or_else(|| by_path::kernel(path))
    }

    /// How often a file's content changes, judged by its path alone.
    pub fn heat(&self, path: &TarPath) -> Heat {
        heat::heat(path, &self.homes)
    }

    /// How often the image's maker says that an owner changes.
    pub fn interval(&self, owner: &Owner<'_>) -> Option<Days> {
        self.hints.interval(owner)
    }
}
