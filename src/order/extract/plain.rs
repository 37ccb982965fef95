//! The look that spares almost every layer the rest: does it say itself where its entries stand, and of whose file each
//! hard link is a name?

use foldhash::{HashMap, HashSet};

use super::parents;
use crate::order::{Entry, Traits};
use crate::tar::{EntryKind, TarPath, Time};

/// True when each entry stands where its name says and each hard link says what its file says.
pub fn is_plain(entries: &[Entry]) -> bool {
    !has_ways_through_links(entries) && !has_links_that_disagree(entries)
}

pub(super) fn has_ways_through_links(entries: &[Entry]) -> bool {
    let is_symlink = |entry: &&Entry| entry.kind == EntryKind::Symlink;
    let links: HashSet<&[u8]> = entries.iter().filter(is_symlink).map(|entry| entry.path.as_bytes()).collect();
    let mut known: &[u8] = &[];
    if links.is_empty() {
        return false;
    }
    let leads_through = |path: &TarPath| parents(path.as_bytes()).any(|dir| links.contains(dir));
    entries.iter().any(|entry| {
        // Most entries come behind one of the same directory.
        let dir = parents(entry.path.as_bytes()).next().unwrap_or_default();
        let is_known = std::mem::replace(&mut known, dir) == dir;
        let target = entry.target.as_ref();
        !is_known && leads_through(&entry.path) || target.is_some_and(leads_through)
    })
}

/// All that a hard link can say of its file.
type Look = (Traits, Time);

fn look(entry: &Entry) -> Look {
    (entry.traits, entry.mtime)
}

/// Also true where only the headers can tell: a symbolic link or a device has traits that a hard link to it has not.
fn has_links_that_disagree(entries: &[Entry]) -> bool {
    let links = || entries.iter().filter_map(|entry| Some((entry, entry.target.as_ref()?)));
    let mut looks: HashMap<&TarPath, Option<Look>> = links().map(|(_, target)| (target, None)).collect();
    if looks.is_empty() {
        return false;
    }
    let mut are_alike = true;
    for entry in entries {
        if let Some(known) = looks.get_mut(&entry.path) {
            are_alike &= known.replace(look(entry)).is_none_or(|known| known == look(entry));
        }
    }
    let says_the_same = |(link, target): (&Entry, &TarPath)| {
        let file = looks.get(target).copied().flatten();
        file.is_none_or(|file| file == look(link))
    };
    !are_alike || !links().all(says_the_same)
}

#[cfg(test)]
mod tests {
    use EntryKind::{Dir, HardLink as Link, Regular as File, Symlink};

    use super::*;
    use crate::order::tree::tests::entry;

    type Spec = (&'static str, EntryKind, &'static str);

    #[test]
    fn most_layers_are_plain() {
        let plain =
            |specs: &[Spec]| is_plain(&specs.iter().map(|(path, kind, to)| entry(path, *kind, to)).collect::<Vec<_>>());
        assert!(plain(&[("usr/lib", Dir, ""), ("lib", Symlink, ""), ("usr/x", File, ""), ("y", Link, "usr/x")]));
        assert!(!plain(&[("lib", Symlink, ""), ("lib/a/x", File, "")]));
        assert!(!plain(&[("lib", Symlink, ""), ("usr/x", File, ""), ("y", Link, "lib/x")]));
        let mut entries = [entry("f", File, ""), entry("a", Link, "f"), entry("b", Link, "a")];
        entries[2].mtime.secs = 1;
        assert!(!is_plain(&entries));
    }
}
