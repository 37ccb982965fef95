//! Where a client puts each entry of a layer, and whose file a hard link is.
//!
//! Almost every layer says both itself, and [`is_plain`] finds that out at little cost. The others have names that lead
//! through symbolic links of their own, or hard links that say other metadata than their files.
//!
//! podman unpacks a layer into an empty directory that is its root meanwhile (container-libs
//! `storage/pkg/archive/archive.go`, `Unpack`). So links are followed inside the layer, `..` stops at its root, and what a
//! lower layer has is not there. Held against podman 5.4 and 5.8 in `tests/harness/odd-tars.sh`.

mod names;
mod plain;

use names::{Kind, Node, Tree};

use super::Entry;
use crate::tar::{EntryKind, TarPath};

pub use plain::is_plain;

/// Links that Linux follows for one name (`MAXSYMLINKS`).
const LINKS_OF_A_NAME: usize = 40;

/// Bytes of links' texts that are followed for one layer. Real layers need a few thousand.
const TEXT_BYTES: usize = 1 << 24;

/// What [`extract`] finds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// By entry: the one whose file it is. That is the entry itself for all but hard links.
    pub files: Vec<u32>,
    pub moved: Vec<Moved>,
}

/// An entry whose own name, or whose target's, leads through a symbolic link of the same layer.
#[derive(Debug, PartialEq, Eq)]
pub struct Moved {
    pub entry: usize,
    /// Where clients write it.
    pub path: TarPath,
    /// Where clients find the hard link's target.
    pub target: Option<TarPath>,
}

/// Unpacks the layer in mind. `text` tells a symbolic link's text, by its entry.
///
/// Entries at which podman stops stay as they are: `broken_entry` finds them.
pub fn extract<E>(entries: &[Entry], text: impl FnMut(usize) -> Result<Vec<u8>, E>) -> Result<Extracted, E> {
    let mut unpacking = Unpacking::new(text);
    let mut moved = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        moved.extend(unpacking.add(index, entry)?);
    }
    let mut files: Vec<u32> = (0..entries.len() as u32).collect();
    for &(link, file) in &unpacking.linked {
        files[link as usize] = file;
    }
    let open = std::mem::take(&mut unpacking.open);
    for &link in &open {
        let found = entries[link as usize].target.as_ref().map(|target| unpacking.find(target)).transpose()?;
        if let Some((Some(found), _)) = found {
            files[link as usize] = unpacking.tree.file(found).unwrap_or(link);
        }
    }
    if !open.is_empty() {
        settle_chains(&mut files);
    }
    Ok(Extracted { files, moved })
}

/// A link to a link that came before its own target is one to the file of that. Links in a circle are files of their own.
fn settle_chains(files: &mut [u32]) {
    let mut seen_from = vec![u32::MAX; files.len()];
    for start in 0..files.len() {
        let mut chain = Vec::new();
        let mut at = start;
        while files[at] as usize != at && seen_from[at] != start as u32 {
            seen_from[at] = start as u32;
            chain.push(at);
            at = files[at] as usize;
        }
        let is_circle = files[at] as usize != at;
        chain.iter().for_each(|&link| files[link] = if is_circle { link } else { at } as u32);
    }
}

/// A directory that a layer is unpacked into.
struct Unpacking<'a, T> {
    tree: Tree<'a>,
    text: T,
    text_left: usize,
    links_left: usize,
    /// The parent that was looked for last, and the directory that it is.
    last: Option<(&'a [u8], Way)>,
    /// Hard links with the entries whose files they are.
    linked: Vec<(u32, u32)>,
    /// Hard links whose target was not there.
    open: Vec<u32>,
}

/// A directory that was found.
#[derive(Clone, Copy)]
struct Way {
    dir: u32,
    is_through_link: bool,
}

