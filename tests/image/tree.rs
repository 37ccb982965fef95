//! Layers in order -> the file system that a container sees.

use std::collections::BTreeMap;

use restrata::tar::{EntryKind, Header};

use super::{Content, Entry, sha256};

/// An entry as some reader saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Without `.` components and slashes at the ends.
    pub path: Vec<u8>,
    /// A symlink's text, or a hard link's target, cleaned as `path`.
    pub link: Vec<u8>,
    pub kind: EntryKind,
    pub meta: Meta,
    pub content: Content,
    /// No entry at all, but a directory that a client makes for what is below.
    pub is_implied: bool,
}

impl Seen {
    /// As docker and podman make it in a directory of that mode.
    fn implied(path: &[u8], above: i64) -> Self {
        let header = Header { mode: 0o755 | above & 0o2000, ..Header::new(path, EntryKind::Dir) };
        Self { is_implied: true, ..Self::from(&Entry { header, content: Content::new(0, 0) }) }
    }

    /// But for the time and names of owners.
    fn looks_like(&self, implied: &Self) -> bool {
        let look = |seen: &Self| {
            let Meta { mode, uid, gid, xattrs, .. } = seen.meta.clone();
            (seen.kind, mode & 0o7777, uid, gid, xattrs)
        };
        look(self) == look(implied)
    }

    /// overlayfs takes it for a whiteout.
    fn is_whiteout_device(&self) -> bool {
        self.kind == EntryKind::Char && self.meta.device == [0, 0]
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub mode: i64,
    pub uid: i64,
    pub gid: i64,
    pub owner: [Vec<u8>; 2],
    /// Nanoseconds from 1970.
    pub mtime: i128,
    pub device: [i64; 2],
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl From<&Entry> for Seen {
    fn from(Entry { header, content }: &Entry) -> Self {
        let kind = header.kind;
        Self {
            path: clean(&header.name),
            link: if kind == EntryKind::HardLink { clean(&header.link) } else { header.link.clone() },
            kind,
            meta: Meta {
                mode: header.mode,
                uid: header.uid,
                gid: header.gid,
                owner: [header.uname.clone(), header.gname.clone()],
                mtime: i128::from(header.mtime.secs) * 1_000_000_000 + i128::from(header.mtime.nanos),
                device: [header.devmajor, header.devminor],
                xattrs: header.xattrs.iter().map(|xattr| (xattr.name.clone(), xattr.value.clone())).collect(),
            },
            content: content.clone(),
            is_implied: false,
        }
    }
}

pub fn clean(name: &[u8]) -> Vec<u8> {
    name.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").collect::<Vec<_>>().join(&b'/')
}

/// Paths and the inodes (indexes into a list that outlives the layer) behind them.
pub type Paths = BTreeMap<Vec<u8>, usize>;

/// One layer while it is unpacked into an empty directory, entry by entry.
#[derive(Default)]
pub struct Unpacking {
    pub paths: Paths,
    pub inodes: Vec<Seen>,
}

impl Unpacking {
    /// False when a component of the path is no directory.
    pub fn has_room_for(&self, path: &[u8]) -> bool {
        ancestors(path).all(|dir| self.paths.get(dir).is_none_or(|at| self.inodes[*at].kind == EntryKind::Dir))
    }

    pub fn add(&mut self, entry: Seen) {
        assert!(self.has_room_for(&entry.path), "{:?} stands below something that is no directory", entry.path);
        for dir in ancestors(&entry.path).filter(|dir| !self.paths.contains_key(*dir)).collect::<Vec<_>>() {
            let above = ancestors(dir).last().and_then(|above| self.paths.get(above));
            let implied = Seen::implied(dir, above.map_or(0, |above| self.inodes[*above].meta.mode));
            self.paths.insert(dir.to_vec(), self.inodes.len());
            self.inodes.push(implied);
        }
        let inode = match entry.kind {
            EntryKind::HardLink => *self.paths.get(&entry.link).unwrap_or_else(|| panic!("{entry:?} links to nothing")),
            _ => self.inodes.len(),
        };
        if entry.kind != EntryKind::Dir {
            remove(&mut self.paths, &entry.path);
        }
        self.paths.insert(entry.path.clone(), inode);
        match entry.kind {
            EntryKind::HardLink => say(&mut self.inodes[inode], entry.meta),
            _ => self.inodes.push(entry),
        }
    }
}

/// A client sets a file's metadata again for each of its links.
fn say(file: &mut Seen, link: Meta) {
    let Meta { mode, uid, gid, owner, mtime, device: _, xattrs } = link;
    if (file.meta.uid, file.meta.gid) != (uid, gid) {
        file.meta.xattrs.remove(b"security.capability".as_slice());
    }
    (file.meta.uid, file.meta.gid, file.meta.owner) = (uid, gid, owner);
    file.meta.xattrs.extend(xattrs);
    if file.kind != EntryKind::Symlink {
        (file.meta.mode, file.meta.mtime) = (mode, mtime);
    }
}

/// What one path of the merged file system is.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: EntryKind,
    pub symlink: Vec<u8>,
    pub meta: Meta,
    pub size: usize,
    pub digest: String,
    /// The first of the paths that share the inode.
    pub first_name: Vec<u8>,
    /// A directory that no entry tells of: its time is the client's.
    pub is_implied: bool,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        let is_timeless = self.is_implied || other.is_implied;
        let bare = |node: &Self| {
            let mut meta = node.meta.clone();
            meta.mtime = if is_timeless { 0 } else { meta.mtime };
            (node.kind, node.symlink.clone(), meta, node.size, node.digest.clone(), node.first_name.clone())
        };
        bare(self) == bare(other)
    }
}

