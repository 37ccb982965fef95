//! The order inside a layer.
//!
//! Header-only entries first, then content that the previous image does not have, then the rest in the previous
//! order, then hard links. So an update is one range at the front for every client, however many versions
//! behind: a file that changes moves to the front and what did not change keeps its place behind it.

use std::hash::Hash;

use foldhash::HashMap;

use super::{Previous, View};
use crate::digest::FileDigest;
use crate::tar::EntryKind;

/// Content of layers below, with the lowest layer of each.
#[derive(Debug, Clone, Default)]
pub struct Below<'a>(HashMap<&'a FileDigest, u32>);

impl<'a> Below<'a> {
    /// Adds a layer; from the bottom up.
    pub fn add_layer(&mut self, layer: u32, contents: impl IntoIterator<Item = &'a FileDigest>) {
        for content in contents {
            self.0.entry(content).or_insert(layer);
        }
    }

    /// 0 for content that no layer below has; more for a lower layer.
    fn rank(&self, content: &FileDigest) -> u32 {
        self.0.get(content).map_or(0, |layer| u32::MAX - layer)
    }
}

/// The order of a layer's live entries, as indexes into `entries`; and how many of them, behind the header-only
/// ones, are content that `previous` does not have.
///
/// `below` tells of content that a layer below has, too, the lowest one. A client that pulls both finds it there, if
/// that layer was there first; such files stand last in their run, the lowest layers' behind the others', so that
/// what is missing is one range all the same.
pub fn sequence(entries: &[View<'_>], previous: &Previous<'_>, below: &Below<'_>) -> (Vec<usize>, usize) {
    let mut headers = Vec::new();
    let mut fresh = Vec::new();
    let mut known = Vec::new();
    let mut links = Vec::new();
    let home = previous.home(entries);
    for (index, entry) in entries.iter().enumerate() {
        match (entry.kind, entry.content) {
            (EntryKind::HardLink, _) => links.push((entry.path, entry.target, index)),
            (_, None) => headers.push(index),
            (_, Some((content, _))) => match previous.place(entry.path, &content, home) {
                None => fresh.push(index),
                Some(place) => known.push((place, index)),
            },
        }
    }
    let by_path = |a: &usize, b: &usize| entries[*a].path.cmp(entries[*b].path);
    // Depth first and byte-sorted: parents come before their children.
    headers.sort_by(by_path);
    let rank = |index: &usize| entries[*index].content.map_or(0, |(content, _)| below.rank(&content));
    fresh.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| by_path(a, b)));
    known.sort_by(|(a, i), (b, j)| rank(i).cmp(&rank(j)).then_with(|| a.cmp(b)).then_with(|| by_path(i, j)));
    let links = order_links(links);
    let count = fresh.len();
    let mut order = headers;
    order.append(&mut fresh);
    order.extend(known.into_iter().map(|(_, index)| index));
    order.extend(links.into_iter().map(|(.., index)| index));
    (order, count)
}

/// Entries in path order, links directly behind nothing but their targets: the order that composefs and other readers
/// of canonical archives ask for. The first path of a file carries its content, so no link comes before its target.
pub(super) fn canonical(entries: &[View<'_>], previous: &Previous<'_>) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|a, b| entries[*a].path.cmp(entries[*b].path));
    let fresh = entries.iter().filter_map(|entry| entry.content).filter(|(content, _)| !previous.has(content));
    (order, fresh.count())
}