impl<'a, T, E> Unpacking<'a, T>
where
    T: FnMut(usize) -> Result<Vec<u8>, E>,
{
    fn new(text: T) -> Self {
        let (linked, open) = (Vec::new(), Vec::new());
        Self { tree: Tree::new(), text, text_left: TEXT_BYTES, links_left: 0, last: None, linked, open }
    }

    fn add(&mut self, index: usize, entry: &'a Entry) -> Result<Option<Moved>, E> {
        let Some((parent, name)) = split(&entry.path) else { return Ok(None) };
        let Some(way) = self.parent(parent)? else { return Ok(None) };
        let number = index as u32;
        let kind = match entry.kind {
            EntryKind::Dir => Kind::Dir,
            EntryKind::Symlink => Kind::Symlink(number),
            _ => Kind::File(number),
        };
        let mut target = None;
        if self.tree.replace(way.dir, name, kind) {
            self.last = None;
        }
        if let Some(wanted) = &entry.target {
            target = self.link((way.dir, name), number, wanted)?;
        }
        if !way.is_through_link && target.is_none() {
            return Ok(None);
        }
        let path = self.tree.path(way.dir, name);
        Ok(path.map(|path| Moved { entry: index, path, target: target.or_else(|| entry.target.clone()) }))
    }

    /// Makes a hard link of the file that stands there. Returns where its target is, if not where its name says.
    fn link(&mut self, at: (u32, &'a [u8]), number: u32, wanted: &'a TarPath) -> Result<Option<TarPath>, E> {
        let own = self.tree.child(at.0, at.1);
        let (found, is_through_link) = self.find(wanted)?;
        let Some((found, file)) = found.filter(|found| Some(*found) != own).and_then(|n| Some((n, self.tree.file(n)?)))
        else {
            self.open.push(number);
            return Ok(None);
        };
        self.linked.push((number, file));
        if let Some(own) = own {
            self.tree.nodes[own as usize].kind = self.tree.nodes[found as usize].kind;
        }
        let Node { parent, name, .. } = self.tree.nodes[found as usize];
        Ok(if is_through_link { self.tree.path(parent, name) } else { None })
    }

    /// What stands at a path, and whether the way there leads through a symbolic link.
    fn find(&mut self, path: &'a TarPath) -> Result<(Option<u32>, bool), E> {
        let Some((parent, name)) = split(path) else { return Ok((None, false)) };
        let way = self.walk(parent, false)?;
        let found = way.and_then(|way| self.tree.child(way.dir, name));
        Ok((found, way.is_some_and(|way| way.is_through_link)))
    }

    /// `None` where no directory can be.
    fn parent(&mut self, path: &'a [u8]) -> Result<Option<Way>, E> {
        if let Some((last, way)) = self.last
            && last == path
        {
            return Ok(Some(way));
        }
        let way = self.walk(path, true)?;
        self.last = way.map(|way| (path, way));
        Ok(way)
    }

    /// `makes`: what is missing is made, as long as it is in the name itself and not in a link's text.
    fn walk(&mut self, path: &'a [u8], makes: bool) -> Result<Option<Way>, E> {
        self.links_left = LINKS_OF_A_NAME;
        let mut dir = Tree::ROOT;
        for part in path.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
            dir = match self.tree.child(dir, part) {
                None if makes => self.tree.put(dir, part, Kind::Dir),
                None => return Ok(None),
                Some(node) => match self.follow(node)? {
                    Some(dir) => dir,
                    None => return Ok(None),
                },
            };
        }
        Ok(Some(Way { dir, is_through_link: self.links_left < LINKS_OF_A_NAME }))
    }

    /// The directory that a node is or leads to.
    fn follow(&mut self, mut at: u32) -> Result<Option<u32>, E> {
        let mut rest: Vec<Vec<u8>> = Vec::new();
        loop {
            let Node { kind, parent, .. } = self.tree.nodes[at as usize];
            match kind {
                Kind::File(_) => return Ok(None),
                Kind::Symlink(entry) => {
                    let text = (self.text)(entry as usize)?;
                    let parts = text.split(|&b| b == b'/').filter(|part| !matches!(part, [] | [b'.']));
                    if self.links_left == 0 || text.is_empty() || text.len() > self.text_left {
                        return Ok(None);
                    }
                    rest.extend(parts.rev().map(<[u8]>::to_vec));
                    self.text_left -= text.len();
                    self.links_left -= 1;
                    at = if text.first() == Some(&b'/') { Tree::ROOT } else { parent };
                }
                Kind::Dir => {
                    let Some(part) = rest.pop() else { return Ok(Some(at)) };
                    at = match part.as_slice() {
                        b".." => parent,
                        part => match self.tree.child(at, part) {
                            Some(node) => node,
                            None => return Ok(None),
                        },
                    };
                }
            }
        }
    }
}

