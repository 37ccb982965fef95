//! apk's installed database (apk-tools, `apk-v2(5)`): one field a line, a blank line between packages.

use super::System;
use super::claims::{Draft, OwnerId};
use super::evidence::{Evidence, Kind};
use super::text::{field, lines};

pub(super) fn read(evidence: &[Evidence<'_>], draft: &mut Draft) {
    for file in evidence.iter().filter(|file| file.kind == Kind::ApkInstalled) {
        read_one(file.bytes, draft);
    }
}

fn read_one(bytes: &[u8], draft: &mut Draft) {
    let mut package = Package::default();
    for line in lines(bytes) {
        if line.is_empty() {
            package = Package::default();
        } else if let Some(name) = field(line, "P") {
            package.name = name;
        } else if let Some(name) = field(line, "o") {
            package.origin = name;
        } else if let Some(dir) = field(line, "F") {
            package.dir = dir;
            package.claim(b"", draft);
        } else if let Some(name) = field(line, "R") {
            package.claim(name, draft);
        }
    }
}

#[derive(Default)]
struct Package<'a> {
    name: &'a [u8],
    /// The package that this one was built with.
    origin: &'a [u8],
    dir: &'a [u8],
    owner: Option<OwnerId>,
}

impl Package<'_> {
    /// Claims a file in the directory, or the directory itself. Names stand before files.
    fn claim(&mut self, file: &[u8], draft: &mut Draft) {
        let name = if self.origin.is_empty() { self.name } else { self.origin };
        self.owner = self.owner.or_else(|| draft.owner(System::Apk, name));
        if let Some(owner) = self.owner {
            draft.claim_in(owner, self.dir, file);
        }
    }
}
