//! npm's list of what it installed: `node_modules/.package-lock.json` (npm's "package-lock.json", "Hidden Lockfiles").

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Draft, Package};
use crate::limits;
use crate::owner::evidence::{Evidence, Kind};
use crate::owner::{Owner, Owners, System};
use crate::tar::TarPath;

#[derive(Deserialize)]
struct Lock<'a> {
    /// By their directories below that of the application.
    #[serde(borrow)]
    packages: BTreeMap<Cow<'a, str>, Locked<'a>>,
}

#[derive(Deserialize)]
struct Locked<'a> {
    #[serde(borrow, default)]
    dependencies: BTreeMap<Cow<'a, str>, IgnoredAny>,
}

/// A list that can't be read tells nothing.
pub(super) fn read(evidence: &[Evidence<'_>], owners: &Owners, draft: &mut Draft) {
    for file in evidence.iter().filter(|file| file.bytes.len() <= limits::NPM_LOCK_BYTES) {
        let Kind::NpmLock { home } = file.kind else { continue };
        let Ok(lock) = serde_json::from_slice::<Lock<'_>>(file.bytes) else { continue };
        for (dir, locked) in &lock.packages {
            let path = [home, dir.as_bytes()].concat();
            let Ok(manifest) = TarPath::new(&[&path, &b"/package.json"[..]].concat()) else { continue };
            let Some(Owner { system, name }) = owners.owner_of(&manifest) else { continue };
            let Some(mut package) = Package::new(system, name.as_bytes(), &path) else { continue };
            package.space = System::Npm;
            for need in locked.dependencies.keys() {
                package.needs.push(places(home, dir, need).collect());
            }
            draft.push(package);
        }
    }
}

/// Where Node.js looks for what a package needs, the nearest place first.
fn places(home: &[u8], dir: &str, need: &str) -> impl Iterator<Item = Box<[u8]>> {
    let above = dir.match_indices("/node_modules/").map(|(at, _)| &dir[..at]).collect::<Vec<_>>();
    let dirs = [Some(dir)].into_iter().chain(above.into_iter().rev().map(Some)).chain([None]);
    dirs.map(move |dir| {
        let dir = dir.map_or(String::new(), |dir| format!("{dir}/"));
        Box::from([home, dir.as_bytes(), b"node_modules/", need.as_bytes()].concat())
    })
}