/// Parent and name; `None` for the root.
fn split(path: &TarPath) -> Option<(&[u8], &[u8])> {
    let dir = parents(path.as_bytes()).next()?;
    Some((dir, path.file_name()))
}

/// Nearest first, up to the root, which is empty.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(path), |path| {
        let end = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
        (!path.is_empty()).then(|| &path[..end])
    })
    .skip(1)
}

#[cfg(test)]
mod tests {
    use super::plain::has_ways_through_links;
    use super::*;
    use crate::order::tree::tests::entry;

    use EntryKind::{Dir, HardLink as Link, Regular as File, Symlink};

    type Spec = (&'static str, EntryKind, &'static str);

    /// A symbolic link's text stands where another entry has its target.
    fn run(specs: &[Spec]) -> (Vec<u32>, Vec<String>) {
        let target = |kind, target| if kind == Link { target } else { "" };
        let entries: Vec<Entry> = specs.iter().map(|&(path, kind, to)| entry(path, kind, target(kind, to))).collect();
        let text = |at: usize| Ok::<_, ()>(specs[at].2.into());
        let Extracted { files, moved } = extract(&entries, text).unwrap();
        let shown = |moved: Moved| match moved.target {
            Some(target) => format!("{} {} -> {target}", moved.entry, moved.path),
            None => format!("{} {}", moved.entry, moved.path),
        };
        assert!(moved.is_empty() || has_ways_through_links(&entries), "not worth a look: {specs:?}");
        (files, moved.into_iter().map(shown).collect())
    }

    fn moved(specs: &[Spec]) -> String {
        run(specs).1.join(", ")
    }

    const LIB: [Spec; 3] = [("usr", Dir, ""), ("usr/lib", Dir, ""), ("lib", Symlink, "usr/lib")];

    fn above_lib(specs: &[Spec]) -> String {
        moved(&[&LIB, specs].concat())
    }

    #[test]
    fn a_link_leads_to_a_directory_of_the_layer() {
        assert_eq!(above_lib(&[("lib/x", File, ""), ("lib/sub/y", File, "")]), "3 /usr/lib/x, 4 /usr/lib/sub/y");
        assert_eq!(above_lib(&[("lib/.wh.x", File, ""), ("lib/d", Dir, "")]), "3 /usr/lib/.wh.x, 4 /usr/lib/d");
        for text in ["/usr/lib", "../../usr/lib", "./usr//lib/.", "usr/lib/../lib"] {
            assert_eq!(moved(&[("usr/lib/z", File, ""), ("lib", Symlink, text), ("lib/x", File, "")]), "2 /usr/lib/x");
        }
        assert_eq!(moved(&[("l", Symlink, "."), ("l/l/l/y", File, "")]), "1 /y");
        assert_eq!(above_lib(&[("b", Symlink, "lib"), ("b/x", File, "")]), "4 /usr/lib/x");
        assert_eq!(
            above_lib(&[("lib/s", Symlink, "../t"), ("usr/t", Dir, ""), ("lib/s/x", File, "")]),
            "3 /usr/lib/s, 5 /usr/t/x"
        );
    }

