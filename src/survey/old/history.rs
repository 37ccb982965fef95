//! How often paths changed over the previous images that were given.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::order::Entry;
use crate::tar::TarPath;

/// Contents of each version's paths, newest first. Paths and contents stand as 64-bit hashes: to take one for another
/// costs bytes of a later update, nothing else.
#[derive(Default)]
pub struct History {
    hasher: RandomState,
    versions: Vec<HashMap<u64, u64>>,
}

impl History {
    /// Nothing yet, for contents that this one hashed.
    pub fn like(&self) -> Self {
        Self { hasher: self.hasher.clone(), versions: Vec::new() }
    }

    /// Starts the next older version.
    pub fn begin(&mut self) {
        self.versions.push(HashMap::new());
    }

    /// What a layer holds, in the form in which it is added.
    pub fn contents(&self, entries: &[Entry]) -> Vec<(u64, u64)> {
        let hashed = |entry: &Entry| {
            entry.content.map(|it| (self.hasher.hash_one(&entry.path), self.hasher.hash_one(it.digest)))
        };
        entries.iter().filter_map(hashed).collect()
    }

    /// Adds a layer of that version, from the bottom up: the highest one is what the image shows.
    pub fn add_layer(&mut self, contents: &[(u64, u64)]) {
        if let Some(version) = self.versions.last_mut() {
            version.extend(contents.iter().copied());
        }
    }

    /// Did the path change in more than half of the updates, the one at hand among them? Fewer than two tell nothing.
    pub fn changes_always(&self, entry: &Entry) -> bool {
        let Some(content) = entry.content.filter(|_| self.versions.len() > 1) else { return false };
        let path = self.hasher.hash_one::<&TarPath>(&entry.path);
        let mut newer = self.hasher.hash_one(content.digest);
        let (mut updates, mut changes) = (0, 0);
        for older in self.versions.iter().map_while(|version| version.get(&path)) {
            updates += 1;
            changes += usize::from(*older != newer);
            newer = *older;
        }
        updates > 1 && changes * 2 > updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::FileDigest;
    use crate::order::{Content, OverlayMark, Traits};
    use crate::tar::{EntryKind, Time};

    fn entry(name: &str, digest: u8) -> Entry {
        let content = Content { digest: FileDigest::from_bytes([digest; 32]), size: 1, stored: 1, compiled_from: None };
        Entry {
            path: TarPath::new(name.as_bytes()).unwrap(),
            kind: EntryKind::Regular,
            target: None,
            content: Some(content),
            traits: Traits::from_digest([0; 32]),
            mtime: Time::default(),
            overlay: OverlayMark::None,
            is_setgid: false,
            is_program: false,
        }
    }

    #[test]
    fn what_changed_in_most_updates_is_hot() {
        let mut history = History::default();
        for version in [[3, 1], [2, 1], [2, 1]] {
            history.begin();
            for layer in [vec![entry("hot", 0), entry("cold", version[1])], vec![entry("hot", version[0])]] {
                history.add_layer(&history.contents(&layer));
            }
        }
        assert!(history.changes_always(&entry("hot", 4)));
        assert!(!history.changes_always(&entry("hot", 3)));
        assert!(!history.changes_always(&entry("cold", 2)));
        assert!(!history.changes_always(&entry("new", 1)));
    }

    #[test]
    fn one_version_tells_nothing() {
        let mut history = History::default();
        history.begin();
        history.add_layer(&history.contents(&[entry("a", 1)]));
        assert!(!history.changes_always(&entry("a", 2)));
    }
}
