//! Paths that package databases list.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use super::{Owner, Problem, System, dpkg, python};
use crate::limits;
use crate::tar::TarPath;

/// Index into the owners' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnerId(u32);

/// A path is kept as its hash, so that a million of them take 16 MB. Two paths of one image share a hash once in
/// 30 million images of a million paths; one file then has the wrong owner, which costs its bytes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PathHash(u64);

impl PathHash {
    fn of(path: &[u8]) -> Self {
        // Without random keys: the same image has the same owners in every run.
        let mut hasher = DefaultHasher::new();
        hasher.write(path);
        Self(hasher.finish())
    }

    /// Those of the directories above a path, the outermost first. Each byte is hashed once.
    fn of_dirs(path: &[u8]) -> impl Iterator<Item = Self> {
        let (mut hasher, mut done) = (DefaultHasher::new(), 0);
        let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(end, _)| end);
        ends.map(move |end| {
            hasher.write(&path[done..end]);
            done = end;
            Self(hasher.finish())
        })
    }
}

/// How much more all drafts together may take.
#[derive(Debug)]
pub(super) struct Room {
    packages: usize,
    paths: usize,
    /// What there was no room for first.
    pub full: Option<Problem>,
}

impl Default for Room {
    fn default() -> Self {
        Self { packages: limits::PACKAGES, paths: limits::LISTED_PATHS, full: None }
    }
}

/// Claims while databases are read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    names: Vec<(System, Box<str>)>,
    ids: HashMap<(System, Box<str>), OwnerId>,
    claims: Vec<(PathHash, OwnerId)>,
    room: Room,
}

impl Draft {
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    /// `None` when there is no name, or one that is none, or no room for more.
    pub fn owner(&mut self, system: System, name: &[u8]) -> Option<OwnerId> {
        if name.is_empty() || name.len() > limits::PACKAGE_NAME_BYTES {
            return None;
        }
        let key = (system, String::from_utf8_lossy(name).into_owned().into_boxed_str());
        if let Some(id) = self.ids.get(&key) {
            return Some(*id);
        }
        if self.room.packages == 0 {
            self.room.full.get_or_insert(Problem::Packages);
            return None;
        }
        self.room.packages -= 1;
        let id = OwnerId(self.names.len() as u32);
        self.names.push(key.clone());
        self.ids.insert(key, id);
        Some(id)
    }

    /// Takes paths as databases write them: with or without a slash or `./` before, or a slash behind.
    pub fn claim(&mut self, owner: OwnerId, path: &[u8]) {
        let path = path.strip_prefix(b".").filter(|rest| rest.starts_with(b"/")).unwrap_or(path);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let is_path = !path.is_empty() && path != b"." && path.len() <= limits::LISTED_PATH_BYTES;
        if is_path && self.has_room() {
            self.room.paths -= 1;
            self.claims.push((PathHash::of(path), owner));
        }
    }

    /// Claims the file `name` in a directory.
    pub fn claim_in(&mut self, owner: OwnerId, dir: &[u8], name: &[u8]) {
        if dir.len() + name.len() < limits::LISTED_PATH_BYTES && self.has_room() {
            self.claim(owner, &[dir, b"/", name].concat());
        }
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.room.paths > 0;
        if !has_room {
            self.room.full.get_or_insert(Problem::Paths);
        }
        has_room
    }

    /// A path with several owners is nobody's, but a distribution's claim beats conda's, and both beat Python's.
    pub fn finish(mut self) -> (Claims, Room) {
        let names = self.names;
        let rank = |owner: OwnerId| match names[owner.0 as usize].0 {
            System::Python => 2,
            System::Conda => 1,
            _ => 0,
        };
        self.claims.sort_unstable_by_key(|&(hash, owner)| (hash, rank(owner), owner));
        self.claims.dedup();
        let same_path = |a: &(PathHash, OwnerId), b: &(PathHash, OwnerId)| a.0 == b.0;
        let mut kept = 0;
        let mut at = 0;
        while at < self.claims.len() {
            let group = self.claims[at..].chunk_by(same_path).next().map_or(1, <[_]>::len);
            let (best, second) = (self.claims[at], self.claims.get(at + 1).filter(|_| group > 1));
            if second.is_none_or(|second| rank(second.1) > rank(best.1)) {
                self.claims[kept] = best;
                kept += 1;
            }
            at += group;
        }
        self.claims.truncate(kept);
        self.claims.shrink_to_fit();
        (Claims { names, claims: self.claims }, self.room)
    }
}

