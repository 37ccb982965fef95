//! What a power cut leaves: every prefix of a run's journal is replayed with un-synced changes kept, lost or reordered.
//!
//! The model is harsher than any file system: each change of a name and each write may be kept or lost by itself, until
//! its directory or its file is synced. A rename is two changes, the new name and the loss of the old one.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Sink;
use super::journal::{Journal, Op};
use super::kill_tests::{run, scratch, tree, whole};

#[derive(Clone)]
enum Node {
    Dir { durable: BTreeMap<OsString, usize>, pending: Vec<(OsString, Option<usize>)> },
    File { durable: Vec<u8>, pending: Vec<(u64, Vec<u8>)> },
}

/// What is below `root` on the disk, node 0.
#[derive(Clone)]
struct Model {
    root: PathBuf,
    nodes: Vec<Node>,
    /// The node of each file in the order of creation.
    created: Vec<usize>,
}

impl Model {
    /// All that is there is durable.
    fn of(root: &Path) -> Self {
        let mut model = Self { root: root.to_owned(), nodes: Vec::new(), created: Vec::new() };
        model.add(root);
        model
    }

    fn add(&mut self, path: &Path) -> usize {
        let at = self.nodes.len();
        if !path.is_dir() {
            self.nodes.push(Node::File { durable: fs::read(path).unwrap(), pending: Vec::new() });
            return at;
        }
        self.nodes.push(Node::Dir { durable: BTreeMap::new(), pending: Vec::new() });
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
        let found = entries.map(|entry| (entry.file_name(), self.add(&entry.path()))).collect();
        self.nodes[at] = Node::Dir { durable: found, pending: Vec::new() };
        at
    }

    fn new_node(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The node at a path as programs see it.
    fn find(&self, path: &Path) -> usize {
        let mut at = 0;
        for name in path.strip_prefix(&self.root).unwrap() {
            let Node::Dir { durable, pending } = &self.nodes[at] else { panic!("{}: a file", path.display()) };
            let last = pending.iter().rfind(|(pending, _)| pending == name).map(|(_, node)| *node);
            let node = last.unwrap_or_else(|| durable.get(name).copied());
            at = node.unwrap_or_else(|| panic!("{}: not there", path.display()));
        }
        at
    }

    fn set(&mut self, path: &Path, node: Option<usize>) {
        let dir = self.find(path.parent().unwrap());
        let Node::Dir { pending, .. } = &mut self.nodes[dir] else { panic!("no directory") };
        pending.push((path.file_name().unwrap().to_owned(), node));
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::MakeDir(path) => {
                let node = self.new_node(Node::Dir { durable: BTreeMap::new(), pending: Vec::new() });
                self.set(path, Some(node));
            }
            Op::Create(path) => {
                let node = self.new_node(Node::File { durable: Vec::new(), pending: Vec::new() });
                self.created.push(node);
                self.set(path, Some(node));
            }
            Op::Write(file, at, bytes) => {
                let node = self.created[file.number.expect("only new files are written to")];
                let Node::File { pending, .. } = &mut self.nodes[node] else { panic!("no file") };
                pending.push((*at, bytes.clone()));
            }
            Op::Sync(file) => {
                // What was there before is durable in this model.
                let Some(number) = file.number else { return };
                let Node::File { durable, pending } = &mut self.nodes[self.created[number]] else { panic!("no file") };
                std::mem::take(pending).into_iter().for_each(|(at, bytes)| write(durable, at, &bytes));
            }
            Op::SyncDir(path) => {
                let dir = self.find(path);
                let Node::Dir { durable, pending } = &mut self.nodes[dir] else { panic!("no directory") };
                std::mem::take(pending).into_iter().for_each(|(name, node)| put(durable, name, node));
            }
            Op::Rename(from, to) => {
                let node = self.find(from);
                self.set(to, Some(node));
                self.set(from, None);
            }
            Op::Link(from, to) => {
                let node = self.find(from);
                self.set(to, Some(node));
            }
            Op::Remove(path) => self.set(path, None),
        }
    }

    fn pending(&self) -> usize {
        let count = |node: &Node| match node {
            Node::Dir { pending, .. } => pending.len(),
            Node::File { pending, .. } => pending.len(),
        };
        self.nodes.iter().map(count).sum()
    }

