//! The order inside a layer.
//!
//! Header-only entries first, then content that the previous image does not have, then the rest in the previous
//! order, then hard links. So an update is one range at the front for every client, however many versions
//! behind: a file that changes moves to the front and what did not change keeps its place behind it.

use std::collections::HashMap;

use super::Entry;
use crate::digest::FileDigest;
use crate::tar::{EntryKind, TarPath};

/// Layer and position in it.
type Place = (u32, u32);

/// What the previous image's TOCs say: which content clients have, and where it stood.
#[derive(Debug, Clone, Default)]
pub struct Previous {
    paths: HashMap<TarPath, Place>,
    contents: HashMap<FileDigest, Place>,
}

impl Previous {
    /// Adds the next layer's entries in the order of its tar. Only content that a client can find through
    /// the layer's TOC belongs here.
    pub fn add_layer<'a>(&mut self, layer: u32, entries: impl IntoIterator<Item = (&'a TarPath, Option<FileDigest>)>) {
        for (position, (path, content)) in (0..).zip(entries) {
            let place = (layer, position);
            self.paths.insert(path.clone(), place);
            if let Some(content) = content {
                self.contents.entry(content).or_insert(place);
            }
        }
    }

    /// Do clients of the previous image have this content?
    pub fn has(&self, content: &FileDigest) -> bool {
        self.contents.contains_key(content)
    }

    /// Where known content stood: at the same path if that had a place, else where it was first seen.
    fn place(&self, path: &TarPath, content: &FileDigest) -> Option<Place> {
        let seen = *self.contents.get(content)?;
        Some(self.paths.get(path).copied().unwrap_or(seen))
    }
}

/// The order of a layer's live entries, as indexes into `entries`; and how many of them, behind the header-only
/// ones, are content that `previous` does not have.
pub fn sequence(entries: &[Entry<'_>], previous: &Previous) -> (Vec<usize>, usize) {
    let mut headers = Vec::new();
    let mut fresh = Vec::new();
    let mut known = Vec::new();
    let mut links = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match (entry.kind, entry.content) {
            (EntryKind::HardLink, _) => links.push(index),
            (_, None) => headers.push(index),
            (_, Some((content, _))) => match previous.place(entry.path, &content) {
                None => fresh.push(index),
                Some(place) => known.push((place, index)),
            },
        }
    }
    let by_path = |a: &usize, b: &usize| entries[*a].path.cmp(entries[*b].path);
    // Depth first and byte-sorted: parents come before their children.
    headers.sort_by(by_path);
    fresh.sort_by(by_path);
    known.sort_by(|(a, i), (b, j)| a.cmp(b).then_with(|| by_path(i, j)));
    order_links(entries, &mut links);
    let count = fresh.len();
    let mut order = headers;
    order.append(&mut fresh);
    order.extend(known.into_iter().map(|(_, index)| index));
    order.append(&mut links);
    (order, count)
}

/// A link may point at another link, which must come first.
pub(super) fn order_links(entries: &[Entry<'_>], links: &mut Vec<usize>) {
    let by_path: HashMap<&TarPath, usize> = links.iter().map(|&index| (entries[index].path, index)).collect();
    let depth = |index: usize| {
        let mut depth = 0;
        let mut next = entries[index].target.and_then(|target| by_path.get(target));
        // Bounded, since links of a broken archive may go round in a circle.
        while let Some(&index) = next.filter(|_| depth < links.len()) {
            depth += 1;
            next = entries[index].target.and_then(|target| by_path.get(target));
        }
        depth
    };
    let mut keyed: Vec<_> = links.iter().map(|&index| (depth(index), index)).collect();
    keyed.sort_by(|(a, i), (b, j)| a.cmp(b).then_with(|| entries[*i].path.cmp(entries[*j].path)));
    *links = keyed.into_iter().map(|(_, index)| index).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> TarPath {
        TarPath::new(name.as_bytes()).unwrap()
    }

    fn digest(n: u8) -> FileDigest {
        FileDigest::from_bytes([n; 32])
    }

    fn order(entries: &[(&str, EntryKind, u8, &str)], previous: &Previous) -> (Vec<String>, usize) {
        let owned: Vec<_> =
            entries.iter().map(|(p, k, c, t)| (path(p), *k, *c, (!t.is_empty()).then(|| path(t)))).collect();
        let entries: Vec<_> = owned
            .iter()
            .map(|(path, kind, content, target)| Entry {
                path,
                kind: *kind,
                target: target.as_ref(),
                content: (*content > 0).then(|| (digest(*content), 1)),
            })
            .collect();
        let (order, fresh) = sequence(&entries, previous);
        (order.into_iter().map(|index| entries[index].path.to_string()).collect(), fresh)
    }

    use EntryKind::{Dir, HardLink, Regular, Symlink};

    #[test]
    fn changed_content_moves_to_the_front() {
        let mut previous = Previous::default();
        let (z, a, m) = (path("z"), path("a"), path("m"));
        previous.add_layer(0, [(&z, Some(digest(1))), (&a, Some(digest(2))), (&m, Some(digest(3)))]);
        let new = [
            ("a", Regular, 2, ""),
            ("d", Dir, 0, ""),
            ("m", Regular, 9, ""),
            ("z", Regular, 1, ""),
            ("b", Regular, 8, ""),
        ];
        let (order, fresh) = order(&new, &previous);
        assert_eq!((order.join(" ").as_str(), fresh), ("/d /b /m /z /a", 2));
    }

    #[test]
    fn links_come_last_and_after_their_targets() {
        let new = [
            ("a", HardLink, 0, "b"),
            ("b", HardLink, 0, "f"),
            ("f", Regular, 1, ""),
            ("s", Symlink, 0, ""),
            ("x", HardLink, 0, "y"),
            ("y", HardLink, 0, "x"),
        ];
        let (order, _) = order(&new, &Previous::default());
        assert_eq!(order[..4].join(" "), "/s /f /b /a");
        assert_eq!(order.len(), 6);
    }
}
