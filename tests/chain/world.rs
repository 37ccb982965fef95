//! A file system and its changes from version to version.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use restrata::tar::{EntryKind, Header, Time};

use crate::image::{Content, Entry, sha256};

/// One file, under one or more paths.
#[derive(Debug, Clone)]
pub struct File {
    pub header: Header,
    pub content: Content,
}

/// Paths, and the files behind them by number. Directories that only the names below them tell of are not there.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub paths: BTreeMap<Vec<u8>, usize>,
    pub files: Vec<File>,
}

#[derive(Debug, Clone)]
pub enum Edit {
    /// Whatever stands there or above gives way.
    Put(Vec<u8>, Box<File>),
    Content(Index, Content),
    Mode(Index, i64),
    Mtime(Index, Time),
    Remove(Index),
    Rename(Index, Vec<u8>),
    Link(Index, Vec<u8>),
    /// A path of a file that has several gets a file of its own.
    Unlink(Index),
    /// A directory's own entry goes, not what is in it.
    Imply(Index),
    /// A source and its byte-code, which records the source's time.
    Compile(Vec<u8>, u32),
    /// A rebuild: every file has a new time.
    Touch(Time),
    Clear,
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        30 => select(vec!["a", "b", "c", "d", "a-", "a.b", ".wh"]).prop_map(|name| name.as_bytes().to_vec()),
        1 => select(vec![251, 252, 255]).prop_map(|len| vec![b'n'; len]),
    ]
}

pub fn path() -> impl Strategy<Value = Vec<u8>> {
    let parts = proptest::collection::vec(component(), 1..4).prop_map(|parts| parts.join(&b'/'));
    prop_oneof![60 => parts, 1 => Just(b"a/\xff".to_vec()), 1 => Just(b"\xff".to_vec())]
}

fn time() -> impl Strategy<Value = Time> {
    let nanos = prop_oneof![3 => Just(0), 1 => Just(250_000_000)];
    (1_600_000_000_i64..1_600_000_008, nanos).prop_map(|(secs, nanos)| Time { secs, nanos })
}

/// Few different ones, so that files share content.
fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        1 => Just(Content::new(0, 0)),
        2 => (1_u64..5).prop_map(|seed| Content::new(seed, 700)),
        5 => (any::<u16>(), 1_usize..3000).prop_map(|(seed, len)| Content::new(seed.into(), len)),
    ]
}

fn file() -> impl Strategy<Value = File> {
    use EntryKind::{Block, Char, Dir, Fifo, Regular, Symlink};
    let kind = select(vec![Regular, Regular, Regular, Regular, Regular, Regular, Dir, Dir, Symlink, Char, Block, Fifo]);
    let meta = (select(vec![0o644, 0o755, 0o4755, 0o2755]), select(vec![0, 1000]), select(vec!["", "root"]), time());
    (kind, content(), meta).prop_map(|(kind, content, (mode, uid, uname, mtime))| {
        let mut header = Header { mode, uid, uname: uname.into(), mtime, ..Header::new("", kind) };
        match kind {
            Symlink => header.link = format!("to-{}", content.0.len() % 3).into(),
            Char | Block => header.devminor = content.0.len() as i64 % 3,
            _ => {}
        }
        let content = if kind == Regular { content } else { Content::new(0, 0) };
        File { header, content }
    })
}

pub fn put() -> impl Strategy<Value = Edit> {
    (path(), file()).prop_map(|(path, file)| Edit::Put(path, Box::new(file)))
}

pub fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    prop_oneof![
        50 => put(),
        25 => (index(), content()).prop_map(|(at, content)| Edit::Content(at, content)),
        8 => (index(), select(vec![0o600, 0o711, 0o2775])).prop_map(|(at, mode)| Edit::Mode(at, mode)),
        8 => (index(), time()).prop_map(|(at, time)| Edit::Mtime(at, time)),
        20 => index().prop_map(Edit::Remove),
        12 => (index(), path()).prop_map(|(at, path)| Edit::Rename(at, path)),
        16 => (index(), path()).prop_map(|(at, path)| Edit::Link(at, path)),
        8 => index().prop_map(Edit::Unlink),
        8 => index().prop_map(Edit::Imply),
        6 => (path(), 1_600_000_000_u32..1_600_000_004).prop_map(|(dir, time)| Edit::Compile(dir, time)),
        4 => time().prop_map(Edit::Touch),
        1 => Just(Edit::Clear),
    ]
}