/// The merged file system of layers, and where each part of it comes from.
#[derive(Default)]
pub struct Mounted {
    pub paths: Paths,
    /// Those that nothing shows, too.
    pub inodes: Vec<Seen>,
    /// Of each inode.
    pub layers: Vec<usize>,
}

impl Node {
    /// The root as clients make it where no entry names it. An image that shows nothing else gets a layer with it: podman
    /// mounts no image without layers.
    pub fn is_made_root(&self, path: &[u8]) -> bool {
        let Meta { mode, uid, gid, mtime, xattrs, .. } = &self.meta;
        path.is_empty() && (*mode, *uid, *gid, *mtime) == (0o755, 0, 0, 0) && xattrs.is_empty()
    }
}

/// Bottom first.
pub fn mounted(layers: &[Vec<Seen>]) -> Mounted {
    let mut mounted = Mounted::default();
    for (number, layer) in layers.iter().enumerate() {
        let mut unpacking = Unpacking { paths: Paths::new(), inodes: std::mem::take(&mut mounted.inodes) };
        layer.iter().for_each(|entry| unpacking.add(entry.clone()));
        mount(&mut mounted.paths, &unpacking.paths, &unpacking.inodes);
        mounted.inodes = unpacking.inodes;
        mounted.layers.resize(mounted.inodes.len(), number);
    }
    mounted
}

impl Mounted {
    pub fn nodes(&self) -> BTreeMap<Vec<u8>, Node> {
        let mut first_names = BTreeMap::new();
        for (path, inode) in &self.paths {
            first_names.entry(*inode).or_insert_with(|| path.clone());
        }
        let node = |(path, inode): (&Vec<u8>, &usize)| {
            let Seen { kind, link, meta, content, is_implied, .. } = self.inodes[*inode].clone();
            let (size, digest) = (content.0.len(), sha256(&content.0));
            let first_name = first_names[inode].clone();
            let node = Node { kind, symlink: link, meta, size, digest, first_name, is_implied };
            (path.clone(), node)
        };
        self.paths.iter().map(node).collect()
    }
}

/// The merged file system of layers, bottom first.
pub fn merged(layers: &[Vec<Seen>]) -> BTreeMap<String, Node> {
    let nodes = mounted(layers).nodes().into_iter();
    nodes.map(|(path, node)| (String::from_utf8_lossy(&path).into_owned(), node)).collect()
}

/// The file system that is there when the tree of each image is unpacked over those before it, as `tar -x` does it: what is
/// no directory takes the place of anything, and a directory keeps what is in it. A directory that no entry names says
/// nothing of one that is there.
pub fn extracted(images: &[Vec<Vec<Seen>>]) -> BTreeMap<String, Node> {
    let mut all = Mounted::default();
    for image in images {
        let own = mounted(image);
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        for (path, inode) in own.paths {
            let seen = &own.inodes[inode];
            let was_dir = all.paths.get(&path).is_some_and(|at| all.inodes[*at].kind == EntryKind::Dir);
            if was_dir && seen.is_implied {
                continue;
            }
            if !was_dir || seen.kind != EntryKind::Dir {
                remove(&mut all.paths, &path);
            }
            let number = *numbers.entry(inode).or_insert_with(|| {
                all.inodes.push(seen.clone());
                all.inodes.len() - 1
            });
            all.paths.insert(path, number);
        }
    }
    all.nodes().into_iter().map(|(path, node)| (String::from_utf8_lossy(&path).into_owned(), node)).collect()
}

/// Whiteouts hide what is below their layer, never what is in it.
fn mount(tree: &mut Paths, layer: &Paths, inodes: &[Seen]) {
    let whiteout = |path: &[u8]| {
        let name_at = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        path[name_at..].strip_prefix(b".wh.").map(|name| (path[..name_at].to_vec(), name.to_vec()))
    };
    for (path, inode) in layer {
        let Some((dir, name)) = whiteout(path) else { continue };
        let hidden = [dir.as_slice(), &name].concat();
        let own = layer.get(&hidden).filter(|own| inodes[**own].kind == EntryKind::Dir && !inodes[**own].is_implied);
        match name.as_slice() {
            // overlayfs does not ask whether the root is opaque.
            b".wh..opq" if dir.is_empty() => {}
            // The directory takes the place of the device that podman made of the whiteout.
            _ if own.is_some_and(|own| own > inode) => {}
            b".wh..opq" => tree.retain(|path, _| !path.starts_with(&dir) || path.len() <= dir.len()),
            _ => remove(tree, &hidden),
        }
    }
    let is_device = |inode: usize| inodes[inode].is_whiteout_device();
    layer.iter().filter(|(_, inode)| is_device(**inode)).for_each(|(path, _)| remove(tree, path));
    for (path, inode) in layer.iter().filter(|(path, inode)| whiteout(path).is_none() && !is_device(**inode)) {
        let was_dir = tree.get(path).is_some_and(|at| inodes[*at].kind == EntryKind::Dir);
        // A directory without an entry is one that the client made, and hides how a lower layer has it.
        if inodes[*inode].is_implied && tree.get(path).is_some_and(|at| inodes[*at].looks_like(&inodes[*inode])) {
            continue;
        }
        if inodes[*inode].kind != EntryKind::Dir || !was_dir {
            remove(tree, path);
        }
        tree.insert(path.clone(), *inode);
    }
}

/// A path and everything below it.
fn remove(tree: &mut Paths, path: &[u8]) {
    let below = [path, b"/"].concat();
    tree.retain(|other, _| other != path && !other.starts_with(&below));
}

fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at])
}
