//! Several entries for one path in a layer: tar allows it, podman refuses it (tar-split's
//! `ErrDuplicatePath`, the TOC's "duplicate entries"). What an extracting client ends up with is what is kept.

use std::collections::{HashMap, HashSet};

use super::View;
use crate::tar::{EntryKind, TarPath};

/// How a live entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// As it came.
    Itself,
    /// A hard link whose target was replaced later in the same layer: it now carries the content, with the
    /// metadata that the replaced entry had. The index is that entry's.
    Heir(usize),
    /// A hard link to the file that another entry (by index) carries now.
    LinkTo(usize),
}

/// An entry that is left when the layer's tar was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Index into the layer's entries.
    pub index: usize,
    pub role: Role,
}

impl Live {
    /// The entry as it will stand in the new layer.
    pub fn as_written<'a>(&self, entries: &[View<'a>]) -> View<'a> {
        let entry = entries[self.index];
        match self.role {
            Role::Itself => entry,
            Role::Heir(inode) => View { path: entry.path, ..entries[inode] },
            Role::LinkTo(holder) => View { target: Some(entries[holder].path), ..entry },
        }
    }
}

/// The live entries, in the order of the input.
pub fn normalise(entries: &[View<'_>]) -> Vec<Live> {
    let mut at: HashMap<&TarPath, usize> = HashMap::with_capacity(entries.len());
    let mut live = vec![true; entries.len()];
    // The entry whose inode each entry is: itself, or what a hard link's target was at that moment.
    let mut inode: Vec<usize> = (0..entries.len()).collect();
    // Directories that something stands in; they need no entries of their own.
    let mut dirs: HashSet<&[u8]> = HashSet::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(&target) = entry.target.and_then(|target| at.get(target)) {
            inode[index] = inode[target];
        }
        if let Some(old) = at.insert(entry.path, index) {
            live[old] = false;
        }
        if entry.kind != EntryKind::Dir && dirs.contains(entry.path.as_bytes()) {
            drop_below(entries, entry.path, index, &mut at, &mut live);
        }
        let mut path = entry.path.as_bytes();
        while let Some(end) = path.iter().rposition(|&b| b == b'/') {
            path = &path[..end];
            if !dirs.insert(path) {
                break;
            }
        }
    }
    let mut holder: HashMap<usize, usize> = HashMap::new();
    let mut kept = Vec::with_capacity(entries.len());
    for index in (0..entries.len()).filter(|&index| live[index]) {
        kept.push(Live { index, role: role(entries, index, inode[index], &live, &at, &mut holder) });
    }
    kept
}

/// A directory gave way to something else: what was in it went with it.
fn drop_below<'a>(
    entries: &[View<'a>],
    dir: &TarPath,
    before: usize,
    at: &mut HashMap<&'a TarPath, usize>,
    live: &mut [bool],
) {
    for (index, entry) in entries[..before].iter().enumerate() {
        if live[index] && entry.path.is_below(dir) {
            live[index] = false;
            at.remove(entry.path);
        }
    }
}

fn role(
    entries: &[View<'_>],
    index: usize,
    inode: usize,
    live: &[bool],
    at: &HashMap<&TarPath, usize>,
    holder: &mut HashMap<usize, usize>,
) -> Role {
    if inode == index {
        return Role::Itself;
    }
    if !live[inode] {
        // The first link that is left inherits; later ones link to it.
        let heir = *holder.entry(inode).or_insert(index);
        return if heir == index { Role::Heir(inode) } else { Role::LinkTo(heir) };
    }
    // Straight to the file: a link between may have been replaced by one that leads back here.
    match entries[index].target.and_then(|target| at.get(target)) {
        Some(&target) if target == inode => Role::Itself,
        _ => Role::LinkTo(inode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(entries: &[(&str, EntryKind, &str)]) -> Vec<(usize, Role)> {
        let path = |name: &str| TarPath::new(name.as_bytes()).unwrap();
        let owned: Vec<_> =
            entries.iter().map(|(p, kind, t)| (path(p), *kind, (!t.is_empty()).then(|| path(t)))).collect();
        let entries: Vec<_> = owned
            .iter()
            .map(|(path, kind, target)| View { path, kind: *kind, target: target.as_ref(), content: None })
            .collect();
        normalise(&entries).into_iter().map(|live| (live.index, live.role)).collect()
    }

    use EntryKind::{Dir, HardLink as Link, Regular as File};
    use Role::{Heir, Itself, LinkTo};

    #[test]
    fn the_last_of_several_wins() {
        assert_eq!(run(&[("a", File, ""), ("./a", File, ""), ("b", File, "")]), [(1, Itself), (2, Itself)]);
        assert_eq!(run(&[("d", Dir, ""), ("d/x", File, ""), ("d", Dir, "")]), [(1, Itself), (2, Itself)]);
    }

    #[test]
    fn a_directory_that_gives_way_takes_its_children() {
        assert_eq!(
            run(&[("d", Dir, ""), ("d/x", File, ""), ("dx", File, ""), ("d", File, "")]),
            [(2, Itself), (3, Itself)]
        );
    }

    #[test]
    fn so_does_a_directory_without_an_entry() {
        assert_eq!(run(&[("d/e/x", File, ""), ("d/y", File, ""), ("d/e", File, "")]), [(1, Itself), (2, Itself)]);
        assert_eq!(run(&[("d/e/x", File, ""), ("d", File, "")]), [(1, Itself)]);
    }

    #[test]
    fn links_inherit_what_was_replaced() {
        let entries = [("a", File, ""), ("b", Link, "a"), ("c", Link, "b"), ("a", File, "")];
        assert_eq!(run(&entries), [(1, Heir(0)), (2, LinkTo(1)), (3, Itself)]);
    }

    #[test]
    fn a_link_follows_its_file_when_the_name_between_is_gone() {
        let entries = [("a", File, ""), ("b", Link, "a"), ("c", Link, "b"), ("b", File, "")];
        assert_eq!(run(&entries), [(0, Itself), (2, LinkTo(0)), (3, Itself)]);
    }

    #[test]
    fn links_that_were_made_again_do_not_go_round_in_a_circle() {
        let entries = [("f", File, ""), ("c", Link, "f"), ("b", Link, "c"), ("c", Link, "b")];
        assert_eq!(run(&entries), [(0, Itself), (2, LinkTo(0)), (3, LinkTo(0))]);
    }

    #[test]
    fn a_link_to_a_lower_layer_stays() {
        assert_eq!(run(&[("b", Link, "elsewhere")]), [(0, Itself)]);
    }
}