    #[test]
    fn where_podman_stops_nothing_is_moved() {
        let ways: [&[Spec]; 6] = [
            &[("lib", Symlink, "/etc"), ("lib/x", File, "")],
            &[("usr/f", File, ""), ("lib", Symlink, "usr/lib"), ("lib/a/x", File, "")],
            &[("lib", Symlink, "usr/lib"), ("lib/x", File, ""), ("usr/lib", Dir, "")],
            &[("f", File, ""), ("lib", Symlink, "f"), ("lib/x", File, "")],
            &[("lib", Symlink, "lib"), ("lib/x", File, "")],
            &[("lib", Symlink, ""), ("lib/x", File, "")],
        ];
        for way in ways {
            assert_eq!(moved(way), "", "{way:?}");
        }
    }

    #[test]
    fn a_link_that_was_replaced_leads_nowhere() {
        assert_eq!(above_lib(&[("lib", Dir, ""), ("lib/x", File, "")]), "");
        assert_eq!(above_lib(&[("lib/w", File, ""), ("lib", Dir, ""), ("lib/x", File, "")]), "3 /usr/lib/w");
        assert_eq!(
            above_lib(&[("lib/w", File, ""), ("etc", Dir, ""), ("lib", Symlink, "etc"), ("lib/x", File, "")]),
            "3 /usr/lib/w, 6 /etc/x"
        );
        // What was in a directory goes with it.
        let gone = [("usr", File, ""), ("usr", Dir, ""), ("lib/x", File, "")];
        assert_eq!(above_lib(&gone), "");
    }

    #[test]
    fn the_targets_of_hard_links_are_found_through_links() {
        let links = [("usr/lib/z", File, ""), ("h", Link, "lib/z"), ("lib/g", Link, "usr/lib/z"), ("i", Link, "lib/g")];
        let (files, moved) = run(&[&LIB[..], &links].concat());
        assert_eq!(files, [0, 1, 2, 3, 3, 3, 3]);
        assert_eq!(moved.join(", "), "4 /h -> /usr/lib/z, 5 /usr/lib/g -> /usr/lib/z, 6 /i -> /usr/lib/g");
    }

    #[test]
    fn links_are_the_file_that_was_there_when_they_came() {
        let files = |specs: &[Spec]| run(specs).0;
        assert_eq!(files(&[("f", File, ""), ("a", Link, "f"), ("b", Link, "a"), ("f", File, "")]), [0, 0, 0, 3]);
        assert_eq!(files(&[("f", File, ""), ("a", Link, "f"), ("f", File, ""), ("b", Link, "f")]), [0, 0, 2, 2]);
        assert_eq!(files(&[("s", Symlink, "x"), ("a", Link, "s"), ("b", Link, "a")]), [0, 0, 0]);
        // The target comes later, or never.
        assert_eq!(files(&[("a", Link, "b"), ("b", Link, "f"), ("f", File, ""), ("c", Link, "b")]), [2, 2, 2, 2]);
        assert_eq!(files(&[("a", Link, "b"), ("b", Link, "a"), ("c", Link, "x"), ("d", Link, "d")]), [0, 0, 2, 3]);
        assert_eq!(files(&[("f", File, ""), ("f", Link, "f"), ("d", Dir, ""), ("e", Link, "d")]), [0, 1, 2, 3]);
    }

    /// Each name walks through forty links: with a bound this ends, at a loss for those at the end.
    #[test]
    fn long_ways_are_followed_for_a_while() {
        let text = "./".repeat(2000) + "l";
        let links: Vec<Entry> = (0..30).map(|n| entry(&format!("l{n}"), Symlink, "")).collect();
        let below = (0..2000).flat_map(|n| [entry("d", Dir, ""), entry(&format!("l0/{n}"), File, "")]);
        let entries: Vec<Entry> = links.into_iter().chain([entry("l30", Dir, "")]).chain(below).collect();
        let text = |at: usize| Ok::<_, ()>(format!("{text}{}", at + 1).into_bytes());
        let moved = extract(&entries, text).unwrap().moved.len();
        assert!((100..2000).contains(&moved), "{moved}");
    }
}
