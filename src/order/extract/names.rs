//! The names in a directory that a layer is unpacked into, and what stands behind them.

use foldhash::{HashMap, HashMapExt as _};

use crate::tar::TarPath;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dir,
    /// With its entry, which may be another one for a hard link.
    Symlink(u32),
    File(u32),
}

#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub kind: Kind,
    pub parent: u32,
    pub name: &'a [u8],
}

/// Each node knows its name alone, so that deep paths take no more room than the tar. What is replaced stays in `nodes`,
/// where no name leads to it, nor to what is below.
pub(super) struct Tree<'a> {
    pub nodes: Vec<Node<'a>>,
    names: HashMap<(u32, &'a [u8]), u32>,
}

impl<'a> Tree<'a> {
    pub const ROOT: u32 = 0;

    pub fn new() -> Self {
        Self { nodes: vec![Node { kind: Kind::Dir, parent: Self::ROOT, name: &[] }], names: HashMap::new() }
    }

    pub fn child(&self, dir: u32, name: &[u8]) -> Option<u32> {
        // Names in the table live longer than the one that is looked for.
        let names: &HashMap<(u32, &[u8]), u32> = &self.names;
        names.get(&(dir, name)).copied()
    }

    pub fn put(&mut self, dir: u32, name: &'a [u8], kind: Kind) -> u32 {
        let number = self.nodes.len() as u32;
        self.nodes.push(Node { kind, parent: dir, name });
        self.names.insert((dir, name), number);
        number
    }

    /// A directory stays where another one comes. True when a way may have been cut.
    pub fn replace(&mut self, dir: u32, name: &'a [u8], kind: Kind) -> bool {
        let old = self.child(dir, name).map(|node| self.nodes[node as usize].kind);
        if (old, kind) != (Some(Kind::Dir), Kind::Dir) {
            self.put(dir, name, kind);
        }
        matches!(old, Some(Kind::Dir | Kind::Symlink(_)))
    }

    /// The entry whose file a node is; `None` for a directory.
    pub fn file(&self, node: u32) -> Option<u32> {
        match self.nodes[node as usize].kind {
            Kind::Dir => None,
            Kind::Symlink(entry) | Kind::File(entry) => Some(entry),
        }
    }

    /// `None` for one that is too long to be a path.
    pub fn path(&self, dir: u32, name: &[u8]) -> Option<TarPath> {
        let above = std::iter::successors(Some(dir), |&dir| Some(self.nodes[dir as usize].parent));
        let above = above.take_while(|&dir| dir != Self::ROOT).map(|dir| self.nodes[dir as usize].name);
        let mut parts: Vec<&[u8]> = std::iter::once(name).chain(above).collect();
        parts.reverse();
        TarPath::new(&parts.join(&b'/')).ok()
    }
}