/// Links, each with its path, its target and what goes with it, so that none comes before its target, which may be a
/// link itself. By path as far as that leaves a choice.
pub(super) fn order_links<K: Copy + Ord + Hash, T>(links: Vec<(K, Option<K>, T)>) -> Vec<(K, Option<K>, T)> {
    let by_path: HashMap<K, usize> = links.iter().enumerate().map(|(at, (path, ..))| (*path, at)).collect();
    let next = |at: usize| links[at].1.and_then(|target| by_path.get(&target)).copied();
    // How many links each one leads through; 0 until it is known, so that circles of a broken archive end, too.
    let mut depths = vec![0_usize; links.len()];
    for start in 0..links.len() {
        let mut way = Vec::new();
        let mut at = Some(start);
        while let Some(link) = at.filter(|&link| depths[link] == 0) {
            depths[link] = usize::MAX;
            way.push(link);
            at = next(link);
        }
        let known = at.map_or(0, |link| depths[link]);
        for (above, link) in way.into_iter().rev().enumerate() {
            depths[link] = known.saturating_add(above + 1);
        }
    }
    let mut keyed: Vec<_> = depths.into_iter().zip(links).collect();
    keyed.sort_by_key(|(depth, (path, ..))| (*depth, *path));
    keyed.into_iter().map(|(_, link)| link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Entry;
    use crate::order::{Content, Traits};
    use crate::tar::TarPath;
    use crate::tar::Time;

    fn path(name: &str) -> TarPath {
        TarPath::new(name.as_bytes()).unwrap()
    }

    fn digest(n: u8) -> FileDigest {
        FileDigest::from_bytes([n; 32])
    }

    fn layer(files: &[(&str, u8)]) -> Vec<Entry> {
        let content = |n| Content { digest: digest(n), size: 1, stored: 1, compiled_from: None };
        let entry = |&(name, n): &(&str, u8)| Entry {
            path: path(name),
            kind: Regular,
            target: None,
            content: Some(content(n)),
            traits: Traits::from_digest([0; 32]),
            mtime: Time::default(),
            overlay: crate::order::OverlayMark::None,
            is_setgid: false,
            is_program: false,
        };
        files.iter().map(entry).collect()
    }

    fn order(entries: &[(&str, EntryKind, u8, &str)], previous: &Previous<'_>) -> (Vec<String>, usize) {
        let owned: Vec<_> =
            entries.iter().map(|(p, k, c, t)| (path(p), *k, *c, (!t.is_empty()).then(|| path(t)))).collect();
        let entries: Vec<_> = owned
            .iter()
            .map(|(path, kind, content, target)| View {
                path,
                kind: *kind,
                target: target.as_ref(),
                content: (*content > 0).then(|| (digest(*content), 1)),
            })
            .collect();
        let (order, fresh) = sequence(&entries, previous, &Below::default());
        (order.into_iter().map(|index| entries[index].path.to_string()).collect(), fresh)
    }

    use EntryKind::{Dir, HardLink, Regular, Symlink};

    #[test]
    fn changed_content_moves_to_the_front() {
        let mut previous = Previous::default();
        let old = layer(&[("z", 1), ("a", 2), ("m", 3)]);
        previous.add_layer(0, &old);
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

    /// Images show the same path in several layers all the time, such as package databases.
    #[test]
    fn a_layer_keeps_its_order_when_others_have_its_paths() {
        let mut previous = Previous::default();
        let (lower, upper) = (layer(&[("c", 1), ("a", 2), ("b", 3)]), layer(&[("b", 4), ("a", 2)]));
        previous.add_layer(0, &lower);
        previous.add_layer(1, &upper);
        let below = [("a", Regular, 2, ""), ("b", Regular, 3, ""), ("c", Regular, 1, "")];
        let above = [("a", Regular, 2, ""), ("b", Regular, 4, "")];
        assert_eq!(order(&below, &previous).0.join(" "), "/c /a /b");
        assert_eq!(order(&above, &previous).0.join(" "), "/b /a");
    }

    #[test]
    fn what_lower_layers_have_stands_last() {
        let (a, b, c, d) = (path("a"), path("b"), path("c"), path("d"));
        let view = |path, n| View { path, kind: Regular, target: None, content: Some((digest(n), 1)) };
        let entries = [view(&a, 1), view(&b, 2), view(&c, 3), view(&d, 4)];
        let mut below = Below::default();
        let (one, three) = (digest(1), digest(3));
        below.add_layer(0, [&one]);
        below.add_layer(3, [&one, &three]);
        assert_eq!(sequence(&entries, &Previous::default(), &below).0, [1, 3, 2, 0]);
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