    /// The files that a power cut leaves, when of the pending changes those stay that `stays` says.
    fn after_cut(&self, stays: impl Fn(usize) -> bool) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut number = 0;
        let mut left = Vec::new();
        for node in &self.nodes {
            let mut stays_next = || {
                number += 1;
                stays(number - 1)
            };
            left.push(match node.clone() {
                Node::Dir { mut durable, pending } => {
                    let stayed = pending.into_iter().filter(|_| stays_next());
                    stayed.for_each(|(name, node)| put(&mut durable, name, node));
                    (Some(durable), Vec::new())
                }
                Node::File { mut durable, pending } => {
                    let stayed = pending.into_iter().filter(|_| stays_next());
                    stayed.for_each(|(at, bytes)| write(&mut durable, at, &bytes));
                    (None, durable)
                }
            });
        }
        let mut files = BTreeMap::new();
        let mut open = vec![(PathBuf::new(), 0)];
        while let Some((path, node)) = open.pop() {
            match &left[node] {
                (None, content) => drop(files.insert(path, Some(content.clone()))),
                (Some(names), _) => {
                    open.extend(names.iter().map(|(name, node)| (path.join(name), *node)));
                    files.insert(path, None);
                }
            }
        }
        files
    }
}

fn write(content: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = at as usize;
    content.resize(content.len().max(at + bytes.len()), 0);
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put(names: &mut BTreeMap<OsString, usize>, name: OsString, node: Option<usize>) {
    match node {
        Some(node) => drop(names.insert(name, node)),
        None => drop(names.remove(&name)),
    }
}

/// Replays every prefix of the journal and hands each state that a power cut may leave to `check`, with whether the run
/// was over. Returns the number of different states, and the first complaint.
fn cut_everywhere(
    model: &Model,
    ops: &[Op],
    check: impl Fn(&Path, bool) -> Result<(), String>,
) -> (usize, Option<String>) {
    let mut model = model.clone();
    let mut seen = HashSet::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for done in 0..=ops.len() {
        if done > 0 {
            model.apply(&ops[done - 1]);
        }
        let (pending, is_over) = (model.pending(), done == ops.len());
        let mut states = vec![model.after_cut(|_| false), model.after_cut(|_| true)];
        for number in 0..pending {
            states.push(model.after_cut(|other| other == number));
            states.push(model.after_cut(|other| other != number));
        }
        for _ in 0..8 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let seed = random;
            states.push(
                model.after_cut(|other| {
                    seed.rotate_left(other as u32 * 7).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 63 == 1
                }),
            );
        }
        for state in states {
            if !seen.insert((state.clone(), is_over)) {
                continue;
            }
            let dir = scratch();
            for (path, content) in &state {
                let path = dir.path().join(path);
                match content {
                    None => fs::create_dir_all(path).unwrap(),
                    Some(content) => fs::write(path, content).unwrap(),
                }
            }
            if let Err(complaint) = check(dir.path(), is_over) {
                let last = done.checked_sub(1).map(|last| &ops[last]);
                return (seen.len(), Some(format!("after {done} operations, the last {last:?}: {complaint}")));
            }
        }
    }
    (seen.len(), None)
}

/// A directory with a tree and whatever `prepare` makes of it; then the journal of a run that writes `tree` to `dest`.
fn journal(prepare: impl Fn(&Path), previous: Option<&str>, dest: &str) -> (TempDir, Model, Vec<Op>) {
    let dir = scratch();
    tree(dir.path(), 1);
    prepare(dir.path());
    let model = Model::of(dir.path());
    tree(dir.path(), 2);
    let ops = Journal::of(|| drop(run(dir.path(), previous, dest).unwrap()));
    (dir, model, ops)
}

/// The tag is gone or whole, as one of the digests that it may have.
fn expect(dir: &Path, reference: &str, may: &[Option<&str>]) -> Result<(), String> {
    let found = whole(dir, reference)?;
    match may.contains(&found.as_deref()) {
        true => Ok(()),
        false => Err(format!("{reference}: {found:?} instead of one of {may:?}")),
    }
}

