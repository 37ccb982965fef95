//! `usr/lib/chunkah/filemap.json`: the maker's own word for tools that can't carry xattrs into an image, such as
//! BuildStream. The format is that of coreos/chunkah's pull request 112 (`src/components/filemap.rs`), of which dakota
//! and other images of Project Bluefin have the generator: an object with a key for each component, whose value is
//! `{"interval": "daily"|"weekly"|"monthly", "files": [ABSOLUTE PATH, ...]}`. Directories are not listed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::claims::Draft;
use super::evidence::{Evidence, Kind};
use super::hint::Days;
use super::listing::{self, Package};
use super::{System, Warning};
use crate::limits;

/// Claims the files of all components, and returns the intervals of those that have one. A document that is not to be
/// read to its end claims nothing.
pub(super) fn read<'a>(
    evidence: &'a [Evidence<'a>],
    draft: &mut Draft,
    warnings: &mut Vec<Warning>,
) -> Vec<(Cow<'a, str>, Days)> {
    let Some(file) = evidence.iter().find(|file| file.kind == Kind::Filemap && !file.is_garbled()) else {
        return Vec::new();
    };
    let sound = listing::read(file.bytes, Components { claim: &mut |_, _| {} });
    // What was found goes before all of it is found once more.
    let read = sound.map(drop).and_then(|()| {
        let mut claim = |name: &str, path: &[u8]| {
            if let Some(owner) = draft.owner(System::Component, name.as_bytes()) {
                draft.claim(owner, path);
            }
        };
        listing::read(file.bytes, Components { claim: &mut claim })
    });
    read.unwrap_or_else(|problem| {
        warnings.push(Warning { path: file.path.clone(), problem });
        Vec::new()
    })
}

struct Components<'s> {
    /// With a component's name and a path.
    claim: &'s mut dyn FnMut(&str, &[u8]),
}

impl<'de> DeserializeSeed<'de> for Components<'_> {
    type Value = Vec<(Cow<'de, str>, Days)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Components<'_> {
    type Value = Vec<(Cow<'de, str>, Days)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of components")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut intervals = Vec::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let mut claim = |path: &[u8]| (self.claim)(&name, path);
            let interval = map.next_value_seed(Package { path: &mut claim })?;
            let has_room = intervals.len() < limits::PACKAGES;
            let is_name = name.len() <= limits::PACKAGE_NAME_BYTES;
            intervals.extend(interval.map(|days| (name, days)).filter(|_| has_room && is_name));
        }
        Ok(intervals)
    }
}