/// One owner for each path, sorted by hash.
#[derive(Debug, Default)]
pub(super) struct Claims {
    names: Vec<(System, Box<str>)>,
    claims: Vec<(PathHash, OwnerId)>,
}

impl Claims {
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    pub fn owner_of(&self, path: &TarPath) -> Option<Owner<'_>> {
        let path = path.as_bytes();
        let listed = |path: &[u8]| self.anywhere(path);
        listed(path).or_else(|| listed(&python::source_of(path)?)).or_else(|| listed(&dpkg::list_beside(path)?))
    }

    /// Databases list the paths of their packages, whether or not the image's `/usr` is merged.
    fn anywhere(&self, path: &[u8]) -> Option<Owner<'_>> {
        self.exactly(path).or_else(|| twins(path).iter().find_map(|twin| self.exactly(twin)))
    }

    pub fn exactly(&self, path: &[u8]) -> Option<Owner<'_>> {
        self.of_hash(PathHash::of(path))
    }

    /// The innermost directory above a path that has an owner.
    pub fn around(&self, path: &[u8]) -> Option<Owner<'_>> {
        PathHash::of_dirs(path).filter_map(|hash| self.of_hash(hash)).last()
    }

    fn of_hash(&self, hash: PathHash) -> Option<Owner<'_>> {
        let at = self.claims.binary_search_by_key(&hash, |claim| claim.0).ok()?;
        let (system, name) = &self.names[self.claims[at].1.0 as usize];
        Some(Owner { system: *system, name: name.as_ref().into() })
    }
}

/// Directories at the top that are links into `usr` when it is merged.
const MERGED: [&[u8]; 6] = [b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32"];

/// What else a file may be called in a package's list: `/bin/x` for `/usr/bin/x` and the reverse. Fedora made
/// `sbin` a link to `bin` as well.
fn twins(path: &[u8]) -> Vec<Vec<u8>> {
    let (in_usr, short) = path.strip_prefix(b"usr/").map_or((false, path), |short| (true, short));
    let top = short.iter().position(|&b| b == b'/').map_or(&b""[..], |end| &short[..end]);
    if !MERGED.contains(&top) {
        return Vec::new();
    }
    let mut twins = vec![if in_usr { short.to_vec() } else { [b"usr/", short].concat() }];
    if top == b"bin" {
        twins.extend([&b"usr/s"[..], b"s"].map(|prefix| [prefix, short].concat()));
    }
    twins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_above_a_path_are_hashed_in_one_pass() {
        let found: Vec<PathHash> = PathHash::of_dirs(b"usr/lib/x\xff//a/f").collect();
        let dirs = [&b"usr"[..], b"usr/lib", b"usr/lib/x\xff", b"usr/lib/x\xff/", b"usr/lib/x\xff//a"];
        assert_eq!(found, dirs.map(PathHash::of));
        assert_eq!(PathHash::of_dirs(b"f").count(), 0);
    }

    #[test]
    fn the_innermost_directory_counts() {
        let mut draft = Draft::default();
        let [outer, inner] = [&b"outer"[..], b"inner"].map(|name| draft.owner(System::Gem, name).unwrap());
        draft.claim(outer, b"a");
        draft.claim(inner, b"a/b/c");
        let (claims, _) = draft.finish();
        for (path, owner) in
            [("a", "-"), ("a/b/c", "gem:outer"), ("a/b/c/d/e", "gem:inner"), ("a/x", "gem:outer"), ("b/c", "-")]
        {
            let found = claims.around(path.as_bytes()).map_or("-".to_owned(), |owner| owner.to_string());
            assert_eq!(found, owner, "{path}");
        }
    }

    #[test]
    fn drafts_share_their_room() {
        let mut first = Draft::within(Room { packages: 2, paths: 3, full: None });
        let owner = first.owner(System::Gem, b"a").unwrap();
        [b"1", b"2"].iter().for_each(|path| first.claim(owner, *path));
        let (_, room) = first.finish();
        let mut second = Draft::within(room);
        let owner = second.owner(System::Gem, b"b").unwrap();
        assert_eq!((second.owner(System::Gem, b"b"), second.owner(System::Gem, b"c")), (Some(owner), None));
        [b"1", b"2"].iter().for_each(|path| second.claim(owner, *path));
        let (claims, room) = second.finish();
        assert_eq!((claims.claims.len(), room.full), (1, Some(Problem::Packages)));
    }
}