/// Checks a run into `dest`, a reference with `:new` for its tag, where `:old` was before.
fn survives(prepare: impl Fn(&Path), previous: Option<&str>, dest: &str) -> (Model, Vec<Op>, String) {
    let (dir, model, ops) = journal(prepare, previous, dest);
    let new = whole(dir.path(), dest).unwrap().unwrap();
    let old = previous.map(|previous| (previous, whole(dir.path(), previous).unwrap()));
    let check = |dir: &Path, is_over: bool| {
        let own = [Some(new.as_str()), None];
        expect(dir, dest, if is_over { &own[..1] } else { &own })?;
        if let Some((previous, digest)) = &old {
            expect(dir, previous, &[digest.as_deref()])?;
        }
        // The next run finds no other content in its way.
        let next = Sink::check(&format_reference(dir, dest).parse().unwrap());
        next.map_err(|error| error.to_string())
    };
    let (states, complaint) = cut_everywhere(&model, &ops, check);
    assert_eq!(complaint, None);
    assert!(states > ops.len() / 2, "{states} states of {} operations", ops.len());
    (model, ops, new)
}

fn format_reference(dir: &Path, reference: &str) -> String {
    let (transport, path) = reference.split_once(':').unwrap();
    format!("{transport}:{}/{path}", dir.display())
}

#[test]
fn a_new_layout_survives() {
    survives(|_| (), None, "oci:out:new");
}

#[test]
fn an_empty_directory_survives() {
    survives(|dir| fs::create_dir(dir.join("out")).unwrap(), None, "oci:out:new");
}

#[test]
fn a_new_tag_in_a_layout_survives() {
    survives(|dir| drop(run(dir, None, "oci:out:old").unwrap()), Some("oci:out:old"), "oci:out:new");
}

#[test]
fn an_archive_survives() {
    survives(|_| (), None, "oci-archive:out.tar:new");
}

#[test]
fn a_tag_that_moves_is_the_old_image_or_the_new_one() {
    for reference in ["oci:out:v1", "oci-archive:out.tar:v1"] {
        let (dir, model, ops) = journal(|dir| drop(run(dir, None, reference).unwrap()), None, reference);
        let new = whole(dir.path(), reference).unwrap().unwrap();
        let old = cut_everywhere(&model, &[], |dir, _| whole(dir, reference)?.map_or(Ok(()), Err)).1.unwrap();
        let old = old.rsplit(' ').next().unwrap();
        assert_ne!(old, new);
        let check = |dir: &Path, is_over: bool| {
            let may = [Some(new.as_str()), Some(old)];
            expect(dir, reference, if is_over { &may[..1] } else { &may })
        };
        assert_eq!(cut_everywhere(&model, &ops, check).1, None, "{reference}");
    }
}

/// The test itself: without each kind of sync it finds something.
#[test]
fn missing_syncs_are_found() {
    let old = |dir: &Path| drop(run(dir, None, "oci:out:old").unwrap());
    let (model, ops, new) = survives(old, Some("oci:out:old"), "oci:out:new");
    let check = |dir: &Path, _| expect(dir, "oci:out:new", &[Some(&new), None]);
    let without = |leave: &dyn Fn(&Op) -> bool| {
        let ops: Vec<Op> = ops.iter().filter(|op| !leave(op)).cloned().collect();
        cut_everywhere(&model, &ops, check).1
    };
    assert!(without(&|_| false).is_none());
    assert!(without(&|op| matches!(op, Op::Sync(_))).is_some());
    assert!(without(&|op| matches!(op, Op::SyncDir(_))).is_some());
    assert!(without(&|op| matches!(op, Op::SyncDir(dir) if dir.ends_with("sha256"))).is_some());
    let syncs = ops.iter().filter(|op| matches!(op, Op::Sync(_))).count();
    for number in 0..syncs {
        let left = std::cell::Cell::new(number as isize);
        let is_it = |op: &Op| matches!(op, Op::Sync(_)) && left.replace(left.get() - 1) == 0;
        // Those of blobs that were there before are no news to this model.
        let file = ops.iter().filter_map(|op| if let Op::Sync(file) = op { Some(file) } else { None }).nth(number);
        if file.unwrap().number.is_some() {
            assert!(without(&is_it).is_some(), "sync {number}");
        }
    }
}