impl World {
    pub fn apply(&mut self, edit: &Edit) {
        let at = |index: &Index| self.paths.keys().nth(index.index(self.paths.len().max(1))).cloned();
        match edit {
            Edit::Put(path, file) => self.put(path, (**file).clone()),
            Edit::Touch(time) => self.files.iter_mut().for_each(|file| file.header.mtime = *time),
            Edit::Clear => self.paths.clear(),
            Edit::Compile(dir, time) => self.compile(dir, *time),
            Edit::Content(index, _) | Edit::Mode(index, _) | Edit::Mtime(index, _) => {
                let Some(path) = at(index) else { return };
                self.change(&path, edit);
            }
            Edit::Remove(index) => drop(at(index).map(|path| self.take(&path))),
            Edit::Rename(index, to) => {
                let Some(from) = at(index).filter(|from| !is_at_or_below(to, from)) else { return };
                let moved = self.take(&from);
                self.make_way(to);
                self.take(to);
                self.paths.extend(moved.into_iter().map(|(path, file)| ([to, &path[from.len()..]].concat(), file)));
            }
            Edit::Link(index, to) => {
                let Some(file) = at(index).map(|path| self.paths[&path]) else { return };
                if self.files[file].header.kind != EntryKind::Dir {
                    self.make_way(to);
                    self.take(to);
                    self.paths.insert(to.clone(), file);
                }
            }
            Edit::Unlink(index) => {
                let Some(path) = at(index) else { return };
                self.files.push(self.files[self.paths[&path]].clone());
                self.paths.insert(path, self.files.len() - 1);
            }
            Edit::Imply(index) => {
                let Some(path) = at(index) else { return };
                if self.files[self.paths[&path]].header.kind == EntryKind::Dir {
                    self.paths.remove(&path);
                }
            }
        }
    }

    fn put(&mut self, path: &[u8], file: File) {
        self.make_way(path);
        if file.header.kind != EntryKind::Dir {
            self.take(path);
        }
        self.files.push(file);
        self.paths.insert(path.to_vec(), self.files.len() - 1);
    }

    fn change(&mut self, path: &[u8], edit: &Edit) {
        let file = &mut self.files[self.paths[path]];
        match edit {
            Edit::Content(_, content) if file.header.kind == EntryKind::Regular => file.content = content.clone(),
            Edit::Mode(_, mode) => file.header.mode = *mode,
            Edit::Mtime(_, time) => file.header.mtime = *time,
            _ => {}
        }
    }

    fn compile(&mut self, dir: &[u8], time: u32) {
        let header =
            |secs: u32| Header { mtime: Time { secs: secs.into(), nanos: 0 }, ..Header::new("", EntryKind::Regular) };
        self.put(&[dir, b"/m.py"].concat(), File { header: header(time), content: Content::new(1, 50) });
        let content = byte_code(time).0;
        self.put(&[dir, b"/__pycache__/m.cpython-311.pyc"].concat(), File { header: header(7), content });
    }

    /// Removes a path and everything below it.
    fn take(&mut self, path: &[u8]) -> Vec<(Vec<u8>, usize)> {
        self.paths.extract_if(.., |other, _| is_at_or_below(other, path)).collect()
    }

    /// What stands above and is no directory goes, and is implied then.
    fn make_way(&mut self, path: &[u8]) {
        let files = &self.files;
        self.paths.retain(|other, file| {
            other == path || !is_at_or_below(path, other) || files[*file].header.kind == EntryKind::Dir
        });
    }

    /// As `count` layers; the paths of a file stand together.
    pub fn layers(&self, count: usize) -> Vec<Vec<Entry>> {
        let mut layers = vec![Vec::new(); count];
        let mut names: BTreeMap<usize, &[u8]> = BTreeMap::new();
        for (path, &number) in &self.paths {
            let File { header, content } = &self.files[number];
            let size = content.0.len() as u64;
            let entry = match names.get(&number) {
                None => {
                    Entry { header: Header { name: path.clone(), size, ..header.clone() }, content: content.clone() }
                }
                Some(first) => {
                    let (kind, link) = (EntryKind::HardLink, first.to_vec());
                    let header = Header { name: path.clone(), kind, link, size: 0, ..header.clone() };
                    Entry { header, content: Content::new(0, 0) }
                }
            };
            names.entry(number).or_insert(path);
            layers[number % count].push(entry);
        }
        layers
    }
}

/// What Python writes for a source of that time, and its digest.
pub fn byte_code(time: u32) -> (Content, String) {
    let code = [b"\xa7\x0d\r\n\0\0\0\0".as_slice(), &time.to_le_bytes(), b"code"].concat();
    let digest = sha256(&code);
    (Content(code.into()), digest)
}

fn is_at_or_below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}
